// SPDX-License-Identifier: Apache-2.0
/*
 * What the blocks of each Python type hold.
 */
#include <stdlib.h>

#include "profile/heap.h"
#include "profile/model.h"

/* Memory of other kinds holds no objects. */
static bool typed(const struct block *b)
{
	return b->kind == HEAP_KIND_MEM || b->kind == HEAP_KIND_OBJECT;
}

static void settle(const struct heap *h, struct block *b)
{
	if (b->touched == h->maxima)
		return;
	b->peak_held = b->held;
	b->touched = h->maxima;
}

void type_change(struct heap *h, struct block *b, uint64_t held)
{
	struct heap_type *t = &h->types[b->type];
	uint64_t change = held - b->held;

	if (!typed(b))
		return;
	settle(h, b);
	hold_change(h, &t->bytes, change);
	hold_change(h, &t->buffers, b->buffer ? change : 0);
	hold_change(h, &t->blocks, (uint64_t)(held > 0) - (uint64_t)(b->held > 0));
}

void type_ended(struct heap *h, const struct block *b)
{
	struct heap_type *t = &h->types[b->type];

	if (!typed(b))
		return;
	t->ended_bytes += b->held;
	t->ended_buffers += b->buffer ? b->held : 0;
	t->ended_blocks += b->held > 0;
}

/* Number 0 when out of memory. */
static uint32_t number(struct heap *h, const char *name)
{
	uint32_t n;

	if (map64_get(&h->type_index, (uintptr_t)name, &n))
		return n;
	if (!GROW(h->types, h->n_types, h->cap_types) || map64_put(&h->type_index, (uintptr_t)name, h->n_types))
		return 0;
	h->types[h->n_types] = (struct heap_type){ .name = name };
	return h->n_types++;
}

static void hold_pass(struct heap *h, struct heap_hold *from, struct heap_hold *to, uint64_t live, uint64_t at_peak)
{
	if (from) {
		hold_change(h, from, -live);
		from->at_peak -= at_peak;
	}
	hold_change(h, to, live);
	to->at_peak += at_peak;
}

void heap__type(struct heap *h, const struct event_heap_type *e, const char *name)
{
	uint32_t space = space_get(h, e->head.space, false), index, n;
	struct heap_type *from, *to;
	struct block *b;

	heap_advance(h, e->head.time_ns);
	if (space == HEAP_NONE)
		return;
	space_settle(h, space);
	if (!map64_get(&h->spaces[space].blocks, e->address, &index))
		return;
	b = &h->blocks[index];
	n = typed(b) && !b->type ? number(h, name) : 0;
	if (!n)
		return;
	settle(h, b);
	from = &h->types[0];
	to = &h->types[n];
	b->type = n;
	b->buffer = e->part == HEAP_PART_BUFFER;
	hold_pass(h, &from->bytes, &to->bytes, b->held, b->peak_held);
	hold_pass(h, &from->blocks, &to->blocks, b->held > 0, b->peak_held > 0);
	hold_pass(h, NULL, &to->buffers, b->buffer ? b->held : 0, b->buffer ? b->peak_held : 0);
}
