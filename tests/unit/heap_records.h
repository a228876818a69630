/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: records for the heap model, in short. Times are milliseconds since the run's start. Include after <cmocka.h>.
 */
#ifndef FIXINGAHOLE_TEST_HEAP_RECORDS_H
#define FIXINGAHOLE_TEST_HEAP_RECORDS_H

#include <string.h>

#include "profile/heap.h"

#define MS 1000000ULL
#define START (5000 * MS)
#define STRIDE 1000ULL

/* A heap with two lines of one function, and a third line of none. */
struct model {
	struct heap *heap;
	struct heap_place a, b, c;
	uint64_t ms;
	uint32_t space, tid;
	uint16_t stratum;
	uint64_t mark;
};

static inline struct model model_of(void)
{
	struct model m = { .heap = heap__new(START), .space = 1, .tid = 7 };
	uint32_t function;

	assert_non_null(m.heap);
	function = heap__account(m.heap);
	m.a = (struct heap_place){ heap__account(m.heap), function, 0 };
	m.b = (struct heap_place){ heap__account(m.heap), function, 1 };
	m.c = (struct heap_place){ HEAP_OUTSIDE, HEAP_NONE, 2 };
	return m;
}

static inline struct event_header model_head(const struct model *m, uint16_t kind, size_t size)
{
	return (struct event_header){ .kind = kind, .size = size, .time_ns = START + m->ms * MS, .pid = m->space, .tid = m->tid, .space = m->space };
}

static inline void model_alloc(struct model *m, const struct heap_place *place, uint64_t address, uint64_t size, uint64_t weight, uint32_t flags)
{
	struct event_heap e = {
		.head = model_head(m, EVENT_HEAP, sizeof(e)), .address = address, .size = size, .count = size ? weight * HEAP_COUNT_ONE / size : 0, .mark = ++m->mark,
		.kind = HEAP_KIND_OBJECT, .stratum = m->stratum, .heap_flags = flags, .stack = { .head = model_head(m, EVENT_HEAP, sizeof(e.stack)), .weight = weight },
	};

	if (flags & HEAP_EXACT)
		e.kind = HEAP_KIND_C;
	assert_true(record_valid(&e, sizeof(e)));
	heap__alloc(m->heap, &e, place);
}

/* A block that is counted exactly. */
static inline void model_exact(struct model *m, const struct heap_place *place, uint64_t address, uint64_t size)
{
	model_alloc(m, place, address, size, size, HEAP_EXACT);
}

/* A block that stands for a stride, and no less: its size is as much. */
static inline void model_stride(struct model *m, const struct heap_place *place, uint64_t address)
{
	model_alloc(m, place, address, STRIDE, STRIDE, 0);
}

static inline void model_free(struct model *m, uint64_t address, uint16_t flags)
{
	struct event_heap_free e = { .head = model_head(m, EVENT_HEAP_FREE, sizeof(e)), .address = address, .mark = m->mark };

	e.head.flags = flags;
	assert_true(record_valid(&e, sizeof(e)));
	heap__dealloc(m->heap, &e);
}

static inline void model_type(struct model *m, uint64_t address, const char *name, uint32_t part)
{
	struct event_heap_type e = { .head = model_head(m, EVENT_HEAP_TYPE, sizeof(e)), .address = address, .part = part };

	strcpy(e.name, name);
	assert_true(record_valid(&e, sizeof(e)));
	heap__type(m->heap, &e, name);
}

static inline void model_moved(struct model *m, uint64_t address, uint64_t to, uint64_t size, uint16_t flags)
{
	struct event_heap_moved e = { .head = model_head(m, EVENT_HEAP_MOVED, sizeof(e)), .address = address, .new_address = to, .size = size, .weight = size };

	e.head.flags = flags;
	assert_true(record_valid(&e, sizeof(e)));
	heap__moved(m->heap, &e);
}

static inline void model_fork(struct model *m, uint32_t child)
{
	heap__fork(m->heap, START + m->ms * MS, m->space, child);
}

static inline void model_end(struct model *m)
{
	heap__end(m->heap, START + m->ms * MS, m->space);
}

static inline struct heap_measures measured(const struct model *m, uint32_t account)
{
	struct heap_measures out;

	heap_measure(m->heap, account, START + m->ms * MS, &out);
	return out;
}

#endif
