/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole screen as lines of text: what curses draws, and what --once prints. No foreign text in it can disturb a terminal.
 */
#ifndef FIXINGAHOLE_VIEW_DRAW_H
#define FIXINGAHOLE_VIEW_DRAW_H

#include "view/keys.h"
#include "view/view.h"

enum draw_style { DRAW_PLAIN, DRAW_TITLE, DRAW_HEAD, DRAW_SELECTED, DRAW_HOT, DRAW_WARM, DRAW_DIM, DRAW_PROMPT };

struct draw_line {
	char *text;       /* UTF-8, at most so many columns as the screen has; NULL: empty */
	enum draw_style style;
	int mark_at, mark_width; /* columns of it that stand out; width 0: none */
};

struct draw_screen {
	struct draw_line *lines;
	unsigned int n_lines;
	int cursor;       /* column of the last line where a text is being typed; -1: none is */
};

/* What stands around the table. */
struct draw_options {
	int columns, lines;
	const struct keys *keys;  /* NULL: nobody types; no row is selected, and no keys are shown */
	double self_percent;      /* of one CPU, that we took; negative: not known */
	unsigned int cpus;        /* of the machine */
	double interval_s;        /* between refreshes */
	const char *message;      /* in place of the keys; NULL: none */
};

/* 0 or -ENOMEM. Release in any case. */
int draw_screen(struct draw_screen *screen, struct view *view, const struct draw_options *options);
void draw_release(struct draw_screen *screen);

#endif
