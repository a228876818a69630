/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as text. All functions return new strings that the caller frees, or NULL when out of memory.
 */
#ifndef FIXINGAHOLE_CLI_PATHS_H
#define FIXINGAHOLE_CLI_PATHS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * path seen from the absolute directory base, without "//", "/./" and a trailing '/'. Symlinks stay as they are, so a
 * script keeps the name it was called by; only where ".." occurs are they resolved, since "link/.." is not what it looks like.
 */
char *path_absolute(const char *base, const char *path);

/* The same with every symlink resolved in the part that exists. For directories that frames are compared with. */
char *path_resolved(const char *base, const char *path);

/* True when path is dir or lies below it. Both absolute and clean. */
bool path_is_below(const char *path, const char *dir);

/* The directory that holds path ("/" for "/"). */
char *path_parent(const char *path);

/* For messages: control characters become '?', what is too long ends in "...". Returns buffer. */
const char *path_shown(const char *path, char *buffer, size_t size);

#endif
