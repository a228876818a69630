// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Processes and threads of the target: they are followed from fork to exit,
 * whatever they execute. The first thread is made a target by userspace, which puts
 * an empty struct thread_state on it.
 */
#include "maps.h"

#define PF_KTHREAD 0x00200000

/* Address spaces used so far. */
__u32 last_space = 0;

/* Grows when a task becomes a target or gets another address space: looks of before no longer count (rss.bpf.c). */
__u64 rss_epoch = 0;

/* See maps.h. Both stay 0 in the first namespace. */
__u32 pid_level = 0;
__u64 pid_space = 0;

/* Run once by userspace, in its own name. */
SEC("raw_tp")
int learn_namespace(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct upid upid = {};
	u32 level;

	if (!pid)
		return 0;
	level = BPF_CORE_READ(pid, level);
	bpf_probe_read_kernel(&upid, sizeof(upid), (const u8 *)&pid->numbers[0] + level * sizeof(upid));
	pid_space = (u64)upid.ns;
	pid_level = level;
	return 0;
}

extern __u32 rss_batch_pages; /* rss.bpf.c */
extern __u64 all_cpus_period_ns; /* of the CPU timers */
extern __u32 attach_step;        /* see attach.bpf.c */

/* Every new process is a target, but those that this one forks, which is the profiler; 0: only those of targets are. Set by userspace. */
__s32 follow_all = 0;

/* Descendants are no targets. Set by userspace. */
__u32 ignore_children = 0;

/* The target's first thread, set by userspace; whether another task stands for it now; live threads besides it. */
__u32 first_gone = 0;
__s32 first_tid = 0, other_threads = 0;

/* What the process has grown by that was not charged yet: nothing, or of one of many, as if it were in the middle. */
static __always_inline s64 first_pending(void)
{
	return follow_all ? bpf_get_prandom_u32() & (rss_batch_pages - 1) : 0;
}

static __always_inline u32 new_space(void)
{
	__sync_fetch_and_add(&rss_epoch, 1);
	return __sync_fetch_and_add(&last_space, 1) + 1;
}

static __always_inline struct thread_state *thread_new(struct task_struct *task)
{
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		COUNT(no_storage);
	return t;
}

/* Whose parent is no target. */
static __always_inline bool born_target(struct task_struct *parent, struct task_struct *child)
{
	struct proc_state *from = attach_step ? proc_of(parent) : 0;

	/* a process that is being attached to may have threads that were not come by yet */
	if (from && from->attach_space)
		return true;
	return follow_all && child->pid == child->tgid && !(child->flags & PF_KTHREAD) && pid_of(child) && pid_of(parent) != (u32)follow_all;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct proc_state *from, *to;
	struct event_fork event = {};

	if (!bpf_task_storage_get(&threads, parent, 0, 0) && !born_target(parent, child))
		return 0;
	if (child->pid == child->tgid) {
		from = proc_of(parent);
		/* before all begins userspace finds the children itself */
		if (ignore_children || (from && !from->space && from->attach_space))
			return 0;
	}
	if (!thread_new(child))
		return 0;
	__sync_fetch_and_add(&other_threads, 1);
	if (child->pid != child->tgid)
		return 0;
	to = bpf_task_storage_get(&procs, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		COUNT(no_storage);
		return 0;
	}
	from = proc_of(parent);
	to->space = new_space();
	to->rss_pending = first_pending();
	to->last_out_ns = bpf_ktime_get_ns();
	to->last_runnable = 1;
	if (from) {
		to->python = from->python;
		to->cgroups = from->cgroups == (u64)BPF_CORE_READ(child, cgroups) ? from->cgroups : 0;
		event.parent_space = from->space;
	}
	head_fill(&event.head, EVENT_FORK, sizeof(event), child, to->space);
	event.parent_pid = pid_of(parent);
	/* of a whole machine, beginnings and ends can wait */
	send(&event, sizeof(event), !follow_all);
	return 0;
}

static __always_inline void file_of(struct linux_binprm *bprm, struct program_file *file)
{
	const struct inode *inode = BPF_CORE_READ(bprm, file, f_inode);
	const struct inode___6_7 *newer = (const void *)inode;
	const struct inode___old *old = (const void *)inode;

	file->device = BPF_CORE_READ(inode, i_sb, s_dev);
	file->inode = BPF_CORE_READ(inode, i_ino);
	file->size = BPF_CORE_READ(inode, i_size);
	if (bpf_core_field_exists(inode->i_mtime_sec)) {
		file->mtime_s = BPF_CORE_READ(inode, i_mtime_sec);
		file->mtime_ns = BPF_CORE_READ(inode, i_mtime_nsec);
	} else if (bpf_core_field_exists(newer->__i_mtime)) {
		file->mtime_s = BPF_CORE_READ(newer, __i_mtime.tv_sec);
		file->mtime_ns = BPF_CORE_READ(newer, __i_mtime.tv_nsec);
	} else {
		file->mtime_s = BPF_CORE_READ(old, i_mtime.tv_sec);
		file->mtime_ns = BPF_CORE_READ(old, i_mtime.tv_nsec);
	}
}

/* It may be a program that userspace has seen before. True: it is. */
static __always_inline bool learn_program(struct proc_state *p, const struct program_file *file, u64 code_start)
{
	const struct program_entry *known = bpf_map_lookup_elem(&programs, file);

	p->launcher.inode = 0;
	if (!known)
		return false;
	if (known->dynamic) {
		p->launcher = *file;
		p->launcher_looks = 0;
		p->debug_slot = code_start + known->debug_slot;
		return true;
	}
	p->python.runtime = code_start + known->runtime;
	p->python.text_start = code_start + known->text_start;
	p->python.text_end = code_start + known->text_end;
	p->python.layout = known->layout;
	return true;
}

/*
 * Who the process is. Nothing but /proc tells the names of cgroups, but userspace has looked there when the process, or the one that
 * it was forked from, was in the same ones. True: that is all.
 */
static __always_inline bool tell_facts(struct event_exec *event, struct proc_state *p, struct task_struct *task)
{
	u64 cgroups = (u64)BPF_CORE_READ(task, cgroups);
	bool same = p->cgroups && p->cgroups == cgroups;
	u64 start = BPF_CORE_READ(task, mm, arg_start), size = BPF_CORE_READ(task, mm, arg_end) - start;

	/* it looks again now, or need not */
	p->cgroups = cgroups;
	event->uid = BPF_CORE_READ(task, cred, euid.val);
	BPF_CORE_READ_INTO(&event->comm, task, comm);
	if (!size || size > EXEC_ARGS_SIZE || READ_USER(event->args, size, start))
		return false;
	event->args_size = size;
	return same;
}

/* What was found out of an exec so far. */
struct exec {
	struct program_file file;
	u64 code_start;
	u32 old_space, space;
	bool known;
};

static __always_inline void send_exec(struct task_struct *task, struct linux_binprm *bprm, struct proc_state *p, const struct exec *exec)
{
	struct event_exec *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	bool told;

	/* samples that strike from here on are behind this record */
	p->space = exec->space;
	if (!event) {
		p->cgroups = 0;
		COUNT(dropped);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	head_fill(&event->head, EVENT_EXEC, sizeof(*event), task, p->space);
	event->old_space = exec->old_space;
	event->file = exec->file;
	event->code_start = exec->code_start;
	bpf_probe_read_kernel_str(event->path, sizeof(event->path), bprm->filename);
	told = tell_facts(event, p, task);
	event->head.flags = (exec->known ? EXEC_KNOWN : 0) | (told ? EXEC_TOLD : 0);
	bpf_ringbuf_submit(event, follow_all && exec->known && told ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct cpu_state *cpu = cpu_get();
	struct exec exec = {};
	struct proc_state *p;

	if (!t || !cpu)
		return 0;
	/* an exec from another thread than the leader makes that one the leader */
	p = bpf_task_storage_get(&procs, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!p) {
		COUNT(no_storage);
		return 0;
	}
	if (old_pid != task->pid)
		first_gone = 1;
	exec.old_space = p->space ? p->space : p->attach_space;
	exec.code_start = BPF_CORE_READ(task, mm, start_code);
	file_of(bprm, &exec.file);
	/* the held child's time until its first exec is ours, not the target's */
	if (!p->space)
		t->run_base_ns = t->sampled_run_ns = task->se.sum_exec_runtime;
	if (cpu->pid && cpu->tgid != task->tgid)
		cpu->owed = cpu->tgid;
	/* not if it is known here already: what it has run so far would be forgotten */
	if (!cpu->pid || cpu->pid != task->pid)
		cpu_enter(cpu, task, bpf_ktime_get_ns());
	exec.space = new_space();
	p->attach_space = 0;
	p->running = 1;
	p->python.layout = 0;
	p->python.tss_known = 0;
	exec.known = learn_program(p, &exec.file, exec.code_start);
	p->rss_known = 0;
	p->rss_pending = first_pending();
	p->rss_grown = p->rss_shrunk = 0;
	t->cache.tstate = 0;
	t->cache.next_scan_ns = 0;
	t->cache.scan_pause_ns = 0;
	t->block_id = 0;
	__builtin_memset(t->place, 0, sizeof(t->place));
	send_exec(task, bprm, p, &exec);
	return 0;
}

/* More threads than can be about to end at one moment, and their leader. */
#define UNREAPED_MAX 64

/*
 * By the kernel's own accounting. What it has not reaped yet is not in its sums, as the first thread, which waits for the others' end and has mostly
 * done all the work; the current task is still one of these.
 */
static __always_inline void tell_times(struct event_exit *event, struct signal_struct *signal)
{
	u64 head = (u64)__builtin_preserve_access_index(&signal->thread_head);
	struct list_head *at = BPF_CORE_READ(signal, thread_head.next);

	event->utime_ns = BPF_CORE_READ(signal, utime);
	event->stime_ns = BPF_CORE_READ(signal, stime);
	for (int i = 0; i < UNREAPED_MAX && (u64)at != head; i++) {
		struct task_struct *task = (void *)at - bpf_core_field_offset(struct task_struct, thread_node);

		event->utime_ns += BPF_CORE_READ(task, utime);
		event->stime_ns += BPF_CORE_READ(task, stime);
		at = BPF_CORE_READ(task, thread_node.next);
	}
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct proc_state *p = proc_of(task);
	struct event_thread_exit thread = {};
	struct cpu_state *cpu = cpu_get();
	struct event_exit event = {};
	struct signal_struct *signal;
	u32 space;
	u64 run;

	if (!t || !p || !cpu)
		return 0;
	space = p->space ? p->space : p->attach_space;
	if (tid_of(task) == (u32)first_tid)
		first_gone = 1;
	else
		__sync_fetch_and_add(&other_threads, -1);
	head_fill(&thread.head, EVENT_THREAD_EXIT, sizeof(thread), task, space);
	/* sum_exec_runtime may lag behind by a tick, which is all that a short thread has run */
	run = task->se.sum_exec_runtime;
	if (cpu->pid == task->pid && cpu_run_ns(cpu, thread.head.time_ns) > run)
		run = cpu_run_ns(cpu, thread.head.time_ns);
	thread.run_ns = run - t->run_base_ns;
	if (!all_cpus_period_ns && run > t->sampled_run_ns)
		thread.unsampled_ns = run - t->sampled_run_ns;
	send(&thread, sizeof(thread), false);
	signal = BPF_CORE_READ(task, signal); /* see pid_number() */
	if (BPF_CORE_READ(signal, live.counter) > 0)
		return 0;
	head_fill(&event.head, EVENT_EXIT, sizeof(event), task, space);
	event.status = BPF_CORE_READ(signal, group_exit_code);
	if (!event.status)
		event.status = task->exit_code;
	tell_times(&event, signal);
	if (bpf_core_field_exists(signal->oom_mm) && BPF_CORE_READ(signal, oom_mm))
		event.head.flags |= EXIT_OOM;
	event.max_rss_bytes = (u64)BPF_CORE_READ(signal, maxrss) << 12;
	send(&event, sizeof(event), !follow_all);
	return 0;
}
