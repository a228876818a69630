// SPDX-License-Identifier: Apache-2.0
/*
 * Heap records of the builder: which line and function they are charged to.
 */
#include <stdlib.h>

#include "profile/model.h"

void heap_index_release(struct heap_index *index)
{
	map64_release(&index->paths);
	map64_release(&index->lines);
	map64_release(&index->functions);
	free(index->entries);
}

static struct heap *heap_get(struct builder *b, uint64_t time_ns)
{
	if (!b->heap)
		b->heap = heap__new(b->start_ns ? b->start_ns : time_ns);
	return b->heap;
}

/* Paths are interned; a number stands for each, so that it and a line make one key. */
static uint32_t path_number(struct heap_index *index, const char *path)
{
	uint32_t number;

	if (map64_get(&index->paths, (uintptr_t)path, &number))
		return number;
	number = index->paths.count;
	return map64_put(&index->paths, (uintptr_t)path, number) ? HEAP_NONE : number;
}

static uint32_t line_account(struct builder *b, uint32_t path, uint32_t line)
{
	uint64_t key = (uint64_t)path << 32 | line;
	uint32_t account;

	if (map64_get(&b->heap_index.lines, key, &account))
		return account;
	account = heap__account(b->heap);
	return map64_put(&b->heap_index.lines, key, account) ? HEAP_OUTSIDE : account;
}

/* Functions that begin in one line of one file are told apart by their names. */
static uint32_t function_account(struct builder *b, uint32_t path, const struct symbol *symbol)
{
	struct heap_index *index = &b->heap_index;
	uint64_t key = (uint64_t)path << 32 | symbol->firstlineno;
	uint32_t head = HEAP_NONE, account;

	map64_get(&index->functions, key, &head);
	for (uint32_t i = head; i != HEAP_NONE; i = index->entries[i].next) {
		if (index->entries[i].name == symbol->function)
			return index->entries[i].account;
	}
	account = heap__account(b->heap);
	if (account == HEAP_OUTSIDE || !GROW(index->entries, index->n_entries, index->cap_entries) || map64_put(&index->functions, key, index->n_entries))
		return HEAP_NONE;
	index->entries[index->n_entries++] = (struct heap_function){ .name = symbol->function, .account = account, .next = head };
	return account;
}

/* Sites of one line have one account together, or its peak would be the sum of peaks at different times. */
static struct heap_place place_of(struct builder *b, const struct leaf *leaf)
{
	struct heap_place place = { HEAP_OUTSIDE, HEAP_NONE, leaf ? (uint32_t)(leaf - b->tree.leaves) : HEAP_NONE };
	struct site *site = leaf && leaf->site != NO_SITE ? &b->sites[leaf->site] : NULL;

	if (!site)
		return place;
	if (site->heap_line == HEAP_NONE) {
		uint32_t path = path_number(&b->heap_index, builder_path(b, site->symbol->file));

		if (path == HEAP_NONE)
			return place;
		site->heap_line = line_account(b, path, site->line);
		site->heap_function = function_account(b, path, site->symbol);
	}
	place.line = site->heap_line;
	place.function = site->heap_function;
	return place;
}

void builder_heap_alloc(struct builder *b, const struct event_heap *event, const struct leaf *leaf)
{
	struct heap_place place;

	if (!heap_get(b, event->head.time_ns))
		return;
	place = place_of(b, leaf);
	heap__alloc(b->heap, event, &place);
}

void builder_heap_copy(struct builder *b, const struct event_stack *event, const struct leaf *leaf)
{
	struct heap_place place;

	if (!heap_get(b, event->head.time_ns))
		return;
	place = place_of(b, leaf);
	heap__copy(b->heap, event, &place);
}

static void type_note(struct builder *b, const struct event_heap_type *event)
{
	const char *name = strings__intern(b->strings, event->name);

	if (name)
		heap__type(b->heap, event, name);
}

void builder_heap_note(struct builder *b, const struct event_header *record)
{
	const struct event_exec *exec = (const void *)record;
	const struct event_fork *fork = (const void *)record;

	if (record->kind == EVENT_HEAP_TOTALS && !heap_get(b, record->time_ns))
		return;
	if (!b->heap)
		return;
	switch (record->kind) {
	case EVENT_HEAP_FREE:
		heap__dealloc(b->heap, (const void *)record);
		break;
	case EVENT_HEAP_TYPE:
		type_note(b, (const void *)record);
		break;
	case EVENT_HEAP_MOVED:
		heap__moved(b->heap, (const void *)record);
		break;
	case EVENT_HEAP_TOTALS:
		heap__totals(b->heap, (const void *)record);
		break;
	case EVENT_FORK:
		heap__fork(b->heap, record->time_ns, fork->parent_space, record->space);
		break;
	case EVENT_EXEC:
		if (exec->old_space)
			heap__end(b->heap, record->time_ns, exec->old_space);
		break;
	case EVENT_EXIT:
		heap__end(b->heap, record->time_ns, record->space);
		break;
	}
}
