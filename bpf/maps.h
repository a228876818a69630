/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What the programs share: per-thread and per-process state, the ring buffer,
 * settings, counters. Maps are __weak: every .bpf.c defines them, the linker merges.
 */
#ifndef FIXINGAHOLE_MAPS_H
#define FIXINGAHOLE_MAPS_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define READ_USER(to, size, address) bpf_probe_read_user(to, size, (const void *)(address))

#include "events.h"
#include "shared.h"
#include "walker.h"

/* Stacks that a thread remembers (see wait.bpf.c). */
#define MARK_SLOTS 8

/* Waiting not sent yet, all of one kind and place. */
struct wait_sum {
	u64 stack_id;
	u64 ns;
	u32 count;
	s32 syscall;
	s32 fd;
	u32 kind;
};
/* Sums kept side by side: by how the wait began, and one for waits whose end was noticed late. */
enum { SUM_BLOCKED = 0, SUM_RUNNABLE = 1, SUM_LATE = 2, SUMS = 3 };

/* A thread of the target. Exists for target threads only. */
struct thread_state {
	/*
	 * About the last switch-out that was written down. Whether that was the last one of all, out_run_ns tells: the
	 * thread's run time is still the same.
	 */
	u64 out_run_ns; /* sum_exec_runtime then */
	u64 block_id;  /* the stack; 0: none. Valid if noted, like the next three */
	s32 syscall;   /* that it was in then; -1: none */
	s32 fd;        /* that the call is about; -1: none */
	u32 fault;     /* switched out in a page fault */
	u32 noted;     /* it was looked at */
	u32 out_state; /* the task's state; 0: it was preempted */
	u64 mark[MARK_SLOTS]; /* where it stopped before, and the stacks seen there */
	u64 mark_id[MARK_SLOTS];
	u64 place[PLACE_SLOTS]; /* the same by what the registers alone tell */
	u64 place_id[PLACE_SLOTS];
	u32 mark_next, place_next;
	u32 estimated; /* waits since the last record whose stack was not looked at */
	u64 carry_ns;  /* short waits whose stack is not known */
	u32 carry_count;
	u32 attached;   /* enum attached, of a thread that was there before us */
	u64 sampled_run_ns; /* sum_exec_runtime at the last CPU sample: that much has been charged */
	u64 unspent_ns; /* under the timers on all CPUs: see sample_weight(); 0: not begun */
	u64 late_ns;   /* a wait that ended unnoticed and is still to be charged */
	u64 run_base_ns; /* sum_exec_runtime when it became a target */
	struct wait_sum sums[SUMS];
	struct thread_cache cache; /* the walker's */
};

/* A process of the target: lives with its group leader. */
struct proc_state {
	u32 space;          /* 0: nothing of it counts (yet) */
	u32 attach_space;   /* what it will be, of a process that userspace attaches to; begins as struct proc_mark */
	u32 attach_awake;   /* a thread of it ran when that began */
	s32 running;       /* threads on a CPU */
	u64 last_out_ns;   /* when one of them last stopped running; 0: not yet */
	u32 last_runnable; /* it was preempted then */
	s64 rss_last[4];   /* pages, per mm counter */
	s64 rss_pending;   /* grown since the last record, pages */
	s64 rss_grown, rss_shrunk; /* in all, pages */
	u64 attach_ns;     /* when that began */
	u64 cgroups;       /* those (task_struct.cgroups) that userspace has heard of, while the process is in them; else 0 */
	struct program_file launcher; /* it loads its interpreter as a library, and has not yet; .inode 0: no such thing is known */
	u64 debug_slot;    /* struct program_entry's, in memory */
	u32 launcher_looks;
	u32 rss_known;
	struct walk_process python; /* .layout 0: not known */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct proc_state);
} procs __weak SEC(".maps");

/*
 * Userspace's answer to EVENT_EXEC: which interpreter runs in this process. A process looks there until it finds it; what nobody took out,
 * since the record of an end was lost, must not fill the map for good.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32); /* pid */
	__type(value, struct interp_entry);
} interps __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROGRAMS_MAX);
	__type(key, struct program_file);
	__type(value, struct program_entry);
} programs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PY_MAX_LAYOUTS);
	__type(key, u32);
	__type(value, struct py_layout);
} layouts __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20); /* userspace may change it */
} events __weak SEC(".maps");

/* Code objects already sent, direct-mapped by content hash: a collision sends one again. */
#define SEEN_SLOTS 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SEEN_SLOTS);
	__type(key, u32);
	__type(value, u64);
} seen __weak SEC(".maps");

/* Code objects that need not be looked at each time, direct-mapped; see walker.h. */
#define KNOWN_CODE_SLOTS 16384
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOWN_CODE_SLOTS);
	__type(key, u32);
	__type(value, struct known_code);
} known_codes __weak SEC(".maps");

/* One walk at a time per use and CPU. */
enum scratch_use { SCRATCH_CPU = 0, SCRATCH_BLOCK = 1, SCRATCH_RSS = 2, SCRATCH_HEAP = 3, SCRATCH_CALLS = 4, SCRATCH_USES = 5 };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_USES);
	__type(key, u32);
	__type(value, struct walk);
} scratch __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct counters);
} counters __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_state);
} cpus __weak SEC(".maps");

static __always_inline struct cpu_state *cpu_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&cpus, &zero);
}

/* `task`, a target's, runs here from now on. */
static __always_inline void cpu_enter(struct cpu_state *c, struct task_struct *task, u64 now)
{
	c->pid = task->pid;
	c->tgid = task->tgid;
	c->in_ns = now;
	c->in_run_ns = task->se.sum_exec_runtime;
}

/* The run time of the thread that runs here. */
static __always_inline u64 cpu_run_ns(const struct cpu_state *c, u64 now)
{
	return c->in_run_ns + (now - c->in_ns);
}

static __always_inline struct counters *counters_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counters, &zero);
}

#define COUNT(field)                                \
	do {                                        \
		struct counters *_c = counters_get(); \
		if (_c)                             \
			_c->field++;                \
	} while (0)

/* Readers are woken only when the buffer fills, or for `urgent` records: a wake-up costs ten times the record. */
static __always_inline u64 send_flags(bool urgent)
{
	return urgent || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > RING_WAKE_BYTES ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline long send(void *record, u64 size, bool urgent)
{
	long err = bpf_ringbuf_output(&events, record, size, send_flags(urgent));

	if (err)
		COUNT(dropped);
	return err;
}

static __always_inline struct proc_state *proc_of(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader ? bpf_task_storage_get(&procs, leader, 0, 0) : 0;
}

/*
 * Userspace reads and names processes by the numbers of its own PID namespace, which lies that many levels below the kernel's
 * first (process.bpf.c). The kernel's fields of a task have those of the first.
 */
extern __u32 pid_level;
extern __u64 pid_space;

/*
 * 0: it has no number there. A function of its own, for the stack of its callers is short. The leader is not read as task->group_leader:
 * wherever the verifier comes by a load of a pointer, newer kernels search all of their type information, which takes a third of a millisecond.
 */
static __noinline u32 pid_number(struct task_struct *task, bool leader)
{
	struct pid *pid = leader ? BPF_CORE_READ(task, group_leader, thread_pid) : BPF_CORE_READ(task, thread_pid);
	struct upid upid = {};
	u32 level = pid_level;

	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	bpf_probe_read_kernel(&upid, sizeof(upid), (const u8 *)&pid->numbers[0] + level * sizeof(upid));
	return (u64)upid.ns == pid_space ? upid.nr : 0;
}

/* Of a thread, and of its process. */
static __always_inline u32 tid_of(struct task_struct *task)
{
	return pid_level ? pid_number(task, false) : task->pid;
}

static __always_inline u32 pid_of(struct task_struct *task)
{
	return pid_level ? pid_number(task, true) : task->tgid;
}

static __always_inline void head_fill_at(struct event_header *head, u16 kind, u32 size, struct task_struct *task, u32 space, u64 now)
{
	head->kind = kind;
	head->flags = 0;
	head->size = size;
	head->time_ns = now;
	head->space = space;
	head->pad = 0;
	head->pid = pid_of(task);
	head->tid = tid_of(task);
}

static __always_inline void head_fill(struct event_header *head, u16 kind, u32 size, struct task_struct *task, u32 space)
{
	head_fill_at(head, kind, size, task, space, bpf_ktime_get_ns());
}

#endif
