/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a source file, read for the report.
 */
#ifndef FIXINGAHOLE_SOURCE_H
#define FIXINGAHOLE_SOURCE_H

#include <stddef.h>

#include "util/arena.h"

/* Who opens files in place of open(2): for reading, not to hang on a fifo. A descriptor or -errno. */
struct source_opener {
	int (*open)(void *context, const char *path);
	void *context;
};

/* opener: NULL for open(2) itself. Reads a regular file of at most 64 MiB into the arena. On failure *text is NULL and *problem says why, in a few words. */
void source_read(struct arena *arena, const struct source_opener *opener, const char *path, const char **text, size_t *size, const char **problem);

#endif
