// SPDX-License-Identifier: Apache-2.0
#include "preload/copy.h"

#include <dlfcn.h>
#include <stddef.h>

#include "preload/heap.h"

#define SECOND_NS 1000000000ULL

void *copy_plainly(void *to, const void *from, size_t n);
void copy_look(uint64_t n);

/*
 * By the numbers in hot.S. memcpy goes to memmove, which in glibc is the same code: programs that were linked
 * before 2.14 mean a memcpy of that kind, and there is no telling who calls.
 */
void *(*copy_real[4])(void *, const void *, size_t) = { copy_plainly, copy_plainly, copy_plainly, copy_plainly };

void copy_init(void)
{
	static const char *const names[] = { "memmove", "memmove", "__memcpy_chk", "__memmove_chk" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *found = dlsym(RTLD_NEXT, names[i]);

		if (found)
			__atomic_store_n((void **)&copy_real[i], found, __ATOMIC_RELAXED);
	}
}

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

uint64_t copy_take(struct copy_line *line, int64_t *left, uint64_t n, uint64_t floor, uint64_t *random, uint64_t now_ns)
{
	/* what smaller copies took, and those that a handler made meanwhile */
	uint64_t passed = line->set - *left - n, weight = 0, stop;

	if (!line->stride) {
		line->next = floor;
		line->since_ns = now_ns;
		stratum_begin(line, floor, random, now_ns);
		passed = 0;
	}
	if (n > line->stride) {
		line->events++;
		rate_look(line, floor, now_ns);
		weight = n;
		n = 0;
	}
	for (line->pos += passed + n;;) {
		if (line->point < line->pos) {
			weight += line->stride;
			line->point = UINT64_MAX;
		}
		if (line->pos < line->stride)
			break;
		stop = line->pos - line->stride;
		stratum_begin(line, floor, random, now_ns);
		line->pos = stop;
	}
	stop = line->point < line->stride ? line->point : line->stride - 1;
	line->set = *left = stop - line->pos;
	return weight;
}

void copy_look(uint64_t n)
{
	struct heap_thread *t = &heap_thread;
	uint64_t weight;

	/* else the countdown stays below 0, and the next copy comes here again */
	if (!heap_enter(t))
		return;
	weight = copy_take(&t->copies, &t->copy_left, n, heap_rate.floor * COPY_STRIDES, &t->random, heap_clock_ns());
	if (weight)
		fixingahole_heap_copy(weight);
	heap_leave(t);
}
