// SPDX-License-Identifier: Apache-2.0
/* The lines of CPython's small blocks (preload/blocks.h): each block counts once, whatever becomes of it, and sums are unbiased. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/blocks.h"

static uint64_t now_ns;

static uint64_t clock_now(void)
{
	return now_ns;
}

struct sums { uint64_t random, bytes, count; double told; };

/* As the hooks do it. resized: taken whether or not it passes. */
static void make(struct sampler_rate *rate, struct sums *s, size_t size, bool resized)
{
	struct blocks_passed passed;
	bool passes = blocks_pass(size);

	now_ns += 50;
	if (passes && !resized)
		return;
	s->told += blocks_take(size, rate, &s->random, clock_now, &passed).weight;
	s->bytes += passed.bytes;
	s->count += passed.count;
}

static void end(struct sums *s)
{
	struct blocks_passed passed;

	blocks_clear(&passed);
	s->bytes += passed.bytes;
	s->count += passed.count;
}

/* All sizes, in turn and in bursts, some of them resized. */
static void test_counts(void **state)
{
	struct sums s = { .random = 1 };
	struct sampler_rate rate;
	uint64_t bytes = 0, count = 0, before = blocks_count();

	sampler_rate_init(&rate, 4096, 500, NULL);
	for (uint64_t i = 0; i < 3000000; i++) {
		size_t size = 1 + (i % 7 ? i * 31 : i / 4096) % PYMALLOC_MAX;

		assert_true(blocks_have(size));
		make(&rate, &s, size, i % 1000 == 0);
		bytes += size;
		count++;
	}
	assert_int_equal(blocks_count() - before, count);
	end(&s);
	assert_int_equal(s.bytes, bytes);
	assert_int_equal(s.count, count);
	assert_int_equal(blocks_count() - before, count);
	assert_false(blocks_have(0));
	assert_false(blocks_have(PYMALLOC_MAX + 1));
}

/* Some thousand blocks of one size, fewer than a stride is worth or many more, while strides change: the mean of many runs is what was made. */
static void test_unbiased(void **state)
{
	static const size_t sizes[] = { 1, 24, 28, 500, PYMALLOC_MAX };
	enum { RUNS = 3000, TIMES = 2000 };
	struct sums s = { .random = 31415 };

	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		double sum = 0, squares = 0, mean, error;

		for (int run = 0; run < RUNS; run++) {
			struct sampler_rate rate;

			sampler_rate_init(&rate, run % 2 ? 4096 : 131072, 500, NULL);
			s.told = 0;
			for (int i = 0; i < TIMES; i++)
				make(&rate, &s, sizes[k], i % 97 == 0);
			end(&s);
			sum += s.told;
			squares += s.told * s.told;
		}
		mean = sum / RUNS;
		error = sqrt(fmax(squares / RUNS - mean * mean, 0) / RUNS);
		assert_true(fabs(mean - (double)sizes[k] * TIMES) <= 4 * error + 1);
	}
}

/* A call that may not look is no sample and is not counted; the next one looks. */
static void test_not_looked_at(void **state)
{
	struct sums s = { .random = 5 };
	struct sampler_rate rate;

	sampler_rate_init(&rate, 4096, 500, NULL);
	make(&rate, &s, 100, false);
	while (blocks_pass(100))
		;
	for (int i = 0; i < 10; i++)
		assert_false(blocks_pass(100));
	s.bytes = s.count = 0;
	make(&rate, &s, 100, false);
	assert_in_range(s.count, 1, 1 + 4096 / 100);
	assert_int_equal(s.bytes, 100 * s.count);
	blocks_look_again(100);
	assert_false(blocks_pass(100));
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_unbiased),
		cmocka_unit_test(test_not_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
