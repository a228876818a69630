// SPDX-License-Identifier: Apache-2.0
/* What the blocks of each Python type hold: at the peak, which may have been before the type was known, and at the end. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "heap_records.h"

static const char *const FLOAT = "float", *const DICT = "dict";

static const struct heap_type *type_of(const struct model *m, const char *name)
{
	for (uint32_t i = 0; i < m->heap->n_types; i++) {
		if (m->heap->types[i].name == name)
			return &m->heap->types[i];
	}
	fail_msg("no type '%s'", name ? name : "(unknown)");
	return NULL;
}

/* In strides, as all blocks are of one stride here. */
static void check(const struct model *m, const char *name, uint64_t live, uint64_t at_peak)
{
	const struct heap_type *t = type_of(m, name);

	assert_int_equal(t->bytes.live, live * STRIDE);
	assert_int_equal(t->blocks.live, live);
	assert_int_equal(heap_at_peak(m->heap, &t->bytes), at_peak * STRIDE);
	assert_int_equal(heap_at_peak(m->heap, &t->blocks), at_peak);
}

static void a_type_that_is_known_at_once(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < 3; i++) {
		model_stride(&m, &m.a, 100 + i);
		model_type(&m, 100 + i, FLOAT, HEAP_PART_OBJECT);
	}
	model_stride(&m, &m.a, 200);
	check(&m, FLOAT, 3, 3);
	check(&m, NULL, 1, 1);
	model_free(&m, 100, 0);
	check(&m, FLOAT, 2, 3);
	model_type(&m, 101, DICT, HEAP_PART_OBJECT); /* it is one already */
	check(&m, FLOAT, 2, 3);
	heap__free(m.heap);
}

/* The peak has gone by; what the block held then moves with it. */
static void a_type_that_is_known_later(void **state)
{
	struct model m = model_of();

	model_stride(&m, &m.a, 100);
	model_stride(&m, &m.a, 101);
	model_stride(&m, &m.b, 102); /* the peak: three */
	model_free(&m, 101, 0);
	model_free(&m, 102, 0);
	model_stride(&m, &m.b, 103); /* not there at the peak */
	check(&m, NULL, 2, 3);
	model_type(&m, 100, FLOAT, HEAP_PART_OBJECT);
	model_type(&m, 103, FLOAT, HEAP_PART_OBJECT);
	check(&m, FLOAT, 2, 1);
	check(&m, NULL, 0, 2);
	for (int i = 0; i < 3; i++)
		model_stride(&m, &m.b, 200 + i); /* a higher one: five */
	check(&m, FLOAT, 2, 2);
	check(&m, NULL, 3, 3);
	model_type(&m, 999, FLOAT, HEAP_PART_OBJECT); /* nobody knows that block */
	check(&m, FLOAT, 2, 2);
	heap__free(m.heap);
}

static void buffers_are_kept_apart(void **state)
{
	struct model m = model_of();

	model_stride(&m, &m.a, 100);
	model_stride(&m, &m.a, 101);
	model_type(&m, 100, DICT, HEAP_PART_BUFFER);
	model_type(&m, 101, DICT, HEAP_PART_OBJECT);
	check(&m, DICT, 2, 2);
	assert_int_equal(type_of(&m, DICT)->buffers.live, STRIDE);
	model_free(&m, 100, 0);
	assert_int_equal(type_of(&m, DICT)->buffers.live, 0);
	assert_int_equal(heap_at_peak(m.heap, &type_of(&m, DICT)->buffers), STRIDE);
	heap__free(m.heap);
}

/* The C allocator's blocks are no objects. */
static void memory_of_other_kinds(void **state)
{
	struct model m = model_of();

	model_exact(&m, &m.a, 100, 5000);
	model_type(&m, 100, FLOAT, HEAP_PART_OBJECT);
	assert_int_equal(m.heap->n_types, 1);
	check(&m, NULL, 0, 0);
	heap__free(m.heap);
}

/* What the program has freed has not lived to the end; what the interpreter clears up has, and what a process leaves. */
static void the_end(void **state)
{
	struct model m = model_of();

	for (int i = 0; i < 4; i++) {
		model_stride(&m, &m.a, 100 + i);
		model_type(&m, 100 + i, i == 3 ? DICT : FLOAT, i == 3 ? HEAP_PART_BUFFER : HEAP_PART_OBJECT);
	}
	model_free(&m, 100, 0);
	model_free(&m, 101, HEAP_FREE_FINALIZING);
	assert_int_equal(type_of(&m, FLOAT)->ended_bytes, STRIDE);
	model_end(&m);
	assert_int_equal(type_of(&m, FLOAT)->ended_bytes, 2 * STRIDE);
	assert_int_equal(type_of(&m, FLOAT)->ended_blocks, 2);
	assert_int_equal(type_of(&m, FLOAT)->ended_buffers, 0);
	assert_int_equal(type_of(&m, DICT)->ended_buffers, STRIDE);
	check(&m, FLOAT, 0, 3);
	heap__free(m.heap);
}

/* A child that has what its parent had: once, until the last of them has let go of it. */
static void forked(void **state)
{
	struct model m = model_of();

	model_stride(&m, &m.a, 100);
	model_fork(&m, 2);
	model_type(&m, 100, FLOAT, HEAP_PART_OBJECT);
	m.space = 2;
	model_type(&m, 100, FLOAT, HEAP_PART_OBJECT);
	check(&m, FLOAT, 1, 1);
	model_free(&m, 100, 0);
	check(&m, FLOAT, 1, 1);
	m.space = 1;
	model_end(&m);
	check(&m, FLOAT, 0, 1);
	assert_int_equal(type_of(&m, FLOAT)->ended_bytes, STRIDE);
	heap__free(m.heap);
}

/* Whatever happens, the types and the unknown add up to what Python's allocators hold, live and at the peak. */
static void sums(void **state)
{
	struct model m = model_of();
	uint32_t random = 1;

	for (int i = 0; i < 20000; i++) {
		uint64_t address, bytes = 0, at_peak = 0, blocks = 0;

		random = random * 1103515245 + 12345;
		address = 1 + (random >> 16) % 50;
		m.ms++;
		switch ((random >> 8) % 4) {
		case 0:
			m.stratum = address % 3;
			model_alloc(&m, address % 2 ? &m.a : &m.b, address, 100, address % 5 ? STRIDE : 4 << 20, 0);
			break;
		case 1:
			model_free(&m, address, address % 7 ? 0 : HEAP_FREE_FINALIZING);
			break;
		default:
			model_type(&m, address, address % 3 ? FLOAT : DICT, address % 2);
		}
		for (uint32_t k = 0; k < m.heap->n_types; k++) {
			bytes += m.heap->types[k].bytes.live;
			blocks += m.heap->types[k].blocks.live;
			at_peak += heap_at_peak(m.heap, &m.heap->types[k].bytes);
		}
		assert_int_equal(bytes, m.heap->accounts[HEAP_WHOLE].live);
		assert_int_equal(at_peak, measured(&m, HEAP_WHOLE).at_peak_bytes);
		assert_true(blocks <= 50);
	}
	heap__free(m.heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_type_that_is_known_at_once),
		cmocka_unit_test(a_type_that_is_known_later),
		cmocka_unit_test(buffers_are_kept_apart),
		cmocka_unit_test(memory_of_other_kinds),
		cmocka_unit_test(the_end),
		cmocka_unit_test(forked),
		cmocka_unit_test(sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
