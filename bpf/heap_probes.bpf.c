// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * The heap by probes on the allocator's own functions, for processes without the preload library.
 *
 * A probe at a function's entry sees size or block, and decides by bytes whether the block is sampled (heap_source.h). Only then is the
 * return looked at, for the address: kernels from 6.13 on let the entry decide (heap_call, a session), older ones return through a
 * probe each time (heap_enter, heap_leave). A free looks its block up among those that were told of.
 *
 * Allocators call their own functions: glibc's realloc(NULL, n) is its malloc(n). Such a call is known by where it returns to:
 * into the function that was entered before, or, where that jumped, to the same place from the same depth.
 */
#include "heap_kept.h"

#define PROT_WRITE 2
#define MAP_ANONYMOUS 0x20
#define MAP_NORESERVE 0x4000
#define FLUSH_CALLS 64
/* In slices, of so many allocations the return of one is looked at. */
#define RETURNS_LOOKED_AT 8
/* How far an inner call's stack and code may lie from the outer's entry. */
#define NESTED_STACK 1024
#define NESTED_CODE 4096

/* ---- entries ---- */

/* An allocator's call of itself, of which the caller has been counted. */
static __always_inline bool is_nested(struct heap_thread *t, u64 sp, u64 ip)
{
	u64 back = 0, outer = t->outer_sp;

	if (!outer || sp > outer || outer - sp > NESTED_STACK || READ_USER(&back, sizeof(back), sp))
		return false;
	return sp == outer ? back == t->outer_return && ip != t->outer_ip : back - t->outer_ip < NESTED_CODE;
}

static __always_inline void note_outer(struct heap_thread *t, struct pt_regs *ctx)
{
	u64 back = 0;

	if (READ_USER(&back, sizeof(back), ctx->sp))
		return;
	t->outer_sp = ctx->sp;
	t->outer_ip = ctx->ip;
	t->outer_return = back;
}

/* 2^47 and more: no allocator gives that much. */
static __always_inline u64 product(u64 a, u64 b)
{
	if (a >> 32 || b >> 32)
		return a <= 1 || b <= 1 ? a * b : HEAP_BYTES_MAX;
	return a * b;
}

/* Sampled or not. */
__attribute__((noinline)) int heap_sample_slow(struct heap_thread *t, u64 size)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 class = sampler_class(size);
	struct heap_state *s;

	if (!t)
		return 0;
	barrier_var(class);
	s = state_of(task);
	if (!s || class >= SAMPLER_CLASSES)
		return 0;
	heap_rate_resume(&s->rate, t->pending.begin_ns);
	heap_take(&t->lines[class], &s->rate, class, size, bpf_ktime_get_ns(), &t->pending.sample);
	return t->pending.sample.weight != 0;
}

static __always_inline bool sample(struct heap_thread *t, u64 size)
{
	u64 class = sampler_class(size);

	/* or the check is made on a copy of what the address is made of */
	barrier_var(class);
	if (class >= SAMPLER_CLASSES)
		return false;
	if (heap_passes(&t->lines[class], size)) {
		t->pending.sample.weight = 0;
		return false;
	}
	return heap_sample_slow(t, size);
}

/* A block of so many bytes is asked for; old: that it replaces, or 0. True: look at the return. */
static __always_inline bool enter_alloc(struct pt_regs *ctx, struct task_struct *task, struct heap_thread *t, const struct heap_control *c, u32 call, u64 old, u64 size)
{
	u64 scale = c->end_ns ? c->scale_q16 : HEAP_SCALE_ONE;
	struct heap_block b;
	bool sampled;

	if (size >= HEAP_BYTES_MAX)
		return false;
	t->pending.old = 0;
	t->count++;
	t->allocations++;
	t->bytes += size;
	sampled = sample(t, size);
	if (sampled && scale != HEAP_SCALE_ONE) {
		t->pending.sample.weight = (t->pending.sample.weight >> 4) * scale >> 12;
		t->pending.sample.count = t->pending.sample.count * scale >> 16;
	}
	if (old && block_take(task, t, old, &b)) {
		t->pending.old = old;
		t->pending.old_size = b.size;
		t->pending.old_weight = b.weight;
		tell_free(task, t->space, old, t->count, HEAP_FREE_RESIZED | free_flags(task));
	}
	/* in slices blocks are freed unseen, which shows when their address is given out again: soon, and often, as a rule */
	if (!sampled && !t->pending.old && (!c->end_ns || t->count % RETURNS_LOOKED_AT))
		return false;
	t->pending.sp = ctx->sp;
	t->pending.size = size;
	t->pending.call = call;
	return true;
}

static __always_inline void enter_free(struct task_struct *task, struct heap_thread *t, u64 address)
{
	struct heap_block b;

	if (address && block_take(task, t, address, &b))
		tell_free(task, t->space, address, t->count, free_flags(task));
}

static __always_inline bool is_own(const struct heap_control *c, u64 ip)
{
	return ip - c->own[0].start < c->own[0].end - c->own[0].start || ip - c->own[1].start < c->own[1].end - c->own[1].start;
}

static __always_inline bool enter_mapping(struct pt_regs *ctx, struct heap_thread *t, const struct heap_control *c)
{
	u64 back = 0;

	if (!(ctx->cx & MAP_ANONYMOUS) || ctx->cx & MAP_NORESERVE || !(ctx->dx & PROT_WRITE) || ctx->si >= HEAP_BYTES_MAX)
		return false;
	if (READ_USER(&back, sizeof(back), ctx->sp) || is_own(c, back))
		return false;
	t->count++;
	t->pending.old = 0;
	t->pending.sp = ctx->sp;
	t->pending.size = ctx->si;
	t->pending.sample.weight = ctx->si;
	t->pending.sample.count = HEAP_COUNT_ONE;
	t->pending.call = HEAP_CALL_MMAP;
	return true;
}

/* From the front, as a whole as a rule. */
static __always_inline void enter_unmap(struct task_struct *task, struct heap_thread *t, u64 address, u64 size)
{
	struct heap_block b;

	if (!block_take(task, t, address, &b))
		return;
	size = (size + 4095) & ~4095ULL;
	if (size >= b.size) {
		tell_free(task, t->space, address, t->count, free_flags(task));
	} else if (block_put(t->space, address + size, b.size - size, b.size - size)) {
		tell_moved(task, t->space, address, address + size, b.size - size, b.size - size);
	}
}

static __always_inline bool enter_remap(struct pt_regs *ctx, struct task_struct *task, struct heap_thread *t)
{
	struct heap_block b;

	if (!ctx->si || !block_take(task, t, ctx->di, &b))
		return false;
	t->pending.sp = ctx->sp;
	t->pending.size = ctx->dx;
	t->pending.old = ctx->di;
	t->pending.old_size = b.size;
	t->pending.old_weight = b.weight;
	t->pending.sample.weight = 0;
	t->pending.call = HEAP_CALL_MREMAP;
	return true;
}

static __always_inline bool is_mapping(u32 call)
{
	return call >= HEAP_CALL_MMAP;
}

/* True: look at the return. */
static __always_inline bool enter(struct pt_regs *ctx, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u32 call = cookie & HEAP_CALL_MASK, pid = pid_of(task);
	struct heap_control *c;
	struct heap_thread *t;
	struct heap_state *s;
	u64 now;

	if (call == HEAP_CALL_OTHER)
		return false;
	if (call == HEAP_CALL_RETURN)
		return true;
	c = bpf_map_lookup_elem(&heap_controls, &pid);
	t = c ? thread_of(task) : 0;
	if (!t)
		return false;
	t->cost.stepped += !!(cookie & HEAP_CALL_STEPPED);
	if (++t->cost.calls >= FLUSH_CALLS) {
		s = state_of(task);
		if (s)
			heap_flush(t, s);
	}
	if (c->end_ns && !is_mapping(call)) {
		now = bpf_ktime_get_ns();
		if (now < c->begin_ns || now >= c->end_ns)
			return false;
	}
	if (t->pending.call) {
		/* probes that are taken off between a call and its return see no return */
		if (ctx->sp <= t->pending.sp && t->pending.begin_ns == c->begin_ns)
			return false;
		t->pending.call = 0;
	}
	if (call < HEAP_CALL_FREE && is_nested(t, ctx->sp, ctx->ip))
		return false;
	t->outer_sp = 0;
	t->pending.result = 0;
	t->pending.begin_ns = c->begin_ns;
	switch (call) {
	case HEAP_CALL_MALLOC:
		return enter_alloc(ctx, task, t, c, call, 0, ctx->di);
	case HEAP_CALL_CALLOC:
		note_outer(t, ctx);
		return enter_alloc(ctx, task, t, c, call, 0, product(ctx->di, ctx->si));
	case HEAP_CALL_REALLOC:
		if (ctx->di && !ctx->si) {
			enter_free(task, t, ctx->di);
			return false;
		}
		note_outer(t, ctx);
		return enter_alloc(ctx, task, t, c, call, ctx->di, ctx->si);
	case HEAP_CALL_REALLOCARRAY:
		note_outer(t, ctx);
		return enter_alloc(ctx, task, t, c, call, ctx->di, product(ctx->si, ctx->dx));
	case HEAP_CALL_MEMALIGN:
		note_outer(t, ctx);
		return enter_alloc(ctx, task, t, c, call, 0, ctx->si);
	case HEAP_CALL_POSIX_MEMALIGN:
		note_outer(t, ctx);
		t->pending.result = ctx->di;
		return enter_alloc(ctx, task, t, c, call, 0, ctx->dx);
	case HEAP_CALL_FREE:
		enter_free(task, t, ctx->di);
		return false;
	case HEAP_CALL_MMAP:
		return enter_mapping(ctx, t, c);
	case HEAP_CALL_MUNMAP:
		enter_unmap(task, t, ctx->di, ctx->si);
		return false;
	case HEAP_CALL_MREMAP:
		return enter_remap(ctx, task, t);
	case HEAP_CALL_FINALIZE:
		s = state_of(task);
		if (s)
			s->finalizing = 1;
		return false;
	}
	return false;
}

/* ---- returns ---- */

/* The call got nothing: a block that it would have replaced is still there. */
static __always_inline void leave_failed(struct task_struct *task, struct heap_thread *t, struct heap_tell *tell)
{
	const struct heap_pending *call = &tell->call;

	if (call->old && block_put(t->space, call->old, call->old_size, call->old_weight))
		tell_moved(task, t->space, call->old, call->old, call->old_size, call->old_weight);
	if (!call->sample.weight)
		return;
	tell->call.sample.weight = tell->call.sample.count = 0;
	tell->flags = HEAP_FAILED;
	heap_tell(tell);
}

static __always_inline void leave_alloc(struct task_struct *task, struct heap_thread *t, struct heap_tell *tell)
{
	const struct heap_pending *call = &tell->call;
	struct heap_state *s = state_of(task);
	struct heap_block b;
	u64 begin_ns;

	if (!s)
		return;
	/* freed while nobody watched */
	if (block_take(task, t, tell->address, &b))
		tell_free(task, t->space, tell->address, t->count, HEAP_FREE_RESIZED);
	if (!call->sample.weight)
		return;
	begin_ns = bpf_ktime_get_ns();
	if (!block_put(t->space, tell->address, call->size, call->sample.weight) || heap_tell(tell)) {
		add(&s->untracked, 1);
		add(&s->untracked_bytes, call->sample.weight);
	} else {
		add(&s->sampled, 1);
	}
	if (tell->kind == HEAP_KIND_MAPPING) {
		add(&s->bytes[HEAP_FROM_MAPPING], call->size);
		add(&s->count[HEAP_FROM_MAPPING], 1);
	}
	add(&s->cost.work_ns, bpf_ktime_get_ns() - begin_ns);
}

static __always_inline void leave(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct heap_thread *t = bpf_task_storage_get(&heap_threads, task, 0, 0);
	struct heap_tell *tell;
	u32 call;

	if (!t)
		return;
	t->cost.returns++;
	if (!t->pending.call || ctx->sp != t->pending.sp + 8)
		return;
	call = t->pending.call;
	tell = &t->tell;
	tell->call = t->pending;
	tell->kind = HEAP_KIND_C;
	tell->flags = 0;
	tell->mark = t->count;
	tell->address = ctx->ax;
	t->pending.call = 0;
	if (call == HEAP_CALL_POSIX_MEMALIGN && (ctx->ax || READ_USER(&tell->address, sizeof(tell->address), tell->call.result)))
		tell->address = 0;
	if (is_mapping(call)) {
		tell->kind = HEAP_KIND_MAPPING;
		if (tell->address == ~0ULL)
			tell->address = 0;
	}
	if (!tell->address) {
		if (tell->call.size)
			leave_failed(task, t, tell);
	} else if (call == HEAP_CALL_MREMAP) {
		if (block_put(t->space, tell->address, tell->call.size, tell->call.size))
			tell_moved(task, t->space, tell->call.old, tell->address, tell->call.size, tell->call.size);
	} else {
		leave_alloc(task, t, tell);
	}
}

SEC("uprobe")
int heap_call(struct pt_regs *ctx)
{
	if (bpf_get_func_ip(ctx) == ctx->ip)
		return enter(ctx, bpf_get_attach_cookie(ctx)) ? 0 : 1;
	leave(ctx);
	return 0;
}

SEC("uprobe")
int heap_enter(struct pt_regs *ctx)
{
	enter(ctx, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("uprobe")
int heap_leave(struct pt_regs *ctx)
{
	leave(ctx);
	return 0;
}

/* ---- processes: each before its namesake of process.bpf.c, but for the fork ---- */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(heap_fork, struct task_struct *parent, struct task_struct *child)
{
	struct heap_state *from, *to;
	struct proc_state *p;

	if (child->pid != child->tgid)
		return 0;
	from = state_of(parent);
	p = proc_of(parent);
	if (!from || !p || !from->space || from->space != p->space || !bpf_task_storage_get(&threads, child, 0, 0))
		return 0;
	from->forked = 1;
	to = state_make(pid_of(child));
	if (!to)
		return 0;
	to->ancestor[0].space = from->space;
	to->ancestor[0].fork_ns = bpf_ktime_get_ns();
	for (u32 i = 1; i < HEAP_ANCESTORS; i++)
		to->ancestor[i] = from->ancestor[i - 1];
	to->ancestors = from->ancestors < HEAP_ANCESTORS ? from->ancestors + 1 : HEAP_ANCESTORS;
	return 0;
}

/* The space ends: what is left of the thread's counts, and the sums. */
static __always_inline struct heap_state *space_end(struct task_struct *task, bool last)
{
	struct heap_state *s = state_of(task);
	struct heap_control *c;
	struct heap_thread *t;
	u32 pid = pid_of(task);

	if (!s)
		return 0;
	t = bpf_task_storage_get(&heap_threads, task, 0, 0);
	if (t)
		heap_flush(t, s);
	c = bpf_map_lookup_elem(&heap_controls, &pid);
	if (last && s->space && c && !c->sliced)
		tell_totals(task, s);
	return s;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(heap_exec, struct task_struct *task)
{
	struct heap_state *s = space_end(task, true);

	if (!s)
		return 0;
	bpf_task_storage_delete(&heap_threads, task);
	for (int i = 0; i < HEAP_FROM_COUNT; i++)
		s->bytes[i] = s->count[i] = 0;
	s->sampled = s->freed = s->untracked = s->untracked_bytes = 0;
	s->space = s->finalizing = s->forked = s->ancestors = 0;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(heap_exit, struct task_struct *task)
{
	space_end(task, task->signal->live.counter <= 0);
	return 0;
}
