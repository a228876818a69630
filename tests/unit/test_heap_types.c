// SPDX-License-Identifier: Apache-2.0
/* Which blocks are told to be what, and when: over this process's own memory, in which types and objects are made by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heap_types.h"
#include "util/clock.h"

#define MS 1000000ULL
#define BLOCKS 300

static uint64_t type_type[64], float_type[64], blocks[BLOCKS][4];

struct fixture {
	struct strings *strings;
	struct symbols *symbols;
	struct heap_types *types;
	uint64_t now;
	uint32_t n;
	struct event_heap_type told[BLOCKS];
};

static void sink(void *context, const struct event_header *record)
{
	struct fixture *f = context;

	assert_true(record_valid(record, record->size));
	assert_true(f->n < BLOCKS);
	memcpy(&f->told[f->n++], record, sizeof(f->told[0]));
}

static struct event_header head(const struct fixture *f, uint16_t kind, size_t size)
{
	return (struct event_header){ .kind = kind, .size = size, .time_ns = f->now, .pid = getpid(), .tid = 1, .space = 1 };
}

static void put_type(uint64_t *type, const char *name, uint64_t basicsize, uint64_t flags)
{
	type[0] = 1;
	type[1] = (uintptr_t)type_type;
	type[3] = (uintptr_t)name;
	type[4] = basicsize;
	type[21] = flags | 1 << 12;
}

static void begin(struct fixture *f, bool interpreter)
{
	memset(f, 0, sizeof(*f));
	put_type(type_type, "type", 900, 1UL << 31);
	put_type(float_type, "float", 24, 0);
	memset(blocks, 0, sizeof(blocks));
	f->strings = strings__new();
	f->symbols = symbols__new(f->strings, NULL);
	f->types = heap_types__new(f->symbols, sink, f);
	assert_non_null(f->types);
	f->now = clock_ns(CLOCK_MONOTONIC) - 3000 * MS;
	if (interpreter) {
		struct event_interp event = { .head = head(f, EVENT_INTERP, sizeof(event)), .version = 0x030b };

		assert_int_equal(symbols__interp(f->symbols, &event), 0);
	}
	heap_types__poll(f->types, f->now);
}

static void end(struct fixture *f)
{
	heap_types__free(f->types);
	symbols__free(f->symbols);
	strings__free(f->strings);
}

static void make_float(int i)
{
	blocks[i][0] = 1;
	blocks[i][1] = (uintptr_t)float_type;
}

static void record(struct fixture *f, const void *event)
{
	assert_true(record_valid(event, ((const struct event_header *)event)->size));
	heap_types__record(f->types, event, f->now);
}

static void alloc_kind(struct fixture *f, int i, uint16_t kind)
{
	struct event_heap e = { .head = head(f, EVENT_HEAP, sizeof(e)), .address = (uintptr_t)blocks[i], .size = 24, .kind = kind };

	e.stack.head = head(f, EVENT_HEAP, sizeof(e.stack));
	record(f, &e);
}

static void alloc(struct fixture *f, int i)
{
	alloc_kind(f, i, HEAP_KIND_OBJECT);
}

static void dealloc(struct fixture *f, int i, uint64_t time_ns, bool words)
{
	struct {
		struct event_heap_free free;
		uint64_t words[HEAP_FREE_WORDS];
	} e = { .free = { .head = head(f, EVENT_HEAP_FREE, words ? sizeof(e) : sizeof(e.free)), .address = (uintptr_t)blocks[i] }, .words = { 0, (uintptr_t)float_type } };

	e.free.head.time_ns = time_ns;
	record(f, &e);
}

static void exit_process(struct fixture *f)
{
	struct event_exit e = { .head = head(f, EVENT_EXIT, sizeof(e)) };

	record(f, &e);
}

static void poll(struct fixture *f, uint64_t ms)
{
	f->now += ms * MS;
	heap_types__poll(f->types, f->now);
}

static void check_told(const struct fixture *f, uint32_t n, int last)
{
	assert_int_equal(f->n, n);
	if (!n)
		return;
	assert_int_equal(f->told[n - 1].address, (uintptr_t)blocks[last]);
	assert_int_equal(f->told[n - 1].head.space, 1);
	assert_string_equal(f->told[n - 1].name, "float");
}

static void a_block_that_lives(void **state)
{
	struct fixture f;

	begin(&f, true);
	alloc(&f, 0);
	alloc_kind(&f, 1, HEAP_KIND_C);
	make_float(0);
	make_float(1);
	poll(&f, 5);
	poll(&f, 1);
	check_told(&f, 0, 0); /* too young */
	poll(&f, 10);
	check_told(&f, 0, 0); /* read, and not yet certain that it was still there */
	poll(&f, 10);
	check_told(&f, 1, 0);
	poll(&f, 1000);
	poll(&f, 1000);
	check_told(&f, 1, 0); /* once, and nothing of the C allocator's block */
	end(&f);
}

static void an_object_that_is_not_complete_at_first(void **state)
{
	struct fixture f;

	begin(&f, true);
	alloc(&f, 0);
	alloc(&f, 1);
	poll(&f, 20);
	make_float(0);
	poll(&f, 20);
	check_told(&f, 0, 0);
	poll(&f, 100);
	poll(&f, 20);
	check_told(&f, 1, 0);
	poll(&f, 1000); /* the other never is one */
	make_float(1);
	poll(&f, 1000);
	poll(&f, 1000);
	check_told(&f, 1, 0);
	end(&f);
}

/* What is freed says what it was, by its first words; without them it says nothing. */
static void a_block_that_is_freed_early(void **state)
{
	struct fixture f;

	begin(&f, true);
	for (int i = 0; i < 2; i++) {
		make_float(i);
		alloc(&f, i);
	}
	dealloc(&f, 0, f.now + MS, true);
	check_told(&f, 1, 0);
	dealloc(&f, 1, f.now + MS, false);
	dealloc(&f, 1, f.now + MS, true); /* there is no such block any more */
	poll(&f, 20);
	poll(&f, 20);
	check_told(&f, 1, 0);
	end(&f);
}

/* Its free was under way when it was read: whose memory that was cannot be known. */
static void a_block_that_is_freed_while_it_is_read(void **state)
{
	struct fixture f;
	uint64_t read_from;

	begin(&f, true);
	for (int i = 0; i < 3; i++) {
		make_float(i);
		alloc(&f, i);
	}
	read_from = clock_ns(CLOCK_MONOTONIC);
	poll(&f, 20);
	dealloc(&f, 0, read_from, false);
	check_told(&f, 0, 0);
	dealloc(&f, 1, clock_ns(CLOCK_MONOTONIC) + MS, false); /* this one later */
	check_told(&f, 1, 1);
	alloc(&f, 2); /* and of this one the free was lost */
	poll(&f, 5);
	check_told(&f, 1, 1);
	end(&f);
}

static void a_process_that_ends(void **state)
{
	struct fixture f;

	begin(&f, true);
	make_float(0);
	alloc(&f, 0);
	poll(&f, 20);
	make_float(1);
	alloc(&f, 1);
	f.now = clock_ns(CLOCK_MONOTONIC) + MS;
	exit_process(&f);
	check_told(&f, 1, 0); /* the younger one was never read */
	alloc(&f, 2);
	poll(&f, 20);
	poll(&f, 20);
	check_told(&f, 1, 0);
	end(&f);
}

static void without_an_interpreter(void **state)
{
	struct fixture f;

	begin(&f, false);
	make_float(0);
	alloc(&f, 0);
	for (int i = 0; i < 5; i++)
		poll(&f, 1000);
	dealloc(&f, 0, f.now, true);
	check_told(&f, 0, 0);
	end(&f);
	heap_types__free(NULL);
}

/* More than are read at once; every second one goes before that. */
static void many(void **state)
{
	struct fixture f;

	begin(&f, true);
	for (int i = 0; i < BLOCKS; i++) {
		make_float(i);
		alloc(&f, i);
	}
	for (int i = 0; i < BLOCKS; i += 2)
		dealloc(&f, i, f.now, false);
	for (int i = 0; i < 50; i++)
		poll(&f, 20);
	check_told(&f, BLOCKS / 2, BLOCKS - 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_that_lives),
		cmocka_unit_test(an_object_that_is_not_complete_at_first),
		cmocka_unit_test(a_block_that_is_freed_early),
		cmocka_unit_test(a_block_that_is_freed_while_it_is_read),
		cmocka_unit_test(a_process_that_ends),
		cmocka_unit_test(without_an_interpreter),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
