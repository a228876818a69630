// SPDX-License-Identifier: Apache-2.0
/* Many small reads of a process's memory at once: this one's, with holes in it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/remote.h"

#define PAGE 4096u
#define PAGES 40u
#define MANY 1000

static uint8_t *memory; /* every fifth page cannot be read */

static bool readable(uint64_t offset, uint32_t size)
{
	for (uint64_t page = offset / PAGE; page <= (offset + size - 1) / PAGE; page++) {
		if (page % 5 == 4 || page >= PAGES)
			return false;
	}
	return true;
}

static void pieces_anywhere(void **state)
{
	static uint8_t to[MANY][512];
	static struct peek peeks[MANY];
	static uint64_t offsets[MANY];
	uint32_t random = 7;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < MANY; i++) {
			random = random * 1103515245 + 12345;
			/* close to each other, overlapping, or far apart */
			offsets[i] = (random >> 8) % (round % 2 ? PAGES * PAGE : 3000u * (round + 1));
			peeks[i] = (struct peek){ .address = (uintptr_t)memory + offsets[i], .to = to[i], .size = 1 + (random >> 4) % 512 };
			memset(to[i], 0, sizeof(to[i]));
		}
		assert_int_equal(remote__read_many(getpid(), peeks, MANY), 0);
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(peeks[i].ok, readable(offsets[i], peeks[i].size));
			if (peeks[i].ok)
				assert_memory_equal(to[i], memory + offsets[i], peeks[i].size);
		}
	}
}

static void what_cannot_be_read(void **state)
{
	uint8_t to[1024];
	struct peek peeks[] = {
		{ .address = 0, .to = to, .size = 8 },
		{ .address = UINT64_MAX - 3, .to = to, .size = 8 },
		{ .address = (uintptr_t)memory, .to = to, .size = 513 },
		{ .address = (uintptr_t)memory, .to = to, .size = 8 },
		{ .address = 1ULL << 63, .to = to, .size = 8 },
	};

	assert_int_equal(remote__read_many(getpid(), peeks, 5), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(peeks[i].ok, i == 3);
	assert_int_equal(remote__read_many(getpid(), peeks, 0), 0);
	assert_int_equal(remote__read_many(0x7ffffffe, peeks, 5), -ESRCH);
	assert_false(peeks[3].ok);
}

static int make_memory(void **state)
{
	memory = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	for (uint32_t i = 0; i < PAGES * PAGE; i++)
		memory[i] = i * 7 + i / PAGE;
	for (uint32_t page = 0; page <= PAGES; page++) {
		if ((page % 5 == 4 || page == PAGES) && mprotect(memory + page * PAGE, PAGE, PROT_NONE))
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_anywhere),
		cmocka_unit_test(what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, make_memory, NULL);
}
