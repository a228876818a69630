// SPDX-License-Identifier: Apache-2.0
/* The heap model against sequences whose answers were worked out by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "heap_records.h"

#define assert_near(x, y) assert_true(fabs((double)(x) - (double)(y)) < 1e-6)

static void check(const struct model *m, uint32_t account, uint64_t live, uint64_t peak, uint64_t at_peak)
{
	struct heap_measures x = measured(m, account);

	assert_int_equal(x.live_bytes, live);
	assert_int_equal(x.peak_bytes, peak);
	assert_int_equal(x.at_peak_bytes, at_peak);
}

static void live_peak_at_peak_and_average(void **state)
{
	struct model m = model_of();

	/*  ms    0   10   20   30   40   60  100
	 *  a   100    0    0   50   50    0    0
	 *  b     0   70  170  170   20   20   20
	 *  sum 100   70  170  220   70   20   20 */
	model_exact(&m, &m.a, 0x10, 100);
	m.ms = 10;
	model_free(&m, 0x10, 0);
	model_exact(&m, &m.b, 0x20, 70);
	m.ms = 20;
	model_exact(&m, &m.b, 0x30, 100);
	m.ms = 30;
	model_exact(&m, &m.a, 0x40, 50);
	m.ms = 40;
	model_free(&m, 0x20, 0);
	model_free(&m, 0x30, 0);
	model_exact(&m, &m.b, 0x20, 20);
	m.ms = 60;
	model_free(&m, 0x40, 0);
	m.ms = 100;
	check(&m, m.a.line, 0, 100, 50);
	check(&m, m.b.line, 20, 170, 170);
	check(&m, m.a.function, 20, 220, 220);
	check(&m, HEAP_WHOLE, 20, 220, 220);
	check(&m, HEAP_OUTSIDE, 0, 0, 0);
	assert_int_equal(measured(&m, m.a.line).average_bytes, (100 * 10 + 50 * 30) / 100);
	assert_int_equal(measured(&m, m.b.line).average_bytes, (70 * 10 + 170 * 20 + 20 * 60) / 100);
	assert_int_equal(measured(&m, m.a.line).peak_ns, 0);
	assert_int_equal(measured(&m, HEAP_WHOLE).peak_ns, 30 * MS);
	assert_int_equal(measured(&m, m.b.line).allocated_bytes, 190);
	assert_near(measured(&m, m.b.line).allocations, 3);
	assert_near(measured(&m, m.b.line).usage, 190.0 / 340);
	assert_int_equal(measured(&m, HEAP_WHOLE).exact_bytes, 340);
	assert_int_equal(heap_at_peak(m.heap, &m.heap->stacks[0]), 50);
	assert_int_equal(heap_at_peak(m.heap, &m.heap->stacks[1]), 170);
	assert_int_equal(heap_at_peak(m.heap, &m.heap->kinds[HEAP_KIND_C]), 220);
	assert_int_equal(m.heap->peak_place.line, m.a.line);
	heap__free(m.heap);
}

/* What stood still at the latest maximum was there at it; what came after it was not; an equal height is no new maximum. */
static void at_peak_of_those_that_did_not_move(void **state)
{
	struct model m = model_of();
	struct heap_place late;

	model_exact(&m, &m.a, 1, 10);
	for (int i = 0; i < 1000; i++)
		model_exact(&m, &m.b, 100 + i, 1);
	check(&m, m.a.line, 10, 10, 10);
	check(&m, m.b.line, 1000, 1000, 1000);
	model_free(&m, 100, 0);
	late = (struct heap_place){ heap__account(m.heap), HEAP_NONE, 3 };
	model_exact(&m, &late, 5000, 1);
	check(&m, late.line, 1, 1, 0);
	assert_int_equal(heap_at_peak(m.heap, &m.heap->stacks[3]), 0);
	check(&m, m.b.line, 999, 1000, 1000);
	model_exact(&m, &late, 5001, 1);
	check(&m, late.line, 2, 2, 2);
	check(&m, m.b.line, 999, 1000, 999);
	assert_int_equal(m.heap->maxima, 1002);
	heap__free(m.heap);
}

#define LONG (4ULL * HEAP_LIVE_AT_ONCE) /* a stride that is not live at once */

static void a_block_counts_in_full_when_its_thread_goes_on(void **state)
{
	struct model m = model_of();

	/* ten bytes made and freed again and again: never more than ten bytes live, whatever they stand for */
	for (int i = 0; i < 50; i++) {
		model_alloc(&m, &m.a, 0x10, 10, LONG, 0);
		model_free(&m, 0x10, 0);
	}
	check(&m, m.a.line, 0, 10, 10);
	assert_int_equal(measured(&m, m.a.line).allocated_bytes, 50 * LONG);
	assert_int_equal(measured(&m, m.a.line).temporary_bytes, 50 * LONG);
	/* kept ones count in full, but for the last two */
	for (int i = 0; i < 5; i++)
		model_alloc(&m, &m.b, 0x20 + i, 10, LONG, 0);
	check(&m, m.b.line, 3 * LONG + 20, 3 * LONG + 20, 3 * LONG + 20);
	/* samples of another thread, or of other sizes, say nothing of this line of strides */
	m.tid = 8;
	model_exact(&m, &m.a, 0x90, 1);
	model_exact(&m, &m.a, 0x91, 1);
	m.tid = 7;
	m.stratum = 5;
	model_exact(&m, &m.a, 0x92, 1);
	model_exact(&m, &m.a, 0x93, 1);
	check(&m, m.b.line, 3 * LONG + 20, 3 * LONG + 20, 3 * LONG + 20);
	m.stratum = 0;
	model_exact(&m, &m.a, 0x94, 1);
	check(&m, m.b.line, 4 * LONG + 10, 4 * LONG + 10, 4 * LONG + 10);
	model_exact(&m, &m.a, 0x95, 1);
	check(&m, m.b.line, 5 * LONG, 5 * LONG, 5 * LONG);
	assert_int_equal(m.heap->spaces[0].live, 5 * LONG + 6);
	assert_int_equal(m.heap->spaces[0].peak, 5 * LONG + 6);
	/* a short stride is live at once */
	model_alloc(&m, &m.a, 0x96, 10, HEAP_LIVE_AT_ONCE, 0);
	assert_int_equal(measured(&m, m.a.line).live_bytes, HEAP_LIVE_AT_ONCE + 6);
	heap__free(m.heap);
}

/* At its end nothing goes on any more: by a process's end, or as soon as an interpreter clears up. */
static void at_the_end_all_blocks_count_in_full(void **state)
{
	for (int clears = 0; clears < 2; clears++) {
		struct model m = model_of();

		for (int i = 0; i < 5; i++)
			model_alloc(&m, &m.b, 0x20 + i, 10, LONG, 0);
		model_alloc(&m, &m.a, 0x10, 10, LONG, 0);
		model_free(&m, 0x10, 0);
		check(&m, m.b.line, 4 * LONG + 10, 4 * LONG + 10, 4 * LONG + 10);
		if (clears) {
			model_free(&m, 0x20, HEAP_FREE_FINALIZING);
			assert_int_equal(m.heap->spaces[0].live, 4 * LONG);
		}
		model_end(&m);
		check(&m, m.b.line, (5 - clears) * LONG, 5 * LONG, 5 * LONG);
		check(&m, m.a.line, 0, 10, 0);
		assert_int_equal(m.heap->spaces[0].peak, 5 * LONG);
		heap__free(m.heap);
	}
}

/* sqrt of the sum over pairs of neighbours of (x1 - x2)^2. */
static void errors_are_those_of_pairs_of_strides(void **state)
{
	struct model m = model_of();

	/* a a | a b | b b | a, the last without a neighbour */
	model_stride(&m, &m.a, 1);
	model_stride(&m, &m.a, 2);
	assert_near(measured(&m, m.a.line).allocated_error, 0);
	model_stride(&m, &m.a, 3);
	model_stride(&m, &m.b, 4);
	model_stride(&m, &m.b, 5);
	model_stride(&m, &m.b, 6);
	model_stride(&m, &m.a, 7);
	assert_near(measured(&m, m.a.line).allocated_error, sqrt(2) * STRIDE);
	assert_near(measured(&m, m.b.line).allocated_error, STRIDE);
	assert_near(measured(&m, m.a.function).allocated_error, STRIDE);
	assert_near(measured(&m, HEAP_WHOLE).allocated_error, STRIDE);
	assert_near(measured(&m, m.a.line).live_error, sqrt(2) * STRIDE);
	assert_near(measured(&m, m.a.line).allocations_error, sqrt(2));
	/* half a pair lives: that is no longer certain */
	model_free(&m, 1, 0);
	assert_near(measured(&m, m.a.line).live_error, sqrt(3) * STRIDE);
	assert_near(measured(&m, HEAP_WHOLE).live_error, sqrt(2) * STRIDE);
	assert_near(measured(&m, m.a.line).allocated_error, sqrt(2) * STRIDE);
	model_free(&m, 2, 0);
	model_free(&m, 3, 0);
	assert_near(measured(&m, m.a.line).live_error, STRIDE);
	model_free(&m, 7, 0);
	assert_near(measured(&m, m.a.line).live_error, 0);
	assert_near(measured(&m, m.a.line).peak_error, sqrt(2) * STRIDE);
	/* a pair of which both are held to the end is certain, and exact blocks are */
	model_exact(&m, &m.b, 8, 5000);
	model_end(&m);
	assert_near(measured(&m, m.b.line).live_error, STRIDE);
	assert_int_equal(measured(&m, m.b.line).live_bytes, 3 * STRIDE + 5000);
	heap__free(m.heap);
}

/* A pair spans neither threads nor classes of sizes, nor more than two strides of one. */
static void lines_of_strides_have_pairs_of_their_own(void **state)
{
	struct model m = model_of();

	model_stride(&m, &m.a, 1);
	m.stratum = 1;
	model_stride(&m, &m.b, 2);
	m.stratum = 0;
	model_stride(&m, &m.a, 3);
	m.stratum = 1;
	model_stride(&m, &m.b, 4);
	assert_near(measured(&m, m.a.line).allocated_error, 0);
	assert_near(measured(&m, m.b.line).allocated_error, 0);
	heap__free(m.heap);
	m = model_of();

	model_stride(&m, &m.a, 1);
	m.tid = 8;
	model_stride(&m, &m.a, 2);
	assert_near(measured(&m, m.a.line).allocated_error, sqrt(2) * STRIDE);
	m.tid = 7;
	model_stride(&m, &m.a, 3);
	m.tid = 8;
	model_stride(&m, &m.a, 4);
	assert_near(measured(&m, m.a.line).allocated_error, 0);
	/* strides of different length */
	model_stride(&m, &m.a, 5);
	model_alloc(&m, &m.a, 6, 4 * STRIDE, 4 * STRIDE, 0);
	assert_near(measured(&m, m.a.line).allocated_error, 3 * STRIDE);
	assert_near(measured(&m, m.a.line).live_error, 3 * STRIDE);
	model_end(&m);
	assert_near(measured(&m, m.a.line).live_error, 3 * STRIDE);
	heap__free(m.heap);
}

static void memory_is_handed_from_one_thread_to_another(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, 100);
	m.tid = 8;
	model_free(&m, 1, 0);
	check(&m, m.a.line, 0, 100, 100);
	assert_int_equal(measured(&m, m.a.line).temporary_bytes, 0); /* another thread's count says nothing */
	assert_int_equal(m.heap->unknown_frees, 0);
	heap__free(m.heap);
}

static void temporary_means_freed_before_some_more_allocations(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, 100);
	m.mark += HEAP_TEMPORARY - 1;
	model_free(&m, 1, 0);
	assert_int_equal(measured(&m, m.a.line).temporary_bytes, 100);
	model_exact(&m, &m.a, 1, 100);
	m.mark += HEAP_TEMPORARY;
	model_free(&m, 1, 0);
	model_exact(&m, &m.a, 1, 100);
	model_free(&m, 1, HEAP_FREE_RESIZED);
	assert_int_equal(measured(&m, m.a.line).temporary_bytes, 100);
	assert_near(measured(&m, HEAP_WHOLE).temporary_allocations, 1);
	heap__free(m.heap);
}

static void resized_blocks(void **state)
{
	struct model m = model_of();

	/* realloc in place: free and alloc of one address, by another line */
	model_exact(&m, &m.a, 1, 100);
	model_free(&m, 1, HEAP_FREE_RESIZED);
	model_exact(&m, &m.b, 1, 300);
	check(&m, m.a.line, 0, 100, 0);
	check(&m, m.b.line, 300, 300, 300);
	/* one that failed takes its free back */
	model_free(&m, 1, HEAP_FREE_RESIZED);
	check(&m, m.b.line, 0, 300, 300);
	model_moved(&m, 1, 1, 300, 0);
	check(&m, m.b.line, 300, 300, 300);
	assert_int_equal(measured(&m, m.b.line).allocated_bytes, 300);
	/* but only the thread's latest, and once */
	model_free(&m, 1, 0);
	model_moved(&m, 1, 1, 300, 0);
	check(&m, m.b.line, 0, 300, 300);
	/* a mapping whose middle is unmapped: the first part stays, the second is split off */
	model_exact(&m, &m.a, 0x1000, 900);
	model_moved(&m, 0x1000, 0x1000, 200, 0);
	check(&m, m.a.line, 200, 900, 900);
	model_moved(&m, 0x1000, 0x2000, 300, HEAP_MOVED_SPLIT);
	check(&m, m.a.line, 500, 900, 900);
	/* and one whose start is */
	model_moved(&m, 0x2000, 0x2100, 100, 0);
	check(&m, m.a.line, 300, 900, 900);
	model_free(&m, 0x2100, 0);
	model_free(&m, 0x1000, 0);
	check(&m, m.a.line, 0, 900, 900);
	assert_int_equal(measured(&m, m.a.line).allocated_bytes, 1000);
	assert_int_equal(m.heap->unknown_frees, 0);
	assert_int_equal(m.heap->spaces[0].live, 0);
	heap__free(m.heap);
}

static void lost_records(void **state)
{
	struct model m = model_of();

	model_free(&m, 1, 0);
	assert_int_equal(m.heap->unknown_frees, 1);
	model_exact(&m, &m.a, 1, 100);
	model_exact(&m, &m.b, 1, 50);
	assert_int_equal(m.heap->lost_frees, 1);
	check(&m, m.a.line, 0, 100, 100);
	check(&m, m.b.line, 50, 50, 0);
	check(&m, HEAP_WHOLE, 50, 100, 100);
	model_moved(&m, 77, 78, 5, 0);
	model_free(&m, 77, 0);
	assert_int_equal(m.heap->unknown_frees, 2);
	/* no memory for it: it is not held */
	model_alloc(&m, &m.a, 0, 1000000, 0, HEAP_FAILED);
	check(&m, HEAP_WHOLE, 50, 100, 100);
	assert_int_equal(m.heap->failed_count, 1);
	assert_int_equal(m.heap->failed_bytes, 1000000);
	heap__free(m.heap);
}

static void a_child_has_what_its_parent_had(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, 100);
	model_exact(&m, &m.a, 2, 10);
	m.space = 1;
	model_fork(&m, 2);
	check(&m, HEAP_WHOLE, 110, 110, 110); /* it did not ask for it again */
	/* the parent frees one: the child still has it */
	model_free(&m, 1, 0);
	check(&m, m.a.line, 110, 110, 110);
	/* the child frees both: the parent keeps the other */
	m.space = 2;
	model_free(&m, 1, 0);
	check(&m, m.a.line, 10, 110, 110);
	model_free(&m, 2, 0);
	check(&m, m.a.line, 10, 110, 110);
	/* the same address twice, in two spaces */
	model_exact(&m, &m.b, 1, 30);
	m.space = 1;
	model_exact(&m, &m.b, 1, 40);
	check(&m, m.b.line, 70, 70, 0);
	m.space = 2;
	model_end(&m);
	check(&m, m.b.line, 70, 70, 0); /* held to the child's end, and still by the parent */
	assert_int_equal(m.heap->accounts[m.b.line].live, 40);
	assert_int_equal(m.heap->spaces[0].live, 50);
	assert_int_equal(m.heap->spaces[1].peak, 110);
	assert_int_equal(m.heap->unknown_frees + m.heap->lost_frees, 0);
	assert_int_equal(m.heap->copies, 0);
	heap__free(m.heap);
}

/* Neither of two processes knows the other's threads: what both have counts in full. */
static void a_sample_that_is_still_young_at_a_fork(void **state)
{
	struct model m = model_of();

	model_alloc(&m, &m.a, 1, 10, LONG, 0);
	assert_int_equal(m.heap->spaces[0].live, 10);
	model_fork(&m, 2);
	m.space = 2;
	model_exact(&m, &m.b, 2, 5);
	check(&m, m.a.line, LONG, LONG, LONG);
	assert_int_equal(m.heap->spaces[0].live, LONG);
	assert_int_equal(m.heap->spaces[1].live, LONG + 5);
	model_free(&m, 1, 0);
	m.space = 1;
	model_free(&m, 1, 0);
	assert_int_equal(m.heap->spaces[0].live, 0);
	check(&m, m.a.line, 0, LONG, LONG);
	heap__free(m.heap);
}

static void a_child_that_execs_costs_nothing(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, 100);
	for (uint32_t child = 2; child < 100; child++) {
		m.space = 1;
		model_fork(&m, child);
		m.space = child;
		model_end(&m);
	}
	assert_int_equal(m.heap->blocks[0].holders, 1);
	check(&m, HEAP_WHOLE, 100, 100, 100);
	/* a child's child: the parent's end is not theirs */
	m.space = 1;
	model_fork(&m, 200);
	m.space = 200;
	model_fork(&m, 201);
	m.space = 1;
	model_end(&m);
	assert_int_equal(m.heap->accounts[HEAP_WHOLE].live, 100);
	m.space = 200;
	model_end(&m);
	assert_int_equal(m.heap->accounts[HEAP_WHOLE].live, 100);
	assert_int_equal(m.heap->accounts[HEAP_WHOLE].ended, 0);
	m.space = 201;
	model_free(&m, 1, 0);
	check(&m, HEAP_WHOLE, 0, 100, 100);
	heap__free(m.heap);
}

static void forks_beyond_the_limit_inherit_nothing(void **state)
{
	struct model m = model_of();
	uint32_t n = HEAP_COPIES_MAX / 4 + 1;

	for (uint32_t i = 0; i < n; i++)
		model_exact(&m, &m.a, 100 + i, 1);
	for (uint32_t child = 2; child < 6; child++)
		model_fork(&m, child);
	model_free(&m, 100, 0);
	assert_int_equal(m.heap->forks_not_copied, 1);
	assert_int_equal(m.heap->copies, 3 * n);
	/* three children have the block that the parent freed */
	check(&m, HEAP_WHOLE, n, n, n);
	for (m.space = 2; m.space < 6; m.space++)
		model_end(&m);
	assert_int_equal(m.heap->copies, 0);
	assert_int_equal(m.heap->accounts[HEAP_WHOLE].live, n - 1);
	heap__free(m.heap);
}

static void exec_lets_go_of_everything(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, 100);
	m.ms = 50;
	model_end(&m);
	m.space = 2;
	model_exact(&m, &m.b, 1, 60);
	m.ms = 100;
	check(&m, m.a.line, 100, 100, 100); /* held to the end of its program */
	check(&m, HEAP_WHOLE, 160, 100, 100);
	assert_int_equal(measured(&m, m.a.line).average_bytes, 50);
	heap__free(m.heap);
}

static void times_may_go_back_a_little(void **state)
{
	struct model m = model_of();

	m.ms = 10;
	model_exact(&m, &m.a, 1, 100);
	m.ms = 9;
	model_free(&m, 1, 0);
	m.ms = 20;
	assert_int_equal(measured(&m, m.a.line).average_bytes, 0);
	assert_int_equal(m.heap->now_ns, 10 * MS);
	heap__free(m.heap);
}

struct points { uint64_t ns[2 * TIMELINE_BINS], level[2 * TIMELINE_BINS]; size_t n; };

static void put_point(void *context, uint64_t ns, uint64_t level)
{
	struct points *p = context;

	assert_true(p->n < 2 * TIMELINE_BINS);
	assert_true(!p->n || ns >= p->ns[p->n - 1]);
	p->ns[p->n] = ns;
	p->level[p->n++] = level;
}

static void timelines_are_short_and_keep_peaks(void **state)
{
	struct timeline t = {};
	struct points p = {};
	bool spike = false, calm = false;

	timeline_set(&t, 0, 5);
	timeline_set(&t, 10 * MS, 7);
	timeline_points(&t, put_point, &p);
	assert_int_equal(p.n, 2);
	assert_int_equal(p.level[0], 5);
	assert_int_equal(p.level[1], 7);
	/* a fall is drawn from where it begins */
	timeline_set(&t, 15 * MS, 1);
	p.n = 0;
	timeline_points(&t, put_point, &p);
	assert_int_equal(p.n, 4);
	assert_int_equal(p.ns[2], 15 * MS);
	assert_int_equal(p.level[2], 7);
	assert_int_equal(p.ns[3], 15 * MS);
	assert_int_equal(p.level[3], 1);
	/* an hour of a level between 100 and 200, with one spike of a microsecond */
	for (uint64_t ms = 20; ms < 3600000; ms += 10) {
		timeline_set(&t, ms * MS, ms / 10 % 2 ? 100 : 200);
		if (ms == 2000000) {
			timeline_set(&t, ms * MS + 1, 9999);
			timeline_set(&t, ms * MS + 1001, 100);
		}
	}
	p.n = 0;
	timeline_points(&t, put_point, &p);
	assert_true(p.n > TIMELINE_BINS / 2);
	for (size_t i = 0; i < p.n; i++) {
		spike |= p.level[i] == 9999 && p.ns[i] == 2000000 * MS + 1;
		calm |= p.level[i] == 200 && p.ns[i] > 3000000 * MS;
	}
	assert_true(spike && calm);
	assert_int_equal(p.level[p.n - 1], 100);
	timeline_release(&t);
}

/* A ramp to the end is 100 %, half way up and then flat less, a plateau or a fall 0. */
static void growth_is_the_slope_of_the_line_that_fits(void **state)
{
	struct model m = model_of();

	for (; m.ms < 1000; m.ms++)
		model_exact(&m, &m.a, 1 + m.ms, 1000);
	assert_true(fabs(heap_growth_rate(m.heap, START + m.ms * MS) - 100) < 0.3);
	heap__free(m.heap);
	m = model_of();
	model_exact(&m, &m.a, 1, 1000);
	m.ms = 1000;
	assert_near(heap_growth_rate(m.heap, START + m.ms * MS), 0);
	model_free(&m, 1, 0);
	m.ms = 2000;
	assert_near(heap_growth_rate(m.heap, START + m.ms * MS), 0);
	heap__free(m.heap);
	m = model_of();
	m.ms = 2000;
	model_exact(&m, &m.a, 1, 500);
	m.ms = 2100;
	model_free(&m, 1, 0);
	model_exact(&m, &m.a, 1, 1000);
	m.ms = 10000;
	/* in s: 500 for 0.1 around 2.05, 1000 for 7.9 around 6.05: a slope of 12 (102.5 + 47795 - 5 x 7950) / 1000 over 10, by 1000 */
	assert_near(heap_growth_rate(m.heap, START + m.ms * MS), 97.77);
	heap__free(m.heap);
	m = model_of();
	assert_near(heap_growth_rate(m.heap, START), 0);
	heap__free(m.heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_peak_at_peak_and_average),
		cmocka_unit_test(at_peak_of_those_that_did_not_move),
		cmocka_unit_test(a_block_counts_in_full_when_its_thread_goes_on),
		cmocka_unit_test(at_the_end_all_blocks_count_in_full),
		cmocka_unit_test(errors_are_those_of_pairs_of_strides),
		cmocka_unit_test(lines_of_strides_have_pairs_of_their_own),
		cmocka_unit_test(memory_is_handed_from_one_thread_to_another),
		cmocka_unit_test(temporary_means_freed_before_some_more_allocations),
		cmocka_unit_test(resized_blocks),
		cmocka_unit_test(lost_records),
		cmocka_unit_test(a_child_has_what_its_parent_had),
		cmocka_unit_test(a_sample_that_is_still_young_at_a_fork),
		cmocka_unit_test(a_child_that_execs_costs_nothing),
		cmocka_unit_test(forks_beyond_the_limit_inherit_nothing),
		cmocka_unit_test(exec_lets_go_of_everything),
		cmocka_unit_test(times_may_go_back_a_little),
		cmocka_unit_test(timelines_are_short_and_keep_peaks),
		cmocka_unit_test(growth_is_the_slope_of_the_line_that_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
