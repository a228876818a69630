/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many bytes a thread copies by memcpy and memmove (and the checking variants that compilers call in their place). Calls between
 * images count: of the interpreter and of extension modules. What libc copies inside itself does not, nor does what compilers turn into
 * moves, nor loops of a library's own.
 *
 * Sampled as allocations are (sampler.h): the bytes lie on one line, cut into strides, a point in each. A copy that k points fall into stands
 * for k strides; one larger than a stride for itself. The stride begins with 1 MiB at the default precision. After each COPY_LOOK samples it doubles
 * if they came faster than COPY_RATE a second, and is halved, down to where it began, if they came at less than a quarter of that; at the
 * border of a stride, by the clock alone, so sums stay unbiased.
 */
#ifndef FIXINGAHOLE_PRELOAD_COPY_H
#define FIXINGAHOLE_PRELOAD_COPY_H

#include <stddef.h>
#include <stdint.h>

#define COPY_STRIDES 8u      /* of the finest stride of allocations: the first stride of copies */
#define COPY_STRIDE_MAX (1ULL << 40)
#define COPY_LOOK 64u
#define COPY_RATE 500u

/* A thread's line. All zero is a valid, fresh one. */
struct copy_line {
	uint64_t stride;  /* of the stratum; 0: none begun */
	uint64_t next;    /* stride of the strata that begin */
	uint64_t pos;     /* in the stratum, when .set was set */
	uint64_t point;   /* in the stratum, or behind it: passed */
	int64_t set;      /* the countdown when it was last set */
	uint64_t events;  /* strata begun and large copies since .since_ns */
	uint64_t since_ns;
};

/*
 * Puts n bytes on the line, of which the countdown has been taken already, and sets the countdown anew. Returns what they stand for: 0, or
 * bytes to tell of. floor: the least stride.
 */
uint64_t copy_take(struct copy_line *line, int64_t *left, uint64_t n, uint64_t floor, uint64_t *random, uint64_t now_ns);

/* memmove without a library. */
void *copy_plainly(void *to, const void *from, size_t n);

/* Finds libc's functions. Until then copies are made plainly. */
void copy_init(void);

#endif
