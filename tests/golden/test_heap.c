// SPDX-License-Identifier: Apache-2.0
/*
 * A run with a measured heap: a recording made by hand of a program (heap/script.py) that loads rows, transforms them, and then serves
 * requests and keeps too much. The reports must be, byte for byte, the ones in the folder `heap`, and what matters in them is checked besides.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "expected.h"
#include "records.h"

#define SCRIPT "/tmp/golden/heap/script.py"
#define LIBRARY "/usr/lib/python3.9/library.py"
#define STRIDE (128ULL << 10)
#define MEGABYTES(n) ((uint64_t)(n) << 20)

/* Code objects. */
enum { MODULE = 0x1000, LOAD = 0x2000, TRANSFORM = 0x3000, HANDLE = 0x4000, MAIN = 0x5000, DUMP = 0x6000 };
#define IN_MODULE AT(MODULE, 1, 33)
#define IN_LOAD(line) AT(LOAD, 7, line)
#define IN_TRANSFORM(line) AT(TRANSFORM, 14, line)
#define IN_HANDLE(line) AT(HANDLE, 20, line)
#define IN_MAIN(line) AT(MAIN, 26, line)
#define IN_DUMP AT(DUMP, 50, 53)

/* Addresses of what each part of the program holds. */
enum { ROWS = 0x10000000, BIG = 0x20000000, TEXT = 0x30000000, CACHE = 0x40000000, REPLY = 0x50000000 };

static void start_process(struct maker *m)
{
	maker_exec(m, 0, "/usr/bin/python3");
	maker_interp(m);
	maker_function(m, MODULE, SCRIPT, "<module>", 1);
	maker_function(m, LOAD, SCRIPT, "load", 7);
	maker_function(m, TRANSFORM, SCRIPT, "transform", 14);
	maker_function(m, HANDLE, SCRIPT, "handle", 20);
	maker_function(m, MAIN, SCRIPT, "main", 26);
	maker_function(m, DUMP, LIBRARY, "dump", 50);
}

/* 80 MB of rows, each stride's sample 856 bytes; each fourth stride's point hits one of the floats. */
static void load(struct maker *m)
{
	for (uint64_t i = 0; i < MEGABYTES(80) / STRIDE; i++) {
		maker_cpu(m, 0, MAKER_EVAL, FRAMES(IN_LOAD(10), IN_MAIN(27), IN_MODULE));
		maker_heap(m, i % 4 ? HEAP_KIND_MEM : HEAP_KIND_OBJECT, ROWS + i, i % 4 ? 856 : 24, STRIDE, FRAMES(IN_LOAD(10), IN_MAIN(27), IN_MODULE));
		if (i % 8)
			maker_heap_type(m, ROWS + i, i % 4 ? "list" : "float", i % 4 ? HEAP_PART_BUFFER : HEAP_PART_OBJECT);
	}
	/* the rows' references take up 3 MB in all, in a list that grew by realloc */
	for (uint64_t size = MEGABYTES(1); size <= MEGABYTES(3); size += MEGABYTES(1)) {
		maker_heap(m, HEAP_KIND_MEM, ROWS - 1, size, size, FRAMES(IN_LOAD(10), IN_MAIN(27), IN_MODULE));
		if (size < MEGABYTES(3))
			maker_heap_free(m, ROWS - 1, HEAP_FREE_RESIZED);
	}
}

/* The peak: 512 MB, and 200 MB of text by a library. */
static void transform(struct maker *m)
{
	maker_heap(m, HEAP_KIND_C, BIG, MEGABYTES(512), MEGABYTES(512), FRAMES(IN_TRANSFORM(15), IN_MAIN(28), IN_MODULE));
	for (int i = 0; i < 300; i++)
		maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(IN_DUMP, IN_TRANSFORM(16), IN_MAIN(28), IN_MODULE));
	maker_heap(m, HEAP_KIND_OBJECT, TEXT, MEGABYTES(200), MEGABYTES(200), FRAMES(IN_DUMP, IN_TRANSFORM(16), IN_MAIN(28), IN_MODULE));
	maker_stack(m, EVENT_HEAP_COPY, MEGABYTES(400), 0, MAKER_LIBRARY, 0, FRAMES(IN_DUMP, IN_TRANSFORM(16), IN_MAIN(28), IN_MODULE));
	for (int i = 0; i < 100; i++)
		maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(IN_DUMP, IN_TRANSFORM(16), IN_MAIN(28), IN_MODULE));
	maker_heap_type(m, TEXT, "str", HEAP_PART_OBJECT); /* after the peak */
	maker_heap_type(m, BIG, "str", HEAP_PART_OBJECT);  /* the C allocator's is no object */
	maker_heap_free(m, TEXT, 0);
	maker_heap_free(m, BIG, 0);
}

/* Each request makes a reply, which goes at once, and keeps what nobody needs. */
static void serve(struct maker *m)
{
	for (int i = 0; i < 1000; i++) {
		maker_cpu(m, 0, i % 2 ? MAKER_EVAL : MAKER_LIBRARY, FRAMES(IN_HANDLE(21), IN_MAIN(30), IN_MODULE));
		if (i % 3 == 0) {
			maker_heap(m, HEAP_KIND_C, REPLY, 40057, STRIDE, FRAMES(IN_HANDLE(21), IN_MAIN(30), IN_MODULE));
			m->mark++;
			maker_heap_free(m, REPLY, 0);
		}
		if (i % 4 == 0)
			maker_heap(m, HEAP_KIND_C, CACHE + i, 30057, STRIDE, FRAMES(IN_HANDLE(22), IN_MAIN(30), IN_MODULE));
	}
}

static void finalize(struct maker *m)
{
	for (uint64_t i = 0; i < MEGABYTES(80) / STRIDE; i++)
		maker_heap_free(m, ROWS + i, 0);
	maker_heap_free(m, ROWS - 1, 0);
	/* the interpreter clears up, and does not find the cache's blocks */
	maker_heap(m, HEAP_KIND_OBJECT, 0x60000000, 1000, STRIDE, NULL, 0);
	maker_heap_free(m, 0x60000000, HEAP_FREE_FINALIZING);
	maker_heap_totals(m, MEGABYTES(600), MEGABYTES(300));
	maker_exit(m, 0);
}

static void record(FILE *file)
{
	struct maker m = maker_of(NULL);

	m.file = file;
	assert_int_equal(recording__begin(file, 1000000), 0);
	start_process(&m);
	load(&m);
	transform(&m);
	serve(&m);
	finalize(&m);
}

static const struct heap_measures *line_heap(const struct profile *p, uint32_t lineno)
{
	for (size_t i = 0; i < p->files[0].n_lines; i++) {
		if (p->files[0].lines[i].lineno == lineno)
			return p->files[0].lines[i].m.heap;
	}
	return NULL;
}

static void check_facts(const struct profile *p)
{
	const struct profile_heap *heap = p->heap;

	assert_non_null(heap);
	assert_int_equal(p->n_files, 1);
	assert_int_equal(heap->all.peak_bytes, MEGABYTES(80 + 3 + 512 + 200));
	assert_int_equal(line_heap(p, 10)->peak_bytes, MEGABYTES(83));
	assert_int_equal(line_heap(p, 10)->allocated_bytes, MEGABYTES(80 + 1 + 2 + 3));
	assert_int_equal(line_heap(p, 15)->at_peak_bytes, MEGABYTES(512));
	assert_int_equal(line_heap(p, 16)->at_peak_bytes, MEGABYTES(200)); /* the library's memory is its caller's */
	assert_int_equal(line_heap(p, 21)->peak_bytes, STRIDE);
	assert_int_equal(line_heap(p, 21)->allocated_bytes, 334 * STRIDE);
	assert_int_equal(line_heap(p, 21)->temporary_bytes, 334 * STRIDE);
	assert_int_equal(line_heap(p, 22)->live_bytes, 250 * STRIDE);
	assert_true(line_heap(p, 22)->likelihood >= LEAK_LIKELY);
	assert_true(line_heap(p, 10)->likelihood == 0 && line_heap(p, 21)->likelihood == 0);
	assert_string_equal(heap->peak_where.function, "transform");
	assert_int_equal(heap->peak_where.lineno, 16);
	assert_int_equal(heap->stacks[0].at_peak_bytes, MEGABYTES(512));
	assert_int_equal(p->outside.heap->allocated_bytes, STRIDE);
	assert_int_equal(p->processes[0].heap_peak_bytes, heap->all.peak_bytes);
	assert_int_equal(heap->unknown_frees + heap->lost_frees, 0);
	assert_int_equal(heap->n_types, 3);
	assert_string_equal(heap->types[0].name, "str");
	assert_int_equal(heap->types[0].at_peak.bytes, MEGABYTES(200));
	assert_int_equal(heap->types[0].at_end.bytes, 0);
	assert_string_equal(heap->types[1].name, "list");
	assert_int_equal(heap->types[1].at_peak.bytes, MEGABYTES(60));
	assert_int_equal(heap->types[1].at_peak.buffers, MEGABYTES(60));
	assert_int_equal(heap->types[2].at_peak.bytes, MEGABYTES(10));
	assert_int_equal(heap->untyped.at_peak.bytes, MEGABYTES(10 + 3));
	assert_int_equal(heap->untyped.at_peak.blocks, 81);
}

static struct profile *replay(struct replay *r, const char *source, size_t size, bool heap)
{
	_cleanup_fclose_ FILE *file = tmpfile();

	assert_non_null(file);
	record(file);
	rewind(file);
	*r = (struct replay){ .options = { .root = "/tmp/golden", .directory = "/tmp/golden", .script = SCRIPT, .script_source = source, .script_size = size, .allowed_cpus = 2, .heap = heap } };
	replay_init(r);
	assert_int_equal(replay_file(r, file), 0);
	return replay_profile(r, heap ? "fixingahole profile script.py --memory" : "fixingahole profile script.py");
}

static void a_measured_heap(void **state)
{
	size_t size;
	_cleanup_free_ char *source = case_text("heap", "script.py", &size);
	struct replay r;
	struct profile *p = replay(&r, source, size, true);

	assert_int_equal(p->losses[LOSS_BAD_RECORDS], 0);
	check_facts(p);
	expected_check("heap", p);
	profile__free(p);
	replay_release(&r);
}

/* The profile so far does not disturb what comes. */
static void the_profile_so_far(void **state)
{
	struct replay r = { .options = { .root = "/tmp/golden", .directory = "/tmp/golden", .script = SCRIPT, .script_source = "", .allowed_cpus = 2, .heap = true } };
	struct profile *p;
	struct maker m;

	replay_init(&r);
	m = maker_of(&r);
	start_process(&m);
	p = replay_profile(&r, "");
	assert_non_null(p->heap);
	assert_int_equal(p->heap->all.peak_bytes, 0);
	profile__free(p);
	load(&m);
	transform(&m);
	p = replay_profile(&r, "");
	assert_int_equal(p->heap->all.live_bytes, MEGABYTES(83));
	profile__free(p);
	serve(&m);
	finalize(&m);
	p = replay_profile(&r, "");
	check_facts(p);
	profile__free(p);
	replay_release(&r);
}

/* Who did not ask for the heap sees nothing of it, not even a function more. */
static void heap_records_that_nobody_asked_for(void **state)
{
	struct replay r;
	struct profile *p = replay(&r, "", 0, false);

	assert_null(p->heap);
	assert_null(p->outside.heap);
	for (size_t i = 0; i < p->files[0].n_lines; i++) {
		assert_null(p->files[0].lines[i].m.heap);
		assert_true(p->files[0].lines[i].m.samples > 0);
	}
	assert_int_equal(p->processes[0].heap_peak_bytes, 0);
	profile__free(p);
	replay_release(&r);
}

static struct maker play(struct replay *r)
{
	struct maker m;

	*r = (struct replay){ .options = { .root = "/tmp/golden", .directory = "/tmp/golden/heap", .script = SCRIPT, .script_source = "", .allowed_cpus = 2, .heap = true } };
	replay_init(r);
	m = maker_of(r);
	start_process(&m);
	return m;
}

/* A list comprehension has code of its own; a relative name is the same file. What they hold at different times is not added up. */
static void sites_of_one_line_have_one_peak(void **state)
{
	enum { COMPREHENSION = 0x7000, RELATIVE = 0x8000 };
	struct replay r;
	struct maker m = play(&r);
	struct profile *p;

	maker_function(&m, COMPREHENSION, SCRIPT, "load.<locals>.<listcomp>", 10);
	maker_function(&m, RELATIVE, "script.py", "load", 7);
	maker_heap(&m, HEAP_KIND_OBJECT, 1, MEGABYTES(4), MEGABYTES(4), FRAMES(IN_LOAD(10), IN_MODULE));
	maker_heap_free(&m, 1, 0);
	m.now_ns += SECOND;
	maker_heap(&m, HEAP_KIND_OBJECT, 1, MEGABYTES(3), MEGABYTES(3), FRAMES(AT(COMPREHENSION, 10, 10), IN_LOAD(10), IN_MODULE));
	maker_heap_free(&m, 1, 0);
	maker_heap(&m, HEAP_KIND_OBJECT, 1, MEGABYTES(2), MEGABYTES(2), FRAMES(AT(RELATIVE, 7, 10), IN_MODULE));
	maker_heap(&m, HEAP_KIND_OBJECT, 2, MEGABYTES(1), MEGABYTES(1), FRAMES(AT(COMPREHENSION, 10, 10), IN_LOAD(10), IN_MODULE));
	p = replay_profile(&r, "");
	assert_int_equal(p->n_files, 1);
	assert_int_equal(p->files[0].n_lines, 1);
	assert_int_equal(line_heap(p, 10)->peak_bytes, MEGABYTES(4));
	assert_int_equal(line_heap(p, 10)->allocated_bytes, MEGABYTES(10));
	assert_int_equal(line_heap(p, 10)->live_bytes, MEGABYTES(3));
	assert_int_equal(p->files[0].m.heap->allocated_bytes, MEGABYTES(10));
	assert_int_equal(p->files[0].n_functions, 2);
	assert_string_equal(p->files[0].functions[0].name, "load");
	assert_int_equal(p->files[0].functions[0].m.heap->allocated_bytes, MEGABYTES(6));
	assert_int_equal(p->files[0].functions[1].m.heap->peak_bytes, MEGABYTES(3));
	profile__free(p);
	replay_release(&r);
}

/* fork, exec and exit reach the heap; what a child has from its parent is not counted again. */
static void processes_fork_and_exec(void **state)
{
	struct replay r;
	struct maker m = play(&r), child;
	struct profile *p;

	maker_heap(&m, HEAP_KIND_OBJECT, 1, MEGABYTES(100), MEGABYTES(100), FRAMES(IN_LOAD(10), IN_MODULE));
	child = m;
	maker_fork(&child, 101, 2);
	maker_function(&child, HANDLE, SCRIPT, "handle", 20);
	maker_heap(&child, HEAP_KIND_OBJECT, 2, MEGABYTES(10), MEGABYTES(10), FRAMES(IN_HANDLE(21)));
	maker_heap_free(&child, 1, 0);
	maker_exit(&child, 0);
	p = replay_profile(&r, "");
	assert_int_equal(p->heap->all.peak_bytes, MEGABYTES(110));
	assert_int_equal(line_heap(p, 10)->live_bytes, MEGABYTES(100));
	assert_int_equal(line_heap(p, 21)->live_bytes, MEGABYTES(10));
	assert_int_equal(p->heap->live_of[HEAP_KIND_OBJECT], MEGABYTES(100));
	assert_int_equal(p->processes[0].heap_peak_bytes, MEGABYTES(100));
	assert_int_equal(p->processes[1].heap_peak_bytes, MEGABYTES(110));
	profile__free(p);
	m.space = 3;
	maker_exec(&m, 1, "/usr/bin/python3");
	p = replay_profile(&r, "");
	assert_int_equal(p->heap->live_of[HEAP_KIND_OBJECT], 0);
	assert_int_equal(line_heap(p, 10)->live_bytes, MEGABYTES(100));
	assert_int_equal(p->heap->unknown_frees, 0);
	profile__free(p);
	replay_release(&r);
}

static void an_allocation_that_failed(void **state)
{
	const struct report_options options = { .top_n = 10, .threshold_percent = 0.1 };
	struct replay r;
	struct maker m = play(&r);
	struct { struct event_heap head; struct raw_frame frame; } event = { .frame = IN_TRANSFORM(15) };
	_cleanup_free_ char *text = NULL;
	struct profile *p;
	size_t size;
	FILE *out;

	maker_heap(&m, HEAP_KIND_OBJECT, 1, MEGABYTES(100), MEGABYTES(100), FRAMES(IN_LOAD(10), IN_MODULE));
	event.head = (struct event_heap){ .head = maker_head(&m, EVENT_HEAP, sizeof(event)), .size = MEGABYTES(12 << 10), .heap_flags = HEAP_FAILED, .stack = { .head = maker_head(&m, EVENT_HEAP, sizeof(event) - offsetof(struct event_heap, stack)), .n_frames = 1 } };
	maker_play(&m, &event);
	p = replay_profile(&r, "");
	assert_int_equal(p->heap->all.peak_bytes, MEGABYTES(100));
	assert_int_equal(p->heap->failed_count, 1);
	out = open_memstream(&text, &size);
	assert_int_equal(report_summary(out, p, &options), 0);
	fclose(out);
	assert_non_null(strstr(text, "Out of memory: 1 allocation failed, the largest of 12.000 GB in transform (script.py:15)\n"));
	assert_non_null(strstr(text, "At the peak of 100.000 MB"));
	profile__free(p);
	replay_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_measured_heap),
		cmocka_unit_test(the_profile_so_far),
		cmocka_unit_test(heap_records_that_nobody_asked_for),
		cmocka_unit_test(sites_of_one_line_have_one_peak),
		cmocka_unit_test(processes_fork_and_exec),
		cmocka_unit_test(an_allocation_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
