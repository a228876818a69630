// SPDX-License-Identifier: Apache-2.0
#include "heap_watch.h"

#include <stdio.h>

void heap_watch_notices(const struct heap_watch *w, double budget, void (*notice)(void *context, const char *text), void *context)
{
	char text[512];

	notice(context, "heap by probes on the C allocator and mmap: Python objects of up to 512 bytes are seen as the arenas that hold them, 1 MB (up to 3.9: 256 KB) at the line that made the interpreter ask for another one");
	if (w->sliced) {
		snprintf(text, sizeof(text), "the heap's probes would have cost more than %.3g %% of the time, so malloc, free and their kin were watched for %.1f %% of it, in slices: "
			 "what was allocated is scaled up, and a block freed unseen counts as held until its address is given out again; mappings were watched all the time", budget * 100, w->seen * 100);
		notice(context, text);
	}
	if (w->failed) {
		snprintf(text, sizeof(text), "the heap of %llu process%s could not be watched; the last: %s", (unsigned long long)w->failed, w->failed == 1 ? "" : "es", w->problem);
		notice(context, text);
	}
}

void heap_watch_fill(const struct heap_watch *w, struct profile *profile)
{
	if (!profile->heap)
		return;
	/* of some programs in the run there are sums, but not of all */
	if (w->sliced)
		profile->heap->has_totals = false;
	profile->heap->probes = (struct heap_probing){
		.used = true, .processes = w->processes, .failed = w->failed, .sliced = w->sliced, .calls = w->calls, .cost_ns = w->cost_ns, .cpu_ns = w->cpu_ns, .seen = w->seen,
	};
}
