/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A level over time that goes up and down, in bounded room: time is cut into equal bins, and each bin in which
 * something changed keeps its highest level and its last one. When the bins run out, their width doubles. So however long
 * the run, no peak is lost; what is lost are the lows within a bin.
 */
#ifndef FIXINGAHOLE_TIMELINE_H
#define FIXINGAHOLE_TIMELINE_H

#include <stdint.h>

#define TIMELINE_BINS 50 /* at most two points each */

struct timeline {
	struct timeline_bin {
		uint64_t index; /* of the bin: ns / width */
		uint64_t top_ns, top;
		uint64_t last_ns, last;
	} *bins;
	uint32_t n_bins, capacity;
	uint64_t width_ns;
	uint64_t level; /* now */
};

/* From ns on the level is another. ns never goes back. A bin that there is no memory for is left out. */
void timeline_set(struct timeline *timeline, uint64_t ns, uint64_t level);
/* Points to draw a line through, at most 2 * TIMELINE_BINS; put(context, ns, level) takes each, in order of time. */
void timeline_points(const struct timeline *timeline, void (*put)(void *context, uint64_t ns, uint64_t level), void *context);
void timeline_release(struct timeline *timeline);

#endif
