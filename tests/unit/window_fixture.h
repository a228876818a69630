/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small window, by hand: two web workers in a container, of which one waits, and a program without Python. Its figures are
 * stated here alone; tests of the formats add them up.
 */
#ifndef TESTS_WINDOW_FIXTURE_H
#define TESTS_WINDOW_FIXTURE_H

#include "profile/window.h"

#define MS 1000000ull
#define FIXTURE_HOST "vé.example"
#define FIXTURE_EPOCH_S 1790000000.5
#define FIXTURE_CPU_NS (30 * MS + 12 * MS + 5 * MS + 7 * MS) /* over all rows */
#define FIXTURE_WAIT_NS (250 * MS)
#define FIXTURE_RSS 8192
#define FIXTURE_ALLOCATED 5000
#define FIXTURE_LIVE 1000

enum { FIXTURE_APP = 0, FIXTURE_WORKER, FIXTURE_CRON, FIXTURE_PROCESSES };
enum { FIXTURE_PARSE = 0, FIXTURE_READ, FIXTURE_NONE, FIXTURE_CUT, FIXTURE_PARSE_AGAIN, FIXTURE_STACKS };

struct window_fixture {
	struct window window;
	struct window_process processes[FIXTURE_PROCESSES];
	struct window_stack stacks[FIXTURE_STACKS];
	struct window_row rows[8];
	const char *notices[1];
};

static const struct window_frame fixture_parse[] = {
	{ WINDOW_KERNEL, "[kernel]", "copy_user", 0, 0, false },
	{ WINDOW_NATIVE, "/usr/lib/libjson.so.1", "_Z5scanfPKc", 0, 0, false },
	{ WINDOW_NATIVE, "/usr/lib/libjson.so.1", NULL, 0, 0, false },
	{ WINDOW_PYTHON, "/usr/lib/python3.11/json/decoder.py", "JSONDecoder.decode", 337, 332, true },
	{ WINDOW_PYTHON, "/srv/app/views \"x\".py", "Orders.<locals>.<lambda>", 42, 40, false },
	{ WINDOW_PYTHON, "/srv/app/main.py", "<module>", 7, 1, false },
};
static const struct window_frame fixture_read[] = {
	{ WINDOW_PYTHON, "/srv/app/views \"x\".py", "fetch", 51, 50, false },
	{ WINDOW_PYTHON, "/srv/app/main.py", "<module>", 7, 1, false },
};
static const struct window_frame fixture_cut[] = {
	{ WINDOW_PYTHON, NULL, NULL, 0, 0, false },
	{ WINDOW_PYTHON, "/srv/app/main.py", "recurse", 20, 19, false },
};

static inline void window_fixture_init(struct window_fixture *f)
{
	*f = (struct window_fixture){
		.processes = {
			[FIXTURE_APP] = { .pid = 100, .parent_pid = 1, .program = "/usr/bin/python3.11", .interpreter = "CPython 3.11", .python = true,
				.facts = { 1000, "web", "main.py", "python3 main.py --secret", "/system.slice/shop.service", "shop.service" },
				.times = { .python_ns = 22 * MS, .native_ns = 15 * MS, .system_ns = 5 * MS, .waiting_ns = 230 * MS, .runnable_ns = 20 * MS }, .samples = 42 },
			[FIXTURE_WORKER] = { .pid = 101, .parent_pid = 100, .program = "/usr/bin/python3.11", .interpreter = "CPython 3.11", .python = true,
				.facts = { 1000, "web", "main.py", "python3 main.py --secret", "/system.slice/shop.service", "shop.service" },
				.times = { .python_ns = 5 * MS }, .samples = 5 },
			/* a name that is no UTF-8, and nothing else known */
			[FIXTURE_CRON] = { .pid = 7, .parent_pid = 1, .facts = { .name = "cr\xff" "n\xc3\xa9" }, .times = { .system_ns = 7 * MS }, .samples = 7 },
		},
		.stacks = {
			[FIXTURE_PARSE] = { fixture_parse, 6, 4, false },
			[FIXTURE_READ] = { fixture_read, 2, 0, false },
			[FIXTURE_NONE] = { NULL, 0, 0, false },
			[FIXTURE_CUT] = { fixture_cut, 2, 1, true },
			[FIXTURE_PARSE_AGAIN] = { fixture_parse, 6, 4, false },
		},
		.rows = {
			{ .process = FIXTURE_APP, .stack = FIXTURE_PARSE, .tid = 100, .times = { .python_ns = 10 * MS, .native_ns = 15 * MS, .system_ns = 5 * MS }, .samples = 30, .rss_bytes = 8192,
			  .allocated_bytes = 4096, .allocations = 3, .live_bytes = 1000, .live_blocks = 1 },
			{ .process = FIXTURE_APP, .stack = FIXTURE_PARSE_AGAIN, .tid = 100, .times = { .python_ns = 12 * MS }, .samples = 12, .allocated_bytes = 904, .allocations = 1 },
			{ .process = FIXTURE_APP, .stack = FIXTURE_READ, .tid = 105, .reason = "recvfrom, 10.0.0.5:5432", .times = { .waiting_ns = 200 * MS, .runnable_ns = 20 * MS }, .waits = 2 },
			{ .process = FIXTURE_APP, .stack = FIXTURE_READ, .tid = 105, .reason = "sleep", .times = { .waiting_ns = 30 * MS }, .waits = 1 },
			{ .process = FIXTURE_WORKER, .stack = FIXTURE_CUT, .tid = 101, .times = { .python_ns = 5 * MS }, .samples = 5 },
			{ .process = FIXTURE_CRON, .stack = FIXTURE_NONE, .tid = 7, .times = { .system_ns = 7 * MS }, .samples = 7 },
			{ .process = FIXTURE_WORKER, .stack = FIXTURE_NONE, .tid = 101, .times = { 0 } }, /* of no value: left out */
		},
		.notices = { "line tables of 3 functions could not be read" },
	};
	f->window = (struct window){
		.start_ns = 5000 * MS, .end_ns = 65000 * MS, .start_epoch_s = FIXTURE_EPOCH_S, .rate_hz = 1000, .heap = true,
		.processes = f->processes, .n_processes = FIXTURE_PROCESSES, .stacks = f->stacks, .n_stacks = FIXTURE_STACKS,
		.rows = f->rows, .n_rows = 7, .whole = { .python_ns = 27 * MS, .native_ns = 15 * MS, .system_ns = 12 * MS, .waiting_ns = 230 * MS, .runnable_ns = 20 * MS },
		.cpu_samples = 54, .waits = 3, .losses = { [LOSS_CUT_STACKS] = 5 }, .python_samples = 47, .named_samples = 42,
		.notices = f->notices, .n_notices = 1,
	};
}

#endif
