// SPDX-License-Identifier: Apache-2.0
/* Call stacks: equal frames, one stack. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"

/* Texts are interned: their addresses say whether they are equal. */
static uint64_t hash_frames(const struct profile_frame *frames, size_t n)
{
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++) {
		const uint64_t part[4] = {hash, (uintptr_t)frames[i].path, (uintptr_t)frames[i].function, frames[i].lineno};

		hash = hash_bytes(part, sizeof(part));
	}
	return hash;
}

static bool same_frames(const struct profile_frame *a, size_t n, const struct profile_frame *b, size_t m)
{
	if (n != m)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (a[i].path != b[i].path || a[i].function != b[i].function || a[i].lineno != b[i].lineno)
			return false;
	}
	return true;
}

static const struct profile_frame *frames_of(const struct joined_stacks *stacks, bool heap, size_t at, size_t *n)
{
	*n = heap ? stacks->heap[at].n_frames : stacks->stacks[at].n_frames;
	return heap ? stacks->heap[at].frames : stacks->stacks[at].frames;
}

static void insert(uint32_t *slots, size_t n_slots, uint64_t hash, uint32_t index)
{
	size_t at = hash & (n_slots - 1);

	while (slots[at])
		at = (at + 1) & (n_slots - 1);
	slots[at] = index + 1;
}

/* At most half full. */
static int widen(struct joined_stacks *stacks, bool heap)
{
	size_t n = heap ? stacks->n_heap : stacks->n, *n_slots = heap ? &stacks->n_heap_slots : &stacks->n_slots, wanted = *n_slots ? *n_slots * 2 : 256;
	uint32_t **slots = heap ? &stacks->heap_slots : &stacks->slots, *wide;

	if (n * 2 < *n_slots)
		return 0;
	wide = calloc(wanted, sizeof(*wide));
	if (!wide)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		size_t count;
		const struct profile_frame *frames = frames_of(stacks, heap, i, &count);

		insert(wide, wanted, hash_frames(frames, count), (uint32_t)i);
	}
	free(*slots);
	*slots = wide;
	*n_slots = wanted;
	return 0;
}

/* Index of the stack with these frames; the next free one, entered in the table, if there is none. */
static int find(struct joined_stacks *stacks, bool heap, const struct profile_frame *frames, size_t n, size_t *index)
{
	uint64_t hash = hash_frames(frames, n);
	const uint32_t *slots;
	size_t n_slots, at;

	if (widen(stacks, heap))
		return -ENOMEM;
	slots = heap ? stacks->heap_slots : stacks->slots;
	n_slots = heap ? stacks->n_heap_slots : stacks->n_slots;
	for (at = hash & (n_slots - 1); slots[at]; at = (at + 1) & (n_slots - 1)) {
		size_t count;
		const struct profile_frame *other = frames_of(stacks, heap, slots[at] - 1, &count);

		if (!same_frames(frames, n, other, count))
			continue;
		*index = slots[at] - 1;
		return 0;
	}
	*index = heap ? stacks->n_heap : stacks->n;
	insert(heap ? stacks->heap_slots : stacks->slots, n_slots, hash, (uint32_t)*index);
	return 0;
}

/* The frames by the names that files have here. */
static struct profile_frame *rename_frames(const struct profile_frame *frames, size_t n, const struct joined_files *files, const struct map64 *names, struct arena *arena)
{
	struct profile_frame *made = arena_array(arena, n ? n : 1, sizeof(*made));

	for (size_t i = 0; made && i < n; i++)
		made[i] = (struct profile_frame){files_path(files, names, frames[i].path), frames[i].function, frames[i].lineno};
	return made;
}

static int join_stack(struct joined_stacks *stacks, const struct profile_stack *from, const struct joined_files *files, const struct map64 *names, struct arena *arena)
{
	struct profile_frame *frames = rename_frames(from->frames, from->n_frames, files, names, arena);
	struct profile_stack *to;
	size_t at;

	if (!frames || !ROOM(stacks->stacks, stacks->n, stacks->room) || find(stacks, false, frames, from->n_frames, &at))
		return -ENOMEM;
	to = &stacks->stacks[at];
	if (at == stacks->n) {
		*to = (struct profile_stack){.frames = frames, .n_frames = from->n_frames};
		stacks->n++;
	}
	add_times(&to->times, &from->times);
	add_up(&to->samples, from->samples);
	return 0;
}

static int join_heap_stack(struct joined_stacks *stacks, const struct heap_stack *from, const struct joined_files *files, const struct map64 *names, struct arena *arena)
{
	struct profile_frame *frames = rename_frames(from->frames, from->n_frames, files, names, arena);
	struct heap_stack *to;
	size_t at;

	if (!frames || !ROOM(stacks->heap, stacks->n_heap, stacks->room_heap) || find(stacks, true, frames, from->n_frames, &at))
		return -ENOMEM;
	to = &stacks->heap[at];
	if (at == stacks->n_heap) {
		*to = (struct heap_stack){.frames = frames, .n_frames = from->n_frames, .path = files_path(files, names, from->path), .lineno = from->lineno};
		stacks->n_heap++;
	}
	to->cut |= from->cut;
	add_up(&to->at_peak_bytes, from->at_peak_bytes);
	add_up(&to->allocated_bytes, from->allocated_bytes);
	return 0;
}

int stacks_join(struct joined_stacks *stacks, const struct profile *p, const struct joined_files *files, const struct map64 *names, struct arena *arena)
{
	int err = 0;

	for (size_t i = 0; i < p->n_stacks && !err; i++)
		err = join_stack(stacks, &p->stacks[i], files, names, arena);
	for (size_t i = 0; p->heap && i < p->heap->n_stacks && !err; i++)
		err = join_heap_stack(stacks, &p->heap->stacks[i], files, names, arena);
	return err;
}

static int order_frames(const struct profile_frame *a, size_t n, const struct profile_frame *b, size_t m)
{
	for (size_t i = 0; i < n && i < m; i++) {
		int order = strcmp(a[i].path, b[i].path);

		order = order ? order : strcmp(a[i].function, b[i].function);
		if (order || a[i].lineno != b[i].lineno)
			return order ? order : a[i].lineno < b[i].lineno ? -1 : 1;
	}
	return n < m ? -1 : n > m;
}

static int by_time(const void *a, const void *b)
{
	const struct profile_stack *x = a, *y = b;
	uint64_t s = times_total(&x->times), t = times_total(&y->times);

	return s != t ? (s > t ? -1 : 1) : order_frames(x->frames, x->n_frames, y->frames, y->n_frames);
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_stack *x = a, *y = b;

	if (x->at_peak_bytes != y->at_peak_bytes)
		return x->at_peak_bytes > y->at_peak_bytes ? -1 : 1;
	return order_frames(x->frames, x->n_frames, y->frames, y->n_frames);
}

void stacks_end(struct joined_stacks *stacks, struct profile *profile)
{
	if (stacks->n)
		qsort(stacks->stacks, stacks->n, sizeof(*stacks->stacks), by_time);
	profile->stacks = stacks->stacks;
	profile->n_stacks = stacks->n;
	if (!profile->heap)
		return;
	if (stacks->n_heap)
		qsort(stacks->heap, stacks->n_heap, sizeof(*stacks->heap), by_bytes);
	profile->heap->stacks = stacks->heap;
	profile->heap->n_stacks = stacks->n_heap < HEAP_STACKS_MAX ? stacks->n_heap : HEAP_STACKS_MAX;
}

void stacks_release(struct joined_stacks *stacks)
{
	free(stacks->stacks);
	free(stacks->heap);
	free(stacks->slots);
	free(stacks->heap_slots);
}
