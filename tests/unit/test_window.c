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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_charged_to_the_programs_own_line),
		cmocka_unit_test(waits_find_what_was_sent_in_an_earlier_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
