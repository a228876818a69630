// SPDX-License-Identifier: Apache-2.0
#include "preload/sampler.h"

#include <stddef.h>

#define WINDOW_NS 50000000ULL
#define SECOND_NS 1000000000ULL

void sampler_rate_init(struct sampler_rate *rate, uint64_t stride, uint64_t budget)
{
	if (stride < SAMPLER_STRIDE_MIN)
		stride = SAMPLER_STRIDE_MIN;
	if (stride > SAMPLER_STRIDE_MAX)
		stride = SAMPLER_STRIDE_MAX;
	stride = 1ULL << (63 - __builtin_clzll(stride));
	*rate = (struct sampler_rate){ .stride = stride, .floor = stride, .budget = budget, .saved = budget };
}

uint64_t sampler_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

void sampler_rate_note(struct sampler_rate *rate, uint64_t n, uint64_t now_ns)
{
	uint64_t events = __atomic_add_fetch(&rate->events, n, __ATOMIC_RELAXED);
	uint64_t start = __atomic_load_n(&rate->start_ns, __ATOMIC_RELAXED);
	uint64_t stride = __atomic_load_n(&rate->stride, __ATOMIC_RELAXED);
	uint64_t elapsed = now_ns > start ? now_ns - start : 0;
	uint64_t allowed, saved;

	if (!rate->budget)
		return;
	if (elapsed > 3600 * SECOND_NS)
		elapsed = 3600 * SECOND_NS;
	allowed = rate->budget * (elapsed > WINDOW_NS ? elapsed : WINDOW_NS) / SECOND_NS + 1;
	saved = __atomic_load_n(&rate->saved, __ATOMIC_RELAXED);
	if (events <= allowed + saved && elapsed <= WINDOW_NS)
		return;
	/* one thread closes the window */
	if (!__atomic_compare_exchange_n(&rate->start_ns, &start, now_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&rate->events, 0, __ATOMIC_RELAXED);
	if (events > allowed + saved) {
		saved = 0;
		if (stride < SAMPLER_STRIDE_MAX)
			stride *= 2;
	} else {
		saved = saved + allowed - events;
		/* half the stride is at most twice the events; stay clear of the limit */
		for (events = events * 5 / 2; stride > rate->floor && events <= allowed; events *= 2)
			stride /= 2;
	}
	__atomic_store_n(&rate->saved, saved < rate->budget ? saved : rate->budget, __ATOMIC_RELAXED);
	__atomic_store_n(&rate->stride, stride, __ATOMIC_RELAXED);
}

static void stratum_begin(struct sampler *s, const struct sampler_rate *rate, uint64_t *random)
{
	s->stride = __atomic_load_n(&rate->stride, __ATOMIC_RELAXED);
	s->point = sampler_random(random) >> 8 & (s->stride - 1);
	s->pos = 0;
}

static void stop_set(struct sampler *s)
{
	uint64_t stop = (s->pos / SAMPLER_CHECKPOINT + 1) * SAMPLER_CHECKPOINT;

	if (stop > s->stride)
		stop = s->stride;
	if (s->point != SAMPLER_NO_POINT && stop > s->point)
		stop = s->point;
	s->set = stop - s->pos;
	__atomic_store_n(&s->left, s->set, __ATOMIC_RELAXED);
}

/* Begins a new stratum here if the rate asks for another stride. */
static void stride_look(struct sampler *s, struct sampler_rate *rate, uint64_t events, uint64_t *random, uint64_t (*clock)(void))
{
	sampler_rate_note(rate, events, clock());
	if (__atomic_load_n(&rate->stride, __ATOMIC_RELAXED) != s->stride)
		stratum_begin(s, rate, random);
}

struct sample sampler_take(struct sampler *s, uint64_t size, struct sampler_rate *rate, uint64_t *random, uint64_t (*clock)(void))
{
	uint64_t begin, borders = 0;
	struct sample sample = { 0 };

	if (!s->stride)
		stratum_begin(s, rate, random);
	begin = s->pos + sampler_passed(s);
	s->count = 0;
	s->pos = begin;
	if (size > s->stride) {
		stride_look(s, rate, 1, random, clock);
		stop_set(s);
		return (struct sample){ .weight = size, .count_q8 = SAMPLER_COUNT_ONE };
	}
	s->pos += size;
	for (;;) {
		if (s->point < s->pos) { /* never before begin: that would have been a stop */
			sample.weight += s->stride;
			s->point = SAMPLER_NO_POINT;
		}
		if (s->pos < s->stride)
			break;
		uint64_t over = s->pos - s->stride;

		borders++;
		stratum_begin(s, rate, random);
		s->pos = over;
	}
	if (borders || begin / SAMPLER_CHECKPOINT != s->pos / SAMPLER_CHECKPOINT)
		stride_look(s, rate, borders, random, clock);
	stop_set(s);
	if (sample.weight)
		sample.count_q8 = size ? (sample.weight << 8) / size : 0;
	return sample;
}
