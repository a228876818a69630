/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `top` shows, without a terminal: takes windows, answers keys, gives rows. Five levels: processes, the functions of
 * one of them or of all, the lines of a function, the stacks that were charged to a line, the frames of a stack.
 *
 * Processes, functions and so on are followed by what they are, not by the row where they stood.
 */
#ifndef FIXINGAHOLE_VIEW_H
#define FIXINGAHOLE_VIEW_H

#include "view/history.h"

#define VIEW_FILTER_MAX 128 /* bytes, with the NUL */

enum view_level { VIEW_PROCESSES, VIEW_FUNCTIONS, VIEW_LINES, VIEW_STACKS, VIEW_FRAMES, VIEW_LEVELS };

/* The first four: largest first, the others: smallest first, unless reversed. */
enum view_sort { VIEW_CPU, VIEW_WAIT, VIEW_RSS, VIEW_GROWTH, VIEW_NAME, VIEW_ID /* process or line number */ };

/* Times are sums over the table's span. */
struct view_row {
	uint64_t key;
	const struct kept_process *process; /* of processes: as last seen. Else one of those that count here */
	const struct window_frame *frame;   /* of functions, lines, frames; NULL: not known, or another level */
	const struct kept_stack *stack;     /* of stacks and frames */
	const char *reason;                 /* of stacks: what was waited for */
	uint32_t number;                    /* of frames: 0 is the innermost */
	struct times times;
	uint64_t samples;
	uint64_t rss_bytes;                 /* of processes: what they have, 0: not known. Else what was touched here */
	double growth;                      /* bytes per second */
	bool has_growth;
	uint64_t before_bytes, before_ns;   /* of processes: what growth is measured from; bytes 0: not known */
	bool ended;                         /* of processes */
};

/* Valid until the view changes. */
struct view_table {
	enum view_level level;
	struct view_row *rows;
	uint32_t n_rows;
	int selected;          /* index; -1: there are no rows */
	bool containers;       /* some process shown here is in one */
	uint32_t idle;         /* processes left out, for they had no CPU time */
	uint32_t filtered;     /* rows left out by the filter */
	/* of all processes, over the span: */
	uint64_t span_ns;      /* sum of the windows' lengths; 0: nothing has come yet */
	struct times whole;
	uint64_t cpu_samples;
	uint64_t losses[LOSS_COUNT];
	uint32_t processes, pythons, threads; /* in the newest window */
	double end_epoch_s;
};

struct view;
struct view *view__new(void);
void view__free(struct view *view);

/* The text of a source line, not NUL-terminated, valid until the next call; NULL: it cannot be read. */
typedef const char *(*view_source)(void *context, const struct kept_process *process, const char *path, uint32_t lineno, size_t *size);
/* Who is asked for them; NULL: nobody. */
void view__set_source(struct view *view, view_source source, void *context);
const char *view__source(const struct view *view, const struct view_row *row, size_t *size);

/* Copies the window; nothing happens while the view is frozen. 0 or history_take()'s error. */
int view__take(struct view *view, const struct window *window);

/* NULL: out of memory. */
const struct view_table *view__table(struct view *view);

/* Where we are. */
enum view_level view__level(const struct view *view);
/* What was entered on the way to a level above VIEW_PROCESSES: "1234 app.py", "handle (app.py:10)", "line 14"; NULL: nothing. */
const char *view__label(const struct view *view, enum view_level level);

/* Into the selected row; false: there is nothing deeper. */
bool view__enter(struct view *view);
/* The functions of all processes that the filter leaves; from the level of processes. */
bool view__enter_all(struct view *view);
/* Back; false: this is the top. */
bool view__leave(struct view *view);

/* Selection. Until it is moved, and from view__home() on, it stays at the first row, whichever that is. */
void view__move(struct view *view, int rows);
void view__home(struct view *view);
void view__end(struct view *view);
/* First row to be drawn, where so many fit; the selection is among them. */
uint32_t view__scroll(struct view *view, uint32_t height);
/* As many rows as fitted at the last view__scroll(), but for one. */
int view__page(const struct view *view);

void view__sort(struct view *view, enum view_sort sort); /* not reversed */
void view__reverse(struct view *view);
enum view_sort view__sorted(const struct view *view);
bool view__reversed(const struct view *view);

/* Of this level: rows whose texts do not hold this one are left out, capitals or not. "": all are shown. */
void view__filter(struct view *view, const char *text);
const char *view__filtered(const struct view *view, enum view_level level);

/* Switches. */
enum view_switch {
	VIEW_FROZEN,
	VIEW_ALL_FRAMES,  /* charge the innermost frame, not the innermost of the program's own code */
	VIEW_IDLE,        /* show processes that took no CPU time */
	VIEW_PYTHON_ONLY,
	VIEW_COMMANDS,    /* command lines in place of names */
	VIEW_SWITCHES
};
void view__toggle(struct view *view, enum view_switch which);
bool view__is(const struct view *view, enum view_switch which);

/* Figures are of the last so many seconds, as far as windows are kept; 0: of the last window. */
void view__average(struct view *view, unsigned int seconds);
unsigned int view__averaged(const struct view *view);

#endif
