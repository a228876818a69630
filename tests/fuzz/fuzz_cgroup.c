// SPDX-License-Identifier: Apache-2.0
/* Any text as a cgroup's path: the name that is made of it fits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "target/process_facts.h"
#include "util/strings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte is the room for the name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t room = size ? data[0] : 0;
	char *path = calloc(size + 1, 1), *name = malloc(room + 1), clean[512];

	if (path && name && size) {
		memcpy(path, data + 1, size - 1);
		if (cgroup_container(path, name, room) && (!room || strlen(name) >= room))
			abort();
		if (utf8_repair(clean, sizeof(clean), path) >= sizeof(clean) || !utf8_valid(clean, strlen(clean)))
			abort();
	}
	free(path);
	free(name);
	return 0;
}
