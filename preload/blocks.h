/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines (sampler.h) of CPython's blocks of up to PYMALLOC_MAX bytes where pymalloc provides them. Each size has a line of its own, which
 * is the whole process's, for the domains' functions are called with the GIL held. Blocks of one size need no bytes counted: what runs at every call
 * (hot.S) is a countdown of blocks, and the number of blocks says the bytes.
 *
 * Interpreters with a GIL each in one process may race for a countdown, and a sum may be wrong by as much as it held. The lines
 * themselves have one user at a time: who comes meanwhile is not sampled.
 */
#ifndef FIXINGAHOLE_PRELOAD_BLOCKS_H
#define FIXINGAHOLE_PRELOAD_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/hot.h"
#include "preload/sampler.h"

/* By size: blocks that pass before the next look. */
extern int32_t blocks_left[PYMALLOC_MAX + 1];

/* Blocks that passed since a look, with the one that is looked at. */
struct blocks_passed { uint64_t bytes, count; };

static inline bool blocks_have(size_t size)
{
	return size - 1 < PYMALLOC_MAX;
}

/* Counts a block. False: call blocks_take(). */
static inline bool blocks_pass(size_t size)
{
	return --blocks_left[size] >= 0;
}

/* Puts a block, counted already, on the line of its size. As sampler_take(). */
struct sample blocks_take(size_t size, struct sampler_rate *rate, uint64_t *random, uint64_t (*clock)(void), struct blocks_passed *passed);

/* The next block of a size is looked at, too. */
void blocks_look_again(size_t size);

/* All blocks so far. */
uint64_t blocks_count(void);

/* The lines begin anew; what had passed since the last looks. */
void blocks_clear(struct blocks_passed *passed);

#endif
