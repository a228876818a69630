// SPDX-License-Identifier: Apache-2.0
/*
 * Live blocks, and what accounts, stacks and kinds of allocators hold by them.
 */
#include <stdlib.h>

#include "profile/heap.h"
#include "profile/model.h"

struct account *heap_charged(struct heap *h, const struct heap_place *place, int level)
{
	uint32_t id = place_account(place, level);

	if (id >= h->n_accounts)
		return NULL;
	account_touch(h, &h->accounts[id]);
	return &h->accounts[id];
}

void hold_change(struct heap *h, struct heap_hold *hold, uint64_t change)
{
	if (hold->touched != h->maxima) {
		hold->at_peak = hold->live;
		hold->touched = h->maxima;
	}
	hold->live += change;
}

static struct heap_hold *stack_hold(struct heap *h, uint32_t stack)
{
	if (stack == HEAP_NONE)
		return NULL;
	while (stack >= h->n_stacks) {
		if (!GROW(h->stacks, h->n_stacks, h->cap_stacks))
			return NULL;
		h->stacks[h->n_stacks++] = (struct heap_hold){ .touched = h->maxima };
	}
	return &h->stacks[stack];
}

/* What a block's counting with its weight adds to the variance of what the account of a level holds. */
static double live_variance(const struct heap *h, const struct block *b, int level)
{
	const struct block *y = b->partner != HEAP_NONE ? &h->blocks[b->partner] : NULL;

	if (b->exact || !b->grown)
		return 0;
	if (y && !y->grown)
		y = NULL;
	return pair_variance(b->weight, y ? y->weight : 0, y && place_account(&y->place, level) == place_account(&b->place, level));
}

/* All that depends on .held, .weight and .grown of a block changes with them; change: of what is held, modulo 2^64. */
static void block_set(struct heap *h, struct block *b, uint64_t held, uint64_t weight, bool grown)
{
	uint64_t change = held - b->held;
	struct heap_hold *stack = stack_hold(h, b->place.stack);

	for (int level = 0; level < HEAP_LEVELS; level++) {
		struct account *a = heap_charged(h, &b->place, level);

		if (!a)
			continue;
		a->live += change;
		a->live_var -= live_variance(h, b, level);
	}
	hold_change(h, &h->kinds[b->kind], change);
	if (stack)
		hold_change(h, stack, change);
	type_change(h, b, held);
	b->held = held;
	b->weight = weight;
	b->grown = grown;
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);
		struct account *a = &h->accounts[id];

		if (id >= h->n_accounts)
			continue;
		a->live_var += live_variance(h, b, level);
		if (id == HEAP_WHOLE && a->live > a->peak) {
			h->maxima++;
			h->peak_place = b->place;
		}
		account_changed(h, a);
	}
}

uint32_t block_new(struct heap *h, const struct block *description)
{
	uint32_t index = h->free_block;
	struct block *b;

	if (index != HEAP_NONE)
		h->free_block = h->blocks[index].partner;
	else if (GROW(h->blocks, h->n_blocks, h->cap_blocks))
		index = h->n_blocks++;
	else
		return HEAP_NONE;
	b = &h->blocks[index];
	*b = *description;
	b->serial = ++h->serial;
	b->holders = 0;
	b->held = b->peak_held = 0;
	b->touched = h->maxima;
	b->grown = false;
	b->ending = false;
	if (b->partner != HEAP_NONE)
		h->blocks[b->partner].partner = index;
	block_set(h, b, description->held, b->weight, description->held == b->weight);
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);

		if (id < h->n_accounts)
			cohorts_born(h, &h->accounts[id], b->birth_ns, b->weight);
	}
	return index;
}

uint64_t block_grow(struct heap *h, uint32_t index)
{
	struct block *b = &h->blocks[index];
	uint64_t change = b->weight - b->held;

	if (!b->grown)
		block_set(h, b, b->weight, b->weight, true);
	return change;
}

void block_resize(struct heap *h, uint32_t index, uint64_t weight)
{
	struct block *b = &h->blocks[index];
	uint64_t before = b->weight;

	block_set(h, b, weight, weight, true);
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);

		if (id >= h->n_accounts)
			continue;
		if (weight > before)
			cohorts_born(h, &h->accounts[id], b->birth_ns, weight - before);
		else
			cohorts_gone(h, &h->accounts[id], b->birth_ns, before - weight);
	}
}

void block_end(struct heap *h, uint32_t index, enum block_end how)
{
	struct block *b = &h->blocks[index];
	uint64_t held = b->held;

	if (how != BLOCK_FREED)
		type_ended(h, b);
	block_set(h, b, 0, b->weight, false);
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);
		struct account *a = &h->accounts[id];

		if (id >= h->n_accounts)
			continue;
		if (how == BLOCK_FREED)
			cohorts_gone(h, a, b->birth_ns, b->weight);
		a->ended += how >= BLOCK_HELD ? held : 0;
		a->survived += how == BLOCK_SURVIVED ? b->weight : 0;
	}
	if (b->partner != HEAP_NONE)
		h->blocks[b->partner].partner = HEAP_NONE;
	*b = (struct block){ .partner = h->free_block };
	h->free_block = index;
}
