// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/arena.h"
#include "util/map64.h"
#include "util/strings.h"

#define MANY 5000

static void equal_text_is_one_pointer(void **state)
{
	struct strings *s = strings__new();
	const char *first[MANY];
	char text[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		first[i] = strings__intern(s, text);
		assert_ptr_not_equal(first[i], text);
	}
	assert_int_equal(strings__count(s), MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "text %d", i);
		assert_ptr_equal(strings__intern(s, text), first[i]);
		assert_string_equal(first[i], text);
	}
	assert_int_equal(strings__count(s), MANY);
	strings__free(s);
	strings__free(NULL);
}

static void parts_of_a_text_are_texts(void **state)
{
	struct strings *s = strings__new();
	const char *ab = strings__intern(s, "ab");

	assert_ptr_equal(strings__intern_n(s, "abc", 2), ab);
	assert_ptr_not_equal(strings__intern_n(s, "abc", 3), ab);
	assert_string_equal(strings__intern_n(s, "abc", 0), "");
	assert_ptr_equal(strings__intern(s, ""), strings__intern_n(s, "xyz", 0));
	assert_null(strings__intern(s, NULL));
	assert_int_equal(strings__count(s), 3);
	/* a longer text with the same start is another one */
	assert_ptr_not_equal(strings__intern(s, "abcdefgh"), strings__intern(s, "abcdefghi"));
	strings__free(s);
}

static void hashes_take_in_every_byte(void **state)
{
	uint8_t bytes[40] = { 0 };

	for (size_t size = 1; size <= sizeof(bytes); size++) {
		uint64_t plain = hash_bytes(bytes, size);

		assert_int_not_equal(plain, hash_bytes(bytes, size - 1));
		for (size_t i = 0; i < size; i++) {
			bytes[i] = 1;
			assert_int_not_equal(hash_bytes(bytes, size), plain);
			bytes[i] = 0;
		}
	}
}

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 0, 1000, 65536, 65537, 1 << 20, 3 };
	struct arena arena = { 0 };
	unsigned char *all[200];

	for (size_t i = 0; i < 200; i++) {
		size_t size = sizes[i % 10];

		all[i] = arena_alloc(&arena, size);
		assert_non_null(all[i]);
		assert_int_equal((uintptr_t)all[i] % 16, 0);
		for (size_t k = 0; k < size; k++)
			assert_int_equal(all[i][k], 0);
		memset(all[i], i + 1, size);
	}
	/* none has written into another */
	for (size_t i = 0; i < 200; i++) {
		for (size_t k = 0; k < sizes[i % 10]; k += 97)
			assert_int_equal(all[i][k], (unsigned char)(i + 1));
	}
	assert_string_equal(arena_strdup(&arena, "copy"), "copy");
	arena_release(&arena);
	assert_null(arena.blocks);
	arena_release(&arena);
}

static void an_arena_refuses_what_overflows(void **state)
{
	struct arena arena = { 0 };

	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 8));
	assert_null(arena_array(&arena, SIZE_MAX / 4, 8));
	assert_null(arena_array(&arena, SIZE_MAX / 8 + 2, 8));
	assert_non_null(arena_array(&arena, 0, 8));
	assert_non_null(arena_array(&arena, 8, 0));
	arena_release(&arena);
}

static void a_map_keeps_what_was_put(void **state)
{
	struct map64 map = { 0 };
	uint32_t value = 7;

	assert_false(map64_get(&map, 1, &value));
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(map64_put(&map, i << 32 | (i * 64), i), 0);
	assert_int_equal(map.count, MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		assert_true(map64_get(&map, i << 32 | (i * 64), &value));
		assert_int_equal(value, i);
		assert_false(map64_get(&map, i << 32 | (i * 64 + 1), &value));
		assert_int_equal(value, i); /* untouched */
	}
	/* replaced, not added */
	assert_int_equal(map64_put(&map, 0, 99), 0);
	assert_int_equal(map64_put(&map, UINT64_MAX, 100), 0);
	assert_int_equal(map.count, MANY + 1);
	assert_true(map64_get(&map, 0, &value) && value == 99);
	assert_true(map64_get(&map, UINT64_MAX, &value) && value == 100);
	map64_release(&map);
	assert_false(map64_get(&map, 0, &value));
}

/* Against an array: keys that share slots, put in and taken out at random. */
static void numbers_are_taken_out_of_maps(void **state)
{
	static uint32_t truth[512]; /* value + 1 */
	struct map64 map = { 0 };
	uint64_t seed = 1;
	uint32_t value = 77;
	size_t count = 0;

	assert_false(map64_remove(&map, 1, &value));
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t key;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		key = (seed >> 40) % 512;
		if (seed >> 63) {
			assert_int_equal(map64_put(&map, (uint64_t)key << 20, i), 0);
			count += !truth[key];
			truth[key] = i + 1;
		} else if (truth[key]) {
			assert_true(map64_remove(&map, (uint64_t)key << 20, &value));
			assert_int_equal(value, truth[key] - 1);
			truth[key] = 0;
			count--;
		} else {
			value = 77;
			assert_false(map64_remove(&map, (uint64_t)key << 20, &value));
			assert_int_equal(value, 77);
		}
		assert_int_equal(map.count, count);
	}
	for (uint32_t key = 0; key < 512; key++) {
		assert_int_equal(map64_get(&map, (uint64_t)key << 20, &value), truth[key] != 0);
		if (truth[key])
			assert_int_equal(value, truth[key] - 1);
	}
	map64_release(&map);
}

static bool keep_long(void *context, const char *text)
{
	++*(int *)context;
	return strlen(text) > 6;
}

static void weak_texts_can_be_swept(void **state)
{
	struct strings *s = strings__new();
	const char *kept, *both, *long_one;
	char text[32];
	int asked = 0;

	strings__sweep(s, keep_long, &asked);
	assert_int_equal(asked, 0);
	kept = strings__intern(s, "kept");
	assert_ptr_equal(strings__intern_weak(s, "kept"), kept);
	both = strings__intern_weak(s, "both");
	assert_ptr_equal(strings__intern(s, "both"), both);
	long_one = strings__intern_weak(s, "a long one");
	assert_null(strings__intern_weak(s, NULL));
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		strings__intern_weak(s, text);
	}
	assert_int_equal(strings__count(s), 10003);
	strings__sweep(s, keep_long, &asked);
	assert_int_equal(asked, 10001);
	assert_int_equal(strings__count(s), 3);
	assert_ptr_equal(strings__intern(s, "kept"), kept);
	assert_ptr_equal(strings__intern(s, "both"), both);
	assert_ptr_equal(strings__intern_weak(s, "a long one"), long_one);
	assert_int_equal(strings__count(s), 3);
	assert_string_equal(strings__intern_weak(s, "77"), "77");
	strings__free(s);
}

static void repaired(const char *text, size_t size, const char *expected)
{
	char out[64];

	memset(out, 'x', sizeof(out));
	assert_int_equal(utf8_repair(out, size, text), strlen(expected));
	assert_string_equal(out, expected);
	assert_true(utf8_valid(out, strlen(out)));
}

static void texts_are_made_utf8(void **state)
{
	char nothing = 'x';

	repaired("", 64, "");
	repaired("plain", 64, "plain");
	repaired("gr\xc3\xbcn \xe5\x90\x8d \xf0\x9f\x90\x8d", 64, "gr\xc3\xbcn \xe5\x90\x8d \xf0\x9f\x90\x8d");
	repaired("\xff" "a\xc3", 64, "\xef\xbf\xbd" "a\xef\xbf\xbd");
	/* too short, too long for what they say, halves of a pair, beyond the last one */
	repaired("\xc0\x80", 64, "\xef\xbf\xbd\xef\xbf\xbd");
	repaired("\xe5\x90", 64, "\xef\xbf\xbd\xef\xbf\xbd");
	repaired("\xed\xa0\x80z", 64, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
	repaired("\xf4\x90\x80\x80", 64, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	/* what does not fit is left out, whole */
	repaired("gr\xc3\xbcn", 6, "gr\xc3\xbcn");
	repaired("gr\xc3\xbcn", 5, "gr\xc3\xbc");
	repaired("gr\xc3\xbcn", 4, "gr");
	repaired("\xff", 3, "");
	repaired("x", 1, "");
	assert_int_equal(utf8_repair(&nothing, 0, "x"), 0);
	assert_int_equal(nothing, 'x');
}

static void characters_become_utf8(void **state)
{
	static const struct { uint32_t character; const char *expected; } cases[] = {
		{ 'a', "a" }, { 0x7f, "\x7f" }, { 0x80, "\xc2\x80" }, { 0x7ff, "\xdf\xbf" }, { 0x800, "\xe0\xa0\x80" }, { 0x20ac, "\xe2\x82\xac" },
		{ 0xffff, "\xef\xbf\xbf" }, { 0x10000, "\xf0\x90\x80\x80" }, { 0x1f40d, "\xf0\x9f\x90\x8d" }, { 0x10ffff, "\xf4\x8f\xbf\xbf" },
	};
	char bytes[4];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(utf8_encode(bytes, cases[i].character), strlen(cases[i].expected));
		assert_memory_equal(bytes, cases[i].expected, strlen(cases[i].expected));
	}
	/* exactly as many as there are */
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(utf8_encode(bytes, 0xe9), 2);
	assert_int_equal(bytes[2], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_text_is_one_pointer),
		cmocka_unit_test(parts_of_a_text_are_texts),
		cmocka_unit_test(hashes_take_in_every_byte),
		cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
		cmocka_unit_test(an_arena_refuses_what_overflows),
		cmocka_unit_test(a_map_keeps_what_was_put),
		cmocka_unit_test(numbers_are_taken_out_of_maps),
		cmocka_unit_test(weak_texts_can_be_swept),
		cmocka_unit_test(texts_are_made_utf8),
		cmocka_unit_test(characters_become_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
