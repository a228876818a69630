/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keys do to a view. A key is a Unicode character, or one of those below that terminals have besides.
 */
#ifndef FIXINGAHOLE_VIEW_KEYS_H
#define FIXINGAHOLE_VIEW_KEYS_H

#include "view/view.h"

enum { KEYS_UP = 0x110000, KEYS_DOWN, KEYS_LEFT, KEYS_RIGHT, KEYS_PAGE_UP, KEYS_PAGE_DOWN, KEYS_HOME, KEYS_END, KEYS_ENTER, KEYS_BACK, KEYS_ESCAPE };

enum keys_result {
	KEYS_NOTHING, /* no key of ours */
	KEYS_CHANGED, /* draw anew */
	KEYS_REDRAW,  /* draw all of it anew: what is on the screen is not trusted */
	KEYS_FASTER, KEYS_SLOWER, /* refresh */
	KEYS_QUIT,
};

struct keys {
	bool help;    /* the help covers the table */
	bool typing;  /* a filter */
	char text[VIEW_FILTER_MAX];
	char before[VIEW_FILTER_MAX]; /* the filter that Esc brings back */
};

enum keys_result keys_take(struct keys *keys, struct view *view, uint32_t key);

/* The help's lines, NULL-terminated; ASCII, at most 79 columns. */
extern const char *const keys_help[];

#endif
