// SPDX-License-Identifier: Apache-2.0
/*
 * What accounts add up (heap.h): levels, times, and what each interval of the run left behind.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/heap.h"

static double root(double variance)
{
	return variance > 0 ? sqrt(variance) : 0;
}

void account_touch(struct heap *h, struct account *a)
{
	double from = a->last_ns, to = h->now_ns;

	if (a->touched != h->maxima) {
		a->at_peak = a->live;
		a->at_peak_var = a->live_var;
		a->touched = h->maxima;
	}
	a->integral += (double)a->live * (to - from);
	a->error_integral += root(a->live_var) * (to - from);
	if (a == &h->accounts[HEAP_WHOLE])
		h->time_integral += (double)a->live * (to - from) * (to + from) / 2;
	a->last_ns = h->now_ns;
}

void account_changed(struct heap *h, struct account *a)
{
	if (a->live > a->peak) {
		a->peak = a->live;
		a->peak_var = a->live_var;
		a->peak_ns = h->now_ns;
	}
	timeline_set(&a->timeline, h->now_ns, a->live);
}

static void cohorts_widen(struct cohorts *c)
{
	for (int i = 0; i < COHORTS; i++) {
		bool two = i < COHORTS / 2;

		c->born[i] = two ? c->born[2 * i] + c->born[2 * i + 1] : 0;
		c->gone[i] = two ? c->gone[2 * i] + c->gone[2 * i + 1] : 0;
	}
	c->width_ns *= 2;
}

/* All accounts' intervals end at the same times; those of an account are widened when it needs them next. */
static struct cohorts *cohorts_of(struct heap *h, struct account *a)
{
	while (h->now_ns / h->cohort_ns >= COHORTS)
		h->cohort_ns *= 2;
	if (!a->cohorts) {
		a->cohorts = calloc(1, sizeof(*a->cohorts));
		if (a->cohorts)
			a->cohorts->width_ns = h->cohort_ns;
	}
	while (a->cohorts && a->cohorts->width_ns < h->cohort_ns)
		cohorts_widen(a->cohorts);
	return a->cohorts;
}

void cohorts_born(struct heap *h, struct account *a, uint64_t birth_ns, uint64_t bytes)
{
	struct cohorts *c = cohorts_of(h, a);

	if (c)
		c->born[birth_ns / c->width_ns] += bytes;
}

void cohorts_gone(struct heap *h, struct account *a, uint64_t birth_ns, uint64_t bytes)
{
	struct cohorts *c = cohorts_of(h, a);
	uint64_t at = c ? birth_ns / c->width_ns : 0;

	/* memory may have been short when it was born */
	if (c && c->gone[at] + bytes <= c->born[at])
		c->gone[at] += bytes;
}

/* What the intervals of a program that ends at end_ns left, and how many did. */
struct left {
	uint64_t bytes;
	uint32_t first, n, grew;
	bool to_the_end;
};

static struct left cohorts_left(struct cohorts *c, uint64_t end_ns)
{
	struct left l = {};
	uint32_t last, tail;

	while (end_ns / c->width_ns >= COHORTS)
		cohorts_widen(c);
	last = end_ns / c->width_ns;
	while (l.first < last && !c->born[l.first])
		l.first++;
	tail = last / 16 ? last - last / 16 : last ? last - 1 : 0;
	l.n = last - l.first;
	for (uint32_t i = l.first; i < last; i++)
		l.bytes += c->born[i] - c->gone[i];
	for (uint32_t i = l.first; i < last; i++) {
		uint64_t bytes = c->born[i] - c->gone[i];

		l.grew += bytes && (double)bytes * l.n * 8 >= (double)l.bytes;
		l.to_the_end |= bytes && i >= tail;
	}
	return l;
}

static void measure_growth(const struct heap *h, const struct account *a, uint64_t end_ns, struct heap_measures *out)
{
	struct cohorts c;
	struct left l;
	double since_ns;

	if (!a->cohorts)
		return;
	/* the program has ended when the last interpreter begins to clear up */
	if (h->clearing && h->clearing_ns >= h->program_ns)
		end_ns = h->clearing_ns;
	c = *a->cohorts;
	l = cohorts_left(&c, end_ns);
	if (l.bytes < LEAK_BYTES || l.n < LEAK_INTERVALS || !l.to_the_end || l.grew * 8 < l.n * 7)
		return;
	since_ns = (double)end_ns - (double)l.first * c.width_ns;
	out->left_bytes = l.bytes;
	out->velocity = (double)l.bytes / (since_ns / 1e9);
	out->likelihood = (l.grew + 1.0) / (l.n + 2.0);
	/* lost for certain: not needed any more, or no end in sight */
	if ((double)(a->survived + a->live) < 0.9 * (double)l.bytes)
		out->likelihood *= 0.9;
}

void heap_measure(const struct heap *h, uint32_t id, uint64_t end_ns, struct heap_measures *out)
{
	const struct account *a = &h->accounts[id], *whole = &h->accounts[HEAP_WHOLE];
	bool fresh = a->touched != h->maxima;
	uint64_t end = end_ns > h->start_ns ? end_ns - h->start_ns : 0;
	double rest;

	if (end < h->now_ns)
		end = h->now_ns;
	rest = (double)(end - a->last_ns);
	*out = (struct heap_measures){
		.allocated_bytes = a->allocated,
		.live_bytes = a->live + a->ended,
		.peak_bytes = a->peak,
		.at_peak_bytes = fresh ? a->live : a->at_peak,
		.allocated_error = root(a->allocated_var),
		.live_error = root(a->live_var + a->ended_var),
		.peak_error = root(a->peak_var),
		.at_peak_error = root(fresh ? a->live_var : a->at_peak_var),
		.allocations = (double)a->count / HEAP_COUNT_ONE,
		.allocations_error = root(a->count_var) / HEAP_COUNT_ONE,
		.exact_bytes = a->exact,
		.temporary_bytes = a->temporary,
		.temporary_allocations = (double)a->temporary_count / HEAP_COUNT_ONE,
		.copied_bytes = a->copied,
		.samples = a->samples,
		.peak_ns = a->peak_ns,
	};
	memcpy(out->allocated_of, a->allocated_of, sizeof(out->allocated_of));
	if (a->allocated)
		out->python = (double)(a->allocated_of[HEAP_KIND_MEM] + a->allocated_of[HEAP_KIND_OBJECT]) / (double)a->allocated;
	if (whole->allocated)
		out->usage = (double)a->allocated / (double)whole->allocated;
	if (!end)
		return;
	out->average_bytes = (a->integral + (double)a->live * rest) / end;
	if (out->average_bytes > out->peak_bytes) /* a rounding */
		out->average_bytes = out->peak_bytes;
	out->average_error = (a->error_integral + root(a->live_var) * rest) / end;
	out->copied_per_s = a->copied / (end / 1e9);
	measure_growth(h, a, end, out);
}

uint64_t heap_at_peak(const struct heap *h, const struct heap_hold *hold)
{
	return hold->touched != h->maxima ? hold->live : hold->at_peak;
}

double heap_growth_rate(const struct heap *h, uint64_t end_ns)
{
	const struct account *a = &h->accounts[HEAP_WHOLE];
	double end = end_ns > h->start_ns ? end_ns - h->start_ns : 0, from = a->last_ns, level, moment, rise;

	if (end < from)
		end = from;
	if (!end || !a->peak)
		return 0;
	level = a->integral + (double)a->live * (end - from);
	moment = h->time_integral + (double)a->live * (end - from) * (end + from) / 2;
	/* slope = 12 (integral of tF - T/2 integral of F) / T^3, over the time T */
	rise = 12 * (moment - end / 2 * level) / (end * end) / (double)a->peak;
	return rise > 1 ? 100 : rise > 0 ? 100 * rise : 0;
}
