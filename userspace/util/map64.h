/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64-bit key -> 32-bit value, open addressing.
 */
#ifndef FIXINGAHOLE_MAP64_H
#define FIXINGAHOLE_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map64 {
	struct map64_slot { uint64_t key; uint32_t value; uint32_t used; } *slots;
	size_t capacity, count;
};

bool map64_get(const struct map64 *map, uint64_t key, uint32_t *value);
/* Adds or replaces. 0 or -ENOMEM. */
int map64_put(struct map64 *map, uint64_t key, uint32_t value);
/* Takes an entry out. false, and *value as it was: there was none. */
bool map64_remove(struct map64 *map, uint64_t key, uint32_t *value);
void map64_release(struct map64 *map);

#endif
