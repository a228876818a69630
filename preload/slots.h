/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small allocator for sampled blocks, in one reserved range of addresses. That a
 * block was sampled is then known from its address, with one compare, and also where
 * we are not asked first: pymalloc finds that the block is none of its own and hands it
 * on to libc's free, which is ours.
 *
 * Size classes up to SLOTS_MAX in spans of 64 KiB. Memory is committed span by span,
 * and given back once a span is empty (some are kept). A slot is as good as a block
 * of malloc: aligned to 16 bytes, at least as large as asked for.
 */
#ifndef FIXINGAHOLE_PRELOAD_SLOTS_H
#define FIXINGAHOLE_PRELOAD_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTS_MAX 8192u

struct slots_range {
	uintptr_t base;
	uintptr_t size; /* 0: there is no range */
};

extern struct slots_range slots_range;

static inline bool slots_own(const void *p)
{
	return (uintptr_t)p - slots_range.base < slots_range.size;
}

/* Reserves up to size bytes of addresses, less where there is a limit. False: none. */
bool slots_init(uint64_t size);

/* Gives back the addresses that were never used: there is a limit from now on, meant for the program. */
void slots_trim(void);

/* NULL: too large, no room, or called from a handler that interrupted us. */
void *slots_alloc(size_t size);

/* Usable bytes; p must be a slot in use. */
size_t slots_size(const void *p);

/* p is no slot in use: the program freed twice or what it never had; false then, and nothing happened. */
bool slots_free(void *p);

#endif
