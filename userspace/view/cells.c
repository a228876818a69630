// SPDX-License-Identifier: Apache-2.0
#include "view/cells.h"

#include <math.h>
#include <string.h>

#include "report/text.h"
#include "report/window_groups.h"

/* Columns that the last one gets before others than the most needed ones. */
static const int name_min[VIEW_LEVELS] = { 14, 28, 24, 28, 0 };

struct cell_kind {
	const char *title;
	int width;
	bool left;             /* text */
	bool sorts;
	enum view_sort sort;
	unsigned int levels;   /* bits: where it is shown */
	int rank;              /* those of a lower rank are given room first; those of one rank together or not at all */
};

#define ON(level) (1u << (level))
#define ON_PLACES (ON(VIEW_FUNCTIONS) | ON(VIEW_LINES) | ON(VIEW_STACKS))
#define RANKS 8
#define ON_MEASURED (ON(VIEW_PROCESSES) | ON_PLACES)

static const struct cell_kind kinds[] = {
	[CELL_PID] = { "PID", 7, .sorts = true, .sort = VIEW_ID, .levels = ON(VIEW_PROCESSES), .rank = 1 },
	[CELL_USER] = { "USER", 8, .left = true, .levels = ON(VIEW_PROCESSES), .rank = 5 },
	[CELL_CONTAINER] = { "CONTAINER", 14, .left = true, .levels = ON(VIEW_PROCESSES), .rank = 7 },
	[CELL_CPU] = { "CPU%", 5, .sorts = true, .sort = VIEW_CPU, .levels = ON_MEASURED, .rank = 0 },
	[CELL_PYTHON] = { "PY", 4, .levels = ON_MEASURED, .rank = 6 },
	[CELL_NATIVE] = { "NAT", 4, .levels = ON_MEASURED, .rank = 6 },
	[CELL_SYSTEM] = { "SYS", 4, .levels = ON_MEASURED, .rank = 6 },
	[CELL_WAIT] = { "WAIT", 5, .sorts = true, .sort = VIEW_WAIT, .levels = ON_MEASURED, .rank = 2 },
	[CELL_RSS] = { "RSS", 5, .sorts = true, .sort = VIEW_RSS, .levels = ON(VIEW_PROCESSES), .rank = 3 },
	[CELL_GROWTH] = { "GROWTH", 7, .sorts = true, .sort = VIEW_GROWTH, .levels = ON_MEASURED, .rank = 4 },
	[CELL_NUMBER] = { "#", 4, .levels = ON(VIEW_FRAMES), .rank = 1 },
	[CELL_NAME] = { "", 0, .left = true, .sorts = true, .sort = VIEW_NAME, .levels = ON_MEASURED | ON(VIEW_FRAMES), .rank = RANKS },
};

static const char *const name_titles[VIEW_LEVELS][2] = {
	[VIEW_PROCESSES] = { "NAME", "COMMAND" }, [VIEW_FUNCTIONS] = { "FUNCTION", "FUNCTION" }, [VIEW_LINES] = { "LINE", "LINE" },
	[VIEW_STACKS] = { "STACK, INNERMOST FIRST", "STACK, INNERMOST FIRST" }, [VIEW_FRAMES] = { "FRAME", "FRAME" },
};

/* Is this a column of the level, and are there any texts in it? */
static bool is_wanted(const struct view_table *table, enum table_cell cell)
{
	return kinds[cell].levels & ON(table->level) && (cell != CELL_CONTAINER || table->containers);
}

void cells_fit(struct cells *cells, const struct view_table *table, int columns)
{
	bool taken[CELLS_MAX] = {};
	int left = columns - name_min[table->level];

	for (int rank = 0; rank < RANKS; rank++) {
		int width = 0;

		for (int cell = 0; cell < CELL_NAME; cell++)
			width += kinds[cell].rank == rank && is_wanted(table, cell) ? kinds[cell].width + 1 : 0;
		/* CPU and the number are there even on the narrowest screen */
		if (width > left && rank > 1)
			break;
		left -= width;
		for (int cell = 0; cell < CELL_NAME; cell++)
			taken[cell] |= kinds[cell].rank == rank && is_wanted(table, cell);
	}
	cells->n = 0;
	left = columns;
	for (int cell = 0; cell < CELL_NAME; cell++) {
		if (!taken[cell])
			continue;
		cells->cells[cells->n] = cell;
		cells->widths[cells->n++] = kinds[cell].width;
		left -= kinds[cell].width + 1;
	}
	cells->cells[cells->n] = CELL_NAME;
	cells->widths[cells->n++] = left > 0 ? left : 0;
}

static bool has_cell(const struct cells *cells, enum table_cell cell)
{
	for (unsigned int i = 0; i < cells->n; i++)
		if (cells->cells[i] == cell)
			return true;
	return false;
}

static bool largest_first(enum view_sort sort) { return sort != VIEW_NAME && sort != VIEW_ID; }

/* Which column the order is of: at lines the number is in the name, and below processes there is no RSS but growth. */
static bool is_sorted(const struct cells *cells, const struct view *view, enum table_cell cell)
{
	enum view_sort sort = view__sorted(view);

	if (view__level(view) == VIEW_FRAMES)
		return false;
	if (kinds[cell].sorts && kinds[cell].sort == sort)
		return true;
	return (cell == CELL_NAME && sort == VIEW_ID && !has_cell(cells, CELL_PID)) ||
	       (cell == CELL_GROWTH && sort == VIEW_RSS && view__level(view) != VIEW_PROCESSES);
}

/* One cell with the blank behind it; the last has none, and is not filled up. */
static void print_cell(FILE *out, const char *text, int width, bool left, bool last)
{
	int used = text_width(text, width);

	if (!left)
		text_repeat(out, " ", width - used);
	if (width > 0)
		text_print(out, text, strlen(text), width, TEXT_NAME);
	if (last)
		return;
	if (left)
		text_repeat(out, " ", width - used);
	putc(' ', out);
}

void cells_head(FILE *out, const struct cells *cells, const struct view *view, int *mark_at, int *mark_width)
{
	int at = 0;

	*mark_at = *mark_width = 0;
	for (unsigned int i = 0; i < cells->n; i++) {
		const struct cell_kind *kind = &kinds[cells->cells[i]];
		bool last = cells->cells[i] == CELL_NAME, sorted = is_sorted(cells, view, cells->cells[i]);
		const char *title = last ? name_titles[view__level(view)][view__is(view, VIEW_COMMANDS)] : kind->title;
		char text[64];

		snprintf(text, sizeof(text), "%s%s", title, !sorted ? "" : largest_first(view__sorted(view)) == view__reversed(view) ? "↑" : "↓");
		if (sorted) {
			*mark_width = text_width(text, cells->widths[i]);
			*mark_at = kind->left ? at : at + cells->widths[i] - *mark_width;
		}
		print_cell(out, text, cells->widths[i], kind->left, last);
		at += cells->widths[i] + 1;
	}
}

void format_percent(char out[16], double percent)
{
	if (percent < 0.05)
		snprintf(out, 16, "0");
	else
		snprintf(out, 16, percent < 9.95 ? "%.1f" : "%.0f", percent);
}

void format_growth(char out[16], double bytes_per_s)
{
	static const char units[] = " kMGTPE";
	double size = fabs(bytes_per_s);
	size_t unit = 0;

	while (size >= 999.5 && units[unit + 1]) {
		size /= 1024;
		unit++;
	}
	if (!unit && size < 0.5)
		snprintf(out, 16, "0");
	else if (!unit)
		snprintf(out, 16, "%c%.0f/s", bytes_per_s < 0 ? '-' : '+', size);
	else
		snprintf(out, 16, size < 9.95 ? "%c%.1f%c/s" : "%c%.0f%c/s", bytes_per_s < 0 ? '-' : '+', size, units[unit]);
}

/* In at most 4 columns: "512k", "8.8M", "104M", "1.7G". */
static void format_rss(char out[16], double bytes)
{
	static const char units[] = "kMGTPE";
	double size = bytes / 1024;
	size_t unit = 0;

	for (; size >= 999.5 && units[unit + 1]; unit++)
		size /= 1024;
	snprintf(out, 16, size < 9.95 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

/* --- the last column: as much as the width allows --- */

/* Prints what fits into the columns left; of what does not fit the beginning, and then none are left. */
static void put(FILE *out, const char *text, int *left)
{
	bool fits;
	int used;

	if (*left <= 0)
		return;
	fits = text_width(text, *left + 1) <= *left;
	used = text_print(out, text, strlen(text), *left, TEXT_NAME);
	*left = fits ? *left - used : 0;
}

static const char *frame_name(const struct window_frame *frame)
{
	if (!frame)
		return "(not known)";
	return frame->function ? frame->function : frame->path ? path_base(frame->path) : "(not known)";
}

/* "/srv/shop/app.py:10", "libc.so.6" */
static void frame_place(char *out, size_t size, const struct window_frame *frame, uint32_t lineno)
{
	*out = 0;
	if (!frame || !frame->path)
		return;
	if (frame->kind == WINDOW_PYTHON && lineno)
		snprintf(out, size, "%s:%u", frame->path, lineno);
	else if (frame->function)
		snprintf(out, size, "%s", frame->kind == WINDOW_PYTHON ? frame->path : path_base(frame->path));
}

/* A name, and behind it a place, of which the end is shown. */
static void print_placed(FILE *out, const char *name, const char *place, int width)
{
	int whole = text_width(name, width), wanted = text_width(place, width), used;

	/* the place may take a third from a long name */
	if (*place && whole > width - wanted - 2 && whole > width * 2 / 3)
		whole = width * 2 / 3;
	used = whole > 0 ? text_print(out, name, strlen(name), whole, TEXT_NAME) : 0;
	if (!*place || width - used - 2 < 4)
		return;
	fputs("  ", out);
	text_print_end(out, place, width - used - 2);
}

static void print_process(FILE *out, const struct cells *cells, const struct view *view, const struct view_row *row, int width)
{
	const struct process_facts *facts = &row->process->process.facts;
	const char *name = view__is(view, VIEW_COMMANDS) && facts->command && *facts->command ? facts->command : window_process_name(&row->process->process);
	const char *container = has_cell(cells, CELL_CONTAINER) ? NULL : facts->container;
	const char *ended = row->ended && width > 16 ? " (ended)" : "";
	int left = width - (int)strlen(ended);

	put(out, name, &left);
	fputs(ended, out);
	if (!container || left < 6)
		return;
	put(out, " @", &left);
	put(out, container, &left);
}

static void print_stack(FILE *out, const struct view_row *row, int width)
{
	const struct kept_stack *stack = row->stack;
	int left = width;

	if (row->reason) {
		put(out, "[", &left);
		put(out, row->reason, &left);
		put(out, "] ", &left);
	}
	if (!stack->n_frames)
		put(out, "(not known)", &left);
	for (uint32_t i = 0; i < stack->n_frames && left > 0; i++) {
		const struct window_frame *frame = &stack->frames[i];
		char number[16] = "";

		if (frame->kind == WINDOW_PYTHON && frame->lineno)
			snprintf(number, sizeof(number), ":%u", frame->lineno);
		put(out, i ? " < " : "", &left);
		put(out, frame_name(frame), &left);
		put(out, number, &left);
	}
	if (stack->cut)
		put(out, " < (cut)", &left);
}

/* "app.py:12  total += price", without the indent. Without the text the whole path is shown. */
static void print_line(FILE *out, const struct view *view, const struct view_row *row, int width)
{
	char place[4352];
	size_t size = 0;
	const char *source = view__source(view, row, &size);
	int left = width;

	frame_place(place, sizeof(place), row->frame, row->frame ? row->frame->lineno : 0);
	while (source && size && (*source == ' ' || *source == '\t')) {
		source++;
		size--;
	}
	if (!source || !size) {
		text_print_end(out, *place ? place : frame_name(row->frame), width);
		return;
	}
	put(out, path_base(place), &left);
	put(out, "  ", &left);
	if (left > 0)
		text_print(out, source, size, left, TEXT_SOURCE);
}

static void print_name(FILE *out, const struct cells *cells, const struct view *view, const struct view_row *row, int width)
{
	char place[4352];

	if (width <= 0)
		return;
	switch (view__level(view)) {
	case VIEW_PROCESSES:
		print_process(out, cells, view, row, width);
		return;
	case VIEW_FUNCTIONS:
		frame_place(place, sizeof(place), row->frame, row->frame ? row->frame->firstlineno : 0);
		print_placed(out, frame_name(row->frame), place, width);
		return;
	case VIEW_LINES:
		print_line(out, view, row, width);
		return;
	case VIEW_STACKS:
		print_stack(out, row, width);
		return;
	default:
		frame_place(place, sizeof(place), row->frame, row->frame->lineno);
		print_placed(out, frame_name(row->frame), place, width);
	}
}

void cells_row(FILE *out, const struct cells *cells, const struct view *view, const struct view_table *table, const struct view_row *row)
{
	const struct window_process *p = &row->process->process;
	double scale = table->span_ns ? 100.0 / (double)table->span_ns : 0;
	const struct times *t = &row->times;

	for (unsigned int i = 0; i < cells->n; i++) {
		const char *foreign = NULL; /* a text: it stands to the left */
		char text[16] = "-";

		switch (cells->cells[i]) {
		case CELL_PID:
			snprintf(text, sizeof(text), "%u", p->pid);
			break;
		case CELL_NUMBER:
			snprintf(text, sizeof(text), "%u", row->number);
			break;
		case CELL_USER:
			foreign = p->facts.user ? p->facts.user : "-";
			break;
		case CELL_CONTAINER:
			foreign = p->facts.container ? p->facts.container : "-";
			break;
		case CELL_CPU:
			format_percent(text, (double)times_cpu(t) * scale);
			break;
		case CELL_PYTHON:
			format_percent(text, (double)t->python_ns * scale);
			break;
		case CELL_NATIVE:
			format_percent(text, (double)t->native_ns * scale);
			break;
		case CELL_SYSTEM:
			format_percent(text, (double)t->system_ns * scale);
			break;
		case CELL_WAIT:
			format_percent(text, (double)times_wait(t) * scale);
			break;
		case CELL_RSS:
			if (row->rss_bytes)
				format_rss(text, (double)row->rss_bytes);
			break;
		case CELL_GROWTH:
			if (row->has_growth)
				format_growth(text, row->growth);
			break;
		case CELL_NAME:
			print_name(out, cells, view, row, cells->widths[i]);
			continue;
		}
		print_cell(out, foreign ? foreign : text, cells->widths[i], foreign, false);
	}
}
