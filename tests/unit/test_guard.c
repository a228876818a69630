// SPDX-License-Identifier: Apache-2.0
/* The guard over probes, run against a program that allocates at some rate and probes that cost something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "capture/guard.h"

#define START 1000000000ULL
#define STEP 250000ULL /* of simulated time */

/* A program whose calls come every work_ns of its own time; a call with a probe takes cost_ns more. */
struct world {
	struct guard guard;
	double work_ns, cost_ns, told_ns; /* told: what the guard is told that a probe costs */
	double cpus, load;     /* CPUs in use, of each what part the program gets */
	uint64_t now;
	double cpu, cost, calls, seen; /* calls: all; seen: of these in slices, scaled */
	double scale;
	bool on;
	unsigned int slices;
};

static void world_begin(struct world *w, double budget, double work_ns, double cost_ns)
{
	*w = (struct world){ .work_ns = work_ns, .cost_ns = cost_ns, .told_ns = cost_ns, .cpus = 1, .load = 1, .now = START, .on = true, .scale = 1 };
	guard_init(&w->guard, budget, START, 42);
}

/* One step of time; a CPU sample per ms of CPU time, in the probes as often as time goes there. */
static void world_step(struct world *w)
{
	double cpu = STEP * w->cpus * w->load, each = w->work_ns + (w->on ? w->cost_ns : 0), calls = cpu / each;
	double random = (double)rand() / RAND_MAX;

	w->now += STEP;
	w->cpu += cpu;
	w->calls += calls;
	if (w->on) {
		w->cost += calls * w->told_ns;
		w->seen += calls * w->scale;
	}
	if (random < cpu / 1e6)
		guard_sample(&w->guard, w->now - 1, w->on && (double)rand() / RAND_MAX < w->cost_ns / each);
}

static void world_run(struct world *w, double seconds)
{
	uint64_t end = w->now + (uint64_t)(seconds * 1e9);
	struct guard_slice slice;

	while (w->now < end) {
		world_step(w);
		if (w->now < w->guard.next_ns)
			continue;
		switch (guard_look(&w->guard, w->now, (uint64_t)w->cpu, (uint64_t)w->cost)) {
		case GUARD_KEEP:
			break;
		case GUARD_CLOSE:
			w->on = false;
			guard_closed(&w->guard, w->now, (uint64_t)w->cpu);
			break;
		case GUARD_OPEN:
			guard_opened(&w->guard, w->now, (uint64_t)w->cpu, (uint64_t)w->cost, &slice);
			assert_int_equal(slice.begin_ns, w->now);
			assert_true(slice.end_ns > w->now && slice.scale >= 1);
			w->scale = slice.scale;
			w->on = true;
			w->slices++;
			break;
		case GUARD_STAY:
			w->scale = 1;
			break;
		}
	}
}

/* Few calls: the probes stay, and each call counts as one. */
static void test_cheap(void **state)
{
	struct world w;

	world_begin(&w, 0.03, 100000, 1000);
	world_run(&w, 60);
	assert_false(w.guard.sliced);
	assert_true(w.on);
	assert_true(w.seen == w.calls);
	assert_true(guard_seen(&w.guard, w.now) == 1);
	assert_true(guard_correction(&w.guard, (uint64_t)w.cpu) == 1);
}

static void test_no_limit(void **state)
{
	struct world w;

	world_begin(&w, 0, 100, 1000);
	world_run(&w, 10);
	assert_false(w.guard.sliced);
	assert_true(w.on);
}

/* Many calls: the cost keeps to the budget, and what is seen, scaled, is what there was. */
static void check_dear(double work_ns, double cost_ns, double cpus, double load, double tolerance)
{
	struct world w;
	double real;

	world_begin(&w, 0.03, work_ns, cost_ns);
	w.cpus = cpus;
	w.load = load;
	world_run(&w, 10);
	real = w.cost; /* the burst is over */
	double cpu = w.cpu;
	world_run(&w, 60);
	assert_true(w.guard.sliced);
	assert_true(w.slices > 50);
	assert_true((w.cost - real) / (w.cpu - cpu) < 0.04);
	assert_true(w.seen > (1 - tolerance) * w.calls && w.seen < (1 + tolerance) * w.calls);
	assert_true(guard_seen(&w.guard, w.now) < 0.6);
	w.seen *= guard_correction(&w.guard, (uint64_t)w.cpu);
	assert_true(w.seen > (1 - tolerance) * w.calls && w.seen < (1 + tolerance) * w.calls);
}

static void test_dear(void **state)
{
	check_dear(10000, 2500, 1, 1, 0.03);
	check_dear(400, 1400, 1, 1, 0.10);
	check_dear(10000, 2500, 4, 1, 0.03);
	check_dear(10000, 2500, 1, 0.3, 0.03);
}

/* Whoever has the sums at the end need not care in which gap that was: not in the first one either, when nothing stands for any gap. */
static void test_ends_anywhere(void **state)
{
	double least = 1;

	(void)state;
	for (double seconds = 0.5; seconds < 6; seconds += 0.25) {
		struct world w;
		double all;

		world_begin(&w, 0.01, 4400, 2000);
		world_run(&w, seconds);
		assert_true(w.guard.sliced);
		all = w.seen * guard_correction(&w.guard, (uint64_t)w.cpu);
		assert_true(all > 0.9 * w.calls && all < 1.1 * w.calls);
		if (w.seen / w.calls < least)
			least = w.seen / w.calls;
	}
	/* it would matter */
	assert_true(least < 0.7);
}

/* A short burst is seen as a whole. */
static void test_burst(void **state)
{
	struct world w;

	world_begin(&w, 0.03, 1000, 1000);
	world_run(&w, 0.4);
	assert_false(w.guard.sliced);
	assert_true(w.seen == w.calls);
}

/* The program's calls become rare: the probes stay again. */
static void test_calm(void **state)
{
	struct world w;
	double seen, calls;

	world_begin(&w, 0.03, 1000, 1000);
	world_run(&w, 10);
	assert_true(w.guard.sliced && w.guard.state != GUARD_ALWAYS);
	w.work_ns = 10000000;
	world_run(&w, 60);
	assert_int_equal(w.guard.state, GUARD_ALWAYS);
	seen = w.seen;
	calls = w.calls;
	world_run(&w, 10);
	assert_true(w.seen - seen == w.calls - calls);
}

/* A probe costs more than is known: the samples show it. */
static void test_dearer_than_known(void **state)
{
	struct world w;

	world_begin(&w, 0.03, 10000, 3000);
	w.told_ns = 1500;
	world_run(&w, 120);
	assert_true(w.guard.sliced);
	assert_true(guard_taken(&w.guard) > 0.19 && guard_taken(&w.guard) < 0.27);
	assert_true(w.seen > 0.96 * w.calls && w.seen < 1.04 * w.calls);
}

/* Clocks that stand still or run back, costs without end. */
static void test_nonsense(void **state)
{
	struct guard_slice slice;
	struct guard g;
	uint64_t now = START;

	guard_init(&g, 0.03, now, 7);
	for (int i = 0; i < 100000; i++) {
		now += (uint64_t)rand() % 50000000;
		switch (guard_look(&g, now, (uint64_t)rand() << (rand() % 20), (uint64_t)rand() << (rand() % 30))) {
		case GUARD_CLOSE:
			guard_closed(&g, now, rand());
			break;
		case GUARD_OPEN:
			guard_opened(&g, now, rand(), rand(), &slice);
			assert_true(slice.scale >= 1 && slice.scale <= 10000);
			break;
		default:
			break;
		}
		guard_sample(&g, now - (uint64_t)rand() % 100000000, rand() % 2);
		assert_true(guard_taken(&g) >= 0 && guard_taken(&g) < 1);
		assert_true(guard_seen(&g, now) >= 0 && guard_seen(&g, now) <= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cheap),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_dear),
		cmocka_unit_test(test_ends_anywhere),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_dearer_than_known),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
