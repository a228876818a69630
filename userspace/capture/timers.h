/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timers that take CPU samples: perf's cpu-clock, with a BPF program on it.
 *
 * A target has several, inherited by all its threads and children. One is enabled at a time; to
 * go over to another at a random moment puts the ticks elsewhere. Their periods are random ones around
 * the nominal: the first thread gets a new one each time, others keep those of their birth. A single
 * fixed period would keep step with a program that repeats itself, and see the same
 * few of its places over and over.
 *
 * Timers on threads start afresh with each thread. For threads that end within a period
 * there is one timer per CPU besides, disabled until asked for. Their periods are random, too.
 */
#ifndef FIXINGAHOLE_TIMERS_H
#define FIXINGAHOLE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TASK_TIMERS 3

struct timers {
	int task[TASK_TIMERS], task_links[TASK_TIMERS]; /* descriptors; -1: none */
	int *cpus, *cpu_links;
	int n_cpus;
	unsigned int rate_hz;
	uint64_t shifted_ns; /* when the timer was changed last */
	int current;   /* of .task */
	bool all_cpus; /* those are enabled now, in place of the target's */
};

#define TIMERS_INIT { .task = { -1, -1, -1 }, .task_links = { -1, -1, -1 } }

/*
 * Puts timers with the BPF program of descriptor `program` on `pid`, enabled, and on all CPUs, disabled.
 * plain: just one timer of the exact period on `pid`. 0 or -errno; close in any case.
 */
int timers__open(struct timers *timers, pid_t pid, int rate_hz, int program, bool plain);
/*
 * Goes over to another timer of the target, with another period. now: CLOCK_MONOTONIC. alone: there is no thread but the
 * first, which a new period for its timer does as well for, at a third of the interrupts.
 */
void timers__shift(struct timers *timers, uint64_t now_ns, bool alone);
/* Enables the timers of all CPUs and disables the target's, or the other way round. False: it stays as it is. */
bool timers__all_cpus(struct timers *timers, bool on);
void timers__close(struct timers *timers);

#endif
