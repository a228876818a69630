// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Waiting. sched_switch keeps count of the threads of a process that run. From
 * the moment the last one stops until one runs again the process waits, and that
 * interval is charged to the stack where the thread that ends it had stopped.
 *
 * A stack can only be read while its thread is current, so it is read at
 * switch-out, before anybody knows whether the wait will be long. Programs that
 * switch 50,000 times a second must not pay for that, hence:
 * - each CPU has a budget of full walks (bucket 0). Within it every switch-out is walked;
 * - over it, a cheap mark (innermost frame and instruction, stack pointer, system call) is
 *   looked up in the thread's own memory of stacks walked before;
 * - one not seen before is walked within a second budget (bucket 1);
 * - over that too the wait is carried over to the thread's next walk, and counted.
 * Short waits of one kind are added up and sent together.
 *
 * Some virtual machines hide the switches away from their own service tasks, so a
 * switch-in can go unannounced. Each thread therefore remembers whether it is counted; a
 * switch-out of one that is not finds out from its run time when it must have come in.
 */
#include "stack.h"

#include <bpf/bpf_endian.h>

#include "object.h"

#define TASK_UNINTERRUPTIBLE 2
#define TASK_DEAD 0x80

#define BUCKET_REFILL_NS 1000000ULL
#define BUCKET_MAX 64

/* A wait from this length on is sent by itself; sums are sent from the second on. */
#define WAIT_LONG_NS 1000000ULL
#define WAIT_SUM_NS 10000000ULL
#define WAIT_SUM_COUNT 4096

#define SYS_poll 7

static __always_inline bool bucket_take(u32 index, u64 now)
{
	struct bucket *b = bpf_map_lookup_elem(&buckets, &index);
	u64 refill;

	if (!b)
		return false;
	refill = (now - b->refilled_ns) / BUCKET_REFILL_NS;
	if (refill) {
		b->refilled_ns = now;
		b->tokens = refill >= BUCKET_MAX || b->tokens + refill > BUCKET_MAX ? BUCKET_MAX : b->tokens + refill;
	}
	if (!b->tokens)
		return false;
	b->tokens--;
	return true;
}

/* System calls whose first argument is the descriptor that they wait for. */
static __always_inline bool waits_for_fd(s32 nr)
{
	switch (nr) {
	case 0: case 1: case 16: case 17: case 18: case 19: case 20: /* read write ioctl pread64 pwrite64 readv writev */
	case 40: case 42: case 43: case 44: case 45: case 46: case 47: /* sendfile connect accept sendto recvfrom sendmsg recvmsg */
	case 72: case 73: case 74: case 75: case 77: /* fcntl flock fsync fdatasync ftruncate */
	case 217: case 275: case 276: case 277: case 278: case 285: /* getdents64 splice tee sync_file_range vmsplice fallocate */
	case 288: case 295: case 296: case 299: case 306: case 307: case 326: case 327: case 328: /* accept4 preadv pwritev recvmmsg syncfs sendmmsg copy_file_range preadv2 pwritev2 */
		return true;
	}
	return false;
}

/* What the thread, which is current, is about to wait for. Returns its user stack pointer. */
static __always_inline u64 note_call(struct thread_state *t, struct task_struct *task, u32 state)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	s32 nr = (s32)regs->orig_ax, fd = -1;

	t->fault = nr < 0 && state == TASK_UNINTERRUPTIBLE;
	t->syscall = nr < 0 ? -1 : nr;
	if (waits_for_fd(nr))
		fd = (s32)regs->di;
	else if (nr == SYS_poll && regs->si == 1 && READ_USER(&fd, sizeof(fd), regs->di))
		fd = -1;
	t->fd = fd;
	return regs->sp;
}

static __noinline int sum_send(struct wait_sum *sum, struct thread_state *t, struct task_struct *task, struct proc_state *p)
{
	struct event_wait event = {};

	if (!sum->ns)
		return 0;
	head_fill(&event.head, EVENT_WAIT, sizeof(event), task, p->space);
	event.stack_id = sum->stack_id;
	event.wait_ns = sum->ns;
	event.count = sum->count;
	event.wait_kind = sum->kind;
	event.syscall = sum->syscall;
	event.estimated = t->carry_count;
	object_fill((u64)BPF_CORE_READ(task, files), sum->fd, &event.object);
	send(&event, sizeof(event), false);
	sum->ns = 0;
	sum->count = 0;
	t->carry_count = 0;
	return 0;
}

/* Walks the current thread's stack and sends it, unless it was sent before. Its id, or 0. */
static __noinline u64 block_walk(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 mark, u32 slot)
{
	struct walk *w = scratch_take(SCRATCH_BLOCK);
	bool sent = false;
	u64 id;
	int why;

	if (!w)
		return 0;
	stack_head(w, EVENT_BLOCK, task, p);
	why = stack_begin(w, task, p, t);
	if (!why)
		walk_all(w);
	id = py_mix64(py_mix64(w->hash, w->stack.head.space), w->n_frames) | 1;
	for (int i = 0; i < MARK_SLOTS; i++)
		sent |= t->mark_id[i] == id;
	w->stack.weight = id;
	if (sent || !stack_send(w, why)) {
		slot &= MARK_SLOTS - 1;
		t->mark[slot] = mark;
		t->mark_id[slot] = id;
	}
	scratch_return(w);
	return id;
}

/* The stack of the current thread `task`, which stops running. */
static __always_inline void block_note(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 sp, u64 now)
{
	u32 slot = MARK_SLOTS, index = p->python.layout - 1;
	struct py_layout *layout = bpf_map_lookup_elem(&layouts, &index);
	u64 mark = py_mix64(sp, ((u64)p->space << 32) | (u32)t->syscall);

	if (layout)
		mark = py_mix64(mark, walk_mark(layout, &t->cache));
	for (u32 i = 0; i < MARK_SLOTS; i++) {
		if (t->mark[i] == mark)
			slot = i;
	}
	t->block_id = 0;
	if (bucket_take(0, now) || (slot == MARK_SLOTS && bucket_take(1, now))) {
		if (slot == MARK_SLOTS)
			slot = t->mark_next++;
		t->block_id = block_walk(t, task, p, mark, slot);
	} else if (slot < MARK_SLOTS) {
		t->block_id = t->mark_id[slot & (MARK_SLOTS - 1)];
	} else {
		COUNT(skipped_walks);
	}
}

/* The process of `task`, which starts to run, has waited for `gap` ns. */
static __noinline int gap_charge(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 gap)
{
	u32 kind = p->last_runnable ? WAIT_RUNNABLE : t->fault ? WAIT_PAGE_IN : WAIT_BLOCKED;
	struct wait_sum *sum = &t->sums[kind == WAIT_RUNNABLE ? SUM_RUNNABLE : SUM_BLOCKED];

	if (!t->block_id && t->mark_next && gap < WAIT_LONG_NS) {
		t->carry_ns += gap;
		t->carry_count++;
		return 0;
	}
	if (sum->ns && (sum->stack_id != t->block_id || sum->kind != kind || sum->syscall != t->syscall || sum->fd != t->fd))
		sum_send(sum, t, task, p);
	sum->stack_id = t->block_id;
	sum->kind = kind;
	sum->syscall = t->syscall;
	sum->fd = t->fd;
	sum->ns += gap + t->carry_ns;
	sum->count += 1 + (t->carry_ns ? t->carry_count : 0);
	t->carry_ns = 0;
	if (gap >= WAIT_LONG_NS || sum->ns >= WAIT_SUM_NS || sum->count >= WAIT_SUM_COUNT)
		sum_send(sum, t, task, p);
	return 0;
}

/* A wait that ended with this thread, which stops running now, without our knowledge: charged late. */
static __always_inline void gap_charge_late(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 now)
{
	u64 run, since = p->last_out_ns, late = t->late_ns;

	t->late_ns = 0;
	if (!t->on_cpu && p->running <= 0 && since) {
		run = task->se.sum_exec_runtime - t->out_run_ns;
		if (now - run > since && now > run)
			late += now - run - since;
	}
	if (late)
		gap_charge(t, task, p, late);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread_state *out = bpf_task_storage_get(&threads, prev, 0, 0);
	struct thread_state *in = bpf_task_storage_get(&threads, next, 0, 0);
	struct proc_state *p;
	u64 now, sp, since;
	u32 state;

	if (!out) {
		/* keeps the compiler from or-ing two pointers, which the verifier refuses */
		barrier_var(in);
		if (!in)
			return 0;
	}
	now = bpf_ktime_get_ns();
	p = out ? proc_of(prev) : 0;
	if (p && p->space) {
		state = prev->__state;
		gap_charge_late(out, prev, p, now);
		sp = note_call(out, prev, state);
		if (state & TASK_DEAD) {
			out->block_id = 0;
			sum_send(&out->sums[SUM_BLOCKED], out, prev, p);
			sum_send(&out->sums[SUM_RUNNABLE], out, prev, p);
		} else {
			block_note(out, prev, p, sp, now);
		}
		p->last_runnable = preempt || !state;
		p->last_out_ns = now;
		out->out_run_ns = prev->se.sum_exec_runtime;
		if (out->on_cpu)
			__sync_fetch_and_add(&p->running, -1);
		out->on_cpu = 0;
	}
	p = in ? proc_of(next) : 0;
	if (p && p->space) {
		since = p->last_out_ns;
		if (in->on_cpu)
			return 0;
		in->on_cpu = 1;
		if (__sync_fetch_and_add(&p->running, 1) == 0 && since && now > since)
			gap_charge(in, next, p, now - since);
	}
	return 0;
}
