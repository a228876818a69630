/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One writer per format. The profile is const; writers return 0 or -errno (a failed
 * stream included) and print nothing else anywhere.
 */
#ifndef FIXINGAHOLE_REPORT_H
#define FIXINGAHOLE_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "profile/profile.h"

struct report_options {
	bool absolute;      /* seconds in place of percent */
	bool trace;         /* Stack Trace Summary */
	bool color;         /* ANSI; terminal only */
	int width;          /* terminal columns; 0: as the reference's examples */
	int top_n;          /* functions listed at most; default 10 */
	double threshold_percent; /* default 0.1 */
};

/* Sets .color and .width for a report on stdout: if that is a terminal, and NO_COLOR is not set. */
void report_fit_terminal(struct report_options *options);

/* Where profile->heap is set, the heap was measured: then its columns and lists take the place of the RSS ones. */

/* profile_summary.txt and stdout */
int report_summary(FILE *out, const struct profile *profile, const struct report_options *options);
/* profile_results.txt */
int report_results(FILE *out, const struct profile *profile, const struct report_options *options);
/* profile_results.json: exactly the reference's keys */
int report_json(FILE *out, const struct profile *profile, const struct report_options *options);
/* profile_details.json: everything else */
int report_details(FILE *out, const struct profile *profile, const struct report_options *options);
/* How calls were counted in a process: words for enum calls_how of preload/calls_file.h; NULL beyond. */
const char *report_calls_how(uint32_t how);
/* --live: a few lines */
int report_live(FILE *out, const struct profile *profile, const struct report_options *options);

/* `summarize JSON`: the summary of a stored profile_results.json (of ours or the reference's). On bad input one line in problem, -EINVAL. */
int report_summarize(FILE *out, const char *json_path, const struct report_options *options, char problem[512]);

/* What was read for the statistics. */
struct stats_seen {
	size_t runs;
	size_t programs;  /* how many different scripts or modules were run */
	size_t skipped;   /* .json files of other names that cannot be read, or hold a profile that cannot be used */
	char program[512]; /* the only one's name, without its folders; "" if it is not known. Fit for a terminal */
};

/* `stats DIR` and --repeat: function_stats.json over every profile_results*.json below dir. */
struct stats_options {
	const char *root;
	bool metadata; /* git repo, branch, commit, dirty files, UTC time */
	bool sort;     /* by user average, largest first */
	struct stats_seen *seen; /* filled in, unless NULL */
};
int report_stats(FILE *out, const char *dir, const struct stats_options *options, char problem[512]);

#endif
