// SPDX-License-Identifier: Apache-2.0
#include "preload/copy.h"
#include "preload/sampler.h"

#define SECOND_NS 1000000000ULL

/* Whether samples come too fast or slowly. */
static void rate_look(struct copy_line *line, uint64_t floor, uint64_t now_ns)
{
	uint64_t took = now_ns - line->since_ns, meant = COPY_LOOK * SECOND_NS / COPY_RATE;

	if (line->events < COPY_LOOK)
		return;
	if (took < meant && line->next < COPY_STRIDE_MAX)
		line->next *= 2;
	else if (took > meant * 4 && line->next > floor)
		line->next /= 2;
	line->events = 0;
	line->since_ns = now_ns;
}

static void stratum_begin(struct copy_line *line, uint64_t floor, uint64_t *random, uint64_t now_ns)
{
	line->events++;
	rate_look(line, floor, now_ns);
	line->stride = line->next;
	line->point = sampler_random(random) >> 8 & (line->stride - 1);
	line->pos = 0;
}

/* Puts n bytes on the line. */
static uint64_t advance(struct copy_line *line, uint64_t n, uint64_t floor, uint64_t *random, uint64_t now_ns)
{
	uint64_t weight = 0, over;

	for (line->pos += n;;) {
		if (line->point < line->pos) {
			weight += line->stride;
			line->point = UINT64_MAX;
		}
		if (line->pos < line->stride)
			return weight;
		over = line->pos - line->stride;
		stratum_begin(line, floor, random, now_ns);
		line->pos = over;
	}
}

uint64_t copy_take(struct copy_line *line, int64_t *left, uint64_t n, uint64_t floor, uint64_t *random, uint64_t now_ns)
{
	/* what smaller copies took, and those that a handler made meanwhile */
	uint64_t passed = line->set - *left - n, weight;

	if (!line->stride) {
		line->next = floor;
		line->since_ns = now_ns;
		stratum_begin(line, floor, random, now_ns);
		passed = 0;
	}
	if (n > line->stride) {
		weight = advance(line, passed, floor, random, now_ns) + n;
		line->events++;
		rate_look(line, floor, now_ns);
		/* ended early, wherever its point is */
		if (line->next != line->stride)
			stratum_begin(line, floor, random, now_ns);
	} else {
		weight = advance(line, passed + n, floor, random, now_ns);
	}
	line->set = *left = (line->point < line->stride ? line->point : line->stride - 1) - line->pos;
	return weight;
}

void *copy_plainly(void *to, const void *from, size_t n)
{
	void *result = to;

	/* by hand, since a compiler makes a loop that copies into a call of memmove */
	if ((uintptr_t)to - (uintptr_t)from >= n) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	} else {
		to = (char *)to + n - 1;
		from = (const char *)from + n - 1;
		__asm__ volatile("std; rep movsb; cld" : "+D"(to), "+S"(from), "+c"(n) : : "memory", "cc");
	}
	return result;
}
