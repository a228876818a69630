// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Processes that run already. An iterator over all tasks puts on them what the tracepoints would have, had they
 * been there from the beginning; it neither stops nor disturbs them.
 *
 * Userspace marks the processes (struct proc_mark) and reads the iterator step by step (enum attach_step). From
 * the mark on a new thread of such a process is a target (process.bpf.c); the others are found by going
 * over all tasks until nothing new comes. Nothing counts before ATTACH_START, by which time the
 * interpreter is known and every thread has its timer.
 *
 * A thread that sleeps all this while cannot be walked in here. Userspace reads its stack from the process's memory, and tells
 * what it found (map `places`) with the time that the thread had run: if that is still true, it has not moved.
 */
#include "stack.h"
#include "waiting.h"

#define PF_EXITING 4

/* What thread_state.attached says. */
enum attached { ATTACHED_ADOPTED = 1, ATTACHED_STARTED = 2, ATTACHED_PLACED = 3 };

extern __u64 rss_epoch; /* process.bpf.c */

/* The step that is under way; threads found by ATTACH_ADOPT so far. */
__u32 attach_step = ATTACH_OFF;
__u32 adopted = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, u32); /* tid */
	__type(value, struct attach_place);
} places __weak SEC(".maps");

/* Constant indices: the kernel's elements are larger than ours. */
#define COUNTER_NOW(mm, i)                                                                          \
	({                                                                                          \
		const struct mm_struct___old *_old = (const void *)(mm);                            \
		s64 _pages;                                                                         \
		if (bpf_core_field_exists(((struct mm_struct___old *)0)->rss_stat.count))           \
			_pages = BPF_CORE_READ(_old, rss_stat.count[i].counter);                    \
		else                                                                                \
			_pages = BPF_CORE_READ((mm), rss_stat[i].count);                            \
		_pages > 0 ? _pages : 0;                                                            \
	})

static __always_inline void adopt(struct task_struct *task)
{
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t) {
		COUNT(no_storage);
		return;
	}
	t->attached = ATTACHED_ADOPTED;
	__sync_fetch_and_add(&adopted, 1);
}

static __always_inline void start_process(struct proc_state *p, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	if (mm) {
		p->rss_last[0] = COUNTER_NOW(mm, 0);
		p->rss_last[1] = COUNTER_NOW(mm, 1);
		p->rss_last[3] = COUNTER_NOW(mm, 3);
		p->rss_known = 1 << 0 | 1 << 1 | 1 << 3;
	}
	__sync_fetch_and_add(&rss_epoch, 1);
	p->attach_ns = bpf_ktime_get_ns();
	p->cgroups = (u64)BPF_CORE_READ(task, cgroups);
	p->space = p->attach_space;
}

static __always_inline void start_thread(struct thread_state *t, struct task_struct *task)
{
	u64 run = task->se.sum_exec_runtime;

	t->run_base_ns = t->out_run_ns = t->sampled_run_ns = run;
	/* one whose stack nobody can read sleeps, too, and is not preempted */
	t->out_state = task->on_cpu ? 0 : task->__state;
	if (t->out_state)
		note_call(t, task);
	t->attached = ATTACHED_STARTED;
}

/* The place that userspace read, unless the thread has moved. */
static __always_inline void take_place(struct thread_state *t, struct task_struct *task)
{
	u32 tid = tid_of(task);
	struct attach_place *found = bpf_map_lookup_elem(&places, &tid);

	if (!found || t->noted || task->on_cpu || found->run_ns != task->se.sum_exec_runtime || t->run_base_ns != found->run_ns)
		return;
	t->out_state = task->__state;
	t->place_id[place_take(t->place, note_call(t, task), &t->place_next)] = found->stack_id;
	t->block_id = found->stack_id;
	t->noted = 1;
	t->attached = ATTACHED_PLACED;
}

static __always_inline void look(struct seq_file *seq, struct thread_state *t, struct proc_state *p, struct task_struct *task)
{
	struct attach_thread record = { .pid = pid_of(task), .tid = tid_of(task), .space = p->attach_space };

	record.run_ns = task->se.sum_exec_runtime;
	record.fsbase = task->thread.fsbase;
	if (t->noted || task->on_cpu || t->attached == ATTACHED_PLACED || (t->attached == ATTACHED_STARTED && record.run_ns != t->run_base_ns))
		return;
	/* when the buffer is full, the kernel comes again with this task */
	bpf_seq_write(seq, &record, sizeof(record));
}

/*
 * When the waiting of the process began: now, if no thread of it runs. One that does is heard of
 * when it stops. All threads must have been seen before that is known, hence the second time round.
 */
static __always_inline void start(struct thread_state *t, struct proc_state *p, struct task_struct *task)
{
	if (!p->space)
		start_process(p, task);
	if (t->attached < ATTACHED_STARTED)
		start_thread(t, task);
	if (task->on_cpu)
		p->attach_awake = 1;
	take_place(t, task);
	if (attach_step == ATTACH_AGAIN && !p->last_out_ns && !p->attach_awake && p->running <= 0)
		p->last_out_ns = p->attach_ns;
}

/* Nobody has ended the wait of this process yet. Its main thread stands for it, or what is left of it. */
static __always_inline void flush_open(struct thread_state *t, struct proc_state *p, struct task_struct *task)
{
	struct wait_sum *sum = &t->sums[SUM_BLOCKED];
	u64 now = bpf_ktime_get_ns(), since = p->last_out_ns;
	struct task_struct *leader = task->group_leader;

	if (p->running > 0 || !since || now <= since || (attach_step == ATTACH_PEEK && task->signal->live.counter > 1))
		return;
	if (task->pid != task->tgid && leader && !(leader->flags & PF_EXITING) && bpf_task_storage_get(&threads, leader, 0, 0))
		return;
	stop_recall(t, task);
	sum->stack_id = t->block_id;
	sum->kind = p->last_runnable || !task->__state ? WAIT_RUNNABLE : t->fault ? WAIT_PAGE_IN : WAIT_BLOCKED;
	sum->syscall = t->syscall;
	sum->fd = t->fd;
	sum->ns = now - since;
	sum->count = 1;
	p->last_out_ns = now;
	sum_send(sum, t, task, p);
}

static __always_inline void flush(struct thread_state *t, struct proc_state *p, struct task_struct *task)
{
	for (int i = 0; i < SUMS; i++)
		sum_send(&t->sums[i], t, task, p);
	flush_open(t, p, task);
}

SEC("iter/task")
int attach_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_state *t;
	struct proc_state *p;

	if (!task || task->flags & PF_EXITING)
		return 0;
	p = proc_of(task);
	if (!p)
		return 0;
	t = bpf_task_storage_get(&threads, task, 0, 0);
	if (attach_step == ATTACH_FLUSH || attach_step == ATTACH_PEEK) {
		if (t && p->space)
			flush(t, p, task);
		return 0;
	}
	if (!p->attach_space)
		return 0;
	if (attach_step == ATTACH_ADOPT) {
		if (!t)
			adopt(task);
	} else if (t && attach_step == ATTACH_LOOK) {
		look(ctx->meta->seq, t, p, task);
	} else if (t && (attach_step == ATTACH_START || attach_step == ATTACH_AGAIN)) {
		start(t, p, task);
	}
	return 0;
}
