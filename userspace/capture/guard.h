/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When probes that cost too much are taken off, and for how long. One process's; knows no kernel.
 *
 * As long as the probes cost less than their share of the process's CPU time, they stay. What they do not spend is saved, up to
 * what 10 s allow, and that much is there at the start, so that a short program, or a burst, is seen as a whole. Once that is used up, the probes are there in slices of
 * GUARD_SLICE_NS, with gaps of random length between them, on average as long as the budget asks for.
 *
 * A slice stands for itself, half of the gap before it and half of the one after it, of which the length is settled when the slice begins: so
 * that what is counted in it, times .scale, is right on average whenever the process ends. Under the probes a program
 * gets less done than in the gaps: the slice counts with the time that the probes left to it, by what they cost in the slice before.
 */
#ifndef FIXINGAHOLE_GUARD_H
#define FIXINGAHOLE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_SLICE_NS 10000000ULL
/* What is not spent is saved for so long: 0.3 s at 3 %. It is there from the start. */
#define GUARD_SAVED_NS 10e9
#define GUARD_LOOK_NS 10000000ULL
#define GUARD_GAP_MIN_NS 20000000.0
#define GUARD_GAP_MAX_NS 4000000000.0
/* What it costs a process to get the probes and to lose them. */
#define GUARD_CHANGE_NS 300000.0

enum guard_state { GUARD_ALWAYS, GUARD_GAP, GUARD_SLICE };
enum guard_step {
	GUARD_KEEP,   /* nothing is to be done */
	GUARD_CLOSE,  /* take the probes off, then call guard_closed() */
	GUARD_OPEN,   /* put them on, then call guard_opened() */
	GUARD_STAY,   /* the slice goes on for good */
};

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
	double rate;           /* cost by CPU time, while watched */
	double busy;           /* CPU time by time */
	double gap_ns;         /* of the next gap */
	double credited_ns;    /* of the gap, what the slice before stands for */
	bool last;             /* this slice is to go on if it costs little */
	uint64_t random;
};

/* A slice, CLOCK_MONOTONIC; scale: what a thing that is seen in it stands for. */
struct guard_slice { uint64_t begin_ns, end_ns; double scale; };

void guard_init(struct guard *guard, double budget, uint64_t now_ns, uint64_t seed);
/* cpu_ns: of the process so far; cost_ns: of that, the probes'. */
enum guard_step guard_look(struct guard *guard, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns);
void guard_closed(struct guard *guard, uint64_t now_ns);
void guard_opened(struct guard *guard, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, struct guard_slice *slice);
/* 0..1: for how much of the time until now the probes were there. */
double guard_seen(const struct guard *guard, uint64_t now_ns);

#endif
