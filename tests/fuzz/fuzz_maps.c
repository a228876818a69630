// SPDX-License-Identifier: Apache-2.0
/* Text that claims to be /proc/PID/maps. */
#include <stdlib.h>
#include <string.h>

#include "image/maps.h"

static int check(const struct mapping *m, void *arg)
{
	if (m->end <= m->start)
		abort();
	*(size_t *)arg += strlen(m->path);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size ? size : 1);
	size_t total = 0;

	memcpy(text, data, size);
	maps__parse(text, size, check, &total);
	if (total > size)
		abort();
	free(text);
	return 0;
}
