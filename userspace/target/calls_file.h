/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which the processes of a launched target count their calls (preload/calls_file.h): made before the
 * start, read after the end, removed.
 */
#ifndef FIXINGAHOLE_TARGET_CALLS_FILE_H
#define FIXINGAHOLE_TARGET_CALLS_FILE_H

#include "capture/sample.h"
#include "target/identity.h"

struct calls_file;

/* The longest pattern that fits. */
#define CALLS_PATTERN_LENGTH 255

/* pattern: which functions are counted, NULL for all. 0, or -errno: no temporary directory takes it. */
int calls_file__create(struct calls_file **out, const struct identity *id, const char *pattern);
/* Takes it away. NULL is fine. */
void calls_file__free(struct calls_file *file, const struct identity *id);

/*
 * Has the library preloaded, before what the environment preloads already, and told of the file. environment: as script__environment()
 * returns it; it may move. 0 or -ENOMEM.
 */
int calls_file__environment(const struct calls_file *file, char ***environment, const char *library);

/* What is in it now, as records: the functions first, then the pairs, the processes, and what is missing. 0 or -errno. */
int calls_file__read(const struct calls_file *file, record_sink sink, void *context);

#endif
