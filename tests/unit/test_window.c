// SPDX-License-Identifier: Apache-2.0
/* Windows over many processes: exact numbers, by construction. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>

#include "window_records.h"

#define APP 0x1000
#define LIBRARY 0x2000
#define TEXT 0x3000

static const struct window_options plain = { .rate_hz = 1000 };

static void functions(struct maker *m)
{
	maker_function(m, APP, "/srv/app.py", "handle", 10);
	maker_function(m, LIBRARY, "/usr/lib/python3.11/json/encoder.py", "encode", 100);
	maker_function(m, TEXT, "<string>", "<module>", 1);
}

static void time_is_charged_to_the_programs_own_line(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;
	const struct window_row *row;
	const struct window_stack *stack;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	for (int i = 0; i < 5; i++)
		maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(LIBRARY, 100, 120), AT(APP, 10, 17)));
	maker_cpu(m, STACK_KERNEL, MAKER_EVAL, FRAMES(AT(LIBRARY, 100, 121), AT(APP, 10, 17)));
	maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(AT(APP, 10, 18)));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(LIBRARY, 100, 130), AT(TEXT, 1, 3)));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(TEXT, 1, 2), AT(APP, 10, 19)));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(LIBRARY, 100, 140)));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES({ 0x9999, 1, 0 }));
	maker_cpu(m, STACK_NO_TSTATE, MAKER_LIBRARY, NULL, 0);
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(window->n_processes, 1);
	assert_string_equal(window->processes[0].interpreter, "CPython 3.9");
	assert_string_equal(window->processes[0].program, "/usr/bin/python3");
	assert_true(window->processes[0].python);
	assert_int_equal(window->processes[0].threads, 1);
	assert_int_equal(window->processes[0].samples, 12);
	assert_int_equal(window->cpu_samples, 12);
	assert_int_equal(window->python_samples, 12);
	assert_int_equal(window->named_samples, 10);
	assert_int_equal(window->frameless_samples, 1);
	assert_int_equal(window->losses[LOSS_UNNAMED_CODE], 1);
	assert_int_equal(window->rate_hz, 1000);
	assert_true(window->start_ns == MAKER_START && window->end_ns == MAKER_START + 12 * MILLISECOND);
	assert_true(window->start_epoch_s == 1767225600);

	row = row_of(window, 100, 17, NULL);
	assert_int_equal(row->times.python_ns, 5 * MILLISECOND);
	assert_int_equal(row->samples, 5);
	assert_int_equal(row->tid, 100);
	stack = &window->stacks[row->stack];
	assert_int_equal(stack->n_frames, 2);
	assert_int_equal(stack->site, 1);
	assert_string_equal(stack->frames[0].path, "/usr/lib/python3.11/json/encoder.py");
	assert_string_equal(stack->frames[0].function, "encode");
	assert_true(stack->frames[0].library && !stack->frames[1].library);
	assert_int_equal(stack->frames[0].lineno, 120);
	assert_int_equal(stack->frames[1].firstlineno, 10);
	assert_int_equal(row_of(window, 100, 18, NULL)->times.native_ns, MILLISECOND);
	/* code without a file is charged where there is no other, else its caller's line */
	assert_int_equal(window->stacks[row_of(window, 100, 3, NULL)->stack].site, 1);
	assert_int_equal(window->stacks[row_of(window, 100, 19, NULL)->stack].site, 1);
	/* nothing but a library: its innermost line */
	assert_int_equal(window->stacks[row_of(window, 100, 140, NULL)->stack].site, 0);
	watched_end(&w);
}

static void waits_find_what_was_sent_in_an_earlier_window(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	maker_block(m, 71, FRAMES(AT(APP, 10, 20)));
	maker_wait(m, 71, SECOND, WAIT_BLOCKED, SYS_clock_nanosleep);
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 20, "sleep")->times.waiting_ns, SECOND);
	for (int i = 0; i < 3; i++) {
		maker_wait(m, 71, 2 * SECOND, WAIT_BLOCKED, SYS_clock_nanosleep);
		maker_wait(m, 71, SECOND, WAIT_RUNNABLE, -1);
		window = watched_cut(&w);
		assert_window_holds(window);
		assert_int_equal(window->n_rows, 2);
		assert_int_equal(row_of(window, 100, 20, "sleep")->times.waiting_ns, 2 * SECOND);
		assert_int_equal(row_of(window, 100, 20, "run queue")->times.runnable_ns, SECOND);
		assert_int_equal(window->waits, 2);
	}
	/* another program has none of it */
	m->space = 2;
	maker_exec(m, 1, "/bin/true");
	maker_wait(m, 71, SECOND, WAIT_BLOCKED, SYS_clock_nanosleep);
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 0, "sleep")->times.waiting_ns, SECOND);
	assert_int_equal(window->stacks[window->rows[0].stack].n_frames, 0);
	watched_end(&w);
}

static bool name_native(void *context, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function)
{
	*image = "/lib/li\xff.so";
	*function = address == 0x10 ? "qsort" : NULL;
	return address != 0x30;
}

static void other_programs_have_functions(void **state)
{
	static const uint32_t depths[] = { 1, 1, 2, 1, 0 };
	struct watched w;
	const struct window_options options = { .rate_hz = 1000, .native = name_native };
	struct maker *m = watched_begin(&w, &options);
	const struct window *window;

	m->pid = m->tid = 5;
	maker_exec(m, 0, "/bin/sort");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_cpu(m, STACK_NO_LAYOUT, 0x20, NULL, 0);
	maker_cpu(m, STACK_NO_LAYOUT | STACK_KERNEL, 0x10, NULL, 0);
	maker_cpu(m, STACK_NO_LAYOUT | STACK_KERNEL, 0x30, NULL, 0);
	maker_cpu(m, STACK_NO_LAYOUT, 0x30, NULL, 0);
	watched_python(m, 6, 2, "/usr/bin/python3");
	functions(m);
	maker_cpu(m, STACK_KERNEL, 0x10, FRAMES(AT(APP, 10, 21)));
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(window->n_rows, 6);
	assert_int_equal(window->processes[0].unseen_samples, 5);
	assert_int_equal(window->python_samples, 1);
	for (uint32_t i = 0; i < 5; i++) {
		const struct window_stack *stack = &window->stacks[window->rows[i].stack];
		const struct window_frame *outer = stack->n_frames ? &stack->frames[stack->n_frames - 1] : NULL;

		assert_int_equal(stack->n_frames, depths[i]);
		assert_int_equal(stack->site, 0);
		if (i == 2 || i == 3) {
			assert_int_equal(stack->frames[0].kind, WINDOW_KERNEL);
			assert_string_equal(stack->frames[0].path, "[kernel]");
			assert_null(stack->frames[0].function);
		}
		if (i < 3) {
			assert_int_equal(outer->kind, WINDOW_NATIVE);
			assert_string_equal(outer->path, "/lib/li\xef\xbf\xbd.so");
			assert_int_equal(outer->lineno, 0);
			if (i == 1)
				assert_null(outer->function);
			else
				assert_string_equal(outer->function, "qsort");
		}
	}
	assert_int_equal(window->stacks[window->rows[5].stack].n_frames, 1);
	watched_end(&w);
}

/* Samples from before its interpreter was known count against what could be named, as soon as it is. */
static void late_interpreters_are_counted(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;

	maker_exec(m, 0, "/usr/bin/python3");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	window = watched_cut(&w);
	assert_int_equal(window->python_samples, 0);
	assert_int_equal(window->losses[LOSS_NO_INTERPRETER], 0);
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_interp(m);
	functions(m);
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(window->python_samples, 2);
	assert_int_equal(window->named_samples, 1);
	assert_int_equal(window->frameless_samples, 0);
	/* an interpreter is known of a process that does nothing, too */
	watched_python(m, 200, 2, "/usr/bin/python3");
	window = watched_cut(&w);
	assert_true(process_of(window, 200)->python);
	/* a Python that cannot be read */
	m->pid = m->tid = 300;
	m->space = 3;
	maker_exec(m, 0, "/usr/bin/python4");
	windows__no_interpreter(w.windows, 300, "Python 4");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	window = watched_cut(&w);
	assert_int_equal(window->losses[LOSS_NO_INTERPRETER], 1);
	watched_end(&w);
}

static void wait_for(struct maker *m, int32_t call, const struct wait_object *object)
{
	struct event_wait event = { .head = maker_head(m, EVENT_WAIT, sizeof(event)), .wait_ns = SECOND, .count = 2, .syscall = call, .object = *object, .estimated = 1 };

	maker_play(m, &event);
}

/* One reason for what is the same to a user; texts belong to their window. */
static void reasons_are_few(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	for (uint32_t i = 0; i < 100; i++) {
		wait_for(m, SYS_read, &(struct wait_object){ .kind = FD_PIPE, .inode = i });
		wait_for(m, SYS_recvfrom, &(struct wait_object){ .kind = FD_SOCKET_OTHER, .inode = i });
		wait_for(m, SYS_recvfrom, &(struct wait_object){ .kind = FD_SOCKET_INET, .local_port = 80, .peer_port = 40000 + i, .peer = { 10, 0, 0, i } });
		wait_for(m, SYS_recvfrom, &(struct wait_object){ .kind = FD_SOCKET_INET, .local_port = 40000 + i, .peer_port = 5432, .peer = { 10, 0, 0, 5 } });
		wait_for(m, SYS_recvfrom, &(struct wait_object){ .kind = FD_SOCKET_UNIX, .name = "/run/x" });
		wait_for(m, SYS_read, &(struct wait_object){ .kind = FD_FILE, .whole = 1, .name = "b\xff\0a" });
	}
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(window->n_rows, 6);
	assert_int_equal(window->waits, 1200);
	assert_int_equal(window->losses[LOSS_SKIPPED_WALKS], 600);
	assert_int_equal(row_of(window, 100, 0, "read, pipe")->waits, 200);
	assert_non_null(row_of(window, 100, 0, "recvfrom, socket"));
	assert_non_null(row_of(window, 100, 0, "recvfrom, clients of port 80"));
	assert_non_null(row_of(window, 100, 0, "recvfrom, 10.0.0.5:5432"));
	assert_non_null(row_of(window, 100, 0, "recvfrom, unix:/run/x"));
	assert_non_null(row_of(window, 100, 0, "read, /a/b\xef\xbf\xbd"));
	/* ever new files: in the end the call will do */
	for (uint32_t i = 0; i < 10000; i++) {
		struct wait_object file = { .kind = FD_FILE, .whole = 1 };

		snprintf(file.name, sizeof(file.name), "%u", i);
		wait_for(m, SYS_read, &file);
	}
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_in_range(window->n_rows, 1000, 5000);
	assert_in_range(row_of(window, 100, 0, "read")->waits, 10000, 20000);
	watched_end(&w);
}

static void losses_and_notices_are_the_windows_own(void **state)
{
	struct watched w;
	char text[32];
	const struct window *window;

	watched_begin(&w, &plain);
	windows__lose(w.windows, LOSS_DROPPED_RECORDS, 5);
	windows__notice(w.windows, "one");
	windows__notice(w.windows, "two\xff");
	windows__notice(w.windows, "one");
	window = watched_cut(&w);
	assert_int_equal(window->losses[LOSS_DROPPED_RECORDS], 5);
	assert_int_equal(window->n_notices, 2);
	assert_string_equal(window->notices[1], "two\xef\xbf\xbd");
	windows__lose(w.windows, LOSS_DROPPED_RECORDS, 2);
	windows__notice(w.windows, "one");
	window = watched_cut(&w);
	assert_int_equal(window->losses[LOSS_DROPPED_RECORDS], 2);
	assert_int_equal(window->n_notices, 0);
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "number %d", i);
		windows__notice(w.windows, text);
	}
	window = watched_cut(&w);
	assert_int_equal(window->n_notices, 100);
	assert_string_equal(window->notices[99], "further notices were left out");
	watched_end(&w);
}

/* The thread that ended the wait is a library's: the main thread's place counts, if that is somebody's code. */
static void helpers_wait_for_the_main_thread(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	struct event_wait event;
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	maker_block(m, 7, FRAMES(AT(APP, 10, 30)));
	m->tid = 101;
	maker_block(m, 8, FRAMES(AT(LIBRARY, 100, 130)));
	event = (struct event_wait){ .head = maker_head(m, EVENT_WAIT, sizeof(event)), .stack_id = 8, .main_stack_id = 7, .wait_ns = SECOND, .count = 1, .syscall = SYS_futex, .object.fd = -1 };
	maker_play(m, &event);
	event.main_stack_id = 99;
	maker_play(m, &event);
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 30, "futex")->times.waiting_ns, SECOND);
	assert_int_equal(row_of(window, 100, 30, "futex")->tid, 101);
	assert_int_equal(row_of(window, 100, 130, "futex")->times.waiting_ns, SECOND);
	watched_end(&w);
}

/* A thread may refer to the last stacks that it was told of, and what it uses stays. */
static void threads_keep_what_they_use(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	for (uint32_t i = 0; i < 1000; i++) {
		maker_block(m, 100 + i, FRAMES(AT(APP, 10, 11 + i % 80)));
		maker_wait(m, 100, MILLISECOND, WAIT_BLOCKED, SYS_read);
	}
	for (uint32_t i = 0; i < 40; i++)
		maker_wait(m, 1099 - i, MILLISECOND, WAIT_BLOCKED, SYS_write);
	maker_wait(m, 101, MILLISECOND, WAIT_BLOCKED, SYS_fsync);
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 11, "read")->times.waiting_ns, SECOND);
	for (uint32_t i = 0; i < 40; i++)
		assert_non_null(row_of(window, 100, 11 + (999 - i) % 80, "write"));
	assert_non_null(row_of(window, 100, 0, "fsync"));
	watched_end(&w);
}

static const struct window_options with_heap = { .rate_hz = 1000, .heap = true };

static void the_heap_is_what_lives(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &with_heap);
	struct event_heap_moved moved = { .address = 0x20, .new_address = 0x30, .size = 300, .weight = 300 };
	const struct window_row *row;
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	/* two exact ones, and one that stands for four of its size */
	maker_heap(m, HEAP_KIND_C, 0x10, 1000, 1000, FRAMES(AT(APP, 10, 11)));
	maker_heap(m, HEAP_KIND_C, 0x20, 200, 200, FRAMES(AT(APP, 10, 12)));
	maker_heap(m, HEAP_KIND_OBJECT, 0x40, 100, 400, FRAMES(AT(APP, 10, 11)));
	window = watched_cut(&w);
	row = row_of(window, 100, 11, NULL);
	assert_true(window->heap && row->allocated_bytes == 1400 && row->allocations == 5 && row->live_bytes == 1400 && row->live_blocks == 5);
	/* nothing happens: it is still held */
	window = watched_cut(&w);
	row = row_of(window, 100, 11, NULL);
	assert_true(!row->allocated_bytes && !row->allocations && row->live_bytes == 1400 && row->live_blocks == 5);
	maker_heap_free(m, 0x10, 0);
	maker_heap_free(m, 0x10, 0);
	maker_heap_free(m, 0x99, 0);
	moved.head = maker_head(m, EVENT_HEAP_MOVED, sizeof(moved));
	maker_play(m, &moved);
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 11, NULL)->live_bytes, 400);
	assert_int_equal(row_of(window, 100, 12, NULL)->live_bytes, 300);
	/* a realloc that failed gives the block back */
	maker_heap_free(m, 0x30, HEAP_FREE_RESIZED);
	moved.address = moved.new_address = 0x30;
	moved.head = maker_head(m, EVENT_HEAP_MOVED, sizeof(moved));
	maker_play(m, &moved);
	/* half of a mapping at another place; an address that is given out twice */
	moved = (struct event_heap_moved){ .head = moved.head, .address = 0x30, .new_address = 0x50, .size = 50, .weight = 50 };
	moved.head.flags = HEAP_MOVED_SPLIT;
	maker_play(m, &moved);
	maker_heap(m, HEAP_KIND_C, 0x40, 7, 7, FRAMES(AT(APP, 10, 13)));
	window = watched_cut(&w);
	assert_int_equal(row_of(window, 100, 12, NULL)->live_bytes, 350);
	assert_int_equal(row_of(window, 100, 13, NULL)->live_bytes, 7);
	assert_null(row_of(window, 100, 11, NULL));
	/* it goes with its space */
	m->space = 2;
	maker_exec(m, 1, "/bin/true");
	window = watched_cut(&w);
	assert_int_equal(window->n_rows, 0);
	watched_end(&w);
	/* not asked for */
	m = watched_begin(&w, &plain);
	watched_python(m, 100, 1, "/usr/bin/python3");
	maker_heap(m, HEAP_KIND_C, 0x10, 1000, 1000, NULL, 0);
	assert_int_equal(watched_cut(&w)->n_rows, 0);
	watched_end(&w);
}

/* Far more stacks than the tree may hold: what is referred to survives that it is made anew. */
static void the_tree_is_rebuilt(void **state)
{
	const struct window_options options = { .rate_hz = 1000, .heap = true, .nodes_max = 1000 };
	struct watched w;
	struct maker *m = watched_begin(&w, &options);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	functions(m);
	maker_block(m, 7, FRAMES(AT(LIBRARY, 100, 133), AT(APP, 10, 33)));
	maker_heap(m, HEAP_KIND_C, 0x10, 1000, 1000, FRAMES(AT(LIBRARY, 100, 144), AT(APP, 10, 44)));
	maker_heap(m, HEAP_KIND_C, 0x20, 55, 55, FRAMES(AT(APP, 10, 55)));
	maker_heap_free(m, 0x20, HEAP_FREE_RESIZED);
	for (uint32_t round = 0; round < 30; round++) {
		for (uint32_t i = 0; i < 700; i++)
			maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(AT(LIBRARY, 100, 100 + i % 90), AT(APP, 10, 10 + round * 3 % 90), AT(TEXT, 1, 1 + i % 89)));
		maker_wait(m, 7, SECOND, WAIT_BLOCKED, SYS_read);
		window = watched_cut(&w);
		assert_window_holds(window);
		assert_true(window->whole.native_ns == 700 * MILLISECOND);
		assert_int_equal(row_of(window, 100, 33, "read")->times.waiting_ns, SECOND);
		assert_int_equal(row_of(window, 100, 44, NULL)->live_bytes, 1000);
		assert_int_equal(row_of(window, 100, 10 + round * 3 % 90, NULL)->times.native_ns > 0, 1);
		assert_int_equal(window->n_notices, 0);
	}
	/* more within one window than there may ever be */
	for (uint32_t i = 0; i < 8000; i++)
		maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(AT(LIBRARY, 100, 100 + i % 89), AT(APP, 10, 10 + i % 83), AT(TEXT, 1, 1 + i % 79)));
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_true(window->whole.native_ns == 8 * SECOND);
	assert_int_equal(window->n_notices, 1);
	assert_non_null(row_of(window, 100, 0, NULL));
	window = watched_cut(&w);
	maker_cpu(m, 0, MAKER_LIBRARY, FRAMES(AT(LIBRARY, 100, 150), AT(APP, 10, 66), AT(TEXT, 1, 95)));
	maker_wait(m, 7, SECOND, WAIT_BLOCKED, SYS_read);
	window = watched_cut(&w);
	assert_non_null(row_of(window, 100, 66, NULL));
	assert_non_null(row_of(window, 100, 33, "read"));
	watched_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_charged_to_the_programs_own_line),
		cmocka_unit_test(waits_find_what_was_sent_in_an_earlier_window),
		cmocka_unit_test(other_programs_have_functions),
		cmocka_unit_test(late_interpreters_are_counted),
		cmocka_unit_test(reasons_are_few),
		cmocka_unit_test(losses_and_notices_are_the_windows_own),
		cmocka_unit_test(helpers_wait_for_the_main_thread),
		cmocka_unit_test(threads_keep_what_they_use),
		cmocka_unit_test(the_heap_is_what_lives),
		cmocka_unit_test(the_tree_is_rebuilt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
