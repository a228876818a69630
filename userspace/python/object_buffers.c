// SPDX-License-Identifier: Apache-2.0
#include "python/object_buffers.h"

#include <string.h>

#define DICT_SIZE_MAX (1ULL << 40)
#define SET_ENTRIES_MIN 32     /* fewer are in the object itself, or too few to tell */
#define SET_KEYS_MIN 3
#define SET_PROBES 10          /* entries behind its own that a key is looked for in, at first */
#define ITEMS_MAX 8
#define ATTRIBUTES_MAX 30

/* A dict's table of n slots has room for so many entries. */
static uint64_t dict_room(uint64_t n)
{
	return (n << 1) / 3;
}

/* 3.11 on: count, then a byte each for log2 of the slots, of the index's bytes, and the kind of entries. */
static bool new_dict_table(const struct object_block *b)
{
	const uint8_t *bytes = (const uint8_t *)&b->words[1];
	uint64_t room = b->words[2], used = b->words[3], all, index;
	unsigned log = bytes[0], kind = bytes[2];

	if (b->n_words < 4 || b->words[0] > 1ULL << 32 || (!b->dead && !b->words[0]))
		return false;
	if (log < 3 || log > 40 || kind > 2)
		return false;
	index = log + (log < 8 ? 0 : log < 16 ? 1 : log < 32 ? 2 : 3);
	all = dict_room(1ULL << log);
	return bytes[1] == index && room <= all && used <= all && room + used <= all && b->size == 32 + (1ULL << index) + all * (kind ? 16 : 24);
}

/* Up to 3.10: count, slots, the function that looks things up, room, entries. */
static bool old_dict_table(const struct object_block *b)
{
	uint64_t n = b->words[1], room = b->words[3], used = b->words[4], all;
	unsigned width;

	if (b->n_words < 5 || b->words[0] > 1ULL << 32 || (!b->dead && !b->words[0]))
		return false;
	if (n < 8 || n > DICT_SIZE_MAX || n & (n - 1) || !address_plausible(b->words[2]))
		return false;
	width = n <= 0xff ? 1 : n <= 0xffff ? 2 : n <= 0xffffffff ? 4 : 8;
	all = dict_room(n);
	return room <= all && used <= all && room + used <= all && b->size == 40 + n * width + all * 24;
}

/* Pairs of a key and its hash, most keys at or shortly behind the entry that the hash says. */
static bool set_table(uint64_t now, const struct object_block *b, object_counter count, void *context)
{
	uint64_t keys[OBJECTS_WORDS / 2], n = b->size / 16;
	uint32_t used = 0, at_home = 0; /* of the keys, as many are looked at as of a list's items */

	if (b->size % 16 || n < SET_ENTRIES_MIN || n & (n - 1) || b->n_words < OBJECTS_WORDS)
		return false;
	for (uint32_t i = 0; i < OBJECTS_WORDS / 2; i++) {
		uint64_t key = b->words[2 * i], hash = b->words[2 * i + 1];

		if (!key && !hash)
			continue;
		if (hash == (uint64_t)-1) /* one was removed */
			continue;
		keys[used++] = key;
		at_home += ((i - hash) & (n - 1)) < SET_PROBES;
	}
	if (used < SET_KEYS_MIN || at_home * 3 < used * 2)
		return false;
	used = used < ITEMS_MAX ? used : ITEMS_MAX;
	return count(context, now, keys, used) == used;
}

/*
 * 3.11 and 3.12: the attributes of an instance, behind bytes that say, from the last backwards, how many bytes they are, how many attributes
 * are set, and in which order they were.
 */
static bool attributes(uint64_t now, const struct object_block *b, object_counter count, void *context)
{
	const uint8_t *bytes = (const uint8_t *)b->words;
	uint64_t values[OBJECTS_WORDS];
	uint32_t n = 1, head = 8, used, seen = 0;

	while (n < ATTRIBUTES_MAX && head + 8 * n < b->size)
		head = (++n + 2 + 7) & ~7U;
	if (head + 8 * n != b->size || b->n_words * 8 < b->size || bytes[head - 1] != head)
		return false;
	used = bytes[head - 2];
	if (!used || used > n)
		return false;
	for (uint32_t i = 0; i < used; i++) {
		uint8_t at = bytes[head - 3 - i];

		if (at >= n || seen & 1U << at)
			return false;
		seen |= 1U << at;
		values[i] = b->words[head / 8 + at];
	}
	for (uint32_t at = 0; at < n; at++) {
		if (!(seen & 1U << at) && b->words[head / 8 + at])
			return false;
	}
	return count(context, now, values, used) == used;
}

/*
 * Addresses of objects, from the first on at least to the middle: a list that loses more gives memory back. Up to 3.10 the attributes of
 * instances look the same; they have as many places as a dict's table has entries.
 */
static bool list_items(uint32_t version, uint64_t now, const struct object_block *b, object_counter count, void *context)
{
	uint64_t n = b->size / 8, half = n / 2 ? n / 2 : 1;

	if (b->size % 8 || half < 2)
		return false;
	for (uint64_t slots = 8; version <= 0x030a && slots < 1 << 20; slots *= 2) {
		if (n == dict_room(slots))
			return false;
	}
	if (half > ITEMS_MAX)
		half = ITEMS_MAX;
	return half <= b->n_words && count(context, now, b->words, half) == half;
}

const char *buffer_name(uint32_t version, uint64_t now, const struct object_block *b, object_counter count, void *context)
{
	if (b->kind != HEAP_KIND_OBJECT && b->kind != HEAP_KIND_MEM)
		return NULL;
	if (version >= 0x030b ? new_dict_table(b) : old_dict_table(b))
		return "dict";
	/* what these point to is gone when they are freed */
	if (b->kind != HEAP_KIND_MEM || b->dead || !now)
		return NULL;
	if (set_table(now, b, count, context))
		return "set";
	if ((version == 0x030b || version == 0x030c) && attributes(now, b, count, context))
		return OBJECT_ATTRIBUTES;
	return list_items(version, now, b, count, context) ? "list" : NULL;
}
