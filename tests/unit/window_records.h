/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records made by hand (golden/records.h) that go into windows. Include after <cmocka.h>.
 */
#ifndef FIXINGAHOLE_TEST_WINDOW_RECORDS_H
#define FIXINGAHOLE_TEST_WINDOW_RECORDS_H

#include "golden/records.h"
#include "profile/window.h"

struct watched {
	struct strings *strings;
	struct symbols *symbols;
	struct windows *windows;
	struct maker maker;
};

static inline void watched_record(void *context, const struct event_header *record)
{
	struct watched *w = context;

	switch (record->kind) {
	case EVENT_INTERP:
		symbols__interp(w->symbols, (const void *)record);
		break;
	case EVENT_CODE:
		symbols__code(w->symbols, (const void *)record);
		break;
	case EVENT_BLOB:
		symbols__blob(w->symbols, (const void *)record);
		break;
	case EVENT_FORK:
		symbols__fork(w->symbols, (const void *)record);
		windows__record(w->windows, record);
		break;
	default:
		windows__record(w->windows, record);
	}
}

static inline struct maker *watched_begin(struct watched *w, const struct window_options *options)
{
	*w = (struct watched){ .strings = strings__new() };
	w->symbols = symbols__new(w->strings, NULL);
	w->windows = windows__new(options, w->strings, w->symbols, MAKER_START);
	assert_non_null(w->windows);
	w->maker = maker_of(NULL);
	w->maker.sink = watched_record;
	w->maker.context = w;
	return &w->maker;
}

static inline void watched_end(struct watched *w)
{
	windows__free(w->windows);
	symbols__free(w->symbols);
	strings__free(w->strings);
}

/* Another process of the maker's; it becomes that one. */
static inline void watched_python(struct maker *m, uint32_t pid, uint32_t space, const char *program)
{
	m->pid = m->tid = pid;
	m->space = space;
	maker_exec(m, 0, program);
	maker_interp(m);
}

static inline const struct window *watched_cut(struct watched *w)
{
	const struct window *window = windows__cut(w->windows, w->maker.now_ns, 1767225600 + (w->maker.now_ns - MAKER_START) / 1e9);

	assert_non_null(window);
	return window;
}

static inline const struct window_process *process_of(const struct window *window, uint32_t pid)
{
	for (uint32_t i = 0; i < window->n_processes; i++) {
		if (window->processes[i].pid == pid)
			return &window->processes[i];
	}
	return NULL;
}

/* The row of a process whose charged frame is this line (0: it has none), and that waits for this (NULL: does not). */
static inline const struct window_row *row_of(const struct window *window, uint32_t pid, uint32_t lineno, const char *reason)
{
	for (uint32_t i = 0; i < window->n_rows; i++) {
		const struct window_row *row = &window->rows[i];
		const struct window_stack *stack = &window->stacks[row->stack];

		if (window->processes[row->process].pid != pid || (reason ? !row->reason || strcmp(row->reason, reason) : row->reason != NULL))
			continue;
		if (stack->site < stack->n_frames ? stack->frames[stack->site].lineno == lineno : !lineno)
			return row;
	}
	return NULL;
}

/* What a reader may rely on. */
static inline void assert_window_holds(const struct window *window)
{
	struct times whole = {}, of_processes = {};

	for (uint32_t i = 0; i < window->n_rows; i++) {
		const struct window_row *row = &window->rows[i];

		assert_true(row->process < window->n_processes && row->stack < window->n_stacks);
		whole.python_ns += row->times.python_ns;
		whole.native_ns += row->times.native_ns;
		whole.system_ns += row->times.system_ns;
		whole.waiting_ns += row->times.waiting_ns;
		whole.runnable_ns += row->times.runnable_ns;
	}
	for (uint32_t i = 0; i < window->n_processes; i++) {
		of_processes.python_ns += window->processes[i].times.python_ns;
		of_processes.native_ns += window->processes[i].times.native_ns;
		of_processes.system_ns += window->processes[i].times.system_ns;
		of_processes.waiting_ns += window->processes[i].times.waiting_ns;
		of_processes.runnable_ns += window->processes[i].times.runnable_ns;
	}
	assert_memory_equal(&whole, &window->whole, sizeof(whole));
	assert_memory_equal(&of_processes, &window->whole, sizeof(whole));
	for (uint32_t i = 0; i < window->n_stacks; i++) {
		const struct window_stack *stack = &window->stacks[i];

		assert_true(stack->n_frames ? stack->site < stack->n_frames : !stack->site);
	}
	assert_true(window->named_samples + window->frameless_samples <= window->python_samples && window->python_samples <= window->cpu_samples);
}

#endif
