/* SPDX-License-Identifier: Apache-2.0 */
/* The table's columns: which of them fit, and what stands in them. */
#ifndef FIXINGAHOLE_VIEW_CELLS_H
#define FIXINGAHOLE_VIEW_CELLS_H

#include <stdio.h>

#include "view/view.h"

#define CELLS_MAX 12

enum table_cell { CELL_PID, CELL_USER, CELL_CONTAINER, CELL_CPU, CELL_PYTHON, CELL_NATIVE, CELL_SYSTEM, CELL_WAIT, CELL_RSS, CELL_GROWTH, CELL_NUMBER, CELL_NAME };

struct cells {
	enum table_cell cells[CELLS_MAX]; /* left to right; the last is CELL_NAME */
	int widths[CELLS_MAX];
	unsigned int n;
};

/* What of it fits into so many columns, the most useful first. */
void cells_fit(struct cells *cells, const struct view_table *table, int columns);

/* The head; *mark_at and *mark_width are where the column stands by which it is sorted, width 0: it is not there. */
void cells_head(FILE *out, const struct cells *cells, const struct view *view, int *mark_at, int *mark_width);
void cells_row(FILE *out, const struct cells *cells, const struct view *view, const struct view_table *table, const struct view_row *row);

/* In at most 4 columns: "0", "0.3", "9.9", "57", "6400". */
void format_percent(char out[16], double percent);
/* In at most 7: "0", "+310/s", "-12M/s", "+1.2G/s". */
void format_growth(char out[16], double bytes_per_s);

#endif
