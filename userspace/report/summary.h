/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Profile Summary" and "Stack Trace Summary": the part that a fresh profile and a stored
 * JSON file have in common. The caller fills the struct; its strings need not outlive the printing.
 */
#ifndef FIXINGAHOLE_REPORT_SUMMARY_H
#define FIXINGAHOLE_REPORT_SUMMARY_H

#include "report/report.h"

struct summary_function {
	const char *path;   /* as in the stacks' frames; identifies the file */
	const char *shown;  /* path for people: below root, the notebook's own */
	const char *name;
	const struct cell_map *cells; /* of a notebook, else NULL */
	uint32_t lineno;
	char place[32];     /* how the line is shown: "122", "3:12" */
	double share;       /* 0..1 of the whole */
	double bytes;       /* heap peak, or physical memory touched */
};

struct summary_stack {
	const struct profile_frame *frames; /* outermost first */
	size_t n_frames;
	uint64_t samples;
};

struct summary {
	struct summary_function *functions;
	size_t n_functions;
	struct summary_stack *stacks;
	size_t n_stacks;
	struct summary_function outside; /* what no reported file is charged with: the tree's last row. Name NULL: not known */
	const char *root;
	double whole_s;     /* for absolute times */
	bool heap;          /* bytes are heap; else RSS */
	const struct profile_calls *calls; /* NULL: not counted */
};

/* Memory below this is not worth a row: 1 MB of RSS, any heap. */
bool summary_has_memory(const struct summary *summary, const struct summary_function *function);
/* "70.6%" or "6.571s". */
void summary_format(char out[32], const struct summary *summary, const struct report_options *options, double share, int decimals);

/* The two lists and the tree, between their rules. -ENOMEM or 0. Sorts summary->functions, largest share first. */
int summary__print(FILE *out, struct summary *summary, const struct report_options *options);
/* "Functions by Module"; for summary__print(). Functions are sorted by share. */
int summary__print_tree(FILE *out, const struct summary *summary, const struct report_options *options, int *columns);
/* For the top functions their callers outwards. After summary__print(). */
int summary__print_stacks(FILE *out, const struct summary *summary, const struct report_options *options);

/* How many leading functions are "top": at most options->top_n, from the threshold on. */
size_t summary__top(const struct summary *summary, const struct report_options *options);

#endif
