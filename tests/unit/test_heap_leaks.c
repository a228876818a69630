// SPDX-License-Identifier: Apache-2.0
/* What grows to the end, what is taken for a leak, and what must not be. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "heap_records.h"

#define BLOCK 10000ULL
#define STEPS 5000 /* of a millisecond */

/* Allocates one block per step, at an address of its own. */
static void step(struct model *m, const struct heap_place *place)
{
	m->ms++;
	model_exact(m, place, m->ms, BLOCK);
}

static void free_all(struct model *m, uint64_t from, uint64_t to, uint16_t flags)
{
	for (uint64_t address = from; address < to; address++)
		model_free(m, address, flags);
}

static double likelihood(const struct model *m, const struct heap_place *place)
{
	return measured(m, place->line).likelihood;
}

/* The interpreter clears up, but these are not freed: nobody can reach them any more. */
static void what_survives_the_interpreter_is_a_leak(void **state)
{
	struct model m = model_of();
	struct heap_measures x;

	for (int i = 0; i < STEPS; i++)
		step(&m, i % 4 ? &m.b : &m.a);
	for (uint64_t address = 1; address <= STEPS; address++) {
		if ((address - 1) % 4)
			model_free(&m, address, HEAP_FREE_FINALIZING);
	}
	model_end(&m);
	x = measured(&m, m.a.line);
	assert_true(x.likelihood >= LEAK_LIKELY && x.likelihood <= 1);
	/* 1250 blocks in 5 s; the last interval's are too young to tell */
	assert_true(fabs(x.velocity - 1250 * BLOCK / 5.0) < 0.05 * 1250 * BLOCK / 5.0);
	assert_true(x.left_bytes > 1200 * BLOCK && x.left_bytes <= 1250 * BLOCK);
	/* the other was kept for as long, but could be reached */
	assert_true(likelihood(&m, &m.b) > 0.8 && likelihood(&m, &m.b) < LEAK_LIKELY);
	heap__free(m.heap);
}

static void what_grows_while_watching_ends_is_a_leak(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	assert_true(likelihood(&m, &m.a) >= LEAK_LIKELY);
	/* the same, killed: it may have been needed */
	model_end(&m);
	assert_true(likelihood(&m, &m.a) > 0 && likelihood(&m, &m.a) < LEAK_LIKELY);
	heap__free(m.heap);
}

/* Nine of ten are freed soon; the tenth stays. */
static void a_leak_beside_much_that_is_freed(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++) {
		step(&m, &m.a);
		if (i % 10)
			model_free(&m, m.ms, 0);
	}
	assert_true(likelihood(&m, &m.a) >= LEAK_LIKELY);
	assert_true(fabs(measured(&m, m.a.line).velocity - STEPS / 10 * BLOCK / 5.0) < 0.06 * STEPS / 10 * BLOCK / 5.0);
	heap__free(m.heap);
}

static void a_cache_that_is_filled_once_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS / 2; i++)
		step(&m, &m.a);
	m.ms += STEPS / 2;
	assert_true(likelihood(&m, &m.a) == 0);
	/* temporary ones besides change nothing */
	for (int i = 0; i < STEPS / 2; i++) {
		step(&m, &m.a);
		model_free(&m, m.ms, 0);
	}
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

static void a_bounded_cache_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++) {
		step(&m, &m.a);
		if (m.ms > 1000)
			model_free(&m, m.ms - 1000, 0);
	}
	assert_true(measured(&m, m.a.line).live_bytes == 1000 * BLOCK);
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

static void a_result_that_the_program_gives_back_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	free_all(&m, 1, STEPS + 1, 0);
	model_end(&m);
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

/* A list that is built to the end of the program, and that the interpreter frees: it is told of, but not called a leak. */
static void a_result_that_lives_to_the_end_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	free_all(&m, 1, STEPS + 1, HEAP_FREE_FINALIZING);
	model_end(&m);
	assert_true(likelihood(&m, &m.a) > 0.8 && likelihood(&m, &m.a) < LEAK_LIKELY);
	heap__free(m.heap);
}

static void a_result_that_is_used_for_a_while_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	m.ms += STEPS / 10;
	free_all(&m, 1, STEPS + 1, HEAP_FREE_FINALIZING);
	model_end(&m);
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

/* How long the interpreter takes to clear up says nothing; a process that runs on does. */
static void the_run_ends_when_the_interpreter_clears_up(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	model_exact(&m, &m.b, 1 << 20, 1);
	model_free(&m, 1 << 20, HEAP_FREE_FINALIZING);
	m.ms += STEPS;
	model_free(&m, 1 << 21, HEAP_FREE_FINALIZING);
	model_end(&m);
	assert_true(likelihood(&m, &m.a) >= LEAK_LIKELY);
	m.space = 2;
	model_exact(&m, &m.b, 1, 1);
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

static void steps_of_growth_are_none(void **state)
{
	struct model m = model_of();

	/* three times, a third of the run apart, the last one at the end */
	for (int i = 0; i < 3; i++) {
		m.ms += STEPS / 3;
		for (int k = 0; k < 400; k++)
			step(&m, &m.a);
	}
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

static void too_little_is_none(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < 90; i++) {
		m.ms += 10;
		model_exact(&m, &m.a, 2 * i + 1, LEAK_BYTES / 100);
		model_exact(&m, &m.b, 2 * i + 2, LEAK_BYTES / 80);
	}
	assert_true(likelihood(&m, &m.a) == 0);
	assert_true(likelihood(&m, &m.b) > 0);
	heap__free(m.heap);
}

/* What only the last part of the run did may be its purpose. */
static void too_late_is_none(void **state)
{
	struct model m = model_of();

	m.ms = STEPS;
	for (int i = 0; i < STEPS / 10; i++)
		step(&m, &m.a);
	assert_true(likelihood(&m, &m.a) == 0);
	for (int i = 0; i < STEPS; i++)
		step(&m, &m.a);
	assert_true(likelihood(&m, &m.a) > 0);
	heap__free(m.heap);
}

/* A list's storage grows by realloc: at the end it is one block, and as young as the last realloc. */
static void a_list_that_grows_by_realloc_is_one_block(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 1, BLOCK);
	for (int i = 2; i < STEPS; i++) {
		m.ms++;
		model_free(&m, 1, HEAP_FREE_RESIZED);
		model_exact(&m, &m.a, 1, i * BLOCK);
	}
	assert_true(likelihood(&m, &m.a) == 0);
	heap__free(m.heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_survives_the_interpreter_is_a_leak),
		cmocka_unit_test(what_grows_while_watching_ends_is_a_leak),
		cmocka_unit_test(a_leak_beside_much_that_is_freed),
		cmocka_unit_test(a_cache_that_is_filled_once_is_none),
		cmocka_unit_test(a_bounded_cache_is_none),
		cmocka_unit_test(a_result_that_the_program_gives_back_is_none),
		cmocka_unit_test(a_result_that_lives_to_the_end_is_none),
		cmocka_unit_test(a_result_that_is_used_for_a_while_is_none),
		cmocka_unit_test(the_run_ends_when_the_interpreter_clears_up),
		cmocka_unit_test(steps_of_growth_are_none),
		cmocka_unit_test(too_little_is_none),
		cmocka_unit_test(too_late_is_none),
		cmocka_unit_test(a_list_that_grows_by_realloc_is_one_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
