// SPDX-License-Identifier: Apache-2.0
#include "preload/blocks.h"

#include <string.h>

int32_t blocks_left[PYMALLOC_MAX + 1];
static int32_t blocks_set[PYMALLOC_MAX + 1]; /* what .left was set to */
static struct sampler lines[PYMALLOC_MAX + 1];
static uint64_t counted; /* up to the last looks */
static bool busy;

/* Calls that could not look are not on the line. */
static uint64_t passed_of(size_t size)
{
	int32_t left = blocks_left[size];

	return blocks_set[size] - (left > 0 ? left : 0);
}

struct sample blocks_take(size_t size, struct sampler_rate *rate, uint64_t *random, uint64_t (*clock)(void), struct blocks_passed *passed)
{
	struct sampler *s = &lines[size];
	union sampler_hot h = { 0 };
	struct sample sample;
	uint64_t before;

	*passed = (struct blocks_passed){ 0 };
	if (__atomic_exchange_n(&busy, true, __ATOMIC_ACQUIRE))
		return (struct sample){ 0 };
	/* this one may have passed: it is looked at for another reason */
	before = passed_of(size) - (blocks_left[size] >= 0);
	h.left = s->set - before * size;
	sample = sampler_take(&h, s, size, rate, random, clock);
	blocks_set[size] = blocks_left[size] = h.left ? (h.left - 1) / size : 0;
	*passed = (struct blocks_passed){ (before + 1) * size, before + 1 };
	counted += before + 1;
	__atomic_store_n(&busy, false, __ATOMIC_RELEASE);
	return sample;
}

void blocks_look_again(size_t size)
{
	blocks_left[size] = blocks_set[size] = 0;
	lines[size].set = 0;
}

uint64_t blocks_count(void)
{
	uint64_t n = counted;

	for (size_t size = 1; size <= PYMALLOC_MAX; size++)
		n += passed_of(size);
	return n;
}

void blocks_clear(struct blocks_passed *passed)
{
	*passed = (struct blocks_passed){ 0 };
	for (size_t size = 1; size <= PYMALLOC_MAX; size++) {
		passed->bytes += passed_of(size) * size;
		passed->count += passed_of(size);
	}
	counted += passed->count;
	memset(blocks_left, 0, sizeof(blocks_left));
	memset(blocks_set, 0, sizeof(blocks_set));
	memset(lines, 0, sizeof(lines));
	busy = false;
}
