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
	h->threads = calloc(HEAP_THREADS, sizeof(*h->threads));
	heap__account(h);
	heap__account(h);
	if (!h->threads || h->n_accounts < 2) {
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
	free(h->stacks);
	free(h->blocks);
	free(h->spaces);
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

/* The thread has gone on since its last sample: that one counts in full. */
static void thread_grow(struct heap *h, const struct heap_thread *t)
{
	uint32_t space;

	if (!t->serial || h->blocks[t->block].serial != t->serial)
		return;
	space = space_get(h, t->space, false);
	if (space != HEAP_NONE)
		h->spaces[space].live += block_grow(h, t->block);
	if (space != HEAP_NONE && h->spaces[space].live > h->spaces[space].peak)
		h->spaces[space].peak = h->spaces[space].live;
}

/* What is remembered of a thread; of two that share an entry, the one that came last. */
static struct heap_thread *thread_get(struct heap *h, const struct event_header *head)
{
	struct heap_thread *t = &h->threads[py_mix64(py_mix64(0, head->space), head->tid) & (HEAP_THREADS - 1)];

	if (t->space == head->space && t->tid == head->tid)
		return t;
	thread_grow(h, t);
	*t = (struct heap_thread){ .space = head->space, .tid = head->tid };
	return t;
}

static void charge_allocated(struct heap *h, const struct event_heap *e, const struct heap_place *place, const struct heap_thread *t)
{
	bool exact = e->heap_flags & HEAP_EXACT;

	for (int level = 0; level < HEAP_LEVELS; level++) {
		struct account *a = heap_charged(h, place, level);
		bool same = t->open && place_account(&t->place, level) == place_account(place, level);

		if (!a)
			continue;
		a->allocated += e->stack.weight;
		a->allocated_of[e->kind] += e->stack.weight;
		a->count += e->count;
		a->samples++;
		a->exact += exact ? e->stack.weight : 0;
		if (exact)
			continue;
		a->allocated_var += pair_variance(e->stack.weight, t->weight, same);
		a->count_var += pair_variance(e->count, t->count, same);
	}
}

static void note_failed(struct heap *h, const struct event_heap *e, const struct heap_place *place)
{
	h->failed_count++;
	if (e->size < h->failed_bytes)
		return;
	h->failed_bytes = e->size;
	h->failed_place = *place;
}

/* The block of the thread's last stride if it lives and has no other neighbour, HEAP_NONE otherwise. */
static uint32_t neighbour(const struct heap *h, const struct heap_thread *t)
{
	return t->open && t->serial && h->blocks[t->block].serial == t->serial ? t->block : HEAP_NONE;
}

static void note_stride(struct heap *h, struct heap_thread *t, const struct event_heap *e, const struct heap_place *place, uint32_t block)
{
	t->open = !t->open;
	t->block = block;
	t->serial = block != HEAP_NONE ? h->blocks[block].serial : 0;
	t->place = *place;
	t->weight = e->stack.weight;
	t->count = e->count;
}

void heap__alloc(struct heap *h, const struct event_heap *e, const struct heap_place *place)
{
	bool exact = e->heap_flags & HEAP_EXACT;
	struct heap_hold *stack;
	struct heap_thread *t;
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
	t = thread_get(h, &e->head);
	thread_grow(h, t);
	charge_allocated(h, e, place, t);
	b = (struct block){
		.weight = e->stack.weight, .count = e->count, .birth_ns = h->now_ns, .mark = e->mark, .place = *place, .tid = e->head.tid,
		.held = e->size < e->stack.weight ? e->size : e->stack.weight, .partner = exact ? HEAP_NONE : neighbour(h, t), .kind = e->kind, .exact = exact,
	};
	index = block_new(h, &b);
	stack = index != HEAP_NONE && place->stack < h->n_stacks ? &h->stacks[place->stack] : NULL;
	if (stack)
		stack->allocated += e->stack.weight;
	if (!space_put(h, space, e->address, index))
		index = HEAP_NONE;
	t->freed_address = 0;
	if (!exact)
		note_stride(h, t, e, place, index);
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
