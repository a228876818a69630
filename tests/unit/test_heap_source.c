// SPDX-License-Identifier: Apache-2.0
/* Which blocks the probes sample (bpf/heap_source.h): sums without bias, little scatter, a rate that keeps to its budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <linux/types.h>
#include <cmocka.h>

static uint64_t random_state = 88172645463325252ULL;

static uint32_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

#define HEAP_RANDOM() ((__u64)random_number())
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#include "bpf/heap_source.h"

struct line { struct heap_rate rate; struct heap_stratum strata[SAMPLER_CLASSES]; uint64_t now_ns, samples; };

static void line_begin(struct line *l, uint64_t stride, uint64_t budget)
{
	*l = (struct line){ .rate = { .floor = stride, .budget = budget, .saved = budget }, .now_ns = 1000000000 };
	for (unsigned int i = 0; i < SAMPLER_CLASSES; i++)
		l->rate.stride[i] = stride;
}

static struct heap_sample put(struct line *l, uint64_t size)
{
	unsigned int class = sampler_class(size);
	struct heap_sample sample = { 0 };

	if (!heap_passes(&l->strata[class], size))
		heap_take(&l->strata[class], &l->rate, class, size, l->now_ns, &sample);
	l->samples += sample.weight != 0;
	return sample;
}

/* Of blocks of one size, the sum is right to a stride at each end. */
static void test_one_size(void **state)
{
	static const uint64_t sizes[] = { 1, 24, 1000, 4097, 100000, 131072 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t n = 60000000 / sizes[i] + 1, weight = 0, count = 0;
		struct line l;

		line_begin(&l, 131072, 0);
		l.rate.budget = 1000000;
		for (uint64_t k = 0; k < n; k++) {
			struct heap_sample s = put(&l, sizes[i]);

			weight += s.weight;
			count += s.count;
		}
		assert_true(fabs((double)weight - (double)(n * sizes[i])) <= 2 * 131072);
		assert_true(fabs((double)count / 256 / (double)n - 1) < 0.01);
	}
}

static void test_large_are_exact(void **state)
{
	struct line l;

	line_begin(&l, 131072, 1000000);
	for (uint64_t size = 131073; size < 1ULL << 40; size *= 3) {
		struct heap_sample s = put(&l, size);

		assert_true(s.weight == size);
		assert_true(s.count == HEAP_COUNT_ONE);
	}
	assert_false(put(&l, 0).weight);
}

/* Two kinds of blocks of any sizes, mixed: each sum is right on average, while strides grow and shrink. */
static void test_unbiased_while_strides_change(void **state)
{
	double error = 0, square = 0;
	int rounds = 200;

	for (int round = 0; round < rounds; round++) {
		uint64_t seen = 0, truth = 0;
		struct line l;

		line_begin(&l, 65536, 500);
		for (int k = 0; k < 40000; k++) {
			uint64_t size = random_number() % 5 ? random_number() % 3000 : random_number() % 300000;
			bool mine = random_number() % 4 == 0;
			struct heap_sample s = put(&l, size);

			l.now_ns += k < 20000 ? 2000 : 200000; /* fast, then slow */
			if (mine) {
				truth += size;
				seen += s.weight;
			}
		}
		error += (double)seen / (double)truth - 1;
		square += ((double)seen / (double)truth - 1) * ((double)seen / (double)truth - 1);
	}
	assert_true(fabs(error / rounds) < 4 * sqrt(square) / rounds + 1e-9);
	assert_true(fabs(error / rounds) < 0.02);
}

/* Ten times as much as the budget allows: after a while it is kept, and given back when it is calm. */
static void test_rate(void **state)
{
	uint64_t before, stride;
	struct line l;

	line_begin(&l, 131072, 2000);
	for (int k = 0; k < 200000; k++) { /* 50,000 per second of 1 MB */
		put(&l, 1 << 20);
		l.now_ns += 20000;
	}
	before = l.samples;
	for (int k = 0; k < 50000; k++) {
		put(&l, 1 << 20);
		l.now_ns += 20000;
	}
	assert_true(l.samples - before < 3000);
	stride = l.rate.stride[sampler_class(1 << 20)];
	assert_true(stride > 1 << 20);
	for (int k = 0; k < 10000; k++) {
		put(&l, 1 << 20);
		l.now_ns += 5000000;
	}
	assert_true(l.rate.stride[sampler_class(1 << 20)] < stride);
	assert_true(l.rate.stride[sampler_class(24)] == 131072);
}

/* A pause before a slice gives no events away. */
static void test_pause(void **state)
{
	struct line l;

	line_begin(&l, 131072, 2000);
	put(&l, 1 << 20);
	l.rate.start_ns = l.now_ns;
	heap_rate_resume(&l.rate, l.now_ns + 5000000000ULL);
	assert_true(l.rate.start_ns == l.now_ns + 5000000000ULL);
	heap_rate_resume(&l.rate, 0);
	assert_true(l.rate.start_ns == l.now_ns + 5000000000ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_size),
		cmocka_unit_test(test_large_are_exact),
		cmocka_unit_test(test_unbiased_while_strides_change),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
