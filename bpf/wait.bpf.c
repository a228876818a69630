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
 * - a mark not seen before, or a place (system call, stack pointer) not seen lately on this CPU, is walked within
 *   a budget of its own (BUDGET_NEW); over that too, the wait is carried over to the thread's next walk, and counted;
 * - a mark still costs three reads of user memory, so marks have a budget as well
 *   (BUDGET_MARK). Over it a switch-out is not looked at. Should its wait count after all, the
 *   thread's registers, which the kernel keeps while it sleeps, tell the system call and the stack
 *   depth, and the stack last seen there is taken; that is counted as estimated.
 * Short waits of one kind are added up and sent together.
 *
 * Some virtual machines hide the switches away from their own service tasks, so a
 * switch-in can go unannounced. Each CPU therefore remembers which thread is counted there; a
 * switch-out of another one finds out from its run time when it must have come in.
 *
 * From one thread to another of the same process on the same CPU, nothing begins and nothing ends: unless the budgets
 * have it looked at, nothing is even written down about the thread that stops, only who runs now (struct cpu_state).
 */
#include "stack.h"
#include "waiting.h"

#define TASK_DEAD 0x80

extern __s32 follow_all; /* process.bpf.c */

/* Budgets grow by the unit of time (never 0), per CPU; so many of it can count at once. Userspace makes it longer where samples are few. */
__u64 budget_unit_ns = 4000000;
__u32 budget_new = 4; /* BUDGET_NEW, per unit */
#define BUDGET_UNITS_MAX 50
#define BUDGET_WALK_SAVED 50

enum budget { BUDGET_WALK, BUDGET_NEW, BUDGET_MARK, BUDGET_LONG };

/* About a thread that stops: it was known to run; it was preempted; its stack is walked, or a mark taken. */
enum stop { STOP_COUNTED = 1 << 0, STOP_PREEMPTED = 1 << 1, STOP_WALK = 1 << 2, STOP_MARK = 1 << 3 };

/* A wait from this length on is sent by itself; sums are sent from the second on. */
#define WAIT_LONG_NS 1000000ULL
__u64 wait_long_ns = WAIT_LONG_NS, wait_sum_ns = 10000000; /* userspace makes them longer where there are many processes */
#define WAIT_SUM_COUNT 4096

#define SYS_poll 7

static __always_inline bool budget_take(struct cpu_state *c, enum budget which)
{
	if (!c->tokens[which])
		return false;
	c->tokens[which]--;
	return true;
}

/*
 * Once half of the walks is spent, chance decides who gets the next one: a program whose callers of one wait
 * take turns would else have all of them charged to one.
 */
static __always_inline bool budget_take_walk(struct cpu_state *c, u64 now)
{
	if (c->tokens[BUDGET_WALK] < BUDGET_WALK_SAVED / 2 && (py_mix64(now, 0) & (7ULL << 32)))
		return false;
	return budget_take(c, BUDGET_WALK);
}

static __always_inline void budget_fill(struct cpu_state *c, enum budget which, u32 more, u32 most)
{
	c->tokens[which] = c->tokens[which] + more > most ? most : c->tokens[which] + more;
}

/* Fills the CPU's budgets up to now. */
static __always_inline void budgets_fill(struct cpu_state *c, u64 now)
{
	u64 units = (now - c->filled_ns) / budget_unit_ns;

	if (!units)
		return;
	c->filled_ns = now;
	if (units > BUDGET_UNITS_MAX)
		units = BUDGET_UNITS_MAX;
	budget_fill(c, BUDGET_WALK, units, BUDGET_WALK_SAVED);
	budget_fill(c, BUDGET_NEW, budget_new * units, 50);
	budget_fill(c, BUDGET_MARK, 16 * units, 500);
	budget_fill(c, BUDGET_LONG, 2 * units, 25);
}

static __always_inline void place_forget(struct cpu_state *c, u64 place)
{
	u32 slot = place_find(c->place, place);

	if (slot < PLACE_SLOTS)
		c->place[slot & (PLACE_SLOTS - 1)] = 0;
}

/*
 * Where `task`, which does not run, is in its program, by what the kernel has of its registers: good enough to tell a call
 * from others. 0: it is in none.
 */
static __always_inline u64 place_of(struct task_struct *task)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	return (s32)regs->orig_ax < 0 ? 0 : py_mix64(regs->sp, regs->orig_ax);
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
static __always_inline u64 block_walk(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 mark, u32 slot)
{
	struct walk *w = scratch_take(SCRATCH_BLOCK);
	bool sent = false;
	u64 id;
	int why;

	if (!w)
		return 0;
	stack_head(w, EVENT_BLOCK, task, p, bpf_ktime_get_ns());
	why = stack_begin(w, p, t);
	if (!why)
		walk_all(w, &p->python);
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
static __always_inline void block_note(struct thread_state *t, struct task_struct *task, struct proc_state *p, struct cpu_state *c, bool walk)
{
	u64 place = note_call(t, task), mark;
	u32 slot = MARK_SLOTS;

	note_poll(t, task);
	t->noted = 1;
	t->block_id = 0;
	mark = place_mark(t, p, place);
	for (u32 i = 0; i < MARK_SLOTS; i++) {
		if (t->mark[i] == mark)
			slot = i;
	}
	if (walk || (slot == MARK_SLOTS && budget_take(c, BUDGET_NEW))) {
		if (slot == MARK_SLOTS)
			slot = t->mark_next++;
		t->block_id = block_walk(t, task, p, mark, slot);
	} else if (slot < MARK_SLOTS) {
		t->block_id = t->mark_id[slot & (MARK_SLOTS - 1)];
	}
	/* stops outside of calls are in too many places, and would drive those of calls out */
	if (t->syscall >= 0)
		t->place_id[place_take(t->place, place, &t->place_next)] = t->block_id;
}

/* The process of `task`, which starts to run, has waited for `gap` ns. */
static __noinline int gap_charge(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 gap)
{
	struct wait_sum *sum;
	u32 kind;

	if (t->sums[SUM_LATE].ns)
		sum_send(&t->sums[SUM_LATE], t, task, p);
	stop_recall(t, task);
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
	if (gap >= wait_long_ns || sum->ns >= wait_sum_ns || sum->count >= WAIT_SUM_COUNT)
		sum_send(sum, t, task, p);
	return 0;
}

/*
 * A wait that ended with this thread, which stops running now, without our knowledge. It is
 * put aside and sent with the thread's next wait, or at its end. counted: it was known to run.
 */
static __always_inline void gap_charge_late(struct thread_state *t, struct task_struct *task, struct proc_state *p, u64 now, bool counted)
{
	u64 run, since = p->last_out_ns, late = t->late_ns;
	struct wait_sum *sum = &t->sums[SUM_LATE];

	t->late_ns = 0;
	if (!counted && p->running <= 0 && since) {
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

/*
 * Writes down that the current thread stops running. how: enum stop. Not static: the verifier looks at it once, and not again for each way that
 * leads here, which took half of the time in which a run starts.
 */
__attribute__((noinline)) int stop_note(struct proc_state *p, struct cpu_state *c, u64 now, u32 how)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, 0);
	u32 state;

	if (!t || !p || !c)
		return 0;
	state = how & STOP_PREEMPTED ? 0 : task->__state;
	t->out_state = state;
	gap_charge_late(t, task, p, now, how & STOP_COUNTED);
	t->noted = 0;
	if (state & TASK_DEAD) {
		for (int i = 0; i < SUMS; i++)
			sum_send(&t->sums[i], t, task, p);
	} else if (how & (STOP_WALK | STOP_MARK)) {
		block_note(t, task, p, c, how & STOP_WALK);
	}
	t->out_run_ns = task->se.sum_exec_runtime;
	return 0;
}

/*
 * Who was counted here is not who stops: its own switch-out was not announced. If that
 * is a thread of the same process, it takes over; else the process is counted once too often until we meet it again here.
 */
static __always_inline bool take_over(struct cpu_state *c, struct task_struct *prev)
{
	if (c->tgid == prev->tgid)
		return true;
	c->owed = c->tgid;
	c->pid = 0;
	return false;
}

static __always_inline void pay_owed(struct cpu_state *c, struct task_struct *task, struct proc_state *p)
{
	if (!p || c->owed != task->tgid)
		return;
	__sync_fetch_and_add(&p->running, -1);
	c->owed = 0;
}

static __always_inline void switch_in(struct cpu_state *c, struct task_struct *task, struct proc_state *p, u64 now)
{
	u64 since = p->last_out_ns, place;
	struct thread_state *t;

	cpu_enter(c, task, now);
	if (__sync_fetch_and_add(&p->running, 1) != 0 || !since || now <= since)
		return;
	t = bpf_task_storage_get(&threads, task, 0, 0);
	if (!t)
		return;
	gap_charge(t, task, p, now - since);
	place = place_of(task);
	if (!t->block_id)
		place_forget(c, place);
	if (now - since >= WAIT_LONG_NS && !follow_all)
		c->wanted[c->wanted_next++ & (WANTED_SLOTS - 1)] = place;
}

/* Was there a long wait at `place` just now? Asked once. */
static __always_inline bool wanted_take(struct cpu_state *c, u64 place)
{
	bool found = false;

	for (u32 i = 0; i < WANTED_SLOTS; i++) {
		if (place && c->wanted[i] == place) {
			c->wanted[i] = 0;
			found = true;
		}
	}
	return found;
}

/*
 * How closely to look at `place`, where a thread stops. One where nobody stopped lately is worth a walk: it may be for long. Not static: see
 * stop_note().
 */
__attribute__((noinline)) u32 look_how(struct cpu_state *c, u64 place, u64 now)
{
	bool known, walk;

	if (!c)
		return 0;
	budgets_fill(c, now);
	known = !place || place_find(c->place, place) < PLACE_SLOTS;
	walk = (wanted_take(c, place) && budget_take(c, BUDGET_LONG)) || budget_take_walk(c, now);
	if (walk || (!known && budget_take(c, BUDGET_NEW))) {
		if (!known)
			place_take(c->place, place, &c->place_next);
		/* a CPU cannot remember all the places of a whole machine, but the thread may */
		return walk || !follow_all ? STOP_WALK : STOP_MARK;
	}
	return budget_take(c, BUDGET_MARK) ? STOP_MARK : 0;
}

/* The process of a thread that switches, if it is a target's: an idle task, of pid 0, is nobody's. */
static __always_inline struct proc_state *target_of(struct task_struct *task)
{
	struct proc_state *p = task->pid ? proc_of(task) : 0;

	return p && p->space ? p : 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct cpu_state *c = cpu_get();
	struct proc_state *from = 0, *to = 0;
	bool counted, handover;
	u32 state, how;
	u64 now;

	if (!c)
		return 0;
	counted = c->pid && (c->pid == prev->pid || take_over(c, prev));
	/* from one thread to another of the same process, which runs on */
	handover = counted && prev->tgid == next->tgid;
	if (!handover) {
		from = target_of(prev);
		to = target_of(next);
		if (!from && !to) {
			c->pid = 0;
			return 0;
		}
	}
	now = bpf_ktime_get_ns();
	c->switches++;
	state = preempt ? 0 : prev->__state;
	how = (counted ? STOP_COUNTED : 0) | (preempt ? STOP_PREEMPTED : 0);
	/* on a whole machine most processes are no Python: they have no stack to be read */
	if (handover || (from && (!follow_all || !proc_learn(from))))
		how |= look_how(c, place_of(prev), now);
	/* the cheapest way, which a program that hands over all the time goes: nothing is written down */
	if (handover && how == STOP_COUNTED && state && !(state & TASK_DEAD) && !c->late) {
		cpu_enter(c, next, now);
		return 0;
	}
	if (handover)
		from = target_of(prev);
	if (from) {
		stop_note(from, c, now, how);
		c->late = 0;
		if (handover) {
			cpu_enter(c, next, now);
			return 0;
		}
		pay_owed(c, prev, from);
		from->last_runnable = !state;
		from->last_out_ns = now;
		if (counted)
			__sync_fetch_and_add(&from->running, -1);
	}
	c->pid = 0;
	if (to) {
		pay_owed(c, next, to);
		switch_in(c, next, to, now);
	}
	return 0;
}
