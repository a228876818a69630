// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * CPU samples: a timer of perf (cpu-clock) that runs while a target thread does.
 *
 * Such a timer starts afresh with every thread, so one that ends within a period is never
 * seen. When many do, userspace lets a timer on every CPU take over, which strikes a
 * thread at any moment of its life.
 */
#include "stack.h"

/* Their period now, while the timers on all CPUs run; else 0. Set by userspace. */
__u64 all_cpus_period_ns = 0;

/* It runs, so it counts as running, even if its switch-in was not announced (see wait.bpf.c). */
static __always_inline void note_running(struct cpu_state *c, struct task_struct *task, struct thread_state *t, struct proc_state *p, u64 now)
{
	u64 since = p->last_out_ns;

	if (c->pid == task->pid)
		return;
	if (c->pid && c->tgid != task->tgid)
		c->owed = c->tgid;
	if ((!c->pid || c->tgid != task->tgid) && __sync_fetch_and_add(&p->running, 1) == 0 && since && now > since) {
		t->late_ns += now - since;
		c->late = 1;
	}
	cpu_enter(c, task, now);
}

/* Of what was put by, a sample under the timers on all CPUs gets this part. */
#define UNSPENT_PARTS 8

/*
 * The time that this sample stands for: what the thread has run since its last one. That is
 * a period, unless the timer came late (a busy host) or lost time at switches (50,000 of them
 * a second lose a third of it). So the samples of a thread add up to its time on CPU.
 *
 * Under the timers on all CPUs the first sample of a thread stands for a whole period, however
 * short the thread has run: a thread that runs a tenth of a period is struck one time in ten. They strike a program that works in short bursts
 * anywhere in these, and what it ran since the last time is the more, the later in a burst it is struck: if each sample stood for that, the beginnings
 * would get too little (18 % where 25 are true). So it is put by, and each sample stands for a part of what was put by before it, which says
 * nothing of the place.
 */
static __always_inline u64 sample_weight(const struct cpu_state *cpu, struct thread_state *t, u64 now)
{
	u64 run = cpu_run_ns(cpu, now), weight;

	if (run <= t->sampled_run_ns)
		return 0;
	weight = run - t->sampled_run_ns;
	if (all_cpus_period_ns) {
		u64 put_by = t->sampled_run_ns == t->run_base_ns ? all_cpus_period_ns : weight;

		if (!t->unspent_ns)
			t->unspent_ns = UNSPENT_PARTS * all_cpus_period_ns;
		weight = t->unspent_ns / UNSPENT_PARTS;
		t->unspent_ns += put_by - weight;
	}
	t->sampled_run_ns = run;
	return weight;
}

/* Words above the stack pointer among which a direct caller's return address must be. */
#define CALLER_WORDS 16

/*
 * Is the code at ip, outside of the interpreter, called by it directly? Then what runs
 * is a part of the interpreter's own work (an allocation, a copy, a look-up of a thread-local
 * variable), which only the nearest return address tells from work of an extension module.
 */
static __always_inline int from_interp(struct walk *w, const struct walk_process *p, u64 ip, u64 sp)
{
	if (!p->layout || (ip >= p->text_start && ip < p->text_end))
		return 0;
	if (READ_USER(w->window, CALLER_WORDS * sizeof(u64), sp))
		return 0;
	for (int i = 0; i < CALLER_WORDS; i++) {
		if (w->window[i] >= p->text_start && w->window[i] < p->text_end)
			return STACK_FROM_INTERP;
	}
	return 0;
}

SEC("perf_event")
int cpu_sample(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *t = bpf_task_storage_get(&threads, task, 0, 0);
	struct proc_state *p = proc_of(task);
	struct cpu_state *cpu = cpu_get();
	struct walk *w;
	u64 cs = *(volatile unsigned long *)&ctx->regs.cs, now = bpf_ktime_get_ns();
	int why;

	if (!t || !p || !p->space || !cpu)
		return 0;
	w = scratch_take(SCRATCH_CPU);
	if (!w)
		return 0;
	note_running(cpu, task, t, p, now);
	stack_head(w, EVENT_CPU, task, p, now);
	w->stack.weight = sample_weight(cpu, t, now);
	why = stack_begin(w, p, t);
	if (!why)
		walk_all(w, &p->python);
	if ((cs & 3) == 0) {
		why |= STACK_KERNEL;
	} else {
		w->stack.user_ip = ctx->regs.ip;
		why |= from_interp(w, &p->python, ctx->regs.ip, ctx->regs.sp);
	}
	if (w->instr && !READ_USER(&w->stack.opcode, sizeof(w->stack.opcode), w->instr))
		why |= STACK_OPCODE;
	stack_send(w, why);
	scratch_return(w);
	return 0;
}

/* The same timer with nothing to do: what the machine takes for it (benchmarks). */
SEC("perf_event")
int cpu_empty(struct bpf_perf_event_data *ctx)
{
	return 0;
}
