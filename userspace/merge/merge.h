/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many runs joined into one profile: ranks, workers, machines, each profiled on its own.
 *
 * Times, counts, calls, losses and bytes add up, and every share is one of the joined whole. A line is known by its file's path (a notebook
 * by its own), its number and its text: where a file's texts differ between inputs, its versions are kept apart. Peaks of memory add up,
 * too, which is an upper bound, since nobody knows whether the inputs reached them at one moment; the largest one is in .merge->inputs.
 * Elapsed is the longest; wall goes from the earliest start to the latest end, by the machines' clocks. Averages of the heap are over
 * that time. A leak is as likely as in the input where it is likeliest, velocities add up. Core utilization and growth rate are means,
 * by time and by peak. An input may itself be a merged report: merging in steps gives the same as at
 * once, but for moments of samples and points of timelines, which are thinned out at each step.
 */
#ifndef FIXINGAHOLE_MERGE_H
#define FIXINGAHOLE_MERGE_H

#include "report/stored_run.h"

struct merge;

/* strings must outlive it. NULL: out of memory. */
struct merge *merge__new(struct strings *strings);
void merge__free(struct merge *merge);

/*
 * Joins one run; nothing of it but its interned texts is needed afterwards. path is its folder. -EINVAL with a problem, and
 * nothing has changed: the sums would get too large; -ENOMEM: the merge is of no more use.
 */
int merge__add(struct merge *merge, const struct stored_run *run, const char *label, const char *path, char problem[512]);
/* Is a run, or one that it was made of, joined already? */
bool merge__has(const struct merge *merge, const struct stored_run *run);
/* An input that could not be read. 0 or -ENOMEM. */
int merge__skip(struct merge *merge, const char *path, const char *problem);

/* The joined profile, once, after at least one run; it belongs to the merge. Sources are read where their texts fit. NULL: out of memory. */
const struct profile *merge__finish(struct merge *merge, const char *command_line);

#endif
