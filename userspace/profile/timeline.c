// SPDX-License-Identifier: Apache-2.0
#include "profile/timeline.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WIDTH_NS 1000000

static void timeline_halve(struct timeline *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n_bins; i++) {
		struct timeline_bin bin = t->bins[i];

		bin.index /= 2;
		if (!n || t->bins[n - 1].index != bin.index) {
			t->bins[n++] = bin;
			continue;
		}
		if (bin.top > t->bins[n - 1].top) {
			t->bins[n - 1].top = bin.top;
			t->bins[n - 1].top_ns = bin.top_ns;
		}
		t->bins[n - 1].last = bin.last;
		t->bins[n - 1].last_ns = bin.last_ns;
	}
	t->n_bins = n;
	t->width_ns *= 2;
}

static struct timeline_bin *timeline_bin(struct timeline *t, uint64_t ns)
{
	if (!t->width_ns)
		t->width_ns = FIRST_WIDTH_NS;
	while (ns / t->width_ns >= TIMELINE_BINS)
		timeline_halve(t);
	if (t->n_bins && t->bins[t->n_bins - 1].index == ns / t->width_ns)
		return &t->bins[t->n_bins - 1];
	if (t->n_bins == t->capacity) {
		uint32_t capacity = t->capacity ? t->capacity * 2 : 4;
		struct timeline_bin *bins = realloc(t->bins, capacity * sizeof(*bins));

		if (!bins)
			return NULL;
		t->bins = bins;
		t->capacity = capacity;
	}
	/* the level that held until now counts in this bin, too */
	t->bins[t->n_bins] = (struct timeline_bin){ .index = ns / t->width_ns, .top_ns = ns, .top = t->level, .last_ns = ns, .last = t->level };
	return &t->bins[t->n_bins++];
}

void timeline_set(struct timeline *t, uint64_t ns, uint64_t level)
{
	struct timeline_bin *bin = timeline_bin(t, ns);

	if (bin && level > bin->top) {
		bin->top = level;
		bin->top_ns = ns;
	}
	if (bin) {
		bin->last = level;
		bin->last_ns = ns;
	}
	t->level = level;
}

void timeline_points(const struct timeline *t, void (*put)(void *context, uint64_t ns, uint64_t level), void *context)
{
	for (uint32_t i = 0; i < t->n_bins; i++) {
		const struct timeline_bin *bin = &t->bins[i];

		put(context, bin->top_ns, bin->top);
		if (bin->last != bin->top || bin->last_ns != bin->top_ns)
			put(context, bin->last_ns, bin->last);
	}
}

void timeline_release(struct timeline *t)
{
	free(t->bins);
	memset(t, 0, sizeof(*t));
}
