// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/calls/calls.h"

#define FIRST_CAPACITY 256

void *pages_alloc(size_t size)
{
	void *p = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void pages_free(void *p, size_t size)
{
	if (p)
		syscall(SYS_munmap, p, size);
}

static size_t home_of(const struct map *map, uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ULL;
	return (key ^ key >> 32) & (map->capacity - 1);
}

static struct map_slot *slot_of(const struct map *map, uint64_t key)
{
	size_t at = home_of(map, key);

	while (map->slots[at].key && map->slots[at].key != key)
		at = (at + 1) & (map->capacity - 1);
	return &map->slots[at];
}

bool map_get(const struct map *map, uint64_t key, uint64_t *value)
{
	const struct map_slot *slot = map->capacity ? slot_of(map, key) : NULL;

	if (!slot || !slot->key)
		return false;
	*value = slot->value;
	return true;
}

static bool grow(struct map *map)
{
	struct map bigger = { .capacity = map->capacity ? map->capacity * 2 : FIRST_CAPACITY, .count = map->count };

	bigger.slots = pages_alloc(bigger.capacity * sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < map->capacity; i++)
		if (map->slots[i].key)
			*slot_of(&bigger, map->slots[i].key) = map->slots[i];
	pages_free(map->slots, map->capacity * sizeof(*map->slots));
	*map = bigger;
	return true;
}

bool map_put(struct map *map, uint64_t key, uint64_t value)
{
	struct map_slot *slot;

	if (map->count * 2 >= map->capacity && !grow(map))
		return false;
	slot = slot_of(map, key);
	map->count += !slot->key;
	*slot = (struct map_slot){ .key = key, .value = value };
	return true;
}

/* What was pushed past the gap moves into it. */
bool map_remove(struct map *map, uint64_t key)
{
	struct map_slot *slot = map->capacity ? slot_of(map, key) : NULL;
	size_t mask = map->capacity - 1, gap;

	if (!slot || !slot->key)
		return false;
	gap = slot - map->slots;
	for (size_t at = (gap + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
		if (((at - home_of(map, map->slots[at].key)) & mask) < ((at - gap) & mask))
			continue;
		map->slots[gap] = map->slots[at];
		gap = at;
	}
	map->slots[gap] = (struct map_slot){ 0 };
	map->count--;
	return true;
}

void map_release(struct map *map)
{
	pages_free(map->slots, map->capacity * sizeof(*map->slots));
	memset(map, 0, sizeof(*map));
}
