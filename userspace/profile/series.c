// SPDX-License-Identifier: Apache-2.0
#include "profile/series.h"

#include <stdlib.h>

/* A point that does not fit for lack of memory is left out. */
void series_add(struct series *s, uint32_t limit, uint64_t ns, uint64_t value)
{
	/* records of different CPUs may overtake each other by some microseconds */
	if (s->count && ns < s->points[s->count - 1].ns)
		ns = s->points[s->count - 1].ns;
	if (!s->stride) {
		s->stride = 1;
		s->limit = limit & ~1U;
	}
	if (s->skipped + 1 < s->stride) {
		s->skipped++;
		return;
	}
	s->skipped = 0;
	if (s->count == s->limit) {
		for (uint32_t i = 0; i < s->count / 2; i++)
			s->points[i] = s->points[2 * i];
		s->count /= 2;
		s->stride *= 2;
	}
	if (s->count == s->capacity) {
		uint32_t capacity = s->capacity ? s->capacity * 2 : 8;
		struct point *points;

		if (capacity > s->limit)
			capacity = s->limit;
		points = realloc(s->points, capacity * sizeof(*points));
		if (!points)
			return;
		s->points = points;
		s->capacity = capacity;
	}
	s->points[s->count++] = (struct point){ ns, value };
}

void series_release(struct series *s)
{
	free(s->points);
	*s = (struct series){};
}
