/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which allocations are sampled, and what a sample stands for.
 *
 * Lay the blocks that a thread allocates end to end on a line of bytes, and cut the
 * line into strata of one stride S each. Every stratum holds one point, placed
 * uniformly. A block that k points fall into is a sample of weight k * S.
 *
 * Unbiased: a byte of a block carries a point with probability 1/S, whatever the
 * neighbours are, so a block of s bytes has E[k] = s/S (k may be 2 if the block lies
 * across a border), its expected weight is s, and with k * S / s as the number of
 * allocations that it stands for the expected count is 1. Sums over any set of blocks
 * that does not depend on the points are therefore unbiased. The scatter of a line
 * that allocates n strata in a row is that of its two ends only: less than one stride,
 * where geometric gaps would give sqrt(n) strides.
 *
 * A block larger than S is always a sample, of exactly its own size, and takes no
 * room on the line. Which rule a block falls under depends on its size and on the
 * stratum's S, never on the point.
 *
 * Blocks of different sizes lie on lines of their own (sampler_class()). Otherwise a loop that makes one
 * kilobyte to keep and one integer to drop would leave it to chance, stratum by stratum, which
 * of the two is seen: at a stride of 128 KiB that alone made 1 % in a line that holds 59 MB.
 *
 * The strides adapt to the rate: strata begun + large blocks, per second. Each class has its own,
 * and those that make the most events pay: a loop over temporary arrays leaves small blocks
 * as they are. A new stride takes effect where a new stratum starts: at a border, or by ending the current stratum
 * early at a large block or at a checkpoint (multiples of SAMPLER_CHECKPOINT within the
 * stratum). All of these places, and the rate itself, depend on the sizes and on
 * the clock, not on where the point is. That matters: were the stratum ended
 * at its point, bytes behind the point would get a second chance, and the sum would be too large.
 * Ended independently of the point at b, the bytes before b have carried it with 1/S each and those
 * behind b belong to a stratum with a point of its own.
 *
 * The budget is a bucket that holds a second's worth, so that a short burst, such as a program's start, is seen
 * at the finest stride. Memory that comes and goes needs no more. What stays does, for a footprint is made of it,
 * and a block may count as held only after a stride or two (heap_probe.h): so the growth of the process adds to the budget, a
 * sample for each stride up to 256 MiB, and then for each 2048th of what it has. New memory costs the program more than the
 * samples do: the kernel clears its pages. The growth says nothing of the points either.
 * Who has had more than that owes it, and gets finer strides again only slowly.
 *
 * The fast path is one compare: .left is the distance to the next stop (point, border
 * or checkpoint), so a block smaller than that hits nothing, and any block larger than
 * the stride is not smaller than that.
 *
 * Stores are plain writes of what was read, not read-modify-write: a signal handler that
 * allocates in between can lose its bytes, but cannot make .left wrap.
 */
#ifndef FIXINGAHOLE_PRELOAD_SAMPLER_H
#define FIXINGAHOLE_PRELOAD_SAMPLER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/heap_probe.h"

#define SAMPLER_STRIDE_DEFAULT (128u << 10)
#define SAMPLER_STRIDE_MIN 4096u
#define SAMPLER_STRIDE_MAX (1ULL << 32)
#define SAMPLER_RATE_DEFAULT 500u
#define SAMPLER_CHECKPOINT (256ULL << 10)
#define SAMPLER_COUNT_ONE 256u

/*
 * What the fast path needs of a line; apart, so that many lines share a cache line, and one word, so that one
 * load and one store do. All zero is a valid, fresh one.
 */
union sampler_hot {
	struct {
		uint32_t left;  /* bytes to the next stop: at most SAMPLER_CHECKPOINT */
		uint32_t count; /* allocations since the last sampler_take() */
	};
	uint64_t both; /* .left is its low half */
};

/* The rest of a line of blocks. All zero is a valid, fresh one. */
struct sampler {
	uint64_t set;    /* .left when it was last set */
	uint64_t pos;    /* in the stratum, then */
	uint64_t point;  /* in the stratum; SAMPLER_NO_POINT: passed */
	uint64_t stride; /* of the stratum; 0: none begun */
};

#define SAMPLER_NO_POINT UINT64_MAX

/* The rates of a process. Shared between threads, relaxed: an update lost is a later change. */
struct sampler_rate {
	uint64_t stride[SAMPLER_CLASSES]; /* for strata that begin now */
	uint64_t class_events[SAMPLER_CLASSES]; /* in the window */
	uint64_t floor;
	uint64_t budget;   /* events per second; 0: no limit */
	uint64_t start_ns; /* of the window */
	uint64_t events;   /* in the window */
	int64_t saved;     /* events not spent in earlier windows; below 0: owed */
	uint64_t largest;  /* what .footprint said at most */
	uint64_t (*footprint)(void); /* the most memory that the process has had so far; NULL: not known */
};

struct sample {
	uint64_t weight;   /* 0: not sampled */
	uint64_t count_q8;
};

void sampler_rate_init(struct sampler_rate *rate, uint64_t stride, uint64_t budget, uint64_t (*footprint)(void));

/* Notes n events of a class at time now_ns and adapts the strides. */
void sampler_rate_note(struct sampler_rate *rate, unsigned class, uint64_t n, uint64_t now_ns);

/* The largest stride of now. */
uint64_t sampler_rate_stride(const struct sampler_rate *rate);

/* The next number of a thread's generator; *state must not be 0. */
uint64_t sampler_random(uint64_t *state);

/* True: the block is not sampled, and that is all. False: call sampler_take(). */
static inline bool sampler_pass(union sampler_hot *h, uint64_t size)
{
	uint64_t both = __atomic_load_n(&h->both, __ATOMIC_RELAXED);

	if (__builtin_expect(size >= (uint32_t)both, 0))
		return false;
	__atomic_store_n(&h->both, both + (1ULL << 32) - size, __ATOMIC_RELAXED);
	return true;
}

/* Bytes allocated since the last sampler_take(). */
static inline uint64_t sampler_passed(const union sampler_hot *h, const struct sampler *s)
{
	return s->set >= h->left ? s->set - h->left : 0;
}

/*
 * Puts a block on the line, which is that of its class. clock returns nanoseconds; called only where the rate is looked at.
 */
struct sample sampler_take(union sampler_hot *h, struct sampler *s, uint64_t size, struct sampler_rate *rate, uint64_t *random, uint64_t (*clock)(void));

#endif
