// SPDX-License-Identifier: Apache-2.0
/*
 * The heap's part of the profile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/finish.h"
#include "util/cleanup.h"

_Static_assert(HEAP_KINDS == HEAP_KIND_COUNT && HEAP_SOURCES == HEAP_FROM_COUNT, "profile.h knows the allocators of events.h");
_Static_assert(2 * TIMELINE_BINS <= TIMELINE_MAX, "a timeline fits");

static void put_moment(void *context, uint64_t ns, uint64_t bytes)
{
	struct heap_measures *m = context;

	m->timeline[m->n_timeline++] = (struct moment){ ns, bytes };
}

static void measure(struct owned *o, const struct builder *b, uint32_t account, struct heap_measures *m)
{
	const struct timeline *t = &b->heap->accounts[account].timeline;

	heap_measure(b->heap, account, b->end_ns, m);
	m->timeline = profile_take(o, 2 * t->n_bins, sizeof(*m->timeline));
	if (m->timeline)
		timeline_points(t, put_moment, m);
}

struct heap_measures *heap_measures_of(struct owned *o, const struct builder *b, uint32_t account)
{
	struct heap_measures *m = b->heap && account < b->heap->n_accounts ? profile_take(o, 1, sizeof(*m)) : NULL;

	if (m)
		measure(o, b, account, m);
	return m;
}

/* What adds up; peaks and averages at different times do not. */
void file_heap_add(struct owned *o, struct measures *file, const struct heap_measures *line)
{
	struct heap_measures *m = file->heap;

	if (!m)
		m = file->heap = profile_take(o, 1, sizeof(*m));
	if (!m)
		return;
	m->allocated_bytes += line->allocated_bytes;
	m->live_bytes += line->live_bytes;
	m->at_peak_bytes += line->at_peak_bytes;
	m->copied_bytes += line->copied_bytes;
	m->allocations += line->allocations;
	m->exact_bytes += line->exact_bytes;
	m->temporary_bytes += line->temporary_bytes;
	m->temporary_allocations += line->temporary_allocations;
	m->samples += line->samples;
	m->usage += line->usage;
	m->copied_per_s += line->copied_per_s;
	for (int i = 0; i < HEAP_KINDS; i++)
		m->allocated_of[i] += line->allocated_of[i];
	if (m->allocated_bytes)
		m->python = (double)(m->allocated_of[HEAP_KIND_MEM] + m->allocated_of[HEAP_KIND_OBJECT]) / (double)m->allocated_bytes;
}

/* The site of a recorded place, or no names. */
static struct heap_where where(struct builder *b, const struct heap_place *place)
{
	const struct leaf *leaf = place->stack < b->tree.n_leaves ? &b->tree.leaves[place->stack] : NULL;
	const struct site *site = leaf && leaf->site != NO_SITE ? &b->sites[leaf->site] : NULL;

	if (!site)
		return (struct heap_where){};
	return (struct heap_where){ builder_path(b, site->symbol->file), site->symbol->function, site->line };
}

struct held { uint64_t bytes; uint32_t stack; };

static int by_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return (x->stack > y->stack) - (x->stack < y->stack);
}

static void fill_held(struct owned *o, struct builder *b, struct profile_heap *p)
{
	const struct heap *h = b->heap;
	_cleanup_free_ struct held *held = calloc(h->n_stacks + 1, sizeof(*held));
	_cleanup_free_ const char **paths = calloc(symbols__count(b->symbols) + 1, sizeof(*paths));
	size_t n = 0;

	o->failed |= !held || !paths;
	if (o->failed)
		return;
	for (uint32_t i = 0; i < h->n_stacks && i < b->tree.n_leaves; i++) {
		held[n] = (struct held){ heap_at_peak(h, &h->stacks[i]), i };
		n += held[n].bytes > 0;
	}
	qsort(held, n, sizeof(*held), by_held);
	if (n > HEAP_STACKS_MAX)
		n = HEAP_STACKS_MAX;
	p->stacks = profile_take(o, n, sizeof(*p->stacks));
	for (size_t i = 0; p->stacks && i < n; i++) {
		const struct leaf *leaf = &b->tree.leaves[held[i].stack];
		const struct heap_where site = where(b, &(struct heap_place){ .stack = held[i].stack });
		struct heap_stack *stack = &p->stacks[p->n_stacks++];

		stack->frames = node_frames(o, b, paths, leaf->node, &stack->n_frames);
		stack->cut = leaf->cut;
		stack->at_peak_bytes = held[i].bytes;
		stack->allocated_bytes = h->stacks[held[i].stack].allocated;
		stack->path = site.path;
		stack->lineno = site.lineno;
	}
}

static void fill_totals(const struct heap *h, struct profile_heap *p)
{
	for (uint32_t i = 0; i < h->n_spaces; i++) {
		const struct event_heap_totals *t = &h->spaces[i].totals;

		p->has_totals |= h->spaces[i].has_totals;
		for (int k = 0; k < HEAP_SOURCES; k++) {
			p->exact_bytes_of[k] += t->bytes[k];
			p->exact_count_of[k] += t->count[k];
		}
		p->untracked += t->untracked;
		p->untracked_bytes += t->untracked_bytes;
		p->missed_frees += t->missed_frees;
	}
}

static void fill_process_peaks(struct builder *b, struct profile *p)
{
	for (uint32_t i = 0; i < b->heap->n_spaces; i++) {
		const struct heap_space *space = &b->heap->spaces[i];
		uint32_t index;

		if (map64_get(&b->process_of, space->id, &index) && index < p->n_processes && p->processes[index].heap_peak_bytes < space->peak)
			p->processes[index].heap_peak_bytes = space->peak;
	}
}

void heap_notices(struct builder *b)
{
	const struct heap *h = b->heap; /* NULL: nothing was heard at all */

	for (uint32_t i = 0; i < b->n_processes; i++) {
		const struct process *p = &b->processes[i];
		char text[512];
		uint32_t space;

		/* a fork has its parent's library */
		if (!p->interpreter || !p->program || !p->end_ns)
			continue;
		if (h && map64_get(&h->space_index, p->space, &space) && (h->spaces[space].has_totals || h->spaces[space].peak))
			continue;
		if (b->options->heap_probes)
			snprintf(text, sizeof(text), "no heap memory of '%.300s': no probe on its allocator saw any, as in one that ends at once", p->program);
		else
			snprintf(text, sizeof(text), "no heap memory of '%.300s': it did not load the library that measures it, as in another root, or with rights that its file gives", p->program);
		builder__notice(b, text);
	}
}

static struct heap_type_row type_row(const struct heap *h, const struct heap_type *t)
{
	return (struct heap_type_row){
		.name = t->name,
		.at_peak = { heap_at_peak(h, &t->bytes), heap_at_peak(h, &t->buffers), heap_at_peak(h, &t->blocks) },
		.at_end = { t->bytes.live + t->ended_bytes, t->buffers.live + t->ended_buffers, t->blocks.live + t->ended_blocks },
	};
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

static void fill_types(struct owned *o, const struct heap *h, struct profile_heap *p)
{
	p->untyped = type_row(h, &h->types[0]);
	p->types = profile_take(o, h->n_types - 1, sizeof(*p->types));
	for (uint32_t i = 1; p->types && i < h->n_types; i++) {
		const struct heap_type_row row = type_row(h, &h->types[i]);

		if (row.at_peak.blocks || row.at_end.blocks)
			p->types[p->n_types++] = row;
	}
	if (p->n_types)
		qsort(p->types, p->n_types, sizeof(*p->types), by_type);
}

void fill_heap(struct owned *o, struct builder *b)
{
	struct profile_heap *p = profile_take(o, 1, sizeof(*p));
	const struct heap *h = b->heap;
	uint64_t python;

	o->profile.heap = p;
	if (!p || !h)
		return;
	measure(o, b, HEAP_WHOLE, &p->all);
	o->profile.outside.heap = heap_measures_of(o, b, HEAP_OUTSIDE);
	p->growth_rate = heap_growth_rate(h, b->end_ns);
	for (int i = 0; i < HEAP_KINDS; i++) {
		p->at_peak_of[i] = heap_at_peak(h, &h->kinds[i]);
		p->live_of[i] = h->kinds[i].live;
	}
	python = p->at_peak_of[HEAP_KIND_MEM] + p->at_peak_of[HEAP_KIND_OBJECT];
	p->python_at_peak = p->all.peak_bytes ? (double)python / (double)p->all.peak_bytes : 0;
	p->peak_where = where(b, &h->peak_place);
	p->failed_count = h->failed_count;
	p->failed_bytes = h->failed_bytes;
	p->failed_limit = h->failed_limit;
	p->failed_data = h->failed_flags & HEAP_LIMIT_DATA;
	p->failed_where = where(b, &h->failed_place);
	p->unknown_frees = h->unknown_frees;
	p->lost_frees = h->lost_frees;
	p->forks_not_copied = h->forks_not_copied;
	fill_types(o, h, p);
	fill_totals(h, p);
	fill_process_peaks(b, &o->profile);
	fill_held(o, b, p);
}
