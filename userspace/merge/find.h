/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which results lie below some folders. A run is a profile_details.json with a profile_results.json (or the one of another
 * name that --output-file gave) beside it, or both with one number, as --repeat leaves them.
 */
#ifndef FIXINGAHOLE_MERGE_FIND_H
#define FIXINGAHOLE_MERGE_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "util/map64.h"

struct found {
	char *folder;      /* absolute */
	char *details, *results; /* paths; NULL: that one is missing */
	char *label;       /* the folder without what all have in common; told apart from all others, but for one folder's runs by their number */
	bool named;        /* the folder was asked for by its own name */
};

struct found_list {
	struct found *items;
	size_t n, room;
	struct map64 seen; /* by file */
};

#define FOUND_MAX 100000
#define FOUND_DEPTH_MAX 16

/*
 * Everything in and below the folders, each once, in order of the labels (rank10 behind rank2). Links below them are not followed. Folders
 * that cannot be opened are as if empty, but one of those named: -errno then, and *which tells it. -E2BIG: more than FOUND_MAX; -ENOMEM.
 */
int found__search(struct found_list *list, const char *const *folders, size_t n, const char **which);
void found__release(struct found_list *list);

#endif
