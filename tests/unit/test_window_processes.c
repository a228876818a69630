// SPDX-License-Identifier: Apache-2.0
/* Windows: who is there. Processes that are forked, execute, end, and whose end nobody told of. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>

#include "window_records.h"

#define APP 0x1000

static const struct window_options plain = { .rate_hz = 1000 };

static void app(struct maker *m)
{
	maker_function(m, APP, "/srv/app.py", "handle", 10);
}

static void execs_forks_and_ends_are_followed(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct process_facts facts = { .uid = 33, .user = "www", .name = "serve.py", .command = "python3 serve.py", .cgroup = "/a" };
	struct event_thread_exit thread = { .run_ns = 5, .unsampled_ns = 3 };
	const struct window_process *p;
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	app(m);
	windows__describe(w.windows, 100, &facts);
	maker_rss(m, 4096, 10000, FRAMES(AT(APP, 10, 20)));
	window = watched_cut(&w);
	p = process_of(window, 100);
	assert_true(p->start_ns == MAKER_START && !p->end_ns && p->rss_bytes == 10000 && !p->rss_before_bytes && p->rss_grown_bytes == 4096);
	assert_int_equal(row_of(window, 100, 20, NULL)->rss_bytes, 4096);

	/* a child has what its parent had */
	maker_fork(m, 101, 2);
	app(m);
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	m->tid = 102;
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	window = watched_cut(&w);
	p = process_of(window, 101);
	assert_int_equal(window->n_processes, 2);
	assert_int_equal(p->parent_pid, 100);
	assert_int_equal(p->threads, 2);
	assert_string_equal(p->facts.name, "serve.py");
	assert_string_equal(p->program, "/usr/bin/python3");
	assert_string_equal(p->interpreter, "CPython 3.9");
	assert_true(p->facts.name != facts.name && !p->facts.container && p->facts.uid == 33);
	p = process_of(window, 100);
	assert_true(p->rss_before_bytes == 10000 && !p->rss_grown_bytes && !p->threads && !times_total(&p->times));

	/* another program: who it is stays, until told anew */
	m->tid = 101;
	m->space = 3;
	maker_exec(m, 2, "/bin/sleep");
	maker_cpu(m, 0, MAKER_EVAL, NULL, 0);
	windows__no_interpreter(w.windows, 101, "too new");
	window = watched_cut(&w);
	p = process_of(window, 101);
	assert_int_equal(window->n_processes, 2);
	assert_true(!p->python && !p->interpreter);
	assert_string_equal(p->no_interpreter, "too new");
	assert_string_equal(p->program, "/bin/sleep");
	assert_string_equal(p->facts.name, "serve.py");
	windows__describe(w.windows, 101, &(struct process_facts){ .name = "sleep", .container = "x.service" });
	window = watched_cut(&w);
	p = process_of(window, 101);
	assert_string_equal(p->facts.name, "sleep");
	assert_string_equal(p->facts.container, "x.service");
	assert_null(p->facts.user);
	assert_string_equal(process_of(window, 100)->facts.name, "serve.py");

	/* the end is told once; what comes a little late is not lost */
	thread.head = maker_head(m, EVENT_THREAD_EXIT, sizeof(thread));
	maker_play(m, &thread);
	maker_exit(m, 256);
	m->now_ns += SECOND;
	window = watched_cut(&w);
	p = process_of(window, 101);
	assert_true(p->end_ns && p->status == 256 && p->unsampled_ns == 3 && window->unsampled_ns == 3 && p->threads == 1);
	assert_int_equal(process_of(window, 100)->end_ns, 0);
	m->now_ns += SECOND;
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(process_of(window, 101)->samples, 1);
	assert_true(process_of(window, 101)->end_ns);
	m->now_ns += SECOND;
	window = watched_cut(&w);
	assert_null(process_of(window, 101));
	assert_int_equal(window->n_processes, 1);
	watched_end(&w);
}

/* What a shell does before it becomes a Python was never Python's; what that does before it is known may be. */
static void unseen_is_of_the_same_program(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window_process *p;
	const struct window *window;

	m->pid = m->tid = 100;
	m->space = 1;
	maker_exec(m, 0, "/bin/sh");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	m->space = 2;
	maker_exec(m, 1, "/usr/bin/python3");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_interp(m);
	app(m);
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	p = process_of(watched_cut(&w), 100);
	assert_int_equal(p->samples, 4);
	assert_int_equal(p->unseen_samples, 1);
	/* a Python, if none of its samples came late enough to tell, too */
	m->now_ns += SECOND;
	m->space = 3;
	maker_exec(m, 2, "/usr/bin/python3");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_interp(m);
	m->space = 4;
	maker_exec(m, 3, "/usr/bin/python3");
	maker_cpu(m, STACK_NO_LAYOUT, 0x10, NULL, 0);
	maker_interp(m);
	maker_exit(m, 0);
	window = watched_cut(&w);
	p = process_of(window, 100);
	assert_int_equal(p->unseen_samples, 2);
	assert_non_null(p->interpreter);
	assert_int_equal(window->python_samples, 2);
	watched_end(&w);
}

/* What was told last of it or its parent is what is known; an unsure cgroup stays unsure. */
static void facts_are_handed_out(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct process_facts *facts;

	assert_null(windows__facts(w.windows, 100));
	watched_python(m, 100, 1, "/usr/bin/python3");
	assert_null(windows__facts(w.windows, 100));
	windows__describe(w.windows, 100, &(struct process_facts){ .name = "serve.py", .cgroup = "/a", .unsure = true });
	maker_fork(m, 101, 2);
	facts = windows__facts(w.windows, 101);
	assert_non_null(facts);
	assert_string_equal(facts->cgroup, "/a");
	assert_true(facts->unsure);
	/* of itself */
	windows__describe(w.windows, 101, &(struct process_facts){ .name = "sleep", .cgroup = facts->cgroup });
	assert_string_equal(windows__facts(w.windows, 101)->cgroup, "/a");
	assert_false(windows__facts(w.windows, 101)->unsure);
	assert_true(windows__facts(w.windows, 100)->unsure);
	watched_end(&w);
}

/* Of what was there before the first window, the growth counts from what it was when it was attached to. */
static void sizes_begin_with_what_was_there(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	struct event_attach event = { .parent_pid = 7, .path = "/usr/bin/python3" };
	const struct window_process *p;
	const struct window *window;

	event.head = maker_head(m, EVENT_ATTACH, sizeof(event));
	maker_play(m, &event);
	maker_interp(m);
	windows__describe(w.windows, 100, &(struct process_facts){ .name = "x.py", .rss_bytes = 50000 });
	maker_rss(m, 4096, 58192, NULL, 0);
	m->pid = m->tid = 101;
	m->space = 2;
	event.head = maker_head(m, EVENT_ATTACH, sizeof(event));
	maker_play(m, &event);
	maker_rss(m, 4096, 10000, NULL, 0);
	window = watched_cut(&w);
	assert_true(process_of(window, 101)->rss_before_bytes == 10000 - 4096);
	p = process_of(window, 100);
	assert_true(p->rss_before_bytes == 50000 && p->rss_bytes == 58192 && p->parent_pid == 7 && !p->facts.rss_bytes);
	p = process_of(watched_cut(&w), 100);
	assert_true(p->rss_before_bytes == 58192 && p->rss_bytes == 58192);
	watched_end(&w);
}

static bool is_alive(void *context, uint32_t pid)
{
	++*(int *)context;
	return pid != 100;
}

/* The record of an end may be lost: then the number comes again, or somebody is asked. */
static void lost_ends_are_noticed(void **state)
{
	struct watched w;
	int asked = 0;
	const struct window_options options = { .rate_hz = 1000, .alive = is_alive, .alive_context = &asked };
	struct maker *m = watched_begin(&w, &options);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	app(m);
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	m->pid = m->tid = 50;
	maker_fork(m, 100, 7);
	window = watched_cut(&w);
	assert_int_equal(window->n_processes, 2);
	assert_true(window->processes[0].end_ns && !window->processes[1].end_ns);
	assert_int_equal(asked, 0);
	/* an exec that was lost: the same process goes on */
	m->space = 8;
	maker_cpu(m, 0, MAKER_EVAL, NULL, 0);
	m->now_ns += SECOND;
	window = watched_cut(&w);
	assert_int_equal(window->n_processes, 1);
	assert_int_equal(window->processes[0].samples, 1);
	/* silent for a minute */
	m->now_ns += 59 * SECOND;
	watched_cut(&w);
	assert_int_equal(asked, 1);
	window = watched_cut(&w);
	assert_int_equal(window->n_processes, 0);
	watched_end(&w);
}

static void pids_and_threads_are_given_out_again(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &plain);
	const struct window *window;

	watched_python(m, 100, 1, "/usr/bin/python3");
	app(m);
	m->tid = 150;
	maker_block(m, 7, FRAMES(AT(APP, 10, 21)));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 21)));
	m->tid = 100;
	maker_exit(m, 9);
	/* the numbers of process and thread belong to others now, in the same window */
	watched_python(m, 100, 2, "/usr/bin/other");
	watched_python(m, 150, 3, "/usr/bin/third");
	maker_wait(m, 7, SECOND, WAIT_BLOCKED, SYS_read);
	window = watched_cut(&w);
	assert_window_holds(window);
	assert_int_equal(window->n_processes, 3);
	assert_int_equal(window->processes[0].status, 9);
	assert_string_equal(window->processes[1].program, "/usr/bin/other");
	assert_int_equal(window->stacks[row_of(window, 150, 0, "read")->stack].n_frames, 0);
	watched_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(execs_forks_and_ends_are_followed),
		cmocka_unit_test(unseen_is_of_the_same_program),
		cmocka_unit_test(facts_are_handed_out),
		cmocka_unit_test(sizes_begin_with_what_was_there),
		cmocka_unit_test(lost_ends_are_noticed),
		cmocka_unit_test(pids_and_threads_are_given_out_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
