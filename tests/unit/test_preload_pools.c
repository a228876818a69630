// SPDX-License-Identifier: Apache-2.0
/* Looking for pymalloc's table: found where all is as it is known, and in nothing that is only nearly so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/pools.h"

#define ARENA (1UL << 20)
#define ROOM (16u << 10)
#define HEAD 48u
#define POOLS (ARENA / ROOM)

/* How this one is not as pymalloc. */
enum twist { HONEST, LAST_FIRST, COUNTS_TWICE, OTHER_ORDER, NO_POOLS, GAPS, TWISTS };

static struct {
	enum twist twist;
	struct pool *table[2 * (2 * POOLS_SIZES + 2)];
	char *arena;
	unsigned opened;
	struct pool *spare;
	long out;
} model;

static unsigned spread(void)
{
	return model.twist == GAPS ? 2 : 1;
}

static struct pool *entry_of(unsigned index)
{
	return (struct pool *)((char *)&model.table[2 + 2 * index * spread()] - offsetof(struct pool, next));
}

static void link_pool(struct pool *pool)
{
	struct pool *entry = entry_of(pool->size);

	pool->next = entry->next;
	pool->prev = entry;
	entry->next->prev = pool;
	entry->next = pool;
}

static void unlink_pool(struct pool *pool)
{
	pool->prev->next = pool->next;
	pool->next->prev = pool->prev;
}

static void open_pool(unsigned index)
{
	struct pool *pool = model.spare;
	size_t size = (index + 1) * 16;

	if (pool)
		model.spare = pool->next;
	else
		pool = (struct pool *)(model.arena + ROOM * model.opened++);
	assert_true(model.opened <= POOLS);
	*pool = (struct pool){ .size = index };
	for (size_t n = (ROOM - HEAD) / size; n; n--) {
		void **block = (void **)((char *)pool + HEAD + (n - 1) * size);

		*block = pool->free;
		pool->free = block;
	}
	link_pool(pool);
}

static void *model_malloc(void *ctx, size_t size)
{
	unsigned index = (size - 1) / 16;
	struct pool *entry = entry_of(index), *pool;
	void **block;

	assert_true(size >= 1 && size <= 512 && ctx == &model);
	model.out++;
	if (model.twist == NO_POOLS)
		return malloc(size);
	if (entry->next == entry)
		open_pool(index);
	pool = entry->next;
	block = pool->free;
	pool->used += model.twist == COUNTS_TWICE ? 2 : 1;
	if (model.twist == LAST_FIRST && *block && *(void **)*block) {
		void **second = *block;

		*block = *second;
		return second;
	}
	pool->free = *block;
	if (!pool->free)
		unlink_pool(pool);
	return block;
}

static void model_free(void *ctx, void *p)
{
	struct pool *pool = (struct pool *)((uintptr_t)p & ~(uintptr_t)(ROOM - 1));
	void **block = p;

	model.out--;
	if (model.twist == NO_POOLS) {
		free(p);
		return;
	}
	if (model.twist == OTHER_ORDER && pool->free && *pool->free) {
		*block = *pool->free;
		*pool->free = block;
	} else {
		*block = pool->free;
		pool->free = block;
	}
	if (!*block)
		link_pool(pool);
	pool->used -= model.twist == COUNTS_TWICE ? 2 : 1;
	if (!pool->used) {
		unlink_pool(pool);
		pool->next = model.spare;
		model.spare = pool;
	}
}

/* Blocks that are somebody's. */
static long outstanding(void)
{
	long n = 0;

	for (unsigned i = 0; i < model.opened; i++)
		n += ((struct pool *)(model.arena + ROOM * i))->used;
	return model.twist == NO_POOLS ? model.out : n;
}

static const struct pools_owner owner = { model_malloc, model_free, &model, ARENA };

static void begin(enum twist twist)
{
	static char *area;

	if (!area)
		area = mmap(NULL, 2 * ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(&model, 0, sizeof(model));
	memset(area, 0, 2 * ARENA);
	model.twist = twist;
	model.arena = (char *)(((uintptr_t)area + ARENA - 1) & ~(ARENA - 1));
	for (unsigned i = 0; i < POOLS_SIZES; i++)
		entry_of(i)->next = entry_of(i)->prev = entry_of(i);
}

static void *taken[4000];

/* Empty, and after all sorts of use: with pools that are full, that were, and with blocks in any order. */
static void test_found(void **state)
{
	for (unsigned round = 0; round < 200; round++) {
		size_t n = 0;

		begin(HONEST);
		srand(round);
		for (unsigned i = 0; round && i < 20 * round; i++) {
			if (n && rand() % 3 == 0) {
				size_t at = rand() % n;

				model_free(&model, taken[at]);
				taken[at] = taken[--n];
			} else if (model.opened < POOLS - 2 * POOLS_SIZES / 3) {
				taken[n++] = model_malloc(&model, 1 + rand() % (round % 2 ? 512 : 40));
			}
		}
		if (model.opened > POOLS - POOLS_SIZES)
			continue;
		assert_int_equal(pools_find(&owner), &model.table[2]);
		assert_int_equal(outstanding(), n);
		while (n)
			model_free(&model, taken[--n]);
		for (unsigned i = 0; i < POOLS_SIZES; i++)
			assert_ptr_equal(entry_of(i)->next, entry_of(i));
	}
}

static void test_not_found(void **state)
{
	struct pools_owner other = owner;

	for (enum twist twist = HONEST + 1; twist < TWISTS; twist++) {
		void *some[3];

		begin(twist);
		for (unsigned i = 0; i < 3; i++)
			some[i] = model_malloc(&model, 100);
		if (pools_find(&owner))
			fail_msg("twist %d", twist);
		for (unsigned i = 0; i < 3; i++)
			model_free(&model, some[i]);
		assert_int_equal(outstanding(), 0);
	}
	begin(HONEST);
	other.arena_size = 0;
	assert_int_equal(pools_find(&other), 0);
	other.arena_size = ARENA / 2;
	assert_int_equal(pools_find(&other), 0);
	assert_int_equal(outstanding(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
