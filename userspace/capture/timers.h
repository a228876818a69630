/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timers that take CPU samples: perf's cpu-clock, with a BPF program on it.
 *
 * A target has two, inherited by all its threads and children. One is enabled at a time; to
 * go over to the other at a random moment puts the ticks elsewhere. Their periods are random ones around
 * the nominal: the first thread gets a new one each time, others keep those of their birth. A single
 * fixed period would keep step with a program that repeats itself, and see the same
 * few of its places over and over.
 *
 * Timers on threads start afresh with each thread. For threads that end within a period
 * there can be one timer per CPU in their place. These have a random period, too, the same for all. They exist only while
 * they are used: even a disabled one is looked at in every switch to a thread of the target.
 *
 * A switch to or from a thread with a timer makes the kernel start or stop that, 4 us each in a virtual machine: a server that answers
 * 9,000 short requests a second took 9 to 17 % longer for it. A target that switches often therefore gets the timers of the CPUs for good,
 * whose ticks mostly find an idle CPU or somebody else.
 *
 * A process that ran before us, mostly a server, has these from the start, unless so many CPUs tick so often that this is no trifle. Then it has a timer on
 * each thread that it has by then, which later ones inherit; where there are too many, those of the CPUs do all the time.
 */
#ifndef FIXINGAHOLE_TIMERS_H
#define FIXINGAHOLE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TASK_TIMERS 2
/*
 * Ticks a second of all CPUs together that are no burden to a machine. In a virtual machine each takes 25 us from whoever runs there, be it the
 * target or not: a CPU that is busy loses 2 to 3 % to 1000 of them a second.
 */
#define TICKS_CHEAP 2000

struct timers {
	int task[TASK_TIMERS], task_links[TASK_TIMERS]; /* descriptors; -1: none */
	int *cpus, *cpu_links;
	int n_cpus;
	uint64_t cpus_period_ns; /* theirs now, which is what a sample of a thread that no other saw stands for */
	int program; /* descriptor of the BPF program; not ours */
	unsigned int rate_hz;
	uint64_t shifted_ns; /* when the timer was changed last */
	int current;   /* of .task */
	bool all_cpus; /* those of the CPUs are used now, in place of the target's */
	int failed;    /* -errno: they could not be opened */
	struct task_timer { int timer, link; } *attached;
	size_t n_attached, cap_attached;
	size_t next_attached;  /* to get another period */
	bool enabled;          /* those of attached threads are */
	bool only_cpus;        /* those of the CPUs do all from now on */
	bool threads_only;     /* children of attached processes inherit none */
};

#define TIMERS_INIT { .task = { -1, -1 }, .task_links = { -1, -1 } }

/*
 * Puts timers with the BPF program of descriptor `program` on `pid`. plain: just one, of the exact period.
 * 0 or -errno; close in any case.
 */
int timers__open(struct timers *timers, pid_t pid, int rate_hz, int program, bool plain);
/*
 * Puts a timer on a thread that runs already, disabled until timers__enable(). rate_hz and program as above. 0 or -errno; -ESRCH: it
 * has ended.
 */
int timers__attach(struct timers *timers, pid_t tid, int rate_hz, int program);
/* How often all CPUs together would tick in a second. */
double timers__ticks(int rate_hz);
/* Are timers on CPUs fit to do all, at this rate: cheap enough, and to be had? */
bool timers__cpus_fit(int rate_hz);
/* Only timers on CPUs, from the first timers__enable() on. */
void timers__only_cpus(struct timers *timers, int rate_hz, int program);
/* All that were attached since the last call. 0 or -errno: those on the CPUs cannot be had. */
int timers__enable(struct timers *timers);
/*
 * Goes over to the other timer of the target, with another period. now: CLOCK_MONOTONIC. alone: there is no thread but the
 * first, which a new period for its timer does as well for, at a third of the interrupts.
 */
void timers__shift(struct timers *timers, uint64_t now_ns, bool alone);
/* Lets timers on all CPUs take over from the target's, or the other way round. False: it stays as it is. */
bool timers__all_cpus(struct timers *timers, bool on);
/* Timers on all CPUs from now on; the target's own are closed. False: they were already, cannot be had, or this machine has too many CPUs for that. */
bool timers__all_cpus_for_good(struct timers *timers);
void timers__close(struct timers *timers);

#endif
