// SPDX-License-Identifier: Apache-2.0
/* The sums of one place. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "capture/sample.h"
#include "merge/joined.h"

void add_times(struct times *sum, const struct times *times)
{
	add_up(&sum->python_ns, times->python_ns);
	add_up(&sum->native_ns, times->native_ns);
	add_up(&sum->system_ns, times->system_ns);
	add_up(&sum->waiting_ns, times->waiting_ns);
	add_up(&sum->runnable_ns, times->runnable_ns);
}

/* Texts are interned, so that equal ones have one address. */
static int add_reason(struct joined_measures *joined, const struct wait_reason *reason)
{
	uint32_t at;

	if (!map64_get(&joined->reason_of, (uintptr_t)reason->what, &at)) {
		at = (uint32_t)joined->n_reasons;
		if (!ROOM(joined->reasons, joined->n_reasons, joined->room_reasons) || map64_put(&joined->reason_of, (uintptr_t)reason->what, at))
			return -ENOMEM;
		joined->reasons[joined->n_reasons++] = (struct wait_reason){.what = reason->what, .call = reason->call, .object = reason->object};
	}
	add_up(&joined->reasons[at].ns, reason->ns);
	add_up(&joined->reasons[at].count, reason->count);
	return 0;
}

int measures_join(struct joined_measures *joined, const struct measures *m, const struct place_in_time *at)
{
	int err = sample_times_add(&joined->moments, m->cpu_samples_s, m->n_cpu_samples, at->shift_s);

	add_times(&joined->times, &m->times);
	add_up(&joined->samples, m->samples);
	add_up(&joined->waits, m->waits);
	add_up(&joined->rss_bytes, m->rss_bytes);
	joined->busy += m->core_utilization * (double)times_total(&m->times);
	for (size_t i = 0; i < m->n_waits_for && !err; i++)
		err = add_reason(joined, &m->waits_for[i]);
	if (!err)
		err = curve_add(&joined->rss, m->rss_timeline, m->n_rss_timeline, at->offset_ns, false, 0);
	if (!err && m->heap && !joined->heap) {
		joined->heap = calloc(1, sizeof(*joined->heap));
		err = joined->heap ? 0 : -ENOMEM;
	}
	if (!err && m->heap)
		err = heap_join(joined->heap, m->heap, at);
	return err;
}

static int by_reason_ns(const void *a, const void *b)
{
	const struct wait_reason *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns > y->ns ? -1 : 1;
	return strcmp(x->what, y->what);
}

static void *copy(struct ending *e, const void *from, size_t n, size_t size)
{
	void *to = n ? arena_array(e->arena, n, size) : NULL;

	e->failed |= n && !to;
	return to ? memcpy(to, from, n * size) : NULL;
}

void measures_end(struct joined_measures *joined, struct measures *m, struct ending *e)
{
	double total = (double)times_total(&joined->times);

	m->times = joined->times;
	m->samples = joined->samples;
	m->waits = joined->waits;
	m->rss_bytes = joined->rss_bytes;
	m->core_utilization = total > 0 ? joined->busy / total : 0;
	m->cpu_samples_s = sample_times_take(&joined->moments, e->arena, e->start_monotonic_s - (double)e->start_ns / 1e9, &m->n_cpu_samples, &e->failed);
	m->rss_timeline = curve_moments(&joined->rss, e->arena, e->start_ns, e->last_ns, false, &m->n_rss_timeline, &e->failed);
	if (joined->n_reasons)
		qsort(joined->reasons, joined->n_reasons, sizeof(*joined->reasons), by_reason_ns);
	m->waits_for = copy(e, joined->reasons, joined->n_reasons, sizeof(*m->waits_for));
	m->n_waits_for = m->waits_for ? joined->n_reasons : 0;
	m->heap = joined->heap ? arena_alloc(e->arena, sizeof(*m->heap)) : NULL;
	if (m->heap)
		heap_end(joined->heap, m->heap, e);
	e->failed |= joined->heap && !m->heap;
}

void measures_release(struct joined_measures *joined)
{
	free(joined->moments.seconds);
	free(joined->rss.steps);
	free(joined->reasons);
	map64_release(&joined->reason_of);
	if (joined->heap)
		free(joined->heap->curve.steps);
	free(joined->heap);
}

static void add_square(double *sum, double error)
{
	*sum += error * error;
}

int heap_join(struct joined_heap *joined, const struct heap_measures *m, const struct place_in_time *at)
{
	struct heap_measures *sum = &joined->sum;

	add_up(&sum->allocated_bytes, m->allocated_bytes);
	add_up(&sum->live_bytes, m->live_bytes);
	add_up(&sum->peak_bytes, m->peak_bytes);
	add_up(&sum->at_peak_bytes, m->at_peak_bytes);
	add_square(&sum->allocated_error, m->allocated_error);
	add_square(&sum->live_error, m->live_error);
	add_square(&sum->peak_error, m->peak_error);
	add_square(&sum->at_peak_error, m->at_peak_error);
	add_square(&sum->allocations_error, m->allocations_error);
	add_square(&joined->error_byte_ns, m->average_error * (double)at->elapsed_ns);
	joined->byte_ns += (double)m->average_bytes * (double)at->elapsed_ns;
	sum->allocations += m->allocations;
	add_up(&sum->exact_bytes, m->exact_bytes);
	for (int i = 0; i < HEAP_KINDS; i++)
		add_up(&sum->allocated_of[i], m->allocated_of[i]);
	add_up(&sum->temporary_bytes, m->temporary_bytes);
	sum->temporary_allocations += m->temporary_allocations;
	add_up(&sum->copied_bytes, m->copied_bytes);
	add_up(&sum->samples, m->samples);
	if (m->likelihood > sum->likelihood)
		sum->likelihood = m->likelihood;
	sum->velocity += m->velocity;
	add_up(&sum->left_bytes, m->left_bytes);
	if (m->peak_bytes > joined->highest) {
		joined->highest = m->peak_bytes;
		joined->highest_ns = at->offset_ns + (int64_t)m->peak_ns;
	}
	return curve_add(&joined->curve, m->timeline, m->n_timeline, at->offset_ns, true, at->offset_ns + (int64_t)at->elapsed_ns);
}

void heap_end(struct joined_heap *joined, struct heap_measures *m, struct ending *e)
{
	double span = e->last_ns > e->start_ns ? (double)(e->last_ns - e->start_ns) : 0;
	double allocated = (double)joined->sum.allocated_bytes;

	*m = joined->sum;
	m->allocated_error = sqrt(m->allocated_error);
	m->live_error = sqrt(m->live_error);
	m->peak_error = sqrt(m->peak_error);
	m->at_peak_error = sqrt(m->at_peak_error);
	m->allocations_error = sqrt(m->allocations_error);
	m->peak_ns = joined->highest_ns > e->start_ns ? (uint64_t)(joined->highest_ns - e->start_ns) : 0;
	if (span > 0) {
		m->average_bytes = (uint64_t)(fmin(joined->byte_ns / span, (double)m->peak_bytes) + 0.5);
		m->average_error = sqrt(joined->error_byte_ns) / span;
		m->copied_per_s = (double)m->copied_bytes / (span / 1e9);
	}
	if (allocated > 0)
		m->python = fmin(1, (double)(m->allocated_of[HEAP_KIND_MEM] + m->allocated_of[HEAP_KIND_OBJECT]) / allocated);
	if (e->allocated_bytes)
		m->usage = fmin(1, allocated / (double)e->allocated_bytes);
	m->timeline = curve_moments(&joined->curve, e->arena, e->start_ns, e->last_ns, true, &m->n_timeline, &e->failed);
}
