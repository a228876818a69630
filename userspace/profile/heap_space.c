// SPDX-License-Identifier: Apache-2.0
/*
 * Which address space has which blocks: forks, execs, ends.
 */
#include <stdlib.h>

#include "profile/heap.h"
#include "profile/model.h"

void heap_advance(struct heap *h, uint64_t time_ns)
{
	uint64_t now = time_ns > h->start_ns ? time_ns - h->start_ns : 0;

	if (now > h->now_ns)
		h->now_ns = now;
}

uint32_t space_get(struct heap *h, uint32_t id, bool make)
{
	uint32_t index;

	if (map64_get(&h->space_index, id, &index))
		return index;
	if (!make || !GROW(h->spaces, h->n_spaces, h->cap_spaces) || map64_put(&h->space_index, id, h->n_spaces))
		return HEAP_NONE;
	h->spaces[h->n_spaces] = (struct heap_space){ .id = id, .fork_of = HEAP_NONE, .first_fork = HEAP_NONE, .next_fork = HEAP_NONE };
	return h->n_spaces++;
}

void space_note(struct heap *h, uint32_t space, bool finalizing)
{
	struct heap_space *s = &h->spaces[space];

	if (finalizing && !s->finalizing) {
		s->finalizing = h->clearing = true;
		h->clearing_ns = h->now_ns;
		lines_end(h, s->id);
	}
	if (!s->finalizing)
		h->program_ns = h->now_ns;
}

void space_evict(struct heap *h, uint32_t space, uint64_t address)
{
	uint32_t index;

	if (!map64_remove(&h->spaces[space].blocks, address, &index))
		return;
	h->lost_frees++;
	space_drop(h, space, index, BLOCK_FREED);
}

bool space_put(struct heap *h, uint32_t space, uint64_t address, uint32_t index)
{
	struct heap_space *s = &h->spaces[space];

	if (index == HEAP_NONE)
		return false;
	if (map64_put(&s->blocks, address, index)) {
		block_end(h, index, BLOCK_FREED);
		return false;
	}
	h->blocks[index].holders++;
	s->live += h->blocks[index].held;
	if (s->live > s->peak)
		s->peak = s->live;
	return true;
}

void space_drop(struct heap *h, uint32_t space, uint32_t index, enum block_end how)
{
	h->spaces[space].live -= h->blocks[index].held;
	if (!--h->blocks[index].holders)
		block_end(h, index, how);
}

/* The child leaves its parent's list of children that still have to get their copy. */
static void fork_unlink(struct heap *h, uint32_t child)
{
	struct heap_space *c = &h->spaces[child];
	uint32_t *link = &h->spaces[c->fork_of].first_fork;

	while (*link != child)
		link = &h->spaces[*link].next_fork;
	*link = c->next_fork;
	c->fork_of = c->next_fork = HEAP_NONE;
}

/* What two processes have does not grow any more: neither knows the other's threads. */
static void fork_copy(struct heap *h, uint32_t child)
{
	struct heap_space *c = &h->spaces[child], *p = &h->spaces[c->fork_of];

	fork_unlink(h, child);
	if (p->blocks.count > HEAP_COPIES_MAX - h->copies) {
		h->forks_not_copied++;
		return;
	}
	for (size_t i = 0; i < p->blocks.capacity; i++) {
		const struct map64_slot *slot = &p->blocks.slots[i];

		if (!slot->used || map64_put(&c->blocks, slot->key, slot->value))
			continue;
		p->live += block_grow(h, slot->value);
		h->blocks[slot->value].holders++;
		c->live += h->blocks[slot->value].held;
		c->copied++;
	}
	h->copies += c->copied;
	c->peak = c->live;
}

/* Most children exec at once and need no copy. */
void space_settle(struct heap *h, uint32_t space)
{
	if (h->spaces[space].fork_of != HEAP_NONE)
		fork_copy(h, space);
	while (h->spaces[space].first_fork != HEAP_NONE)
		fork_copy(h, h->spaces[space].first_fork);
}

void heap__fork(struct heap *h, uint64_t time_ns, uint32_t parent_id, uint32_t child_id)
{
	uint32_t parent = space_get(h, parent_id, false), child;

	heap_advance(h, time_ns);
	if (parent == HEAP_NONE || parent_id == child_id)
		return;
	child = space_get(h, child_id, true);
	/* a space is not used twice; records that say so are not believed */
	if (child == HEAP_NONE || h->spaces[child].fork_of != HEAP_NONE || h->spaces[child].first_fork != HEAP_NONE || h->spaces[child].blocks.count)
		return;
	if (h->spaces[parent].fork_of != HEAP_NONE)
		fork_copy(h, parent);
	h->spaces[child].fork_of = parent;
	h->spaces[child].next_fork = h->spaces[parent].first_fork;
	h->spaces[parent].first_fork = child;
}

/* The variance of what is held to the end: of pairs of which both blocks are. */
static void note_ending(struct heap *h, uint32_t index)
{
	const struct block *b = &h->blocks[index], *y = b->partner != HEAP_NONE ? &h->blocks[b->partner] : NULL;

	if (b->exact || !b->grown)
		return;
	if (y && (!y->ending || !y->grown))
		y = NULL;
	for (int level = 0; level < HEAP_LEVELS; level++) {
		uint32_t id = place_account(&b->place, level);

		if (id >= h->n_accounts)
			continue;
		if (!y || place_account(&y->place, level) != id)
			h->accounts[id].ended_var += pair_variance(b->weight, 0, false);
		else if (index < b->partner)
			h->accounts[id].ended_var += ((double)b->weight - y->weight) * ((double)b->weight - y->weight);
	}
}

void heap__end(struct heap *h, uint64_t time_ns, uint32_t id)
{
	uint32_t space = space_get(h, id, false);
	struct heap_space *s;

	heap_advance(h, time_ns);
	if (space == HEAP_NONE)
		return;
	s = &h->spaces[space];
	if (s->fork_of != HEAP_NONE)
		fork_unlink(h, space);
	space_settle(h, space);
	if (!s->finalizing)
		lines_end(h, id);
	for (size_t i = 0; i < s->blocks.capacity; i++) {
		if (s->blocks.slots[i].used)
			h->blocks[s->blocks.slots[i].value].ending = h->blocks[s->blocks.slots[i].value].holders == 1;
	}
	for (size_t i = 0; i < s->blocks.capacity; i++) {
		if (s->blocks.slots[i].used && h->blocks[s->blocks.slots[i].value].ending)
			note_ending(h, s->blocks.slots[i].value);
	}
	for (size_t i = 0; i < s->blocks.capacity; i++) {
		if (s->blocks.slots[i].used)
			space_drop(h, space, s->blocks.slots[i].value, s->finalizing ? BLOCK_SURVIVED : BLOCK_HELD);
	}
	map64_release(&s->blocks);
	h->copies -= s->copied;
	s->copied = 0;
}
