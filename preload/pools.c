// SPDX-License-Identifier: Apache-2.0
#include "preload/pools.h"

#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

#define SMALL_ARENA POOLS_ARENA_MIN
#define LARGE_ARENA (1UL << 20)
#define SMALL_POOL 4096u
#define LARGE_POOL (16u << 10)
#define TRIES 4

struct taken {
	void *blocks[TRIES];
	unsigned n;
};

/* It goes with the arenas' size. 0: neither of those that there are. */
static size_t pool_size(size_t arena_size)
{
	return arena_size == SMALL_ARENA ? SMALL_POOL : arena_size == LARGE_ARENA ? LARGE_POOL : 0;
}

/* A copy by the kernel fails where a look would crash. */
static bool readable(const struct pool *pool)
{
	struct pool copy;
	struct iovec to = { &copy, sizeof(copy) }, from = { (void *)pool, sizeof(copy) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == (ssize_t)sizeof(copy);
}

static struct pool *pool_of(const void *p, size_t room)
{
	struct pool *pool = (struct pool *)((uintptr_t)p & ~(uintptr_t)(room - 1));

	return readable(pool) ? pool : NULL;
}

/* Looks at memory that is another allocator's, if the guess is wrong: it is mapped, but an address sanitizer has its own opinion. */
#define LOOKS_ABOUT __attribute__((no_sanitize("address")))

/* A word of somebody else's, who changes it behind the compiler's back. */
#define NOW(word) (*(volatile __typeof__(word) *)&(word))

static void *take(const struct pools_owner *owner, struct taken *taken, size_t size)
{
	void *p = taken->n < TRIES ? owner->malloc(owner->ctx, size) : NULL;

	if (p)
		taken->blocks[taken->n++] = p;
	return p;
}

static void give_back(const struct pools_owner *owner, struct taken *taken)
{
	while (taken->n)
		owner->free(owner->ctx, taken->blocks[--taken->n]);
}

/* The entry of a size: what the pool that is first in its list points back to. */
LOOKS_ABOUT static uintptr_t entry_find(const struct pools_owner *owner, struct taken *taken, unsigned index, size_t room)
{
	for (unsigned i = 0; i < TRIES; i++) {
		const char *p = take(owner, taken, (index + 1) * POOLS_STEP);
		struct pool *pool = p ? pool_of(p, room) : NULL, *entry;

		if (!pool || NOW(pool->size) != index || !NOW(pool->used) || NOW(pool->used) > room / POOLS_STEP)
			return 0;
		/* the last one of a pool, which then is in no list */
		if (!NOW(pool->free))
			continue;
		entry = NOW(pool->prev);
		if (((uintptr_t)entry & 7) || !readable(entry) || NOW(entry->next) != pool)
			return 0;
		return (uintptr_t)&entry->next;
	}
	return 0;
}

/* No pool had any: one has now, unless that was its last one. */
LOOKS_ABOUT static bool opened(struct pool *const *entry, const void *got, size_t room)
{
	struct pool *pool = pool_of(got, room);

	return pool && (NOW(pool->free) ? NOW(*entry) == pool : NOW(*entry) != pool);
}

/* Says what is about to be given out, and sees whether it is so. */
LOOKS_ABOUT static bool foresee(const struct pools_owner *owner, struct taken *taken, struct pool *const *entry, unsigned index, size_t room)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct pool *pool = NOW(*entry);
		void **first = NOW(pool->free), **next;
		bool none = pool == NOW(pool->next);
		uint32_t used = NOW(pool->used);

		if (!none && ((uintptr_t)first & ~(uintptr_t)(room - 1)) != (uintptr_t)pool)
			return false;
		next = none ? NULL : NOW(*first);
		if (!take(owner, taken, index * POOLS_STEP + 1 + i * 5))
			return false;
		if (none) {
			if (!opened(entry, taken->blocks[i], room))
				return false;
		} else if (taken->blocks[i] != first || NOW(pool->used) != used + 1 || (next && NOW(pool->free) != next)) {
			return false;
		}
	}
	return true;
}

/* Takes two as hot.S does, and gives them back: all is as before then. */
LOOKS_ABOUT static bool try_it(const struct pools_owner *owner, struct pool *const *entry)
{
	struct pool *pool = NOW(*entry);
	void **first = NOW(pool->free), **second;
	uint32_t used = NOW(pool->used);

	if (pool == NOW(pool->next))
		return true;
	second = NOW(*first);
	if (!second || !NOW(*second))
		return true;
	NOW(pool->free) = NOW(*second);
	NOW(pool->used) = used + 2;
	owner->free(owner->ctx, second);
	owner->free(owner->ctx, first);
	return NOW(pool->used) == used && NOW(pool->free) == first && NOW(*first) == second;
}

uintptr_t pools_find(const struct pools_owner *owner)
{
	size_t room = pool_size(owner->arena_size);
	uintptr_t table = 0;
	bool fits = room != 0;

	for (unsigned pass = 0; pass < 3; pass++) {
		for (unsigned i = 0; fits && i < POOLS_SIZES; i++) {
			struct taken taken = { .n = 0 };
			struct pool *const *entry = (struct pool *const *)(table + i * POOLS_STEP);
			uintptr_t found;

			if (!pass) {
				found = entry_find(owner, &taken, i, room);
				if (!i)
					table = found;
				fits = found && found == table + i * POOLS_STEP;
			} else if (pass == 1) {
				fits = foresee(owner, &taken, entry, i, room);
			} else {
				fits = try_it(owner, entry);
			}
			give_back(owner, &taken);
		}
	}
	return fits ? table : 0;
}
