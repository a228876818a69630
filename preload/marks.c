// SPDX-License-Identifier: Apache-2.0
#include "preload/marks.h"

#include <sys/mman.h>

#include "preload/lock.h"

#define CAPACITY_FIRST 1024u
#define GONE 1u /* a key that was removed; no address */

struct entry {
	uint64_t key;
	struct mark mark;
};

struct table {
	uint64_t capacity; /* power of two */
	uint64_t filled;   /* keys and gone ones; under the lock */
	struct entry entries[];
};

uint8_t marks_pages[MARKS_PAGES];
static struct table *current;

static uint64_t hash(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ULL;
	return key ^ key >> 32;
}

static struct entry *table_find(struct table *t, uint64_t key)
{
	if (!t)
		return NULL;
	for (uint64_t i = hash(key), n = 0; n < t->capacity; i++, n++) {
		struct entry *e = &t->entries[i & (t->capacity - 1)];
		uint64_t found = __atomic_load_n(&e->key, __ATOMIC_ACQUIRE);

		if (found == key)
			return e;
		if (!found)
			return NULL;
	}
	return NULL;
}

static void table_put(struct table *t, uint64_t key, const struct mark *mark)
{
	uint64_t i = hash(key);
	struct entry *e;

	while (t->entries[i & (t->capacity - 1)].key > GONE)
		i++;
	e = &t->entries[i & (t->capacity - 1)];
	t->filled += e->key != GONE;
	e->mark = *mark;
	__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
}

/*
 * Leaves no gone key where the chain ends anyway, so that a table in which keys come and go does not
 * fill up. No reader misses its own key: nothing lies behind in this chain.
 */
static void table_remove(struct table *t, struct entry *e)
{
	uint64_t mask = t->capacity - 1, i = e - t->entries;

	__atomic_store_n(&e->key, GONE, __ATOMIC_RELEASE);
	if (t->entries[(i + 1) & mask].key)
		return;
	for (; t->entries[i & mask].key == GONE; i--) {
		__atomic_store_n(&t->entries[i & mask].key, 0, __ATOMIC_RELEASE);
		t->filled--;
	}
}

/* A table with room. The old one stays mapped, as readers may be in it: all of them together are no larger than the newest. */
static struct table *table_grow(struct table *old)
{
	uint64_t capacity = old ? 2 * old->capacity : CAPACITY_FIRST;
	struct table *t;

	t = mmap(NULL, sizeof(*t) + capacity * sizeof(struct entry), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return NULL;
	t->capacity = capacity;
	for (uint64_t i = 0; old && i < old->capacity; i++)
		if (old->entries[i].key > GONE)
			table_put(t, old->entries[i].key, &old->entries[i].mark);
	__atomic_store_n(&current, t, __ATOMIC_RELEASE);
	return t;
}

static void page_count(const void *p, int change)
{
	uint8_t *page = marks_page(p);

	if (*page == MARKS_ALWAYS)
		return;
	__atomic_store_n(page, *page + change, __ATOMIC_RELAXED);
}

bool marks_have(const void *p)
{
	return marks_maybe(p) && (uintptr_t)p > GONE && table_find(__atomic_load_n(&current, __ATOMIC_ACQUIRE), (uintptr_t)p);
}

bool marks_insert(const void *p, const struct mark *mark)
{
	struct table *t;
	struct entry *e;
	bool ok = true;

	if (!lock_enter())
		return false;
	t = current;
	e = table_find(t, (uintptr_t)p);
	if (e) {
		e->mark = *mark;
	} else {
		if (!t || t->filled * 2 >= t->capacity)
			t = table_grow(t);
		ok = t != NULL;
		if (ok) {
			table_put(t, (uintptr_t)p, mark);
			page_count(p, 1);
		}
	}
	lock_leave();
	return ok;
}

enum marks_result marks_take(const void *p, struct mark *mark)
{
	struct entry *e;

	if (!marks_have(p))
		return MARKS_NONE;
	if (!lock_enter())
		return MARKS_BUSY;
	e = table_find(current, (uintptr_t)p);
	if (e) {
		*mark = e->mark;
		table_remove(current, e);
		page_count(p, -1);
	}
	lock_leave();
	return e ? MARKS_TAKEN : MARKS_NONE;
}
