/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack of a thread that sleeps, read from outside: by the walker that runs in the kernel (bpf/walker.h), built
 * for userspace. Whether the thread slept all the while is for the caller to find out.
 */
#ifndef FIXINGAHOLE_REMOTE_WALK_H
#define FIXINGAHOLE_REMOTE_WALK_H

#include <linux/types.h>

#include "bpf/events.h"
#include "python/interp.h"

struct remote_walk;
struct remote_walk *remote_walk__new(void);
void remote_walk__free(struct remote_walk *walk);

/*
 * Reads the stack of the thread of pid whose thread pointer is fsbase. head has all but kind, flags and size, which are filled in.
 * Returns an EVENT_BLOCK with its frames, valid until the next call; .weight is its id, which only depends on
 * the frames and the space.
 */
const struct event_stack *remote_walk__stack(struct remote_walk *walk, const struct interp_process *interp, uint64_t fsbase, const struct event_header *head);

#endif
