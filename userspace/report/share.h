/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shares of the whole, and the questions about a profile that several writers ask.
 */
#ifndef FIXINGAHOLE_REPORT_SHARE_H
#define FIXINGAHOLE_REPORT_SHARE_H

#include "profile/profile.h"

/* 0..1; an empty whole has no shares. */
static inline double share_of(uint64_t ns, const struct profile *profile)
{
	uint64_t whole = times_total(&profile->whole);

	return whole ? (double)ns / (double)whole : 0;
}

static inline double seconds(uint64_t ns) { return (double)ns / 1e9; }

/* Is a reason to wait worth a row? Not if it is a sliver of the whole, or would read "0.00 s". */
static inline bool wait_matters(uint64_t ns, const struct profile *profile)
{
	return ns >= 5000000 && share_of(ns, profile) >= 0.001;
}

/* "122"; in a notebook "3:12", the cell and the line inside it. */
void format_place(char out[32], const struct cell_map *cells, uint32_t lineno);
/* The cell that holds a line, or NULL. */
const struct cell *find_cell(const struct cell_map *cells, uint32_t lineno);

/* All tables' bytes: the lines of all files plus what is outside. */
uint64_t all_rss_bytes(const struct profile *profile);

#endif
