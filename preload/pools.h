/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where pymalloc's free blocks are, so that hot.S takes them without asking it.
 *
 * Nearly always pymalloc's malloc does no more than to take a block off the list of the first pool with blocks of that size. Compilers put
 * these dozen instructions where they are needed, unless somebody stands before malloc, as we do: then each call goes through two pointers, which
 * costs more than all that we do ourselves. So we do the dozen instructions, and leave to pymalloc whatever is not that simple.
 *
 * The table of first pools has no name, and is as its version has it. So nothing about it is believed: it is looked for by what pymalloc itself writes
 * into its pools, and taken for found if pymalloc, for all sizes and several times, gives out and counts just what the table says.
 */
#ifndef FIXINGAHOLE_PRELOAD_POOLS_H
#define FIXINGAHOLE_PRELOAD_POOLS_H

#include <stddef.h>
#include <stdint.h>

#include "preload/hot.h"

#define POOLS_SIZES 32u
#define POOLS_ARENA_MIN (256UL << 10)

/* At the start of each pool. Of the table's entries two words, as if it were a pool's .next and .prev. */
struct pool {
	uint32_t used;  /* blocks given out */
	uint32_t pad;
	void **free;    /* the first free block, which holds the address of the next; NULL: none */
	struct pool *next, *prev; /* of those with free blocks of that size */
	uint32_t arena;
	uint32_t size;  /* index among the sizes */
};
_Static_assert(offsetof(struct pool, free) == POOL_FREE && offsetof(struct pool, next) == POOL_NEXT, "hot.S");

struct pools_owner {
	void *(*malloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p);
	void *ctx;
	size_t arena_size;
};

/*
 * The table: the first pool for sizes up to (i + 1) * POOLS_STEP is at + i * POOLS_STEP; an entry without pools names its own place less 16. 0: it
 * is not as is said here. While it is found nobody else must call the owner's functions, and it must not be in the middle of one.
 */
uintptr_t pools_find(const struct pools_owner *owner);

#endif
