// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/window_groups.h"
#include "util/map64.h"
#include "view/state.h"

/* Growth is over the last so many seconds at least: within one window it jumps with every allocation. */
#define GROWTH_NS 10000000000ULL

struct making {
	struct view *view;
	struct map64 index;      /* key of a row -> its place in the table */
	struct map64 accepted;   /* key of a process -> whether the filter of processes lets it pass */
	enum charge charge;
	size_t from, growth_from; /* windows */
};

static const struct kept_window *newest(const struct view *view)
{
	return view->history.windows[view->history.n - 1];
}

/* --- filters --- */

static bool holds(const char *text, const char *filter)
{
	return text && strcasestr(text, filter);
}

static bool frame_holds(const struct window_frame *frame, const char *filter)
{
	char number[16];

	if (!frame)
		return false;
	snprintf(number, sizeof(number), "%u", frame->lineno);
	return holds(frame->path, filter) || holds(frame->function, filter) || (frame->lineno && !strcmp(number, filter));
}

static bool process_holds(const struct window_process *p, const char *filter)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", p->pid);
	return !strcmp(number, filter) || holds(p->facts.name, filter) || holds(p->facts.user, filter) || holds(p->facts.container, filter) ||
	       holds(p->facts.command, filter) || holds(p->program, filter);
}

/* By the files where they were seen at work. */
static int accept_by_rows(struct making *m, const struct kept_window *window, const char *filter)
{
	for (uint32_t i = 0; i < window->n_rows; i++) {
		const struct kept_stack *stack = &window->stacks[window->rows[i].stack];
		const struct kept_process *p = &window->processes[window->rows[i].process];
		uint32_t frame = stack->charged[m->charge].frame, accepted = 0;

		map64_get(&m->accepted, p->key, &accepted);
		if (accepted || (m->view->switches[VIEW_PYTHON_ONLY] && !p->process.python) || frame >= stack->n_frames)
			continue;
		if (holds(stack->frames[frame].path, filter) && map64_put(&m->accepted, p->key, true))
			return -ENOMEM;
	}
	return 0;
}

/* What passes at the level of processes: what does so in any window of the span. */
static int accept_processes(struct making *m)
{
	const struct history *history = &m->view->history;
	const char *filter = m->view->places[VIEW_PROCESSES].filter;

	for (size_t w = m->from; w < history->n; w++) {
		const struct kept_window *window = history->windows[w];

		for (uint32_t i = 0; i < window->n_processes; i++) {
			const struct kept_process *p = &window->processes[i];
			bool pass = (!m->view->switches[VIEW_PYTHON_ONLY] || p->process.python) && (!*filter || process_holds(&p->process, filter));
			uint32_t before = 0;

			map64_get(&m->accepted, p->key, &before);
			if (map64_put(&m->accepted, p->key, before || pass))
				return -ENOMEM;
		}
		if (*filter && accept_by_rows(m, window, filter))
			return -ENOMEM;
	}
	return 0;
}

static bool row_passes(const struct view *view, const struct view_row *row)
{
	const char *filter = view->places[view->level].filter;

	if (!*filter || view->level == VIEW_PROCESSES)
		return true;
	if (frame_holds(row->frame, filter) || holds(row->reason, filter))
		return true;
	for (uint32_t i = 0; view->level == VIEW_STACKS && i < row->stack->n_frames; i++)
		if (frame_holds(&row->stack->frames[i], filter))
			return true;
	return false;
}

/* --- rows --- */

static struct view_row *row_of(struct making *m, uint64_t key)
{
	struct view *view = m->view;
	struct view_table *table = &view->table;
	uint32_t at;

	if (map64_get(&m->index, key, &at))
		return &table->rows[at];
	if (table->n_rows == view->cap_rows) {
		uint32_t capacity = view->cap_rows ? view->cap_rows * 2 : 64;
		struct view_row *rows = reallocarray(table->rows, capacity, sizeof(*rows));

		if (!rows)
			return NULL;
		table->rows = rows;
		view->cap_rows = capacity;
	}
	if (map64_put(&m->index, key, table->n_rows))
		return NULL;
	table->rows[table->n_rows] = (struct view_row){ .key = key };
	return &table->rows[table->n_rows++];
}

/* From what they had when the span of growth began, or at the end of the window that saw them first. */
static void set_growth(struct making *m)
{
	const struct history *history = &m->view->history;
	struct view_table *table = &m->view->table;
	uint64_t now_ns = newest(m->view)->end_ns;

	for (size_t w = history->n; w-- > m->growth_from;) {
		const struct kept_window *window = history->windows[w];

		for (uint32_t i = 0; i < window->n_processes; i++) {
			const struct window_process *p = &window->processes[i].process;
			struct view_row *row;
			uint32_t at;

			if (!map64_get(&m->index, window->processes[i].key, &at))
				continue;
			row = &table->rows[at];
			row->before_bytes = p->rss_before_bytes ? p->rss_before_bytes : p->rss_bytes;
			row->before_ns = p->rss_before_bytes ? window->start_ns : window->end_ns;
		}
	}
	for (uint32_t i = 0; i < table->n_rows; i++) {
		struct view_row *row = &table->rows[i];

		row->has_growth = !row->ended && row->rss_bytes && row->before_bytes && row->before_ns < now_ns;
		if (row->has_growth)
			row->growth = ((double)row->rss_bytes - (double)row->before_bytes) / ((double)(now_ns - row->before_ns) / 1e9);
	}
}

static int add_processes(struct making *m)
{
	const struct history *history = &m->view->history;

	for (size_t w = m->from; w < history->n; w++) {
		const struct kept_window *window = history->windows[w];

		for (uint32_t i = 0; i < window->n_processes; i++) {
			const struct kept_process *p = &window->processes[i];
			struct view_row *row = row_of(m, p->key);

			if (!row)
				return -ENOMEM;
			row->process = p;
			row->ended = p->process.end_ns || w + 1 < history->n;
			row->rss_bytes = p->process.rss_bytes;
			row->samples += p->process.samples;
			times_sum(&row->times, &p->process.times);
		}
	}
	set_growth(m);
	return 0;
}

/* Is this what was entered on the way here? */
static bool within(const struct making *m, const struct kept_window *window, const struct kept_row *row)
{
	const struct view *view = m->view;
	const struct charged *charged = &window->stacks[row->stack].charged[m->charge];
	uint64_t process = window->processes[row->process].key;
	uint32_t accepted = 0;

	if (view->process ? process != view->process : !map64_get(&m->accepted, process, &accepted) || !accepted)
		return false;
	return view->level == VIEW_FUNCTIONS || (charged->function == view->function && (view->level == VIEW_LINES || charged->line == view->line));
}

static int add_row(struct making *m, const struct kept_window *window, const struct kept_row *from)
{
	const struct kept_stack *stack = &window->stacks[from->stack];
	const struct charged *charged = &stack->charged[m->charge];
	enum view_level level = m->view->level;
	struct view_row *row = row_of(m, level == VIEW_FUNCTIONS ? charged->function : level == VIEW_LINES ? charged->line : from->key);

	if (!row)
		return -ENOMEM;
	row->process = &window->processes[from->process];
	row->stack = stack;
	row->reason = level == VIEW_STACKS ? from->reason : NULL;
	row->frame = level != VIEW_STACKS && charged->frame < stack->n_frames ? &stack->frames[charged->frame] : NULL;
	row->samples += from->samples;
	row->rss_bytes += from->rss_bytes;
	times_sum(&row->times, &from->times);
	return 0;
}

static int add_places(struct making *m)
{
	const struct view *view = m->view;
	struct view_table *table = &m->view->table;

	for (size_t w = m->from; w < view->history.n; w++) {
		const struct kept_window *window = view->history.windows[w];

		for (uint32_t i = 0; i < window->n_rows; i++) {
			int err = within(m, window, &window->rows[i]) ? add_row(m, window, &window->rows[i]) : 0;

			if (err)
				return err;
		}
	}
	for (uint32_t i = 0; i < table->n_rows; i++) {
		table->rows[i].growth = (double)table->rows[i].rss_bytes / ((double)table->span_ns / 1e9);
		table->rows[i].has_growth = true;
	}
	return 0;
}

/* The newest window that has the stack: its frames do not change, and one may look at them for longer than the span. */
static const struct kept_stack *find_stack(const struct view *view, const struct kept_process **process)
{
	for (size_t w = view->history.n; w-- > 0;) {
		const struct kept_window *window = view->history.windows[w];

		for (uint32_t i = 0; i < window->n_rows; i++) {
			if (window->rows[i].key != view->stack)
				continue;
			*process = &window->processes[window->rows[i].process];
			return &window->stacks[window->rows[i].stack];
		}
	}
	return NULL;
}

static int add_frames(struct making *m)
{
	const struct kept_process *process = NULL;
	const struct kept_stack *stack = find_stack(m->view, &process);

	for (uint32_t i = 0; stack && i < stack->n_frames; i++) {
		struct view_row *row = row_of(m, i + 1);

		if (!row)
			return -ENOMEM;
		row->process = process;
		row->stack = stack;
		row->frame = &stack->frames[i];
		row->number = i;
	}
	return 0;
}

/* --- what of them is shown, and in which order --- */

/* A list sorted by waiting, memory or growth is about those that have some. */
static bool is_idle(const struct view *view, const struct view_row *row)
{
	return !view->switches[VIEW_IDLE] && !times_cpu(&row->times) && !(view->sort == VIEW_WAIT && times_wait(&row->times)) &&
	       !(view->sort == VIEW_RSS && row->rss_bytes) && !(view->sort == VIEW_GROWTH && row->has_growth && row->growth != 0);
}

static void leave_out(struct making *m)
{
	const struct view *view = m->view;
	struct view_table *table = &m->view->table;
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n_rows; i++) {
		const struct view_row *row = &table->rows[i];
		uint32_t accepted = 1;

		if (view->level == VIEW_PROCESSES)
			map64_get(&m->accepted, row->key, &accepted);
		if (!accepted || !row_passes(view, row)) {
			table->filtered++;
			continue;
		}
		if (view->level == VIEW_PROCESSES && is_idle(view, row)) {
			table->idle++;
			continue;
		}
		table->containers |= view->level == VIEW_PROCESSES && row->process->process.facts.container;
		table->rows[n++] = *row;
	}
	table->n_rows = n;
}

static int compare_numbers(double a, double b)
{
	return a > b ? -1 : a < b;
}

static int compare_texts(const char *a, const char *b)
{
	int order = strcasecmp(a ? a : "", b ? b : "");

	return order ? order : strcmp(a ? a : "", b ? b : "");
}

static int compare_names(enum view_level level, const struct view_row *a, const struct view_row *b)
{
	const struct window_frame *f = a->frame, *g = b->frame;
	int order;

	if (level == VIEW_PROCESSES)
		return compare_texts(window_process_name(&a->process->process), window_process_name(&b->process->process));
	if (level == VIEW_STACKS)
		return compare_texts(a->reason, b->reason);
	order = compare_texts(f ? f->function : NULL, g ? g->function : NULL);
	return order ? order : compare_texts(f ? f->path : NULL, g ? g->path : NULL);
}

static int compare_ids(enum view_level level, const struct view_row *a, const struct view_row *b)
{
	uint32_t x = level == VIEW_PROCESSES ? a->process->process.pid : a->frame ? a->frame->lineno : 0;
	uint32_t y = level == VIEW_PROCESSES ? b->process->process.pid : b->frame ? b->frame->lineno : 0;

	return x < y ? -1 : x > y;
}

static int compare_by(const struct view *view, enum view_sort sort, const struct view_row *a, const struct view_row *b)
{
	/* below processes, memory is what was touched in the span: the same order as growth */
	switch (sort) {
	case VIEW_CPU:
		return compare_numbers((double)times_cpu(&a->times), (double)times_cpu(&b->times));
	case VIEW_WAIT:
		return compare_numbers((double)times_wait(&a->times), (double)times_wait(&b->times));
	case VIEW_RSS:
		return compare_numbers((double)a->rss_bytes, (double)b->rss_bytes);
	case VIEW_GROWTH:
		return compare_numbers(a->has_growth ? a->growth : 0, b->has_growth ? b->growth : 0);
	case VIEW_NAME:
		return compare_names(view->level, a, b);
	case VIEW_ID:
		return compare_ids(view->level, a, b);
	}
	return 0;
}

/* What is equal must not change places from one refresh to the next. */
static int compare_rows(const void *a, const void *b, void *context)
{
	static const enum view_sort then[] = { VIEW_CPU, VIEW_WAIT, VIEW_RSS, VIEW_ID, VIEW_NAME };
	const struct view_row *x = a, *y = b;
	const struct view *view = context;
	int order;

	if (view->level == VIEW_FRAMES)
		return x->number < y->number ? -1 : x->number > y->number;
	order = compare_by(view, view->sort, x, y);
	if (order)
		return view->reverse ? -order : order;
	for (size_t i = 0; i < sizeof(then) / sizeof(*then); i++) {
		order = compare_by(view, then[i], x, y);
		if (order)
			return order;
	}
	return x->key < y->key ? -1 : x->key > y->key;
}

static void find_selected(struct view *view)
{
	struct view_table *table = &view->table;
	struct place *place = &view->places[view->level];

	table->selected = table->n_rows ? 0 : -1;
	if (!place->selected || !table->n_rows)
		return;
	/* what has gone for now may come back: until then its place stays selected */
	table->selected = (int)(place->at < table->n_rows ? place->at : table->n_rows - 1);
	for (uint32_t i = 0; i < table->n_rows; i++)
		if (table->rows[i].key == place->selected)
			table->selected = (int)i;
	place->at = (uint32_t)table->selected;
}

/* --- all of it --- */

static void sum_up(struct making *m)
{
	const struct view *view = m->view;
	struct view_table *table = &m->view->table;
	const struct kept_window *last = newest(view);

	for (size_t w = m->from; w < view->history.n; w++) {
		const struct kept_window *window = view->history.windows[w];

		table->span_ns += window->end_ns - window->start_ns;
		table->cpu_samples += window->cpu_samples;
		times_sum(&table->whole, &window->whole);
		for (int i = 0; i < LOSS_COUNT; i++)
			table->losses[i] += window->losses[i];
	}
	for (uint32_t i = 0; i < last->n_processes; i++) {
		table->processes += !last->processes[i].process.end_ns;
		table->pythons += !last->processes[i].process.end_ns && last->processes[i].process.python;
		table->threads += last->processes[i].process.threads;
	}
	table->end_epoch_s = last->end_epoch_s;
}

int table_make(struct view *view)
{
	uint64_t span_ns = view->average_s * 1000000000ULL;
	struct making m = {
		.view = view, .charge = view->switches[VIEW_ALL_FRAMES] ? CHARGE_INNERMOST : CHARGE_OWN,
		.from = history_since(&view->history, span_ns),
		.growth_from = history_since(&view->history, span_ns > GROWTH_NS ? span_ns : GROWTH_NS),
	};
	int err;

	view->table = (struct view_table){ .rows = view->table.rows, .level = view->level, .selected = -1 };
	if (!view->history.n)
		return 0;
	sum_up(&m);
	err = accept_processes(&m);
	if (!err)
		err = view->level == VIEW_PROCESSES ? add_processes(&m) : view->level == VIEW_FRAMES ? add_frames(&m) : add_places(&m);
	if (!err) {
		leave_out(&m);
		qsort_r(view->table.rows, view->table.n_rows, sizeof(*view->table.rows), compare_rows, view);
		find_selected(view);
	} else {
		view->table.n_rows = 0;
	}
	map64_release(&m.index);
	map64_release(&m.accepted);
	return err;
}
