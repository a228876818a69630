/* SPDX-License-Identifier: Apache-2.0 */
/* The view's own state, shared by the files of this room (see view.h). */
#ifndef FIXINGAHOLE_VIEW_STATE_H
#define FIXINGAHOLE_VIEW_STATE_H

#include "view/view.h"

/* Where one is at a level, and what is shown of it. */
struct place {
	char *label;         /* of what was entered to come here; NULL: nothing, or out of memory */
	uint64_t selected;   /* key; 0: the first row, whichever that is */
	uint32_t at;         /* row of the selection when last drawn */
	uint32_t first;      /* row drawn first */
	char filter[VIEW_FILTER_MAX];
};

struct view {
	struct history history;
	view_source source;
	void *source_context;
	enum view_level level;
	struct place places[VIEW_LEVELS];
	uint64_t process, function, line, stack; /* keys of what was entered; process 0: all */
	bool skipped_lines;  /* from the function straight to its stacks: it has no lines */
	enum view_sort sort;
	bool reverse;
	bool switches[VIEW_SWITCHES];
	unsigned int average_s;
	uint32_t height;
	bool stale;          /* table is to be made anew */
	struct view_table table;
	uint32_t cap_rows;
};

/* Fills view->table from what is kept. 0 or -ENOMEM. */
int table_make(struct view *view);

#endif
