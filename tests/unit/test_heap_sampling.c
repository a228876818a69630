// SPDX-License-Identifier: Apache-2.0
/*
 * A thread that allocates and frees, seen through a stratified sampler: estimates must be right on average, and scatter
 * as much as their standard errors say. The truth is added up beside.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "heap_records.h"

#undef STRIDE
#define STRIDE 4096ULL
#define BLOCKS 4000
#define RUNS 300

static uint64_t seed = 12345;

static uint64_t draw(uint64_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % n;
}

struct sampler {
	uint64_t position, stratum_end, point; /* bytes allocated, the stride's end, the point in it */
};

static void sampler_next(struct sampler *s)
{
	s->point = s->stratum_end + draw(STRIDE);
	s->stratum_end += STRIDE;
}

/* How many points fall into the next `size` bytes. */
static uint64_t sampler_take(struct sampler *s, uint64_t size)
{
	uint64_t hits = 0;

	s->position += size;
	for (; s->point < s->position; hits++)
		sampler_next(s);
	return hits;
}

struct sums { double z, z2, difference, truth; };

static void note(struct sums *s, double estimate, double error, double truth)
{
	double z = error > 0 ? (estimate - truth) / error : 0;

	s->z += z;
	s->z2 += z * z;
	s->difference += estimate - truth;
	s->truth += truth;
}

/* Right on average (within 4 standard errors of that), and the errors neither too small nor much too large. */
static void check(const struct sums *s)
{
	double mean = s->z / RUNS, spread = sqrt(s->z2 / RUNS);

	assert_true(fabs(mean) < 4 * spread / sqrt(RUNS));
	assert_true(fabs(s->difference) < 0.01 * s->truth);
	assert_true(spread < 1.15 && spread > 0.6);
}

static void one_run(struct sums *allocated, struct sums *allocations, struct sums *live)
{
	struct model m = model_of();
	struct sampler s = { 0 };
	struct heap_measures x;
	double bytes = 0, count = 0, held = 0;

	sampler_next(&s);
	for (uint64_t i = 1; i <= BLOCKS; i++) {
		bool a = draw(10) < 3;
		uint64_t size = a ? 100 + draw(300) : 16 + draw(1500), hits = sampler_take(&s, size);
		bool kept = draw(3) > 0;

		m.mark++;
		if (hits)
			model_alloc(&m, a ? &m.a : &m.b, i, size, hits * STRIDE, 0);
		if (hits && !kept)
			model_free(&m, i, 0);
		bytes += a ? size : 0;
		count += a;
		held += a && kept ? size : 0;
	}
	x = measured(&m, m.a.line);
	note(allocated, x.allocated_bytes, x.allocated_error, bytes);
	note(allocations, x.allocations, x.allocations_error, count);
	note(live, x.live_bytes, x.live_error, held);
	/* the whole is known to a stride at each end */
	x = measured(&m, HEAP_WHOLE);
	assert_true(fabs((double)x.allocated_bytes - (double)s.position) <= STRIDE);
	heap__free(m.heap);
}

static void estimates_scatter_as_their_errors_say(void **state)
{
	struct sums allocated = { 0 }, allocations = { 0 }, live = { 0 };

	for (int i = 0; i < RUNS; i++)
		one_run(&allocated, &allocations, &live);
	check(&allocated);
	check(&allocations);
	check(&live);
}

/* Two lines that hold 59 MB and 138 MB in blocks of 1 kB, one after the other and mixed, at the default stride. */
static void lines_that_hold_much_in_small_blocks(void **state)
{
	const uint64_t stride = 128 << 10, n_a = 59 << 10, n_b = 138 << 10;

	for (int mixed = 0; mixed < 2; mixed++) {
		struct model m = model_of();
		uint64_t left_a = n_a, left_b = n_b, point = draw(stride), position = 0, end = stride;

		while (left_a + left_b) {
			bool a = mixed ? draw(left_a + left_b) < left_a : left_a > 0;

			left_a -= a;
			left_b -= !a;
			m.mark++;
			position += 1024;
			if (point >= position)
				continue;
			model_alloc(&m, a ? &m.a : &m.b, position, 1024, stride, 0);
			point = end + draw(stride);
			end += stride;
		}
		/* apart: to half a percent; mixed, a point hits one or the other by chance: 472 of 1576 strides, 18 of them up or down */
		assert_true(fabs((double)measured(&m, m.a.line).live_bytes / (n_a << 10) - 1) < (mixed ? 0.12 : 0.005));
		assert_true(fabs((double)measured(&m, m.b.line).peak_bytes / (n_b << 10) - 1) < (mixed ? 0.06 : 0.005));
		assert_true(fabs((double)measured(&m, m.a.function).at_peak_bytes / ((n_a + n_b) << 10) - 1) < 0.002);
		heap__free(m.heap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_scatter_as_their_errors_say),
		cmocka_unit_test(lines_that_hold_much_in_small_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
