/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries of ours that a launched script gets before its own (preload/): where they are, and how its environment names them.
 */
#ifndef FIXINGAHOLE_PRELOAD_LIBRARY_H
#define FIXINGAHOLE_PRELOAD_LIBRARY_H

#include "target/identity.h"
#include "target/strv.h"

#define HEAP_LIBRARY "libfixingahole-heap.so"
#define CALLS_LIBRARY "libfixingahole-calls.so"

/*
 * Its path: beside the running program, as it is built, or in ../lib/fixingahole, as it is installed; the user can
 * read it. 0, and *path is the caller's to free; -ENOENT: it is in neither place.
 */
int preload_library__find(const struct identity *id, const char *name, char **path);

/* Before what the environment preloads already. 0 or -ENOMEM. */
int preload_library__add(struct strv *environment, const char *library);

#endif
