/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of this room only: how processes that run already become targets (bpf/attach.bpf.c).
 */
#ifndef FIXINGAHOLE_ADOPT_H
#define FIXINGAHOLE_ADOPT_H

#include <linux/types.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/shared.h"

struct fixingahole_bpf;

/* Told of one thread; see capture__look(). */
typedef void (*thread_sink)(void *context, const struct attach_thread *thread);

int adopt_mark(struct fixingahole_bpf *skeleton, int pidfd, uint32_t *space);
/* Goes over all tasks once. sink may be NULL. */
int adopt_step(struct fixingahole_bpf *skeleton, enum attach_step step, thread_sink sink, void *context);
int adopt_place(struct fixingahole_bpf *skeleton, const struct attach_thread *thread, uint64_t stack_id);

#endif
