/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What the heap's probes keep (heap_probes.bpf.c): threads, processes, the blocks that were told of; and the records that they send.
 */
#ifndef FIXINGAHOLE_HEAP_KEPT_H
#define FIXINGAHOLE_HEAP_KEPT_H

#include "heap_record.h"

#define HEAP_RANDOM() ((u64)bpf_get_prandom_u32())
#include "heap_source.h"

/* A call whose return is looked at. */
struct heap_pending {
	u64 sp;     /* at its entry */
	u64 size;
	u64 old;    /* realloc, mremap: the block, if it was told of */
	u64 old_size, old_weight;
	u64 begin_ns; /* of the slice */
	u64 result; /* posix_memalign: where the address will be */
	struct heap_sample sample;
	u32 call;   /* enum heap_call; 0: none */
	u32 pad;
};

/* What is to be told of a call that has returned. In the thread's storage, for the stack is small. */
struct heap_tell {
	u64 address;
	struct heap_pending call;
	u64 mark;
	u32 kind;
	u32 flags;
};

struct heap_thread {
	u32 space;
	u32 ancestors; /* of the process, as in its heap_state */
	u64 count;     /* allocations so far */
	struct heap_cost cost; /* not in the process's yet, as the next two */
	u64 bytes, allocations;
	u64 outer_sp, outer_return, outer_ip;
	struct heap_pending pending;
	struct heap_tell tell;
	struct heap_stratum lines[SAMPLER_CLASSES];
};

/* A block that was told of. */
struct heap_block {
	u64 size, weight;
	u64 birth_ns;
	u64 gone_ns; /* freed, but a forked child may have it still; 0: it lives */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* pid */
	__type(value, struct heap_control);
} heap_controls __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* pid */
	__type(value, struct heap_state);
} heap_states __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heap_key);
	__type(value, struct heap_block);
} heap_blocks __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct heap_thread);
} heap_threads __weak SEC(".maps");

/* What a process's first state is made of: too large for the stack. Userspace fills in its rate. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct heap_state);
} heap_fresh __weak SEC(".maps");

static __always_inline struct heap_state *state_of(struct task_struct *task)
{
	u32 pid = pid_of(task);

	return bpf_map_lookup_elem(&heap_states, &pid);
}

static __always_inline struct heap_state *state_make(u32 pid)
{
	struct heap_state *s = bpf_map_lookup_elem(&heap_states, &pid), *fresh;
	u32 zero = 0;

	if (s)
		return s;
	fresh = bpf_map_lookup_elem(&heap_fresh, &zero);
	if (!fresh)
		return 0;
	bpf_map_update_elem(&heap_states, &pid, fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&heap_states, &pid);
}

static __always_inline void add(u64 *to, u64 n)
{
	__sync_fetch_and_add(to, n);
}

/* A thread's counts go into its process's. */
__attribute__((noinline)) int heap_flush(struct heap_thread *t, struct heap_state *s)
{
	if (!t || !s)
		return 0;
	add(&s->cost.calls, t->cost.calls);
	add(&s->cost.stepped, t->cost.stepped);
	add(&s->cost.returns, t->cost.returns);
	add(&s->bytes[HEAP_FROM_C], t->bytes);
	add(&s->count[HEAP_FROM_C], t->allocations);
	t->cost.calls = t->cost.stepped = t->cost.returns = 0;
	t->bytes = t->allocations = 0;
	return 0;
}

static __always_inline struct heap_thread *thread_of(struct task_struct *task)
{
	struct heap_thread *t = bpf_task_storage_get(&heap_threads, task, 0, 0);
	struct proc_state *p;
	struct heap_state *s;

	if (t)
		return t;
	p = proc_of(task);
	if (!p || !p->space)
		return 0;
	s = state_make(pid_of(task));
	t = bpf_task_storage_get(&heap_threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t || !s) {
		COUNT(no_storage);
		return 0;
	}
	t->space = s->space = p->space;
	t->ancestors = s->ancestors;
	return t;
}

/* ---- records ---- */

__attribute__((noinline)) int heap_tell(struct heap_tell *tell)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct walk *w;
	int why;

	if (!tell || !p)
		return -1;
	w = scratch_take(SCRATCH_HEAP);
	if (!w)
		return -1;
	stack_head(w, EVENT_HEAP, task, p, bpf_ktime_get_ns());
	w->stack.weight = tell->call.sample.weight;
	why = stack_begin(w, p, t);
	if (!why)
		walk_all(w, &p->python);
	w->heap.address = tell->address;
	w->heap.size = tell->call.size;
	w->heap.count = tell->call.sample.count;
	w->heap.mark = tell->mark;
	w->heap.kind = tell->kind;
	w->heap.stratum = sampler_class(tell->call.size);
	w->heap.heap_flags = tell->flags;
	if (!tell->flags && tell->call.sample.weight == tell->call.size && tell->call.sample.count == HEAP_COUNT_ONE)
		w->heap.heap_flags = HEAP_EXACT;
	heap_send(w, why);
	scratch_return(w);
	return 0;
}

static __always_inline void tell_free(struct task_struct *task, u32 space, u64 address, u64 mark, u16 flags)
{
	struct event_heap_free event = {};

	head_fill(&event.head, EVENT_HEAP_FREE, sizeof(event), task, space);
	event.head.flags = flags;
	event.address = address;
	event.mark = mark;
	send(&event, sizeof(event), false);
}

static __always_inline void tell_moved(struct task_struct *task, u32 space, u64 from, u64 to, u64 size, u64 weight)
{
	struct event_heap_moved event = {};

	head_fill(&event.head, EVENT_HEAP_MOVED, sizeof(event), task, space);
	event.address = from;
	event.new_address = to;
	event.size = size;
	event.weight = weight;
	send(&event, sizeof(event), false);
}

static __always_inline void tell_totals(struct task_struct *task, struct heap_state *s)
{
	struct event_heap_totals event = {};

	head_fill(&event.head, EVENT_HEAP_TOTALS, sizeof(event), task, s->space);
	event.version = HEAP_TOTALS_VERSION;
	event.pid_inside = task->tgid;
	for (int i = 0; i < HEAP_FROM_COUNT; i++) {
		event.bytes[i] = s->bytes[i];
		event.count[i] = s->count[i];
	}
	event.sampled = s->sampled;
	event.freed = s->freed;
	event.untracked = s->untracked;
	event.untracked_bytes = s->untracked_bytes;
	event.final = 1;
	send(&event, sizeof(event), false);
}

/* ---- blocks ---- */

static __always_inline bool block_put(u32 space, u64 address, u64 size, u64 weight)
{
	struct heap_key key = { .address = address, .space = space };
	struct heap_block b = { .size = size, .weight = weight, .birth_ns = bpf_ktime_get_ns() };

	return !bpf_map_update_elem(&heap_blocks, &key, &b, BPF_ANY);
}

/* Was the block there when the child was forked, and never freed by the child since? */
static __always_inline bool block_inherited(struct heap_state *s, u64 address, struct heap_block *out)
{
	for (u32 i = 0; i < HEAP_ANCESTORS; i++) {
		struct heap_key key = { .address = address };
		struct heap_block *b;

		if (i >= s->ancestors)
			return false;
		key.space = s->ancestor[i].space;
		b = bpf_map_lookup_elem(&heap_blocks, &key);
		if (!b || b->birth_ns >= s->ancestor[i].fork_ns || (b->gone_ns && b->gone_ns < s->ancestor[i].fork_ns))
			continue;
		*out = *b;
		return true;
	}
	return false;
}

/*
 * Takes a block out. What others may have by fork only gets a mark, and what this process has by fork
 * gets an entry of its own that says that it is gone.
 */
static __always_inline bool block_take(struct task_struct *task, struct heap_thread *t, u64 address, struct heap_block *out)
{
	struct heap_key key = { .address = address, .space = t->space };
	struct heap_block *b = bpf_map_lookup_elem(&heap_blocks, &key);
	struct heap_state *s;

	if (!b && !t->ancestors)
		return false;
	s = state_of(task);
	if (!s || (b && b->gone_ns))
		return false;
	if (b) {
		*out = *b;
		if (s->forked)
			b->gone_ns = bpf_ktime_get_ns();
		else
			bpf_map_delete_elem(&heap_blocks, &key);
	} else {
		if (!block_inherited(s, address, out))
			return false;
		out->gone_ns = bpf_ktime_get_ns();
		bpf_map_update_elem(&heap_blocks, &key, out, BPF_ANY);
	}
	add(&s->freed, 1);
	return true;
}

static __always_inline u16 free_flags(struct task_struct *task)
{
	struct heap_state *s = state_of(task);

	return s && s->finalizing ? HEAP_FREE_FINALIZING : 0;
}

#endif
