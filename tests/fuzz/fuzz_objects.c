// SPDX-License-Identifier: Apache-2.0
/* A hostile process's memory, and a block in it: whatever it holds, a name is text, and nothing is read out of bounds. */
#include <assert.h>
#include <string.h>

#include "python/objects.h"

#define BASE 0x7f0000000000ULL

struct image { const uint8_t *data; size_t size; };

static void peek_image(void *context, struct peek *peeks, size_t n)
{
	const struct image *image = context;

	for (size_t i = 0; i < n; i++) {
		uint64_t at = peeks[i].address - BASE;

		peeks[i].ok = at < image->size && peeks[i].size <= image->size - at;
		if (peeks[i].ok)
			memcpy(peeks[i].to, image->data + at, peeks[i].size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image image = { data, size };
	struct object_block block = {};
	struct object_name name;
	struct objects *objects;

	if (size < 8 + sizeof(block.words))
		return 0;
	block.kind = data[0] % 4;
	block.dead = data[1] & 1;
	block.n_words = data[2] % (OBJECTS_WORDS + 1);
	block.size = block.n_words * 8 + data[3];
	memcpy(block.words, data + 8, sizeof(block.words));
	objects = objects__new(0x0308 + data[4] % 8, peek_image, &image);
	for (int i = 0; objects && i < 3; i++) {
		if (objects__name(objects, i ? i * 1000000000ULL : 0, &block, &name)) {
			assert(name.name[0] && memchr(name.name, 0, sizeof(name.name)));
			assert(name.part <= HEAP_PART_BUFFER);
		}
		block.dead = !block.dead;
	}
	objects__free(objects);
	return 0;
}
