// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * The heap: what the preload library tells (preload/heap_probe.h), with the stack of the
 * thread that tells it. The library sits in processes that are no target as well, if
 * another profiler runs or a target has let go of children: these are passed over.
 */
#include "heap_record.h"

#include "preload/heap_probe.h"

/* as in the system calls */
#define RLIMIT_DATA 2
#define RLIMIT_AS 9
#define PAGE_SHIFT 12

/* Tells of a block, or of one that could not be had (flags). The arguments are event_heap's. */
static __always_inline void block_tell(u64 address, u64 size, u64 weight, u64 count, u64 mark, u32 kind, u32 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct walk *w;
	u16 why;

	if (!p)
		return;
	w = stack_walk(SCRATCH_HEAP, EVENT_HEAP, task, p, t, weight, &why);
	if (!w)
		return;
	w->heap.address = address;
	w->heap.size = size;
	w->heap.count = count;
	w->heap.mark = mark;
	w->heap.kind = kind;
	w->heap.stratum = heap_stratum(kind, size);
	w->heap.heap_flags = !flags && weight == size && count == HEAP_COUNT_ONE ? HEAP_EXACT : flags;
	heap_send(w, why);
	scratch_return(w);
}

/* Tells of a block's end. info: as fixingahole_heap_free()'s. */
static __always_inline void free_tell(struct task_struct *task, const struct proc_state *p, u64 address, u64 info, u64 mark)
{
	struct {
		struct event_heap_free free;
		u64 words[HEAP_FREE_WORDS];
	} event = {};
	u64 size = sizeof(event);

	if ((info & HEAP_DOMAIN_MASK) == HEAP_MAPPING || READ_USER(event.words, sizeof(event.words), address))
		size = sizeof(event.free);
	head_fill(&event.free.head, EVENT_HEAP_FREE, size, task, p->space);
	if (info & HEAP_RESIZED)
		event.free.head.flags |= HEAP_FREE_RESIZED;
	if (info & HEAP_FINALIZING)
		event.free.head.flags |= HEAP_FREE_FINALIZING;
	event.free.address = address;
	event.free.mark = mark;
	send(&event, size, false);
}

/* The blocks of a struct heap_late. */
__attribute__((noinline)) int late_tell(u64 late)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct heap_late all;

	if (!p || READ_USER(&all, sizeof(all), late))
		return 0;
	for (u32 i = 0; i < HEAP_LATE_MAX && i < all.n; i++)
		free_tell(task, p, all.free[i].address, 0, all.free[i].mark);
	return 0;
}

SEC("uprobe")
int heap_alloc(struct pt_regs *ctx)
{
	u64 late;

	if (ctx->r8 & HEAP_WITH_FREES && !READ_USER(&late, sizeof(late), ctx->sp + sizeof(late)))
		late_tell(late);
	block_tell(ctx->di, ctx->si, ctx->dx, ctx->cx, ctx->r9, ctx->r8 & HEAP_DOMAIN_MASK, 0);
	return 0;
}

SEC("uprobe")
int heap_failed(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 addresses = BPF_CORE_READ(task, signal, rlim[RLIMIT_AS].rlim_cur), data = BPF_CORE_READ(task, signal, rlim[RLIMIT_DATA].rlim_cur);
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	u64 size = ctx->di, limit = 0;
	u32 flags = HEAP_FAILED;

	if (mm && ((u64)BPF_CORE_READ(mm, total_vm) << PAGE_SHIFT) + size > addresses) {
		flags |= HEAP_LIMIT_ADDRESSES;
		limit = addresses;
	} else if (mm && ((u64)BPF_CORE_READ(mm, data_vm) << PAGE_SHIFT) + size > data) {
		flags |= HEAP_LIMIT_DATA;
		limit = data;
	}
	block_tell(limit, size, 0, 0, 0, ctx->si & HEAP_DOMAIN_MASK, flags);
	return 0;
}

SEC("uprobe")
int heap_free(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);

	if (ctx->r8 & HEAP_WITH_FREES)
		late_tell(ctx->di);
	else if (p)
		free_tell(task, p, ctx->di, ctx->r8, ctx->r9);
	return 0;
}

SEC("uprobe")
int heap_moved(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct event_heap_moved event = {};

	if (!p)
		return 0;
	head_fill(&event.head, EVENT_HEAP_MOVED, sizeof(event), task, p->space);
	if (ctx->r8 & HEAP_SPLIT)
		event.head.flags |= HEAP_MOVED_SPLIT;
	event.address = ctx->di;
	event.new_address = ctx->si;
	event.size = ctx->dx;
	event.weight = ctx->cx;
	send(&event, sizeof(event), false);
	return 0;
}

SEC("uprobe")
int heap_sums(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct event_heap_totals event = {};

	if (!p || READ_USER(&event.version, sizeof(struct heap_totals), ctx->di))
		return 0;
	head_fill(&event.head, EVENT_HEAP_TOTALS, sizeof(event), task, p->space);
	send(&event, sizeof(event), false);
	return 0;
}

SEC("uprobe")
int heap_copy(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t;
	struct proc_state *p = target_proc(task, &t);
	struct walk *w;
	u16 why;

	if (!p)
		return 0;
	w = stack_walk(SCRATCH_HEAP, EVENT_HEAP_COPY, task, p, t, ctx->di, &why);
	if (!w)
		return 0;
	stack_send(w, why);
	scratch_return(w);
	return 0;
}
