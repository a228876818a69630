// SPDX-License-Identifier: Apache-2.0
#include "pacing.h"

#include "capture/capture.h"
#include "capture/timers.h"
#include "util/clock.h"
#include "util/log.h"

#define SLEEP_NS 12000000ULL /* on average; at low rates as many periods as below, up to: */
#define SLEEP_MOST_NS 40000000ULL
#define IDLE_SLEEP_NS 30000000ULL /* more, while nothing happens */
/* Periods between two changes of the timer, at least; and the part of our time that changing may take. */
#define SHIFT_PERIODS 8
#define SHIFT_COST 200
/* Missed time is judged in windows of this length: over 2 % of it, timers on all CPUs; below 0.5 % in a calm one, back. */
#define WINDOW_NS 250000000ULL
#define CALM_WINDOW_NS 1000000000ULL
#define MANY_PART 50
#define FEW_PART 200

/*
 * A target may start and stop so often in a second that its threads' own timers cost it a thousandth of its time; where the ticks of all CPUs
 * together are a burden to others, much more often. What it switches beyond that adds up, and when it is as much as
 * SWITCHES_SPENT, the timers of the CPUs take over.
 */
#define SWITCHES_WINDOW_NS 40000000ULL
#define SWITCHES_CHEAP 300 /* per second */
#define SWITCHES_MANY 20000
#define SWITCHES_SPENT 600

void pacing_init(struct pacing *p, struct capture *capture, int rate_hz, uint64_t now)
{
	*p = (struct pacing){
		.capture = capture,
		.period_ns = 1000000000ULL / rate_hz,
		.shift_ns = now,
		.window_ns = now + WINDOW_NS,
		.switches_ns = now,
		.switches_per_s = timers__ticks(rate_hz) <= TICKS_CHEAP ? SWITCHES_CHEAP : SWITCHES_MANY,
		.sleep_ns = SLEEP_NS,
		.random = now | 1,
	};
	if (p->sleep_ns < SHIFT_PERIODS * p->period_ns)
		p->sleep_ns = SHIFT_PERIODS * p->period_ns < SLEEP_MOST_NS ? SHIFT_PERIODS * p->period_ns : SLEEP_MOST_NS;
}

void pacing_thread_exit(struct pacing *p, uint64_t run_ns)
{
	/* a thread's last tick lies half a period before its end, on average; a short one has had none */
	p->missed_ns += run_ns < p->period_ns ? run_ns : p->period_ns / 2;
}

static void judge(struct pacing *p, uint64_t now)
{
	if (p->missed_ns > WINDOW_NS / MANY_PART) {
		if (capture__all_cpus(p->capture, true))
			log_debug("many short threads: sampling with a timer on every CPU");
		p->window_ns = now + CALM_WINDOW_NS;
		p->missed_ns = 0;
	} else if (now >= p->window_ns) {
		if (p->missed_ns < CALM_WINDOW_NS / FEW_PART && capture__all_cpus(p->capture, false))
			log_debug("few short threads: sampling with a timer on the target's threads");
		p->window_ns = now + WINDOW_NS;
		p->missed_ns = 0;
	}
}

static void judge_switches(struct pacing *p, uint64_t now)
{
	uint64_t switches, passed = now - p->switches_ns;

	if (passed < SWITCHES_WINDOW_NS)
		return;
	switches = capture__switches(p->capture);
	p->switches_spent += (double)(switches - p->switches) - p->switches_per_s * passed / 1e9;
	if (p->switches_spent < 0)
		p->switches_spent = 0;
	if (p->switches_spent > SWITCHES_SPENT && capture__all_cpus_for_good(p->capture))
		log_debug("many switches: sampling with a timer on every CPU from now on");
	p->switches = switches;
	p->switches_ns = now;
}

void pacing_step(struct pacing *p, uint64_t now)
{
	uint64_t before, cost, rest;

	judge(p, now);
	judge_switches(p, now);
	if (now < p->shift_ns)
		return;
	before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	capture__shift(p->capture, now);
	cost = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	rest = SHIFT_PERIODS * p->period_ns;
	p->shift_ns = now + (rest > cost * SHIFT_COST ? rest : cost * SHIFT_COST);
}

uint64_t pacing_sleep_ns(struct pacing *p, bool idle)
{
	/* xorshift */
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return (idle ? IDLE_SLEEP_NS : 0) + p->sleep_ns / 2 + p->random % p->sleep_ns;
}
