/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_CLOCK_H
#define FIXINGAHOLE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#endif
