// SPDX-License-Identifier: Apache-2.0
/* The sampler's statistics, and the adaptation of its stride. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "preload/sampler.h"

static uint64_t now_ns;

static uint64_t clock_now(void) { return now_ns; }

struct sums {
	double weight, count, samples;
};

struct lines {
	union sampler_hot hot[SAMPLER_CLASSES];
	struct sampler cold[SAMPLER_CLASSES];
};

static void allocate(struct lines *lines, struct sampler_rate *rate, uint64_t *random, uint64_t size, struct sums *sums)
{
	union sampler_hot *h = &lines->hot[sampler_class(size)];
	struct sample sample;

	if (sampler_pass(h, size))
		return;
	sample = sampler_take(h, &lines->cold[sampler_class(size)], size, rate, random, clock_now);
	sums->weight += sample.weight;
	sums->count += sample.count_q8 / 256.0;
	sums->samples += sample.weight != 0;
}

/* Classes hold their sizes in order, and every size has one. */
static void test_classes(void **state)
{
	unsigned before = 0;

	for (uint64_t size = 0; size < 300000; size++) {
		unsigned class = sampler_class(size);

		assert_true(class == before || class == before + 1);
		before = class;
	}
	assert_int_equal(sampler_class(UINT64_MAX), SAMPLER_CLASSES - 1);
	assert_true(sampler_class(1ULL << 31) < SAMPLER_CLASSES);
}

/*
 * Two sizes of one line, by turns and by chance, 400 runs of fresh points: each one's mean is its true
 * sum, within 4 standard errors.
 */
static void test_unbiased(void **state)
{
	enum { RUNS = 400, BLOCKS = 3000 };
	static const uint64_t sizes[] = { 5000, 5100, 4097, 4900 };
	double sum[4] = { 0 }, squares[4] = { 0 }, counts[4] = { 0 }, true_sum[4] = { 0 };
	uint64_t random = 12345, program;

	for (int run = 0; run < RUNS; run++) {
		struct lines lines = { 0 };
		struct sampler_rate rate;
		struct sums sums[4] = { 0 };

		sampler_rate_init(&rate, 16384, 0, NULL);
		program = 99; /* the same program each time */
		for (int i = 0; i < BLOCKS; i++) {
			unsigned which = sampler_random(&program) >> 60 & 3;

			allocate(&lines, &rate, &random, sizes[which], &sums[which]);
			true_sum[which] += sizes[which];
		}
		for (int w = 0; w < 4; w++) {
			sum[w] += sums[w].weight;
			squares[w] += sums[w].weight * sums[w].weight;
			counts[w] += sums[w].count;
		}
	}
	for (int w = 0; w < 4; w++) {
		double mean = sum[w] / RUNS, deviation = sqrt(squares[w] / RUNS - mean * mean), truth = true_sum[w] / RUNS;

		assert_true(fabs(mean - truth) < 4 * deviation / sqrt(RUNS));
		assert_true(fabs(counts[w] / RUNS * sizes[w] - truth) < 4 * deviation / sqrt(RUNS) + truth / 256);
	}
}

/* A line that allocates alone is known to a stride, whatever the run. */
static void test_stratified(void **state)
{
	uint64_t random = 777;

	for (int run = 0; run < 200; run++) {
		struct lines lines = { 0 };
		struct sampler_rate rate;
		struct sums sums = { 0 };

		sampler_rate_init(&rate, 131072, 0, NULL);
		for (int i = 0; i < 20000; i++)
			allocate(&lines, &rate, &random, 1000, &sums);
		assert_true(fabs(sums.weight - 20e6) <= 131072);
	}
}

static void test_large_is_exact(void **state)
{
	struct lines lines = { 0 };
	struct sampler_rate rate;
	struct sums sums = { 0 };
	uint64_t random = 5;

	sampler_rate_init(&rate, 131072, 0, NULL);
	for (int i = 0; i < 1000; i++)
		allocate(&lines, &rate, &random, 131073 + i, &sums);
	assert_int_equal(sums.samples, 1000);
	assert_int_equal(sums.count, 1000);
	assert_true(sums.weight == 1000 * 131073.0 + 999 * 500);
}

/*
 * The stride rises while 1 MB blocks come 300,000 times a second, falls when the program calms down, and the sum
 * stays right: 60 runs, the mean of each phase within 4 standard errors.
 */
static void test_adapts_without_bias(void **state)
{
	enum { RUNS = 60 };
	double fast = 0, fast2 = 0, calm = 0, calm2 = 0;
	uint64_t random = 4242;

	for (int run = 0; run < RUNS; run++) {
		struct lines lines = { 0 };
		struct sampler_rate rate;
		struct sums a = { 0 }, b = { 0 };

		now_ns = 1000000000ULL;
		sampler_rate_init(&rate, 131072, 2000, NULL);
		for (int i = 0; i < 200000; i++, now_ns += 3333)
			allocate(&lines, &rate, &random, 1000000, &a);
		assert_true(sampler_rate_stride(&rate) >= 32 << 20);
		assert_int_equal(rate.stride[sampler_class(1000)], 131072); /* the others do not pay */
		assert_true(a.samples < 2000 * 4);
		for (int i = 0; i < 200000; i++, now_ns += 50000)
			allocate(&lines, &rate, &random, 1000, &b);
		assert_int_equal(sampler_rate_stride(&rate), 131072);
		fast += a.weight;
		fast2 += a.weight * a.weight;
		calm += b.weight;
		calm2 += b.weight * b.weight;
	}
	fast /= RUNS, calm /= RUNS;
	assert_true(fabs(fast - 200e9) < 4 * sqrt((fast2 / RUNS - fast * fast) / RUNS) + 1);
	assert_true(fabs(fast - 200e9) < 200e9 * 0.002);
	assert_true(fabs(calm - 200e6) < 4 * sqrt((calm2 / RUNS - calm * calm) / RUNS) + 1);
	assert_true(fabs(calm - 200e6) < 200e6 * 0.002);
}

/* Strata that are cut short at places which do not depend on the point leave no bias either. */
static void test_unbiased_when_cut(void **state)
{
	enum { RUNS = 3000 };
	double sum = 0, squares = 0;
	uint64_t random = 31337;

	for (int run = 0; run < RUNS; run++) {
		struct lines lines = { 0 };
		struct sampler_rate rate;
		struct sums sums = { 0 };

		sampler_rate_init(&rate, 65536, 1000000000, NULL);
		for (int i = 0; i < 3000; i++) {
			/* up and down, as if by the rate */
			rate.stride[sampler_class(3000)] = i / 100 % 2 ? 1 << 21 : 1 << 16;
			allocate(&lines, &rate, &random, 3000, &sums);
		}
		sum += sums.weight;
		squares += sums.weight * sums.weight;
	}
	sum /= RUNS;
	assert_true(fabs(sum - 9e6) < 4 * sqrt((squares / RUNS - sum * sum) / RUNS));
}

static void test_burst(void **state)
{
	struct lines lines = { 0 };
	struct sampler_rate rate;
	struct sums sums = { 0 };
	uint64_t random = 9;

	now_ns = 1000000000ULL;
	sampler_rate_init(&rate, 131072, 2000, NULL);
	for (int i = 0; i < 100000; i++, now_ns += 50)
		allocate(&lines, &rate, &random, 1000, &sums);
	assert_int_equal(sampler_rate_stride(&rate), 131072); /* 100 MB in 5 ms fit the bucket */
	for (int i = 0; i < 300000; i++, now_ns += 50)
		allocate(&lines, &rate, &random, 1000, &sums);
	assert_true(sampler_rate_stride(&rate) > 131072);
}

static uint64_t footprint;

static uint64_t footprint_now(void)
{
	return footprint;
}

/* What stays is seen at the finest stride up to 256 MiB, then at about a two-thousandth of the footprint, however small the budget; what only comes and goes is not. */
static void test_growth_is_seen(void **state)
{
	enum { SIZE = 1000, N = 1000000 };

	for (int grows = 0; grows < 2; grows++) {
		struct lines lines = { 0 };
		struct sampler_rate rate;
		struct sums sums = { 0 };
		uint64_t random = 77;

		now_ns = 1000000000ULL;
		footprint = 0;
		sampler_rate_init(&rate, 131072, 100, footprint_now);
		for (int i = 0; i < N; i++, now_ns += 1000) {
			allocate(&lines, &rate, &random, SIZE, &sums);
			footprint += grows ? SIZE : 0;
			if (grows && i == 260000)
				assert_int_equal(sampler_rate_stride(&rate), 131072);
		}
		if (grows)
			assert_in_range(sums.samples, 2500, 7000);
		else
			assert_in_range(sums.samples, 100, 500);
		assert_true(fabs(sums.weight - (double)SIZE * N) < 0.03 * SIZE * N);
	}
}

/* A program whose speed changes all the time stays within the budget, too: what was taken too much is owed. */
static void test_budget_is_kept(void **state)
{
	struct lines lines = { 0 };
	struct sampler_rate rate;
	struct sums sums = { 0 };
	uint64_t random = 5, seconds = 30;

	now_ns = 1000000000ULL;
	sampler_rate_init(&rate, 131072, 500, NULL);
	for (uint64_t end = now_ns + seconds * 1000000000ULL, i = 0; now_ns < end; i++) {
		bool fast = now_ns / 200000000 % 2;

		allocate(&lines, &rate, &random, 2000 + now_ns / 1000000000 % 5 * 1000, &sums);
		now_ns += fast ? 500 : 20000;
	}
	assert_in_range(sums.samples, 500 * seconds / 4, 500 * seconds * 3 / 2);
}

static void test_limits(void **state)
{
	struct sampler_rate rate;
	struct sampler s = { 0 };
	union sampler_hot h = { 0 };
	uint64_t random = 1;

	sampler_rate_init(&rate, 0, 1, NULL);
	assert_int_equal(sampler_rate_stride(&rate), SAMPLER_STRIDE_MIN);
	sampler_rate_init(&rate, 100000, 1, NULL);
	assert_int_equal(sampler_rate_stride(&rate), 65536);
	sampler_rate_init(&rate, UINT64_MAX, 1, NULL);
	assert_true(sampler_rate_stride(&rate) == SAMPLER_STRIDE_MAX);
	/* nothing of no size */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sampler_take(&h, &s, 0, &rate, &random, clock_now).weight, 0);
	/* the largest there is goes the slow way, is exact, and leaves the line as it was */
	assert_false(sampler_pass(&h, UINT64_MAX));
	assert_true(sampler_take(&h, &s, UINT64_MAX, &rate, &random, clock_now).weight == UINT64_MAX);
	assert_true(h.left <= s.stride);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_unbiased),
		cmocka_unit_test(test_stratified),
		cmocka_unit_test(test_large_is_exact),
		cmocka_unit_test(test_adapts_without_bias),
		cmocka_unit_test(test_unbiased_when_cut),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_growth_is_seen),
		cmocka_unit_test(test_budget_is_kept),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
