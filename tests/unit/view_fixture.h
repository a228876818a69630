/* SPDX-License-Identifier: Apache-2.0 */
/* Windows made by hand, and a view fed with them. */
#ifndef VIEW_FIXTURE_H
#define VIEW_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view/draw.h"
#include "view/keys.h"
#include "view/view.h"

#define S 1000000000ULL
#define MS 1000000ULL
#define MIBS 1048576ULL

/*
 * Two seconds of a machine: app.py (1234, alice, in web-1) spends 1.0 s of CPU time in handle:12 (of that 0.4 s in a library that it
 * calls), 0.5 s in handle:14 and 0.2 s in <module>:30, and waits 0.2 s at handle:12; make (77, root) takes 0.3 s of the
 * kernel; idle.py (500) sleeps.
 */
enum { APP, MAKE, IDLE };

static const struct window_frame fixture_frames[][3] = {
	{ { WINDOW_PYTHON, "/srv/app.py", "handle", 12, 10, false }, { WINDOW_PYTHON, "/srv/app.py", "<module>", 30, 1, false } },
	{ { WINDOW_PYTHON, "/usr/lib/python3/json/decoder.py", "decode", 337, 332, true }, { WINDOW_PYTHON, "/srv/app.py", "handle", 12, 10, false },
	  { WINDOW_PYTHON, "/srv/app.py", "<module>", 30, 1, false } },
	{ { WINDOW_PYTHON, "/srv/app.py", "handle", 14, 10, false }, { WINDOW_PYTHON, "/srv/app.py", "<module>", 31, 1, false } },
	{ { WINDOW_PYTHON, "/srv/app.py", "<module>", 30, 1, false } },
	{ { WINDOW_KERNEL, "[kernel]", "copy_page", 0, 0, false }, { WINDOW_NATIVE, "/usr/bin/make", "run_job", 0, 0, false } },
	{ { WINDOW_PYTHON, "/srv/idle.py", "sleep_on", 3, 2, false } },
};

struct fixture {
	struct window_process processes[8];
	struct window_stack stacks[8];
	struct window_row rows[16];
	struct window window;
};

static void fixture_row(struct fixture *f, uint32_t process, uint32_t stack, struct times times, uint64_t samples, uint64_t rss, const char *reason)
{
	struct window_process *p = &f->processes[process];

	f->rows[f->window.n_rows++] = (struct window_row){
		.process = process, .stack = stack, .tid = p->pid, .times = times, .samples = samples, .rss_bytes = rss, .reason = reason,
	};
	p->times.python_ns += times.python_ns;
	p->times.native_ns += times.native_ns;
	p->times.system_ns += times.system_ns;
	p->times.waiting_ns += times.waiting_ns;
	p->samples += samples;
	f->window.cpu_samples += samples;
	f->window.whole.python_ns += times.python_ns;
	f->window.whole.native_ns += times.native_ns;
	f->window.whole.system_ns += times.system_ns;
	f->window.whole.waiting_ns += times.waiting_ns;
}

/* The number-th window, counted from 0: each lasts two seconds, and app.py grows by 4 MiB in it. */
static struct fixture *fixture(unsigned int number)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->window = (struct window){ .start_ns = (100 + 2 * number) * S, .end_ns = (102 + 2 * number) * S, .start_epoch_s = 1700000000 + 2.0 * number,
				     .rate_hz = 99, .processes = f->processes, .n_processes = 3, .stacks = f->stacks, .n_stacks = 6, .rows = f->rows };
	f->processes[APP] = (struct window_process){
		.pid = 1234, .facts = { 1000, "alice", "app.py", "python3 app.py --port 80", "/docker/abc", "web-1", 0 }, .program = "/usr/bin/python3.11",
		.interpreter = "CPython 3.11", .python = true, .start_ns = 50 * S, .rss_bytes = (104 + 4 * number) * MIBS,
		.rss_before_bytes = (100 + 4 * number) * MIBS, .threads = 3,
	};
	f->processes[MAKE] = (struct window_process){
		.pid = 77, .facts = { 0, "root", "make", "make -j2", "/", NULL, 0 }, .program = "/usr/bin/make", .start_ns = 60 * S, .rss_bytes = 512 * 1024, .threads = 1,
	};
	f->processes[IDLE] = (struct window_process){
		.pid = 500, .facts = { 1000, "alice", "idle.py", "python3 idle.py", "/", NULL, 0 }, .python = true, .start_ns = 70 * S, .rss_bytes = 20 * MIBS,
		.rss_before_bytes = 20 * MIBS, .threads = 1,
	};
	for (uint32_t i = 0; i < 6; i++)
		f->stacks[i] = (struct window_stack){ .frames = fixture_frames[i], .n_frames = i == 1 ? 3 : i == 3 || i == 5 ? 1 : 2, .site = i == 1 };
	fixture_row(f, APP, 0, (struct times){ .python_ns = 500 * MS, .native_ns = 100 * MS }, 60, 4 * MIBS, NULL);
	fixture_row(f, APP, 0, (struct times){ .waiting_ns = 200 * MS }, 0, 0, "recvfrom, 10.0.0.5:5432");
	fixture_row(f, APP, 1, (struct times){ .python_ns = 400 * MS }, 40, 0, NULL);
	fixture_row(f, APP, 2, (struct times){ .python_ns = 500 * MS }, 50, 1 * MIBS, NULL);
	fixture_row(f, APP, 3, (struct times){ .system_ns = 200 * MS }, 20, 0, NULL);
	fixture_row(f, MAKE, 4, (struct times){ .system_ns = 300 * MS }, 30, 0, NULL);
	fixture_row(f, IDLE, 5, (struct times){ .waiting_ns = 2000 * MS }, 0, 0, "sleep");
	return f;
}

/* What view__take() copied must not depend on what it was copied from. */
static void fixture_give(struct view *view, struct fixture *f)
{
	assert_int_equal(view__take(view, &f->window), 0);
	memset(f, 0xa5, sizeof(*f));
	free(f);
}

/* A view that has taken so many windows. */
static struct view *fixture_view(unsigned int windows)
{
	struct view *view = view__new();

	assert_non_null(view);
	for (unsigned int i = 0; i < windows; i++)
		fixture_give(view, fixture(i));
	return view;
}

__attribute__((unused)) static const struct view_table *table_of(struct view *view)
{
	const struct view_table *table = view__table(view);

	assert_non_null(table);
	return table;
}

#endif
