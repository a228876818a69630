/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a function to put a uprobe that is to see each call with its arguments.
 *
 * The kernel emulates a few instructions (push, the 1-byte nop, direct jumps and calls) and single-steps all others, which
 * costs two interrupts more. So the probe goes to the first instruction that is emulated, if nothing before it can branch, changes an
 * argument's register or moves the stack: then registers and return address are those of the call.
 *
 * Never on a nop of several bytes: Linux 6.18 replaces one of 5 bytes by a call to a page that forked children do not get.
 */
#ifndef FIXINGAHOLE_PROBE_POINT_H
#define FIXINGAHOLE_PROBE_POINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No instruction that the kernel emulates is looked for beyond so many bytes. */
#define PROBE_POINT_LOOK 48

struct probe_point {
	uint32_t offset; /* in the function */
	bool stepped;    /* the kernel single-steps the instruction there */
};

/* code: the function's first bytes. false: there is no place for a probe. */
bool probe_point__choose(const uint8_t *code, size_t size, struct probe_point *out);

/* The same where the first three arguments are all that matters: the stack may have moved. */
bool probe_point__choose_three(const uint8_t *code, size_t size, struct probe_point *out);

/* The same where calls with a first argument of 0 need not be seen: behind a test for it with which the function begins. */
bool probe_point__choose_not_null(const uint8_t *code, size_t size, struct probe_point *out);

#endif
