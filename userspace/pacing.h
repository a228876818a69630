/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When to change the timers of a run: often enough to another of the target's that no
 * program keeps step with them; to those of all CPUs while many threads end within a period, or once it switches very often.
 */
#ifndef FIXINGAHOLE_PACING_H
#define FIXINGAHOLE_PACING_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct capture;

struct pacing {
	struct capture *capture;
	uint64_t period_ns;
	uint64_t shift_ns;  /* when to change the timer next */
	uint64_t window_ns; /* when .missed is judged next */
	uint64_t missed_ns; /* CPU time since then that timers on threads do not see */
	uint64_t switches, switches_ns; /* of the target, when they were read last, and when that was */
	double switches_per_s; /* so many cost it little */
	double switches_spent; /* beyond those */
	uint64_t sleep_ns;  /* mean */
	uint64_t random;
};

/* Times are CLOCK_MONOTONIC nanoseconds. */
void pacing_init(struct pacing *pacing, struct capture *capture, int rate_hz, uint64_t now);
/* A thread ended that had run for run_ns. */
void pacing_thread_exit(struct pacing *pacing, uint64_t run_ns);
void pacing_step(struct pacing *pacing, uint64_t now);
/* How long to sleep before the next step: random, so that the steps keep no time with anything. idle: there were no records. */
uint64_t pacing_sleep_ns(struct pacing *pacing, bool idle);

#endif
