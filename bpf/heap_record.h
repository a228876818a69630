/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What both sources of the heap's records need.
 */
#ifndef FIXINGAHOLE_HEAP_RECORD_H
#define FIXINGAHOLE_HEAP_RECORD_H

#include "stack.h"

/* The calling process, if it is a target's. */
static __always_inline struct proc_state *target_proc(struct task_struct *task, struct thread_state **t)
{
	struct proc_state *p;

	*t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!*t)
		return 0;
	p = proc_of(task);
	return p && p->space ? p : 0;
}

/* Fills in the head of a heap record from its stack's, and sends both. */
static __always_inline void heap_send(struct walk *w, u16 stack_flags)
{
	u32 n = w->n_frames;
	u64 size;

	if (n > PY_MAX_DEPTH)
		n = PY_MAX_DEPTH;
	size = n * sizeof(struct raw_frame);
	w->stack.n_frames = n;
	w->stack.head.flags = w->flags | stack_flags;
	w->stack.head.size = sizeof(w->stack) + size;
	w->heap.head = w->stack.head;
	w->heap.head.flags = 0;
	size += sizeof(w->heap);
	w->heap.head.size = size;
	send(&w->heap, size, false);
}

#endif
