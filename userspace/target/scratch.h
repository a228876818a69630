/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that last for one run, in the first temporary directory that takes one: in memory for choice. Their names hold our
 * PID, so that a later run can remove what a profiler left there that was killed. Call all of it with the user's rights.
 */
#ifndef FIXINGAHOLE_SCRATCH_H
#define FIXINGAHOLE_SCRATCH_H

#include <stdbool.h>

#include "target/identity.h"

struct scratch_kind {
	const char *prefix;               /* of the names */
	int stale_s;                      /* one that is younger is left alone, whatever became of its profiler */
	bool (*fits)(const char *place);  /* can the directory be there? An absolute path. */
	int (*fill)(void *context, const char *directory); /* 0 or -errno: then the next place is tried */
};

/* 0, and *directory is the caller's to free; or the -errno of the last place. */
int scratch__create(const struct scratch_kind *kind, const struct identity *id, void *context, char **directory);

/* With the files in it. */
void scratch__remove(const char *directory);

/* While the descriptor that it returns is open, the directory is in use, even if our PID means nothing to others (containers). Or -errno. */
int scratch__lock(const char *directory);

#endif
