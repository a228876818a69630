/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of (time, value) that stays short: when full, every second entry is
 * dropped and from then on only every second one taken.
 */
#ifndef FIXINGAHOLE_SERIES_H
#define FIXINGAHOLE_SERIES_H

#include <stddef.h>
#include <stdint.h>

struct series {
	struct point { uint64_t ns; uint64_t value; } *points;
	uint32_t count, capacity, limit; /* limit is even */
	uint32_t stride, skipped;
};

void series_add(struct series *series, uint32_t limit, uint64_t ns, uint64_t value);
void series_release(struct series *series);

#endif
