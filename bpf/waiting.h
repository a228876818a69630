/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What a thread that does not run waits for, and how its waiting is sent.
 */
#ifndef FIXINGAHOLE_WAITING_H
#define FIXINGAHOLE_WAITING_H

#include "maps.h"

#include <bpf/bpf_endian.h>

#include "object.h"

#define TASK_INTERRUPTIBLE 1
#define TASK_UNINTERRUPTIBLE 2

#define SYS_select 23
#define SYS_clock_nanosleep 230
#define SYS_pselect6 270

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

/* The slot of `place`, or PLACE_SLOTS. A place has PLACE_WAYS slots to be in. */
static __always_inline u32 place_find(const u64 *places, u64 place)
{
	u32 first = (place >> 32) & (PLACE_SLOTS - PLACE_WAYS);

	for (u32 i = 0; i < PLACE_WAYS; i++) {
		if (places[first + i] == place)
			return first + i;
	}
	return PLACE_SLOTS;
}

/* The same; it takes another's slot if need be, in turn. */
static __always_inline u32 place_take(u64 *places, u64 place, u32 *next)
{
	u32 slot = place_find(places, place);

	if (slot == PLACE_SLOTS)
		slot = ((place >> 32) & (PLACE_SLOTS - PLACE_WAYS)) + ((*next)++ & (PLACE_WAYS - 1));
	/* the compiler knows the range, the verifier of old kernels does not */
	barrier_var(slot);
	slot &= PLACE_SLOTS - 1;
	places[slot] = place;
	return slot;
}

/* Is what `t` says of a switch-out about the last one of all? `task` does not run, or starts to just now. */
static __always_inline bool stop_known(const struct thread_state *t, struct task_struct *task)
{
	return t->out_run_ns == task->se.sum_exec_runtime;
}

/* What the thread waits for since it stopped. Returns what its registers tell of the place. */
static __always_inline u64 note_call(struct thread_state *t, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	s32 nr = (s32)regs->orig_ax;

	t->fault = nr < 0 && (t->out_state & TASK_UNINTERRUPTIBLE);
	t->syscall = nr < 0 ? -1 : nr;
	/* a select of no descriptor is how CPython slept up to 3.10 */
	if ((nr == SYS_select || nr == SYS_pselect6) && !regs->di)
		t->syscall = SYS_clock_nanosleep;
	t->fd = waits_for_fd(nr) ? (s32)regs->di : -1;
	return py_mix64(regs->sp, (u32)t->syscall);
}

/* The place of a switch-out that was not looked at, once it turns out that it counts. */
static __always_inline void block_guess(struct thread_state *t, struct task_struct *task)
{
	u32 slot = place_find(t->place, note_call(t, task));

	t->block_id = slot < PLACE_SLOTS ? t->place_id[slot & (PLACE_SLOTS - 1)] : 0;
	t->noted = 1;
	t->estimated++;
}

/* Makes what `t` says be about the last switch-out of all, as far as can be told. `task` as above. */
static __always_inline void stop_recall(struct thread_state *t, struct task_struct *task)
{
	if (!stop_known(t, task)) {
		/* one that was preempted would have been written down */
		t->out_state = TASK_INTERRUPTIBLE;
		t->noted = 0;
	}
	if (!t->noted)
		block_guess(t, task);
}

/* Where the main thread stands meanwhile, for a wait that ends in a helper thread of some library. */
static __always_inline u64 main_stack(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct thread_state *main;

	if (task->pid == task->tgid || !leader)
		return 0;
	main = bpf_task_storage_get(&threads, leader, 0, 0);
	return main && leader->__state && stop_known(main, leader) && main->noted ? main->block_id : 0;
}

/* Whose a sum is. */
struct sum_owner {
	u64 files;         /* kernel address */
	u64 main_stack_id;
	u32 pid, tid, space;
	u32 estimated;
};

/* A function of its own for the verifier; weak, since more than one program has it. */
__attribute__((noinline, weak)) int sum_send_as(struct wait_sum *sum, struct sum_owner *owner)
{
	struct event_wait *event;

	if (!sum || !owner)
		return 0;
	/* made in the buffer: 6.1 counts the stacks of all callers together */
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		*event = (struct event_wait){
			.head = {
				.kind = EVENT_WAIT,
				.size = sizeof(*event),
				.time_ns = bpf_ktime_get_ns(),
				.pid = owner->pid,
				.tid = owner->tid,
				.space = owner->space,
			},
			.stack_id = sum->stack_id,
			.main_stack_id = owner->main_stack_id,
			.wait_ns = sum->ns,
			.count = sum->count,
			.wait_kind = sum->kind,
			.syscall = sum->syscall,
			.estimated = owner->estimated,
		};
		object_fill(owner->files, sum->fd, &event->object);
		bpf_ringbuf_submit(event, send_flags(false));
	} else {
		COUNT(dropped);
	}
	sum->ns = 0;
	sum->count = 0;
	return 0;
}

static __always_inline void sum_send(struct wait_sum *sum, struct thread_state *t, struct task_struct *task, struct proc_state *p)
{
	struct sum_owner owner;

	if (!sum->ns)
		return;
	owner = (struct sum_owner){
		.files = (u64)BPF_CORE_READ(task, files),
		.main_stack_id = main_stack(task),
		.pid = pid_of(task),
		.tid = tid_of(task),
		.space = p->space,
		.estimated = t->estimated,
	};
	t->estimated = 0;
	sum_send_as(sum, &owner);
}

#endif
