/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a source file, read for the report.
 */
#ifndef FIXINGAHOLE_SOURCE_H
#define FIXINGAHOLE_SOURCE_H

#include <stddef.h>

#include "util/arena.h"

/* Reads a regular file of at most 64 MiB into the arena. On failure *text is NULL and *problem says why, in a few words. */
void source_read(struct arena *arena, const char *path, const char **text, size_t *size, const char **problem);

#endif
