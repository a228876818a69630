// SPDX-License-Identifier: Apache-2.0
/*
 * The heap in windows: which sampled blocks live, by process and address. Simpler than profile/heap.h: a block counts with what its
 * sample stands for, from its allocation to its end; a forked child has only what it allocates itself.
 */
#include <stdlib.h>

#include "profile/window_model.h"

static void block_drop(struct windows *w, uint32_t index)
{
	w->blocks[index] = (struct held_block){ .next = w->free_block };
	w->free_block = index;
	w->live_blocks--;
}

static void block_put(struct windows *w, uint32_t process, uint64_t address, const struct held_block *block)
{
	struct map64 *blocks = &w->processes[process].blocks;
	uint32_t index = w->free_block, old;

	if (w->live_blocks >= HEAP_BLOCKS_MAX) {
		windows__notice(w, "more blocks of the heap live than are kept: what is held is more than what is told");
		return;
	}
	if (map64_remove(blocks, address, &old)) {
		/* given out again: its free was lost */
		block_drop(w, old);
		index = w->free_block;
	}
	if (index == NONE && !GROW(w->blocks, w->n_blocks, w->cap_blocks))
		return;
	if (map64_put(blocks, address, index == NONE ? w->n_blocks : index))
		return;
	if (index == NONE)
		index = w->n_blocks++;
	else
		w->free_block = w->blocks[index].next;
	w->blocks[index] = *block;
	w->live_blocks++;
}

static void take_alloc(struct windows *w, const struct event_heap *event, uint32_t process, bool current)
{
	struct held_block block = { .bytes = event->stack.weight, .count = event->count, .tid = event->head.tid };
	struct seen_thread *thread;
	struct seen_row *row;
	bool named;

	if (event->heap_flags & HEAP_FAILED)
		return;
	block.leaf = window_leaf(w, &event->stack, current, &named);
	row = window_row(w, process, event->head.tid, block.leaf, NULL);
	if (row) {
		row->allocated_bytes += event->stack.weight;
		row->allocations += event->count;
	}
	thread = window_thread(w, &event->head, process);
	if (thread)
		thread->freed_address = 0;
	if (current)
		block_put(w, process, event->address, &block);
}

static void take_free(struct windows *w, const struct event_heap_free *event, uint32_t process)
{
	struct seen_thread *thread = window_thread(w, &event->head, process);
	uint32_t index;

	if (!map64_remove(&w->processes[process].blocks, event->address, &index))
		return;
	if (thread && event->head.flags & HEAP_FREE_RESIZED) {
		thread->freed_address = event->address;
		thread->freed = w->blocks[index];
	}
	block_drop(w, index);
}

static void take_moved(struct windows *w, const struct event_heap_moved *event, uint32_t process)
{
	struct seen_thread *thread = window_thread(w, &event->head, process);
	struct map64 *blocks = &w->processes[process].blocks;
	struct held_block block;
	uint32_t index;

	if (map64_get(blocks, event->address, &index)) {
		block = w->blocks[index];
		if (!(event->head.flags & HEAP_MOVED_SPLIT) && map64_remove(blocks, event->address, &index))
			block_drop(w, index);
	} else if (thread && event->address && thread->freed_address == event->address && event->address == event->new_address) {
		/* its free is taken back */
		block = thread->freed;
		thread->freed_address = 0;
	} else {
		return;
	}
	block.bytes = event->weight;
	block_put(w, process, event->new_address, &block);
}

void window_heap(struct windows *w, const struct event_header *record)
{
	bool current;
	uint32_t process = window_process(w, record, &current);

	if (process == NONE)
		return;
	if (record->kind == EVENT_HEAP)
		take_alloc(w, (const void *)record, process, current);
	else if (record->kind == EVENT_HEAP_FREE && current)
		take_free(w, (const void *)record, process);
	else if (record->kind == EVENT_HEAP_MOVED && current)
		take_moved(w, (const void *)record, process);
}

bool window_heap_rows(struct windows *w)
{
	for (uint32_t i = 0; i < w->n_rows; i++)
		w->rows[i].live_bytes = w->rows[i].live_blocks = 0;
	for (uint32_t i = 0; i < w->n_processes; i++) {
		const struct map64 *blocks = &w->processes[i].blocks;

		for (size_t k = 0; k < blocks->capacity; k++) {
			const struct held_block *block = blocks->slots[k].used ? &w->blocks[blocks->slots[k].value] : NULL;
			struct seen_row *row = block ? window_row(w, i, block->tid, block->leaf, NULL) : NULL;

			if (block && !row)
				return false;
			if (!block)
				continue;
			row->live_bytes += block->bytes;
			row->live_blocks += block->count;
		}
	}
	return true;
}

void window_heap_end(struct windows *w, struct seen_process *p)
{
	for (size_t i = 0; i < p->blocks.capacity; i++) {
		if (p->blocks.slots[i].used)
			block_drop(w, p->blocks.slots[i].value);
	}
	map64_release(&p->blocks);
}
