// SPDX-License-Identifier: Apache-2.0
#include "view/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "report/window_groups.h"
#include "view/state.h"

struct view *view__new(void)
{
	struct view *view = calloc(1, sizeof(*view));

	if (view)
		view->stale = true;
	return view;
}

void view__free(struct view *view)
{
	if (!view)
		return;
	for (int level = 0; level < VIEW_LEVELS; level++)
		free(view->places[level].label);
	free(view->table.rows);
	history_release(&view->history);
	free(view);
}

void view__set_source(struct view *view, view_source source, void *context)
{
	view->source = source;
	view->source_context = context;
}

const char *view__source(const struct view *view, const struct view_row *row, size_t *size)
{
	const struct window_frame *frame = row->frame;

	if (!view->source || !frame || frame->kind != WINDOW_PYTHON || !frame->path || !frame->lineno)
		return NULL;
	return view->source(view->source_context, row->process, frame->path, frame->lineno, size);
}

int view__take(struct view *view, const struct window *window)
{
	int err = view->switches[VIEW_FROZEN] ? 0 : history_take(&view->history, window);

	/* the table points into what may be gone now */
	view->stale |= !view->switches[VIEW_FROZEN];
	return err;
}

const struct view_table *view__table(struct view *view)
{
	if (view->stale && table_make(view))
		return NULL;
	view->stale = false;
	return &view->table;
}

enum view_level view__level(const struct view *view) { return view->level; }
const char *view__label(const struct view *view, enum view_level level) { return level <= view->level ? view->places[level].label : NULL; }

/* --- going in and out --- */

static void set_level(struct view *view, enum view_level level, char *label)
{
	struct place *place = &view->places[level];

	free(place->label);
	*place = (struct place){ .label = label };
	view->level = level;
	view->stale = true;
}

static const struct view_row *selected_row(struct view *view)
{
	const struct view_table *table = view__table(view);

	return table && table->selected >= 0 ? &table->rows[table->selected] : NULL;
}

static char *process_label(const struct view_row *row)
{
	const struct window_process *p = &row->process->process;
	char *label = NULL;

	return asprintf(&label, "%u %s", p->pid, window_process_name(p)) < 0 ? NULL : label;
}

static char *function_label(const struct window_frame *frame)
{
	char *label = NULL;
	int length;

	if (!frame || (!frame->function && !frame->path))
		return strdup("(not known)");
	if (frame->function && frame->path && frame->kind == WINDOW_PYTHON)
		length = asprintf(&label, "%s (%s:%u)", frame->function, path_base(frame->path), frame->firstlineno);
	else
		length = asprintf(&label, "%s", frame->function ? frame->function : path_base(frame->path));
	return length < 0 ? NULL : label;
}

static char *line_label(const struct window_frame *frame)
{
	char *label = NULL;

	return asprintf(&label, "line %u", frame ? frame->lineno : 0) < 0 ? NULL : label;
}

bool view__enter(struct view *view)
{
	const struct view_row *row = selected_row(view);

	if (!row || view->level == VIEW_FRAMES)
		return false;
	/* what was entered is what one comes back to */
	view->places[view->level].selected = row->key;
	view->places[view->level].at = (uint32_t)view->table.selected;
	switch (view->level) {
	case VIEW_PROCESSES:
		view->process = row->key;
		set_level(view, VIEW_FUNCTIONS, process_label(row));
		break;
	case VIEW_FUNCTIONS:
		view->function = row->key;
		view->skipped_lines = !row->frame || row->frame->kind != WINDOW_PYTHON;
		if (view->skipped_lines)
			view->line = row->stack->charged[view->switches[VIEW_ALL_FRAMES] ? CHARGE_INNERMOST : CHARGE_OWN].line;
		set_level(view, VIEW_LINES, function_label(row->frame));
		if (view->skipped_lines)
			set_level(view, VIEW_STACKS, NULL);
		break;
	case VIEW_LINES:
		view->line = row->key;
		set_level(view, VIEW_STACKS, line_label(row->frame));
		break;
	case VIEW_STACKS:
		view->stack = row->key;
		set_level(view, VIEW_FRAMES, strdup(row->reason ? row->reason : "on CPU"));
		break;
	default:
		return false;
	}
	return true;
}

bool view__enter_all(struct view *view)
{
	if (view->level != VIEW_PROCESSES)
		return false;
	view->process = 0;
	set_level(view, VIEW_FUNCTIONS, strdup(*view->places[VIEW_PROCESSES].filter || view->switches[VIEW_PYTHON_ONLY] ? "processes shown" : "all processes"));
	return true;
}

bool view__leave(struct view *view)
{
	if (view->level == VIEW_PROCESSES)
		return false;
	view->level--;
	if (view->level == VIEW_LINES && view->skipped_lines)
		view->level--;
	view->stale = true;
	return true;
}

/* --- selection --- */

void view__move(struct view *view, int rows)
{
	const struct view_table *table = view__table(view);
	struct place *place = &view->places[view->level];
	int64_t to;

	if (!table || !table->n_rows)
		return;
	to = (int64_t)table->selected + rows;
	to = to < 0 ? 0 : to >= table->n_rows ? (int64_t)table->n_rows - 1 : to;
	place->selected = table->rows[to].key;
	place->at = (uint32_t)to;
	view->table.selected = (int)to;
}

void view__home(struct view *view)
{
	struct place *place = &view->places[view->level];

	place->selected = 0;
	place->at = place->first = 0;
	view->stale = true;
}

void view__end(struct view *view)
{
	view__move(view, INT32_MAX);
}

uint32_t view__scroll(struct view *view, uint32_t height)
{
	const struct view_table *table = view__table(view);
	struct place *place = &view->places[view->level];
	uint32_t last;

	view->height = height;
	if (!table || table->selected < 0 || !height)
		return 0;
	last = table->n_rows > height ? table->n_rows - height : 0;
	if ((uint32_t)table->selected < place->first)
		place->first = (uint32_t)table->selected;
	if ((uint32_t)table->selected >= place->first + height)
		place->first = (uint32_t)table->selected - height + 1;
	if (place->first > last)
		place->first = last;
	return place->first;
}

int view__page(const struct view *view)
{
	return view->height > 2 ? (int)(view->height < INT16_MAX ? view->height : INT16_MAX) - 1 : 1;
}

/* --- what is shown how --- */

void view__sort(struct view *view, enum view_sort sort)
{
	view->sort = sort;
	view->reverse = false;
	view->stale = true;
}

void view__reverse(struct view *view)
{
	view->reverse = !view->reverse;
	view->stale = true;
}

enum view_sort view__sorted(const struct view *view) { return view->sort; }
bool view__reversed(const struct view *view) { return view->reverse; }

void view__filter(struct view *view, const char *text)
{
	snprintf(view->places[view->level].filter, VIEW_FILTER_MAX, "%s", text);
	view->stale = true;
}

const char *view__filtered(const struct view *view, enum view_level level) { return view->places[level].filter; }

void view__toggle(struct view *view, enum view_switch which)
{
	view->switches[which] = !view->switches[which];
	view->stale = true;
	/* functions and lines below are those of the other way to charge */
	while (which == VIEW_ALL_FRAMES && view->level > VIEW_FUNCTIONS)
		view__leave(view);
}

bool view__is(const struct view *view, enum view_switch which) { return view->switches[which]; }

void view__average(struct view *view, unsigned int seconds)
{
	view->average_s = seconds;
	view->stale = true;
}

unsigned int view__averaged(const struct view *view) { return view->average_s; }
