// SPDX-License-Identifier: Apache-2.0
#include "profile/heap.h"

#include <stdlib.h>

#include "profile/model.h"

#define COHORT_FIRST_NS 1000000

struct heap *heap__new(uint64_t start_ns)
{
	struct heap *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->start_ns = start_ns;
	h->cohort_ns = COHORT_FIRST_NS;
	h->free_block = HEAP_NONE;
	h->peak_place = h->failed_place = (struct heap_place){ HEAP_NONE, HEAP_NONE, HEAP_NONE };
	h->lines = calloc(HEAP_LINES, sizeof(*h->lines));
	h->threads = calloc(HEAP_THREADS, sizeof(*h->threads));
	heap__account(h);
	heap__account(h);
	if (GROW(h->types, h->n_types, h->cap_types))
		h->types[h->n_types++] = (struct heap_type){};
	if (!h->lines || !h->threads || h->n_accounts < 2 || !h->n_types) {
		heap__free(h);
		return NULL;
	}
	return h;
}

void heap__free(struct heap *h)
{
	if (!h)
		return;
	for (uint32_t i = 0; i < h->n_accounts; i++) {
		timeline_release(&h->accounts[i].timeline);
		free(h->accounts[i].cohorts);
	}
	for (uint32_t i = 0; i < h->n_spaces; i++)
		map64_release(&h->spaces[i].blocks);
	map64_release(&h->space_index);
	free(h->accounts);
	map64_release(&h->type_index);
	free(h->types);
	free(h->stacks);
	free(h->blocks);
	free(h->spaces);
	free(h->lines);
	free(h->threads);
	free(h);
}

uint32_t heap__account(struct heap *h)
{
	if (!GROW(h->accounts, h->n_accounts, h->cap_accounts))
		return HEAP_OUTSIDE;
	h->accounts[h->n_accounts] = (struct account){ .touched = h->maxima, .last_ns = h->now_ns };
	return h->n_accounts++;
}

/* The line has gone on by a stride since that sample: it counts in full. */
static void line_grow(struct heap *h, const struct heap_line *l, int which)
{
	uint32_t space, block = l->last[which].block;

	if (!l->last[which].serial || h->blocks[block].serial != l->last[which].serial)
		return;
	space = space_get(h, l->space, false);
	if (space == HEAP_NONE)
		return;
	h->spaces[space].live += block_grow(h, block);
	if (h->spaces[space].live > h->spaces[space].peak)
		h->spaces[space].peak = h->spaces[space].live;
}

void lines_end(struct heap *h, uint32_t id)
{
	for (uint32_t i = 0; i < HEAP_LINES; i++) {
		struct heap_line *l = &h->lines[i];

		if (l->space != id)
			continue;
		line_grow(h, l, 1);
		line_grow(h, l, 0);
	}
}

/* What is remembered of a line; of two that share an entry, the one that came last. */
static struct heap_line *line_get(struct heap *h, const struct event_heap *e)
{
	const struct event_header *head = &e->head;
	struct heap_line *l = &h->lines[py_mix64(py_mix64(py_mix64(0, head->space), head->tid), e->stratum) & (HEAP_LINES - 1)];

	if (l->space == head->space && l->tid == head->tid && l->stratum == e->stratum)
		return l;
	line_grow(h, l, 1);
	line_grow(h, l, 0);
	*l = (struct heap_line){ .space = head->space, .tid = head->tid, .stratum = e->stratum };
	return l;
}

static struct heap_thread *thread_get(struct heap *h, const struct event_header *head)
{
	struct heap_thread *t = &h->threads[py_mix64(py_mix64(0, head->space), head->tid) & (HEAP_THREADS - 1)];

	if (t->space != head->space || t->tid != head->tid)
		*t = (struct heap_thread){ .space = head->space, .tid = head->tid };
	return t;
}

static void charge_allocated(struct heap *h, const struct event_heap *e, const struct heap_place *place, const struct heap_line *l)
{
	bool exact = e->heap_flags & HEAP_EXACT;

	for (int level = 0; level < HEAP_LEVELS; level++) {
		struct account *a = heap_charged(h, place, level);
		bool same = l->open && place_account(&l->place, level) == place_account(place, level);

		if (!a)
			continue;
		a->allocated += e->stack.weight;
		a->allocated_of[e->kind] += e->stack.weight;
		a->count += e->count;
		a->samples++;
		a->exact += exact ? e->stack.weight : 0;
		if (exact)
			continue;
		a->allocated_var += pair_variance(e->stack.weight, l->weight, same);
		a->count_var += pair_variance(e->count, l->count, same);
	}
}

static void note_failed(struct heap *h, const struct event_heap *e, const struct heap_place *place)
{
	h->failed_count++;
	if (h->failed_count > 1 && e->size <= h->failed_bytes)
		return;
	h->failed_bytes = e->size;
	h->failed_flags = e->heap_flags & (HEAP_LIMIT_ADDRESSES | HEAP_LIMIT_DATA);
	h->failed_limit = h->failed_flags ? e->address : 0;
	h->failed_place = *place;
}

/* The block of the last stride if it lives and waits for a neighbour, HEAP_NONE otherwise. */
static uint32_t neighbour(const struct heap *h, const struct heap_line *l)
{
	return l->open && l->last[0].serial && h->blocks[l->last[0].block].serial == l->last[0].serial ? l->last[0].block : HEAP_NONE;
}

static void note_sample(struct heap *h, struct heap_line *l, const struct event_heap *e, const struct heap_place *place, uint32_t block)
{
	l->last[1] = l->last[0];
	l->last[0].block = block != HEAP_NONE ? block : 0;
	l->last[0].serial = block != HEAP_NONE ? h->blocks[block].serial : 0;
	l->open = !(e->heap_flags & HEAP_EXACT) && !l->open;
	l->place = *place;
	l->weight = e->stack.weight;
	l->count = e->count;
}

/* What counts as live of a fresh block (WEIGHTS). */
static uint64_t held_at_first(const struct event_heap *e)
{
	return e->size < e->stack.weight && e->stack.weight > HEAP_LIVE_AT_ONCE ? e->size : e->stack.weight;
}

void heap__alloc(struct heap *h, const struct event_heap *e, const struct heap_place *place)
{
	bool exact = e->heap_flags & HEAP_EXACT;
	struct heap_hold *stack;
	struct heap_line *l;
	struct block b;
	uint32_t space, index;

	heap_advance(h, e->head.time_ns);
	if (e->heap_flags & HEAP_FAILED) {
		note_failed(h, e, place);
		return;
	}
	space = space_get(h, e->head.space, true);
	if (space == HEAP_NONE)
		return;
	space_settle(h, space);
	space_note(h, space, false);
	space_evict(h, space, e->address);
	h->samples++;
	l = line_get(h, e);
	line_grow(h, l, 1);
	charge_allocated(h, e, place, l);
	b = (struct block){
		.weight = e->stack.weight, .count = e->count, .birth_ns = h->now_ns, .mark = e->mark, .place = *place, .tid = e->head.tid,
		.held = held_at_first(e), .partner = exact ? HEAP_NONE : neighbour(h, l), .kind = e->kind, .exact = exact,
	};
	index = block_new(h, &b);
	stack = index != HEAP_NONE && place->stack < h->n_stacks ? &h->stacks[place->stack] : NULL;
	if (stack)
		stack->allocated += e->stack.weight;
	if (!space_put(h, space, e->address, index))
		index = HEAP_NONE;
	thread_get(h, &e->head)->freed_address = 0;
	note_sample(h, l, e, place, index);
}

static void note_temporary(struct heap *h, const struct block *b)
{
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);

		if (id >= h->n_accounts)
			continue;
		h->accounts[id].temporary += b->weight;
		h->accounts[id].temporary_count += b->count;
	}
}

void heap__dealloc(struct heap *h, const struct event_heap_free *e)
{
	uint32_t space = space_get(h, e->head.space, false), index;
	bool resized = e->head.flags & HEAP_FREE_RESIZED, finalizing = e->head.flags & HEAP_FREE_FINALIZING;
	const struct block *b;

	heap_advance(h, e->head.time_ns);
	if (space == HEAP_NONE) {
		h->unknown_frees++;
		return;
	}
	space_settle(h, space);
	space_note(h, space, finalizing);
	if (!map64_remove(&h->spaces[space].blocks, e->address, &index)) {
		h->unknown_frees++;
		return;
	}
	b = &h->blocks[index];
	if (resized) {
		struct heap_thread *t = thread_get(h, &e->head);

		t->freed_address = e->address;
		t->freed = *b;
	} else if (b->holders == 1 && b->tid == e->head.tid && e->mark >= b->mark && e->mark - b->mark < HEAP_TEMPORARY) {
		note_temporary(h, b);
	}
	space_drop(h, space, index, finalizing ? BLOCK_CLEARED : BLOCK_FREED);
}

/* Another block of the line of `like`. */
static void put_like(struct heap *h, uint32_t space, const struct event_heap_moved *e, const struct block *like)
{
	struct block b = *like;

	b.weight = b.held = e->weight;
	b.partner = HEAP_NONE;
	space_evict(h, space, e->new_address);
	space_put(h, space, e->new_address, block_new(h, &b));
}

void heap__moved(struct heap *h, const struct event_heap_moved *e)
{
	uint32_t space = space_get(h, e->head.space, false), index;
	struct heap_space *s;
	struct heap_thread *t;
	struct block b;

	heap_advance(h, e->head.time_ns);
	if (space == HEAP_NONE)
		return;
	space_settle(h, space);
	s = &h->spaces[space];
	t = thread_get(h, &e->head);
	if (!map64_get(&s->blocks, e->address, &index)) {
		if (e->address == e->new_address && t->freed_address == e->address && e->address)
			put_like(h, space, e, &t->freed);
		t->freed_address = 0;
		return;
	}
	b = h->blocks[index];
	if (e->head.flags & HEAP_MOVED_SPLIT) {
		put_like(h, space, e, &b);
		return;
	}
	if (b.holders > 1) { /* the others still have it as it was */
		map64_remove(&s->blocks, e->address, &index);
		space_drop(h, space, index, BLOCK_FREED);
		put_like(h, space, e, &b);
		return;
	}
	s->live -= b.held;
	block_resize(h, index, e->weight);
	s->live += e->weight;
	if (e->address == e->new_address)
		return;
	map64_remove(&s->blocks, e->address, &index);
	h->blocks[index].holders--;
	s->live -= e->weight;
	space_evict(h, space, e->new_address);
	space_put(h, space, e->new_address, index);
}

void heap__copy(struct heap *h, const struct event_stack *e, const struct heap_place *place)
{
	heap_advance(h, e->head.time_ns);
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(place, level);

		if (id < h->n_accounts)
			h->accounts[id].copied += e->weight;
	}
}

void heap__totals(struct heap *h, const struct event_heap_totals *e)
{
	uint32_t space = space_get(h, e->head.space, true);

	if (space == HEAP_NONE)
		return;
	h->spaces[space].totals = *e;
	h->spaces[space].has_totals = true;
}
