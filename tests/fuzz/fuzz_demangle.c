// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as the name of a C++ function. What comes out ends within its room, and no name takes long.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "symbols/demangle.h"
#include "util/clock.h"

#define PATIENCE_NS 100000000ULL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	size_t room = size && data[0] == '!' ? 16 : 1024; /* "!_Z1fv": hardly any */
	char *name = malloc(size + 3), *out = malloc(room);

	if (!name || !out)
		abort();
	/* most bytes are no name at all: they stand behind what every name begins with */
	memcpy(name, "_Z", 2);
	memcpy(name + 2, data + (room == 16), size - (room == 16));
	name[2 + size - (room == 16)] = 0;
	if (demangle(name, out, room) && strnlen(out, room) == room)
		abort();
	if (clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin > PATIENCE_NS)
		abort();
	free(name);
	free(out);
	return 0;
}
