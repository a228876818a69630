/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sampled blocks that do not lie in a slot: large or aligned ones, which stay where the program's own
 * allocator puts them (its way of keeping, growing and returning large blocks is part of
 * what is measured), and small ones of interpreters where slots do not work.
 *
 * A table of counts by page number says for nearly every other block, with one load from
 * the first-level cache, that it is not marked; a hash table without locks for
 * readers says the rest. The owner of an address asks only about its own, so what it
 * inserted it finds, whatever other threads do.
 */
#ifndef FIXINGAHOLE_PRELOAD_MARKS_H
#define FIXINGAHOLE_PRELOAD_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MARKS_PAGES 4096u
#define MARKS_ALWAYS 255u /* a count that is never lowered again: look in the hash table */

extern uint8_t marks_pages[MARKS_PAGES];

struct mark {
	uint64_t size;
	uint64_t weight;
	uint64_t count_q8;
	uint64_t info;
};

static inline uint8_t *marks_page(const void *p)
{
	return &marks_pages[(uintptr_t)p >> 12 & (MARKS_PAGES - 1)];
}

/* False: surely not marked. */
static inline bool marks_maybe(const void *p)
{
	return __atomic_load_n(marks_page(p), __ATOMIC_RELAXED) != 0;
}

/* Whether p is marked. Never waits. */
bool marks_have(const void *p);

/* False: no memory, or a handler that interrupted us. A mark at p already is replaced. */
bool marks_insert(const void *p, const struct mark *mark);

enum marks_result { MARKS_NONE, MARKS_TAKEN, MARKS_BUSY };

/* Removes the mark of p and returns it. MARKS_BUSY: there is one, but a handler interrupted us. */
enum marks_result marks_take(const void *p, struct mark *mark);

#endif
