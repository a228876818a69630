/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process has the C runtime's code.
 */
#ifndef FIXINGAHOLE_RUNTIME_H
#define FIXINGAHOLE_RUNTIME_H

#include <linux/types.h>
#include <sys/types.h>

#include "bpf/events.h"

/*
 * Fills event->runtime with the executable mappings of libc, libm, libpthread and the dynamic
 * linker, as they are mapped now: right after exec only the linker is. 0, -ESRCH when the process is gone, or -errno.
 */
int runtime__find(pid_t pid, struct event_interp *event);

#endif
