/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one lock of the library, over the slots, the marks and the list of mappings.
 * Held for some tens of nanoseconds, about once per sample. A signal handler that allocates
 * may interrupt its holder: then lock_enter() fails, and the handler goes without.
 */
#ifndef FIXINGAHOLE_PRELOAD_LOCK_H
#define FIXINGAHOLE_PRELOAD_LOCK_H

#include <stdbool.h>

/* False: this thread holds it already. Otherwise waits for it. */
bool lock_enter(void);
void lock_leave(void);

/* Around fork: the child's copy of what the lock protects is whole. */
void lock_before_fork(void);
void lock_after_fork(void);

#endif
