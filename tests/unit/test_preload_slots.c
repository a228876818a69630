// SPDX-License-Identifier: Apache-2.0
/* The allocator for sampled blocks, and the marks: what they promise, also between threads, across fork and under signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/lock.h"
#include "preload/marks.h"
#include "preload/slots.h"

static int setup(void **state) { return slots_init(1ULL << 32) ? 0 : -1; }

static void test_sizes(void **state)
{
	for (size_t size = 0; size <= SLOTS_MAX; size++) {
		char *p = slots_alloc(size);

		assert_non_null(p);
		assert_true(slots_own(p));
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_true(slots_size(p) >= size);
		assert_true(slots_size(p) <= size + (size < 512 ? 16 : size / 4 + 1));
		memset(p, 0x5a, slots_size(p));
		assert_true(slots_free(p));
	}
	assert_null(slots_alloc(SLOTS_MAX + 1));
	assert_null(slots_alloc(SIZE_MAX));
	assert_false(slots_own(state));
}

/* Blocks do not overlap, and memory that is given back is used again. */
static void test_reuse(void **state)
{
	enum { N = 40000 };
	static char *p[N];
	uintptr_t high = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			size_t size = 1 + (i * 7919u) % (i % 16 ? 600 : SLOTS_MAX);

			p[i] = slots_alloc(size);
			assert_non_null(p[i]);
			memset(p[i], i, slots_size(p[i]) < 64 ? slots_size(p[i]) : 64);
			if (!round && (uintptr_t)p[i] > high)
				high = (uintptr_t)p[i];
			assert_true((uintptr_t)p[i] < high + (2 << 20));
		}
		for (int i = 0; i < N; i++)
			for (size_t k = 0; k < 64 && k < slots_size(p[i]); k++)
				assert_int_equal(p[i][k], (char)i);
		for (int i = 0; i < N; i++)
			assert_true(slots_free(p[(i * 17 + 5) % N]));
	}
}

static void test_refuses(void **state)
{
	char *p = slots_alloc(100);

	assert_false(slots_free(p + 16));
	assert_false(slots_free(p + 1));
	assert_false(slots_free((void *)(slots_range.base + slots_range.size - 64)));
	assert_false(slots_free((void *)((uintptr_t)p & ~65535UL)));
	assert_true(slots_free(p));
	assert_false(slots_free(p));
}

/* A handler that interrupts us in our own lock gets no slot, and what it frees is freed later. */
static void test_inside(void **state)
{
	char *p = slots_alloc(64), *q;
	struct mark mark = { .size = 1 };

	assert_true(lock_enter());
	assert_false(lock_enter());
	assert_null(slots_alloc(64));
	assert_true(slots_free(p));
	assert_false(marks_insert(p, &mark));
	lock_leave();
	q = slots_alloc(64); /* takes p back first */
	assert_ptr_equal(p, q);
	assert_true(slots_free(q));
}

static void test_marks(void **state)
{
	enum { N = 5000 };
	struct mark mark, out;

	for (uintptr_t i = 1; i <= N; i++) {
		mark = (struct mark){ .size = i, .weight = 2 * i, .count_q8 = 3 * i, .info = 4 * i };
		assert_false(marks_have((void *)(i * 48)));
		assert_true(marks_insert((void *)(i * 48), &mark));
	}
	mark.size = 77;
	assert_true(marks_insert((void *)(48UL * N), &mark));
	for (uintptr_t i = 1; i <= N; i++) {
		assert_true(marks_maybe((void *)(i * 48)));
		assert_int_equal(marks_take((void *)(i * 48), &out), MARKS_TAKEN);
		assert_int_equal(out.size, i == N ? 77 : i);
		assert_int_equal(out.info, 4 * i);
		assert_int_equal(marks_take((void *)(i * 48), &out), MARKS_NONE);
	}
	/* coming and going does not fill the table */
	for (uintptr_t i = 1; i < 2000000; i++) {
		assert_true(marks_insert((void *)(i << 20 | 16), &mark));
		if (i > 50)
			assert_int_equal(marks_take((void *)((i - 50) << 20 | 16), &out), MARKS_TAKEN);
	}
	assert_int_equal(marks_take(NULL, &out), MARKS_NONE);
}

static void *churn(void *data)
{
	unsigned seed = (uintptr_t)data;
	struct { unsigned char *p; size_t size; } mine[64] = { 0 };

	for (int i = 0; i < 60000; i++) {
		unsigned k = rand_r(&seed) % 64;
		struct mark mark = { .size = seed }, out;

		if (mine[k].p) {
			for (size_t b = 0; b < mine[k].size; b += 16)
				if (mine[k].p[b] != (unsigned char)(uintptr_t)data)
					return "overwritten";
			if (marks_take(mine[k].p, &out) != MARKS_TAKEN)
				return "mark lost";
			if (!slots_free(mine[k].p))
				return "slot lost";
			mine[k].p = NULL;
		} else {
			mine[k].size = rand_r(&seed) % 700;
			mine[k].p = slots_alloc(mine[k].size);
			if (!mine[k].p || marks_have(mine[k].p) || !marks_insert(mine[k].p, &mark))
				return "none";
			memset(mine[k].p, (uintptr_t)data, mine[k].size);
		}
	}
	for (int k = 0; k < 64; k++) {
		struct mark out;

		if (mine[k].p && (marks_take(mine[k].p, &out) != MARKS_TAKEN || !slots_free(mine[k].p)))
			return "last";
	}
	return NULL;
}

static void test_threads_and_fork(void **state)
{
	pthread_t threads[8];
	void *problem;

	for (uintptr_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	for (int i = 0; i < 20; i++) {
		int status;
		pid_t pid;

		lock_before_fork();
		pid = fork();
		lock_after_fork();
		if (pid == 0) {
			void *p = slots_alloc(100);

			signal(SIGALRM, SIG_DFL);
			alarm(10);
			_exit(p && slots_free(p) ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &problem);
		assert_null(problem);
	}
}

static volatile unsigned long in_handler;

static void handler(int number)
{
	void *p = slots_alloc(48);

	in_handler++;
	if (p)
		slots_free(p);
}

static void test_signals(void **state)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };

	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &often, NULL);
	while (in_handler < 50)
		assert_null(churn((void *)3));
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN); /* one may be on its way */
}

/* The addresses that were never used go back; what is in use stays, and what no longer finds room is refused. */
static void test_trim(void **state)
{
	uintptr_t before = slots_range.size;
	char *p = slots_alloc(100), *q, *last = NULL;
	size_t n = 0;

	assert_non_null(p);
	memset(p, 0x5a, 100);
	slots_trim();
	assert_true(slots_range.size < before && slots_own(p));
	while ((q = slots_alloc(SLOTS_MAX))) {
		assert_true(slots_own(q));
		memset(q, 1, SLOTS_MAX);
		*(char **)q = last;
		last = q;
		n++;
	}
	assert_true(n < before / SLOTS_MAX);
	for (; last; last = q) {
		q = *(char **)last;
		assert_true(slots_free(last));
	}
	assert_int_equal(p[99], 0x5a);
	assert_true(slots_free(p));
	slots_trim();
	p = slots_alloc(100);
	assert_non_null(p);
	assert_true(slots_free(p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_threads_and_fork),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_trim), /* the last: little room is left */
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
