/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When probes that cost too much are taken off, and for how long. One process's; knows no kernel.
 *
 * As long as the probes cost less than their share of the process's CPU time, they stay. What they do not spend is saved, up to
 * what 10 s allow, and that much is there at the start, so that a short program, or a burst, is seen as a whole. Once that is used up, the
 * probes are there in slices of GUARD_SLICE_NS, with gaps of random length between them, on average as long as the budget asks for; both by
 * the process's CPU time.
 *
 * What a slice stands for. Progress is CPU time without what the probes take of it. All of it must be stood for: at any time
 * the sum of scale x progress over the slices should be the progress that there was. So a slice's scale makes up for what is
 * missing when it begins, itself, and half of the gap that will follow, of which the length is settled when the slice begins; then
 * what is counted is right on average whenever the process ends. What turned out otherwise than expected, the next slice corrects. If there is
 * none any more, as where the first gap is the last, who has sums can correct these (guard_correction()).
 *
 * What the probes take cannot be had from their number alone: in a program that works in between, with caches full of other things, a probe costs
 * up to twice what a loop of nothing else shows. It is kernel time, though. So it is measured by the CPU samples: by how much the
 * share of those in user mode is smaller in slices than in gaps. Until there are enough of them, the number times a probe's cost is it.
 */
#ifndef FIXINGAHOLE_GUARD_H
#define FIXINGAHOLE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* Of CPU time, as the gaps are: so a slice is worth as much when the machine is busy or the program waits. */
#define GUARD_SLICE_NS 20000000.0
/* When we do not come to see its end. */
#define GUARD_SLICE_MOST_NS 10000000000ULL
/* What is not spent is saved for so long: 0.3 s at 3 %. */
#define GUARD_SAVED_NS 10e9
#define GUARD_LOOK_NS 10000000ULL
#define GUARD_GAP_MIN_NS 20000000.0
#define GUARD_GAP_MAX_NS 4000000000.0
/* Not looked at more often than this, however much is left. */
#define GUARD_PAUSE_NS 1000000.0
/* What it costs a process to get the probes and to lose them, in the slice as a rule: pages of code are copied, and their first calls are slow. */
#define GUARD_CHANGE_NS 600000.0
/* The probes are off for certain so long after they were taken off. */
#define GUARD_SETTLE_NS 3000000ULL
#define GUARD_SPANS 8

enum guard_state { GUARD_ALWAYS, GUARD_GAP, GUARD_SLICE };
enum guard_step {
	GUARD_KEEP,   /* nothing is to be done */
	GUARD_CLOSE,  /* take the probes off, then call guard_closed() */
	GUARD_OPEN,   /* put them on, then call guard_opened() */
	GUARD_STAY,   /* the slice goes on for good */
};

/* Times in which samples say something. */
struct guard_span { uint64_t from_ns, to_ns; bool watched; };

struct guard {
	double budget;         /* 0..1; 0: no limit */
	enum guard_state state;
	uint64_t next_ns;      /* look again then */
	bool sliced;           /* ever */
	uint64_t watched_ns, unwatched_ns; /* so far */
	/* inside */
	uint64_t state_ns;     /* of the state, or of the last look */
	uint64_t cpu_ns, cost_ns; /* then */
	double saved_ns;
	double rate;           /* cost by CPU time while watched, by the number of calls */
	double busy;           /* CPU time by time */
	double gap_ns;         /* CPU time of this gap, or the next */
	double used_ns;        /* CPU time of this slice or gap so far */
	bool last;             /* this slice is to go on if it costs little */
	double scale, slice_cost; /* of this slice */
	double gap_cpu, slice_cpu, scaled_cpu; /* CPU time in gaps, in slices, and that times the slices' scales */
	struct { double always, slices, scaled, gaps; } whole; /* CPU time since the beginning; .scaled: that in slices times their scales */
	double samples[2][2];  /* watched or not; user mode or kernel */
	struct guard_span spans[GUARD_SPANS];
	unsigned int span;     /* the latest */
	uint64_t random;
};

/* A slice, CLOCK_MONOTONIC, until its end or until the probes are taken off; scale: what a thing that is seen in it stands for. */
struct guard_slice { uint64_t begin_ns, end_ns; double scale; };

void guard_init(struct guard *guard, double budget, uint64_t now_ns, uint64_t seed);
/* cpu_ns: of the process so far; cost_ns: of that, the probes'. */
enum guard_step guard_look(struct guard *guard, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns);
void guard_closed(struct guard *guard, uint64_t now_ns, uint64_t cpu_ns);
void guard_opened(struct guard *guard, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, struct guard_slice *slice);
/* A CPU sample of the process; may come late, and out of order. */
void guard_sample(struct guard *guard, uint64_t time_ns, bool kernel);
/* 0..1: of CPU time in slices, what the probes take. */
double guard_taken(const struct guard *guard);
/* By what sums of all that was seen so far are to be multiplied, so that they stand for all progress that there was. */
double guard_correction(const struct guard *guard, uint64_t cpu_ns);
/* 0..1: for how much of the time until now the probes were there. */
double guard_seen(const struct guard *guard, uint64_t now_ns);

#endif
