// SPDX-License-Identifier: Apache-2.0
#include "preload/sampler.h"

#include <stddef.h>

#define WINDOW_NS 50000000ULL
#define BURST_NS 240000000ULL /* a window ends early when it has seen as many events as this time allows */
#define SECOND_NS 1000000000ULL
/* Up to this footprint (at the default stride) each stride that it grows by is worth an event. */
#define GROWTH_STRIDES 2048u

void sampler_rate_init(struct sampler_rate *rate, uint64_t stride, uint64_t budget, uint64_t (*footprint)(void))
{
	if (stride < SAMPLER_STRIDE_MIN)
		stride = SAMPLER_STRIDE_MIN;
	if (stride > SAMPLER_STRIDE_MAX)
		stride = SAMPLER_STRIDE_MAX;
	stride = 1ULL << (63 - __builtin_clzll(stride));
	*rate = (struct sampler_rate){ .floor = stride, .budget = budget, .saved = budget, .footprint = footprint };
	for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
		rate->stride[i] = stride;
}

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void set(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

uint64_t sampler_rate_stride(const struct sampler_rate *rate)
{
	uint64_t largest = 0;

	for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
		if (get(&rate->stride[i]) > largest)
			largest = get(&rate->stride[i]);
	return largest;
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

/* Too many events: half as many would come by these strides. Again and again, the class that makes the most of them gets twice the stride. */
static void strides_raise(struct sampler_rate *rate)
{
	uint64_t events[SAMPLER_CLASSES], all = 0, want;

	for (unsigned i = 0; i < SAMPLER_CLASSES; i++) {
		events[i] = get(&rate->stride[i]) < SAMPLER_STRIDE_MAX ? get(&rate->class_events[i]) << 8 : 0;
		all += events[i];
	}
	for (want = all / 2; all > want;) {
		unsigned pick = 0;

		for (unsigned i = 1; i < SAMPLER_CLASSES; i++)
			if (events[i] > events[pick])
				pick = i;
		if (!events[pick])
			return;
		set(&rate->stride[pick], get(&rate->stride[pick]) * 2);
		all -= events[pick] - events[pick] / 2;
		events[pick] = get(&rate->stride[pick]) < SAMPLER_STRIDE_MAX ? events[pick] / 2 : 0;
	}
}

/* Room for some events more: the largest strides are halved as long as it lasts. Half the stride is at most twice the events. */
static void strides_lower(struct sampler_rate *rate, uint64_t room)
{
	uint64_t events[SAMPLER_CLASSES];

	for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
		events[i] = get(&rate->class_events[i]);
	for (;;) {
		unsigned pick = 0;

		for (unsigned i = 1; i < SAMPLER_CLASSES; i++)
			if (get(&rate->stride[i]) > get(&rate->stride[pick]))
				pick = i;
		if (get(&rate->stride[pick]) <= rate->floor || events[pick] > room)
			return;
		room -= events[pick];
		events[pick] *= 2;
		set(&rate->stride[pick], get(&rate->stride[pick]) / 2);
	}
}

/*
 * What the footprint's growth is worth, in events: enough for the finest stride at first, then for one that is
 * as large a part of the footprint. By the one thread that closes the window.
 */
static uint64_t growth_events(struct sampler_rate *rate)
{
	uint64_t now = rate->footprint ? rate->footprint() : 0, grown = now - rate->largest;
	uint64_t stride = rate->floor;

	if (now <= rate->largest)
		return 0;
	rate->largest = now;
	/* the default stride's floor is what the precision makes finer */
	if (now / SAMPLER_STRIDE_DEFAULT > GROWTH_STRIDES)
		stride = stride * (now / SAMPLER_STRIDE_DEFAULT) / GROWTH_STRIDES;
	return grown / stride;
}

/* What a window leaves: at most a second's worth, or that as much is owed. */
static int64_t balance(const struct sampler_rate *rate, int64_t saved)
{
	int64_t most = rate->budget;

	return saved > most ? most : saved < -most ? -most : saved;
}

/*
 * Events that a window may have before it is closed early: what was saved, or BURST_NS' worth, so that a stride is not widened for a handful of
 * blocks (doubling after each 20 of them leaves a sum of a few percent uncertainty at worst); somewhat less for who owes.
 */
static uint64_t patience(const struct sampler_rate *rate, int64_t saved)
{
	uint64_t n = rate->budget * BURST_NS / SECOND_NS + 4;

	if (saved >= 0)
		return n + saved;
	n = n * (rate->budget + saved) / rate->budget;
	return n > rate->budget / 16 + 1 ? n : rate->budget / 16 + 1;
}

void sampler_rate_note(struct sampler_rate *rate, unsigned class, uint64_t n, uint64_t now_ns)
{
	uint64_t events = __atomic_add_fetch(&rate->events, n, __ATOMIC_RELAXED);
	uint64_t start = get(&rate->start_ns), elapsed = now_ns > start ? now_ns - start : 0;
	int64_t saved = __atomic_load_n(&rate->saved, __ATOMIC_RELAXED);
	uint64_t allowed, earned, grown, room;
	bool over;

	if (!rate->budget)
		return;
	__atomic_add_fetch(&rate->class_events[class], n, __ATOMIC_RELAXED);
	if (elapsed > 3600 * SECOND_NS)
		elapsed = 3600 * SECOND_NS;
	allowed = patience(rate, saved);
	if (events <= allowed && elapsed <= WINDOW_NS)
		return;
	/* one thread closes the window */
	if (!__atomic_compare_exchange_n(&rate->start_ns, &start, now_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	grown = growth_events(rate);
	earned = rate->budget * elapsed / SECOND_NS;
	saved = balance(rate, saved + (int64_t)(earned + grown - events));
	/* growth does not pay for them, but for a quarter at most, and nothing is saved */
	over = saved < 0 && events > grown + (allowed / 4 > earned ? allowed / 4 : earned);
	/* stay clear of the limit, and pay what is owed; but a part of the growth is for sizes that came and went until now */
	room = grown + (saved >= 0 ? earned * 4 / 5 : earned / 2);
	room = room > events && room - events > grown / 4 ? room - events : grown / 4;
	if (over)
		strides_raise(rate);
	else if (room)
		strides_lower(rate, room);
	__atomic_store_n(&rate->saved, saved, __ATOMIC_RELAXED);
	set(&rate->events, 0);
	for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
		set(&rate->class_events[i], 0);
}

static void stratum_begin(struct sampler *s, uint64_t stride, uint64_t *random)
{
	s->stride = stride;
	s->point = sampler_random(random) >> 8 & (s->stride - 1);
	s->pos = 0;
}

static void stop_set(union sampler_hot *h, struct sampler *s)
{
	uint64_t stop = (s->pos / SAMPLER_CHECKPOINT + 1) * SAMPLER_CHECKPOINT;

	if (stop > s->stride)
		stop = s->stride;
	if (s->point != SAMPLER_NO_POINT && stop > s->point)
		stop = s->point;
	s->set = stop - s->pos;
	__atomic_store_n(&h->left, (uint32_t)s->set, __ATOMIC_RELAXED);
}

/* Begins a new stratum here if the rate asks for another stride. */
static void stride_look(struct sampler *s, struct sampler_rate *rate, unsigned class, uint64_t events, uint64_t *random, uint64_t (*clock)(void))
{
	sampler_rate_note(rate, class, events, clock());
	if (get(&rate->stride[class]) != s->stride)
		stratum_begin(s, get(&rate->stride[class]), random);
}

struct sample sampler_take(union sampler_hot *h, struct sampler *s, uint64_t size, struct sampler_rate *rate, uint64_t *random, uint64_t (*clock)(void))
{
	unsigned class = sampler_class(size);
	uint64_t begin, borders = 0;
	struct sample sample = { 0 };

	if (!s->stride)
		stratum_begin(s, get(&rate->stride[class]), random);
	begin = s->pos + sampler_passed(h, s);
	h->count = 0;
	s->pos = begin;
	if (size > s->stride) {
		stride_look(s, rate, class, 1, random, clock);
		stop_set(h, s);
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
		stratum_begin(s, get(&rate->stride[class]), random);
		s->pos = over;
	}
	if (borders || begin / SAMPLER_CHECKPOINT != s->pos / SAMPLER_CHECKPOINT)
		stride_look(s, rate, class, borders, random, clock);
	stop_set(h, s);
	if (sample.weight)
		sample.count_q8 = size ? (sample.weight << 8) / size : 0;
	return sample;
}
