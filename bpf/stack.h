/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * From a task to a filled struct walk: what the event sources have in common.
 */
#ifndef FIXINGAHOLE_STACK_H
#define FIXINGAHOLE_STACK_H

#include "maps.h"

/* Takes the scratch of this CPU for one use; NULL while a walk of that use is under way here. */
static __always_inline struct walk *scratch_take(u32 use)
{
	struct walk *w = bpf_map_lookup_elem(&scratch, &use);

	if (!w)
		return 0;
	if (w->busy) {
		COUNT(busy);
		return 0;
	}
	w->busy = 1;
	return w;
}

static __always_inline void scratch_return(struct walk *w)
{
	w->busy = 0;
}

/* As the dynamic linker's struct link_map begins, and struct r_debug (<link.h>). */
struct link_entry {
	u64 bias;
	u64 name;
	u64 dynamic;
	u64 next;
};
/* Of its struct r_debug. */
#define DEBUG_FIRST 8
#define DEBUG_STATE 24 /* 0: the list is complete */
/* Images that are looked at: the program, the kernel's, and what is loaded first. */
#define LINK_ENTRIES_MAX 16
/* A list that was complete without it so often will not get it soon. */
#define LINK_LOOKS_MAX 64

/*
 * The interpreter is a library of the current task's program: has the dynamic linker listed it? 0: here it is; 1: it is not loaded yet;
 * -1: who knows.
 */
static __always_inline int library_find(struct proc_state *p, struct task_struct *task)
{
	struct event_library event = {};
	struct program_entry *known;
	struct link_entry link = {};
	struct program_file file;
	u64 debug = 0, at = 0;
	u32 state = 0;

	file = p->launcher; /* 6.1 wants keys on the stack */
	known = bpf_map_lookup_elem(&programs, &file);
	if (!known)
		return -1;
	/* the linker writes there first of all */
	if (READ_USER(&debug, sizeof(debug), p->debug_slot) || !debug)
		return 1;
	if (READ_USER(&at, sizeof(at), debug + DEBUG_FIRST))
		return -1;
	for (int i = 0; i < LINK_ENTRIES_MAX; i++) {
		if (!at || READ_USER(&link, sizeof(link), at))
			break;
		if (link.dynamic - link.bias == known->dynamic)
			break;
		at = link.next;
	}
	if (!at || link.dynamic - link.bias != known->dynamic) {
		if (!READ_USER(&state, sizeof(state), debug + DEBUG_STATE) && state)
			return 1;
		/* the program loads it whenever it likes: userspace looks, and not every switch pays for that */
		if (++p->launcher_looks == LINK_LOOKS_MAX)
			p->launcher.inode = 0;
		return -1;
	}
	p->python.runtime = link.bias + known->runtime;
	p->python.text_start = link.bias + known->text_start;
	p->python.text_end = link.bias + known->text_end;
	p->python.layout = known->layout;
	p->launcher.inode = 0;
	head_fill(&event.head, EVENT_LIBRARY, sizeof(event), task, p->space);
	event.bias = link.bias;
	send(&event, sizeof(event), false);
	return 0;
}

/* For a process, the current task's, whose interpreter is not known. A function of its own for the verifier; weak, since more than one program has it. */
__attribute__((noinline, weak)) int proc_find_out(struct proc_state *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct interp_entry *entry;
	u32 pid;

	if (!p)
		return -1;
	pid = pid_of(task);
	entry = bpf_map_lookup_elem(&interps, &pid);
	if (!entry || entry->space != p->space)
		return p->launcher.inode ? library_find(p, task) : -1;
	p->python.runtime = entry->runtime;
	p->python.text_start = entry->text_start;
	p->python.text_end = entry->text_end;
	p->python.tss_known = 0;
	p->python.layout = entry->layout;
	return entry->layout ? 0 : -1;
}

/*
 * The interpreter of the current task's process: userspace's answer, once it is there, or what the program's file tells. -1: not known; 1: it is
 * known not to be loaded yet.
 */
static __always_inline int proc_learn(struct proc_state *p)
{
	return p->python.layout ? 0 : proc_find_out(p);
}

/* Finds the innermost frame of the current task, after stack_head(). 0, or why there is none. */
static __always_inline int stack_begin(struct walk *w, struct proc_state *p, struct thread_state *t)
{
	struct py_layout *layout;
	int learnt;
	u32 index;

	w->n_frames = 0;
	w->flags = 0;
	w->frame = 0;
	w->instr = 0;
	w->hash = 0;
	learnt = proc_learn(p);
	if (learnt)
		return learnt > 0 ? STACK_NO_TSTATE : STACK_NO_LAYOUT;
	index = p->python.layout - 1;
	layout = bpf_map_lookup_elem(&layouts, &index);
	if (!layout)
		return STACK_NO_LAYOUT;
	w->layout = *layout;
	w->fsbase = bpf_get_current_task_btf()->thread.fsbase;
	w->now_ns = w->stack.head.time_ns;
	return walk_begin(w, &p->python, &t->cache);
}

/* The record's head, for a kind whose weight the caller sets. */
static __always_inline void stack_head(struct walk *w, u16 kind, struct task_struct *task, struct proc_state *p, u64 now)
{
	head_fill_at(&w->stack.head, kind, 0, task, p->space, now);
	w->stack.weight = 0;
	w->stack.user_ip = 0;
	w->stack.opcode = 0;
	w->stack.pad1 = 0;
	w->stack.running = p->running > 0 ? p->running : 0;
	w->stack.pad2 = 0;
	w->stack.rss_bytes = (u64)(p->rss_last[0] + p->rss_last[1] + p->rss_last[3]) << 12;
	w->stack.n_frames = 0;
}

/*
 * The stack of `task`, which must be current, in this CPU's scratch for one use: scratch_return() it. NULL: one is under way. *why: flags
 * for the record.
 */
static __always_inline struct walk *stack_walk(u32 use, u16 kind, struct task_struct *task, struct proc_state *p, struct thread_state *t, u64 weight, u16 *why)
{
	struct walk *w = scratch_take(use);

	if (!w)
		return 0;
	stack_head(w, kind, task, p, bpf_ktime_get_ns());
	w->stack.weight = weight;
	*why = stack_begin(w, p, t);
	if (!*why)
		walk_all(w, &p->python);
	return w;
}

static __always_inline long stack_send(struct walk *w, u16 flags)
{
	u32 n = w->n_frames;
	u64 size;

	if (n > PY_MAX_DEPTH)
		n = PY_MAX_DEPTH;
	size = sizeof(w->stack) + n * sizeof(struct raw_frame);
	w->stack.n_frames = n;
	w->stack.head.flags = w->flags | flags;
	w->stack.head.size = size;
	return send(&w->stack, size, false);
}

#endif
