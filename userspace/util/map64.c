// SPDX-License-Identifier: Apache-2.0
#include "util/map64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t map64_hash(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ULL;
	return key ^ (key >> 32);
}

static struct map64_slot *map64_slot(const struct map64 *map, uint64_t key)
{
	size_t at = map64_hash(key) & (map->capacity - 1);

	while (map->slots[at].used && map->slots[at].key != key)
		at = (at + 1) & (map->capacity - 1);
	return &map->slots[at];
}

bool map64_get(const struct map64 *map, uint64_t key, uint32_t *value)
{
	const struct map64_slot *slot = map->capacity ? map64_slot(map, key) : NULL;

	if (!slot || !slot->used)
		return false;
	*value = slot->value;
	return true;
}

static int map64_grow(struct map64 *map)
{
	struct map64 bigger = { .capacity = map->capacity ? map->capacity * 2 : 64, .count = map->count };

	bigger.slots = calloc(bigger.capacity, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->slots[i].used)
			*map64_slot(&bigger, map->slots[i].key) = map->slots[i];
	}
	free(map->slots);
	*map = bigger;
	return 0;
}

int map64_put(struct map64 *map, uint64_t key, uint32_t value)
{
	struct map64_slot *slot;

	if (map->count * 2 >= map->capacity && map64_grow(map))
		return -ENOMEM;
	slot = map64_slot(map, key);
	map->count += !slot->used;
	*slot = (struct map64_slot){ .key = key, .value = value, .used = 1 };
	return 0;
}

/* What was pushed past the gap moves into it, so that no search ends too early. */
bool map64_remove(struct map64 *map, uint64_t key, uint32_t *value)
{
	size_t mask = map->capacity - 1, gap, at;
	const struct map64_slot *slot = map->capacity ? map64_slot(map, key) : NULL;

	if (!slot || !slot->used)
		return false;
	*value = slot->value;
	gap = slot - map->slots;
	for (at = (gap + 1) & mask; map->slots[at].used; at = (at + 1) & mask) {
		size_t home = map64_hash(map->slots[at].key) & mask;

		if (((at - home) & mask) < ((at - gap) & mask))
			continue;
		map->slots[gap] = map->slots[at];
		gap = at;
	}
	map->slots[gap] = (struct map64_slot){};
	map->count--;
	return true;
}

void map64_release(struct map64 *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}
