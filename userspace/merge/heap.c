// SPDX-License-Identifier: Apache-2.0
/* The heap of all inputs together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"

static void add_held(struct heap_type_held *sum, const struct heap_type_held *held)
{
	add_up(&sum->bytes, held->bytes);
	add_up(&sum->buffers, held->buffers);
	add_up(&sum->blocks, held->blocks);
}

static int join_type(struct whole_heap *whole, const struct heap_type_row *row)
{
	uint32_t at;

	if (!map64_get(&whole->type_of, (uintptr_t)row->name, &at)) {
		if (!ROOM(whole->types, whole->n_types, whole->room_types) || map64_put(&whole->type_of, (uintptr_t)row->name, (uint32_t)whole->n_types))
			return -ENOMEM;
		at = (uint32_t)whole->n_types++;
		whole->types[at] = (struct heap_type_row){.name = row->name};
	}
	add_held(&whole->types[at].at_peak, &row->at_peak);
	add_held(&whole->types[at].at_end, &row->at_end);
	return 0;
}

static void join_probes(struct whole_heap *whole, const struct heap_probing *probes)
{
	struct heap_probing *sum = &whole->sum.probes;

	if (!probes->used)
		return;
	sum->used = true;
	add_up(&sum->processes, probes->processes);
	add_up(&sum->failed, probes->failed);
	add_up(&sum->sliced, probes->sliced);
	add_up(&sum->calls, probes->calls);
	add_up(&sum->cost_ns, probes->cost_ns);
	add_up(&sum->cpu_ns, probes->cpu_ns);
	/* a run that took next to no time still counts for a little */
	whole->seen_by_cpu += probes->seen * ((double)probes->cpu_ns + 1);
	whole->seen_cpu += (double)probes->cpu_ns + 1;
}

static void join_counts(struct whole_heap *whole, const struct profile_heap *heap)
{
	struct profile_heap *sum = &whole->sum;

	for (int i = 0; i < HEAP_KINDS; i++) {
		add_up(&sum->at_peak_of[i], heap->at_peak_of[i]);
		add_up(&sum->live_of[i], heap->live_of[i]);
	}
	sum->has_totals |= heap->has_totals;
	for (int i = 0; i < HEAP_SOURCES; i++) {
		add_up(&sum->exact_bytes_of[i], heap->exact_bytes_of[i]);
		add_up(&sum->exact_count_of[i], heap->exact_count_of[i]);
	}
	add_up(&sum->untracked, heap->untracked);
	add_up(&sum->untracked_bytes, heap->untracked_bytes);
	add_up(&sum->missed_frees, heap->missed_frees);
	add_up(&sum->failed_count, heap->failed_count);
	add_up(&sum->unknown_frees, heap->unknown_frees);
	add_up(&sum->lost_frees, heap->lost_frees);
	add_up(&sum->forks_not_copied, heap->forks_not_copied);
	add_held(&sum->untyped.at_peak, &heap->untyped.at_peak);
	add_held(&sum->untyped.at_end, &heap->untyped.at_end);
}

int whole_heap_join(struct whole_heap *whole, const struct profile_heap *heap, uint64_t highest, const struct joined_files *files, const struct map64 *names, const struct place_in_time *at)
{
	struct profile_heap *sum = &whole->sum;
	double peak = (double)heap->all.peak_bytes;
	int err = 0;

	whole->growth_by_peak += heap->growth_rate * peak;
	whole->python_by_peak += heap->python_at_peak * peak;
	if (!whole->measured || highest > whole->highest) {
		whole->highest = highest;
		sum->peak_where = heap->peak_where;
		sum->peak_where.path = files_path(files, names, heap->peak_where.path);
	}
	if (heap->failed_bytes > sum->failed_bytes) {
		sum->failed_bytes = heap->failed_bytes;
		sum->failed_limit = heap->failed_limit;
		sum->failed_data = heap->failed_data;
		sum->failed_where = heap->failed_where;
		sum->failed_where.path = files_path(files, names, heap->failed_where.path);
	}
	whole->measured = true;
	join_counts(whole, heap);
	join_probes(whole, &heap->probes);
	for (size_t i = 0; i < heap->n_types && !err; i++)
		err = join_type(whole, &heap->types[i]);
	return err ? err : heap_join(&whole->all, &heap->all, at);
}

static int by_type(const void *a, const void *b)
{
	const struct heap_type_row *x = a, *y = b;

	if (x->at_peak.bytes != y->at_peak.bytes)
		return x->at_peak.bytes < y->at_peak.bytes ? 1 : -1;
	if (x->at_end.bytes != y->at_end.bytes)
		return x->at_end.bytes < y->at_end.bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

void whole_heap_end(struct whole_heap *whole, struct profile *profile, struct ending *e)
{
	double peak = (double)whole->all.sum.peak_bytes;

	if (!whole->measured)
		return;
	e->allocated_bytes = whole->all.sum.allocated_bytes;
	heap_end(&whole->all, &whole->sum.all, e);
	if (peak > 0) {
		whole->sum.growth_rate = whole->growth_by_peak / peak;
		whole->sum.python_at_peak = whole->python_by_peak / peak;
	}
	if (whole->seen_cpu > 0)
		whole->sum.probes.seen = whole->seen_by_cpu / whole->seen_cpu;
	if (whole->n_types)
		qsort(whole->types, whole->n_types, sizeof(*whole->types), by_type);
	whole->sum.types = whole->types;
	whole->sum.n_types = whole->n_types;
	profile->heap = &whole->sum;
}

void whole_heap_release(struct whole_heap *whole)
{
	free(whole->all.curve.steps);
	free(whole->types);
	map64_release(&whole->type_of);
}
