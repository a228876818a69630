// SPDX-License-Identifier: Apache-2.0
#include "python/remote_walk.h"

#include <stdlib.h>

#define FIXINGAHOLE_REMOTE_WALKER
#include "bpf/walk.bpf.c"

struct remote_walk {
	struct walk walk;
};

struct remote_walk *remote_walk__new(void)
{
	return calloc(1, sizeof(struct remote_walk));
}

void remote_walk__free(struct remote_walk *walk)
{
	free(walk);
}

const struct event_stack *remote_walk__stack(struct remote_walk *walk, const struct interp_process *interp, uint64_t fsbase, const struct event_header *head)
{
	struct walk_process process = {
		.runtime = interp->binary->runtime + interp->bias,
		.text_start = interp->binary->text_start + interp->bias,
		.text_end = interp->binary->text_end + interp->bias,
		.layout = 1,
	};
	struct thread_cache cache = {};
	struct walk *w = &walk->walk;
	int why;

	remote_walk_pid = head->pid;
	w->layout = interp->binary->layout;
	w->fsbase = fsbase;
	w->now_ns = 1; /* a thread state may be searched for at once */
	w->stack = (struct event_stack){ .head = *head };
	why = walk_begin(w, &process, &cache);
	if (!why)
		walk_all(w, &process);
	w->stack.head.kind = EVENT_BLOCK;
	w->stack.head.flags = w->flags | why;
	w->stack.head.size = sizeof(w->stack) + w->n_frames * sizeof(struct raw_frame);
	w->stack.n_frames = w->n_frames;
	/* as wait.bpf.c numbers them */
	w->stack.weight = py_mix64(py_mix64(w->hash, head->space), w->n_frames) | 1;
	remote_walk_pid = 0;
	return &w->stack;
}
