// SPDX-License-Identifier: Apache-2.0
/* What copies stand for, and the functions that copy before and after libc is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/copy.h"

#define FLOOR (1ULL << 20)

struct thread {
	struct copy_line line;
	int64_t left;
	uint64_t random, now_ns, samples;
};

/* As hot.S does it. */
static uint64_t copy(struct thread *t, uint64_t n)
{
	uint64_t weight;

	t->left -= n;
	if (t->left >= 0)
		return 0;
	weight = copy_take(&t->line, &t->left, n, FLOOR, &t->random, t->now_ns);
	t->samples += weight != 0;
	assert_true(t->left >= 0);
	return weight;
}

/* Two lines that copy in turn, one in small pieces and one in large ones: the mean of many runs is what each copied. */
static void test_unbiased(void **state)
{
	static const uint64_t sizes[][2] = { { 40, 1000 }, { 5000, 300000 }, { 100, 2000000 }, { 700000, 1 << 20 } };
	enum { RUNS = 400, TIMES = 600 };
	uint64_t random = 271828;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
		double sum[2] = { 0 }, squares[2] = { 0 };

		for (int run = 0; run < RUNS; run++) {
			struct thread t = { .random = random };
			double told[2] = { 0 };

			for (int i = 0; i < TIMES; i++) {
				t.now_ns += 50000;
				told[0] += copy(&t, sizes[k][0]);
				told[1] += copy(&t, sizes[k][1]);
			}
			random = t.random;
			for (int i = 0; i < 2; i++) {
				sum[i] += told[i];
				squares[i] += told[i] * told[i];
			}
		}
		for (int i = 0; i < 2; i++) {
			double mean = sum[i] / RUNS, error = sqrt(fmax(squares[i] / RUNS - mean * mean, 0) / RUNS);

			assert_true(fabs(mean - (double)sizes[k][i] * TIMES) <= 4 * error + 1);
		}
	}
}

/* One line: less than a percent off; samples come at COPY_RATE, however fast it copies, and finely again once it slows down. */
static void test_rate(void **state)
{
	struct thread t = { .random = 99 };
	double told = 0;
	uint64_t samples;

	for (int i = 0; i < 200000; i++, t.now_ns += 5000) /* 20 GB/s for a second */
		told += copy(&t, 100000);
	assert_true(fabs(told - 20e9) < 20e9 * 0.01);
	assert_in_range(t.samples, COPY_RATE / 2, 3 * COPY_RATE);
	assert_true(t.line.next > FLOOR);
	for (int i = 0; i < 60000; i++, t.now_ns += 10000000) /* 10 MB/s for ten minutes */
		copy(&t, 100000);
	assert_true(t.line.next == FLOOR);
	samples = t.samples;
	told = 0;
	for (int i = 0; i < 5000; i++, t.now_ns += 10000000)
		told += copy(&t, 100000);
	assert_true(fabs(told - 500e6) <= FLOOR);
	assert_in_range(t.samples - samples, 450, 500);
}

/* Large copies are all told at first, then they share strides, and small ones after them are seen. */
static void test_large_then_small(void **state)
{
	struct thread t = { .random = 7 };
	double large = 0, small = 0;

	for (int i = 0; i < 1400; i++, t.now_ns += 100000)
		large += copy(&t, 3 * FLOOR);
	for (int i = 0; i < 100000; i++, t.now_ns += 500)
		small += copy(&t, 5000);
	assert_true(fabs(large - 4200.0 * FLOOR) < 4200.0 * FLOOR * 0.03);
	assert_true(fabs(small - 500e6) < 500e6 * 0.15);
}

/* A handler that copies inside a look takes its bytes off the countdown, and they are counted at the next. */
static void test_handler(void **state)
{
	struct thread t = { .random = 5 };
	uint64_t told = copy(&t, 10);

	for (int i = 0; i < 100; i++) {
		told += copy(&t, FLOOR / 2);
		t.left -= FLOOR;
	}
	told += copy(&t, 1);
	assert_in_range(told, 149 * FLOOR, 151 * FLOOR);
}

typedef void *copy_function(void *, const void *, size_t, size_t);

/* Copies as memmove does, overlaps included? */
static bool copies(copy_function *function)
{
	unsigned char text[600], expected[600];

	for (size_t n = 0; n < 200; n += 1 + n / 16) {
		for (int to = 0; to < 400; to += 37) {
			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = expected[i] = i * 7;
			for (size_t i = 0; i < n; i++)
				expected[to + i] = (100 + i) * 7;
			if (function(text + to, text + 100, n, sizeof(text) - to) != text + to || memcmp(text, expected, sizeof(text)))
				return false;
		}
	}
	return true;
}

static void *plainly(void *to, const void *from, size_t n, size_t room)
{
	return copy_plainly(to, from, n);
}

static void test_plainly(void **state)
{
	assert_true(copies(plainly));
}

/* In a process with the library: 0 if its functions are the ones that are called, and copy as libc's do. */
static int functions(void)
{
	static const char *const names[] = { "memcpy", "memmove", "__memcpy_chk", "__memmove_chk" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *found = dlsym(RTLD_DEFAULT, names[i]);
		Dl_info info;

		if (!found || !dladdr(found, &info) || !strstr(info.dli_fname, "libfixingahole-heap.so"))
			return 10 + i;
		if (!copies((copy_function *)found))
			return 20 + i;
	}
	return 0;
}

static void test_functions(void **state)
{
	int status, pid;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* its runtime must come before all that is preloaded, and has a memcpy of its own */
#endif
	pid = fork();

	if (!pid) {
		setenv("LD_PRELOAD", BUILD_DIR "/libfixingahole-heap.so", 1);
		execl("/proc/self/exe", "test_preload_copy", "functions", NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unbiased),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_large_then_small),
		cmocka_unit_test(test_handler),
		cmocka_unit_test(test_plainly),
		cmocka_unit_test(test_functions),
	};

	return argc > 1 ? functions() : cmocka_run_group_tests(tests, NULL, NULL);
}
