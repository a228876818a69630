/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preload library of the heap (preload/), as a launched script gets it: where it is, and
 * what the script's environment says of it.
 */
#ifndef FIXINGAHOLE_HEAP_LIBRARY_H
#define FIXINGAHOLE_HEAP_LIBRARY_H

#include <stdint.h>

#include "target/identity.h"

/*
 * Its path: beside the running program, as it is built, or in ../lib/fixingahole, as it is installed; the user can
 * read it. 0, and *path is the caller's to free; -ENOENT: it is in neither place.
 */
int heap_library__find(const struct identity *id, char **path);
/* The same of another of our libraries. */
int preload_library__find(const struct identity *id, const char *name, char **path);

/* Bytes per sample and samples per second for a precision, whoever samples. */
void heap_library__sampling(int precision, uint64_t *stride, uint64_t *rate);

/*
 * Preloads it, before what the environment preloads already. precision: -10..10, doubles the samples per byte with each step. environment: as
 * script__environment() returns it; it may move. 0 or -ENOMEM.
 */
int heap_library__environment(char ***environment, const char *library, int precision);

#endif
