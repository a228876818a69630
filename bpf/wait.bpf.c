// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * Waiting. sched_switch keeps count of the threads of a process that run. From
 * the moment the last one stops until one runs again the process waits, and that
 * interval is charged to the stack where the thread that ends it had stopped.
 *
 * A stack can only be read while its thread is current, so it is read at
 * switch-out, before anybody knows whether the wait will be long. Programs that
 * switch 50,000 times a second must not pay for that, hence:
 * - each CPU has a budget of full walks (BUDGET_WALK). Within it every switch-out is walked;
 * - over it, a cheap mark of the place (innermost frame and instruction, stack pointer, system
 *   call) is looked up in the thread's own memory of stacks walked before;
 * - a mark not seen before is walked within a budget of its own (BUDGET_NEW); over that too,
 *   the wait is carried over to the thread's next walk, and counted;
 * - a mark still costs three reads of user memory, so marks have a budget as well
 *   (BUDGET_MARK). Over it a switch-out is not looked at. Should its wait count after all, the
 *   thread's registers, which the kernel keeps while it sleeps, tell the system call and the stack
 *   depth, and the stack last seen there is taken; that is counted as estimated.
 * Short waits of one kind are added up and sent together.
 *
 * Some virtual machines hide the switches away from their own service tasks, so a
 * switch-in can go unannounced. Each thread therefore remembers whether it is counted; a
 * switch-out of one that is not finds out from its run time when it must have come in.
 */
#include "stack.h"
#include "waiting.h"

#define TASK_DEAD 0x80

/* Per CPU and unit of time; the most that can be saved up. */
#define BUDGET_UNIT_NS 1000000ULL
#define BUDGET_SAVED_UNITS 50
enum budget { BUDGET_WALK, BUDGET_NEW, BUDGET_MARK, BUDGETS };

/* A wait from this length on is sent by itself; sums are sent from the second on. */
#define WAIT_LONG_NS 1000000ULL
#define WAIT_SUM_NS 10000000ULL
#define WAIT_SUM_COUNT 4096

#define SYS_poll 7

static __always_inline bool budget_take(struct budgets *b, enum budget which)
{
	if (!b->tokens[which])
		return false;
	b->tokens[which]--;
	return true;
}

/* The CPU's budgets, filled up to now. */
static __always_inline struct budgets *budgets_get(u64 now)
{
	u32 zero = 0;
	struct budgets *b = bpf_map_lookup_elem(&budgets, &zero);
	u64 units;

	if (!b)
		return 0;
	units = (now - b->filled_ns) / BUDGET_UNIT_NS;
	if (units) {
		const u32 per_unit[BUDGETS] = { [BUDGET_WALK] = 1, [BUDGET_NEW] = 1, [BUDGET_MARK] = 10 };

		b->filled_ns = now;
		if (units > BUDGET_SAVED_UNITS)
			units = BUDGET_SAVED_UNITS;
		for (int i = 0; i < BUDGETS; i++) {
			b->tokens[i] += units * per_unit[i];
			if (b->tokens[i] > BUDGET_SAVED_UNITS * per_unit[i])
				b->tokens[i] = BUDGET_SAVED_UNITS * per_unit[i];
		}
	}
	return b;
}

/* poll() of one descriptor is a wait for that one. `task` is current. */
static __always_inline void note_poll(struct thread_state *t, struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
	s32 fd;

	if (t->syscall == SYS_poll && regs->si == 1 && !READ_USER(&fd, sizeof(fd), regs->di))
		t->fd = fd;
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

static __always_inline u64 place_mark(struct thread_state *t, struct proc_state *p, u64 place)
{
	u32 index = p->python.layout - 1;
	struct py_layout *layout = bpf_map_lookup_elem(&layouts, &index);

	return layout ? py_mix64(place, walk_mark(layout, &t->cache)) : place;
}

/* The stack of the current thread `task`, which stops running: walked, or by its mark. */
static __always_inline void block_note(struct thread_state *t, struct task_struct *task, struct proc_state *p, struct budgets *b, bool walk)
{
	u64 place = note_call(t, task), mark;
	u32 slot = MARK_SLOTS, at = (place >> 32) & (PLACE_SLOTS - 1);

	note_poll(t, task);
	mark = place_mark(t, p, place);
	for (u32 i = 0; i < MARK_SLOTS; i++) {
		if (t->mark[i] == mark)
			slot = i;
	}
	t->noted = 1;
	t->block_id = 0;
	if (walk || (slot == MARK_SLOTS && budget_take(b, BUDGET_NEW))) {
		if (slot == MARK_SLOTS)
			slot = t->mark_next++;
		t->block_id = block_walk(t, task, p, mark, slot);
	} else if (slot < MARK_SLOTS) {
		t->block_id = t->mark_id[slot & (MARK_SLOTS - 1)];
	} else {
		COUNT(skipped_walks);
	}
	t->place[at] = place;
	t->place_id[at] = t->block_id;
}

/* The process of `task`, which starts to run, has waited for `gap` ns. */
static __noinline int gap_charge(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 gap)
{
	struct wait_sum *sum;
	u32 kind;

	sum_send(&t->sums[SUM_LATE], t, task, p);
	if (!t->noted)
		block_guess(t, task);
	/* the last one to stop was preempted; or this one was, or is new, and had to wait for a CPU */
	kind = p->last_runnable || !t->out_state ? WAIT_RUNNABLE : t->fault ? WAIT_PAGE_IN : WAIT_BLOCKED;
	sum = &t->sums[kind == WAIT_RUNNABLE ? SUM_RUNNABLE : SUM_BLOCKED];
	if (!t->block_id && t->mark_next && gap < WAIT_LONG_NS) {
		t->carry_ns += gap;
		t->carry_count++;
		t->estimated++;
		return 0;
	}
	if (sum->ns && (sum->stack_id != t->block_id || sum->kind != kind || sum->syscall != t->syscall || sum->fd != t->fd))
		sum_send(sum, t, task, p);
	sum->stack_id = t->block_id;
	sum->kind = kind;
	sum->syscall = t->syscall;
	sum->fd = t->fd;
	sum->ns += gap + t->carry_ns;
	sum->count += 1 + t->carry_count;
	t->carry_ns = 0;
	t->carry_count = 0;
	if (gap >= WAIT_LONG_NS || sum->ns >= WAIT_SUM_NS || sum->count >= WAIT_SUM_COUNT)
		sum_send(sum, t, task, p);
	return 0;
}

/*
 * A wait that ended with this thread, which stops running now, without our knowledge. It is
 * put aside and sent with the thread's next wait, or at its end.
 */
static __always_inline void gap_charge_late(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 now)
{
	u64 run, since = p->last_out_ns, late = t->late_ns;
	struct wait_sum *sum = &t->sums[SUM_LATE];

	t->late_ns = 0;
	if (!t->on_cpu && p->running <= 0 && since) {
		run = task->se.sum_exec_runtime - t->out_run_ns;
		if (now - run > since && now > run)
			late += now - run - since;
	}
	if (!late)
		return;
	if (!sum->ns) {
		sum->stack_id = t->noted ? t->block_id : 0;
		sum->syscall = t->syscall;
		sum->fd = t->fd;
		sum->kind = p->last_runnable ? WAIT_RUNNABLE : t->fault ? WAIT_PAGE_IN : WAIT_BLOCKED;
	}
	sum->ns += late;
	sum->count++;
}

static __always_inline void switch_out(struct thread_state *t, struct task_struct *task, struct proc_state *p, struct budgets *b, bool walk, bool mark)
{
	t->noted = 0;
	if (t->out_state & TASK_DEAD) {
		for (int i = 0; i < SUMS; i++)
			sum_send(&t->sums[i], t, task, p);
	} else if (walk || mark) {
		block_note(t, task, p, b, walk);
	}
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct thread_state *out = bpf_task_storage_get(&threads, prev, 0, 0);
	struct thread_state *in = bpf_task_storage_get(&threads, next, 0, 0);
	struct proc_state *p = 0;
	struct budgets *b;
	u64 now, since;

	if (!out) {
		/* keeps the compiler from or-ing two pointers, which the verifier refuses */
		barrier_var(in);
		if (!in)
			return 0;
	}
	now = bpf_ktime_get_ns();
	if (out) {
		/* from one thread to another of the same process, which runs on */
		bool handover = in && prev->tgid == next->tgid && out->on_cpu && !in->on_cpu;
		bool walk, mark;

		b = budgets_get(now);
		if (!b)
			return 0;
		walk = budget_take(b, BUDGET_WALK);
		mark = !walk && budget_take(b, BUDGET_MARK);
		out->out_state = preempt ? 0 : prev->__state;
		if (!handover || walk || mark || out->late_ns || (out->out_state & TASK_DEAD))
			p = proc_of(prev);
		if (p && p->space) {
			gap_charge_late(out, prev, p, now);
			switch_out(out, prev, p, b, walk, mark);
		} else {
			out->noted = 0;
		}
		out->out_run_ns = prev->se.sum_exec_runtime;
		if (handover) {
			out->on_cpu = 0;
			in->on_cpu = 1;
			in->in_ns = now;
			return 0;
		}
		if (p && p->space) {
			p->last_runnable = !out->out_state;
			p->last_out_ns = now;
			if (out->on_cpu)
				__sync_fetch_and_add(&p->running, -1);
			out->on_cpu = 0;
		}
	}
	p = in ? proc_of(next) : 0;
	if (p && p->space && !in->on_cpu) {
		since = p->last_out_ns;
		in->on_cpu = 1;
		in->in_ns = now;
		if (__sync_fetch_and_add(&p->running, 1) == 0 && since && now > since)
			gap_charge(in, next, p, now - since);
	}
	return 0;
}
