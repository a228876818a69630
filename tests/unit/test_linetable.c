// SPDX-License-Identifier: Apache-2.0
/* Rules and edges by hand; tests/e2e/test_linetable.py has the interpreters' own word on whole libraries. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "python/code.h"

#define LINE(version, first, offset, ...)                                                               \
	linetable_line(version, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), \
		       first, offset)

static void lnotab_adds_signed_steps(void **state)
{
	/* 6 bytes, +1; 4 bytes, -3; 0 bytes, +127; 2 bytes, +1 */
#define TABLE 6, 1, 4, 0xfd, 0, 127, 2, 1
	assert_int_equal(LINE(0x0309, 10, -1, TABLE), 10);
	assert_int_equal(LINE(0x0309, 10, 0, TABLE), 10);
	assert_int_equal(LINE(0x0309, 10, 5, TABLE), 10);
	assert_int_equal(LINE(0x0309, 10, 6, TABLE), 11);
	assert_int_equal(LINE(0x0309, 10, 9, TABLE), 11);
	assert_int_equal(LINE(0x0309, 10, 10, TABLE), 10 + 1 - 3 + 127);
	assert_int_equal(LINE(0x0308, 10, 4000, TABLE), 10 + 1 - 3 + 127 + 1);
#undef TABLE
	assert_int_equal(linetable_line(0x0308, NULL, 0, 5, 2), 5);
	/* an odd byte at the end, and a line before the first */
	assert_int_equal(LINE(0x0308, 10, 4, 2, 1, 2), 11);
	assert_int_equal(LINE(0x0308, 3, 4, 2, 0x80), 0);
}

static void linetable_of_310_covers_stretches(void **state)
{
	/* 4 bytes at +0, 2 bytes without a line, 0 bytes +5, 6 bytes at -2 */
#define TABLE 4, 0, 2, 0x80, 0, 5, 6, 0xfe
	assert_int_equal(LINE(0x030a, 10, -2, TABLE), 10);
	assert_int_equal(LINE(0x030a, 10, 0, TABLE), 10);
	assert_int_equal(LINE(0x030a, 10, 3, TABLE), 10);
	assert_int_equal(LINE(0x030a, 10, 4, TABLE), 0);
	assert_int_equal(LINE(0x030a, 10, 6, TABLE), 13);
	assert_int_equal(LINE(0x030a, 10, 11, TABLE), 13);
	assert_int_equal(LINE(0x030a, 10, 12, TABLE), 0);
#undef TABLE
}

static void location_table_has_five_forms(void **state)
{
	/* short, 1 unit; one line +2, 2 units; no columns, -3 (coded 7), 1 unit; long, +100 (coded 200), 1 unit; none, 8 units */
#define TABLE 0x80 | 3 << 3, 0x12, 0x80 | 12 << 3 | 1, 1, 2, 0x80 | 13 << 3, 7, 0x80 | 14 << 3, 64 | (200 & 63), 200 >> 6, 0, 1, 2, 0x80 | 15 << 3 | 7
	assert_int_equal(LINE(0x030b, 10, -2, TABLE), 10);
	assert_int_equal(LINE(0x030b, 10, 0, TABLE), 10);
	assert_int_equal(LINE(0x030b, 10, 2, TABLE), 12);
	assert_int_equal(LINE(0x030c, 10, 5, TABLE), 12);
	assert_int_equal(LINE(0x030d, 10, 6, TABLE), 9);
	assert_int_equal(LINE(0x030e, 10, 8, TABLE), 109);
	assert_int_equal(LINE(0x030f, 10, 10, TABLE), 0);
	assert_int_equal(LINE(0x030f, 10, 25, TABLE), 0);
	assert_int_equal(LINE(0x030f, 10, 26, TABLE), 0);
#undef TABLE
	/* a step that the table ends in, and a line below one */
	assert_int_equal(LINE(0x030b, 10, 0, 0x80 | 14 << 3, 64 | 2), 11);
	assert_int_equal(LINE(0x030b, 10, 0, 0x80 | 14 << 3, 64 | 63, 64 | 63, 63), 0);
	assert_int_equal(LINE(0x030b, 10, 0, 0x80 | 14 << 3, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127), 0);
	assert_int_equal(linetable_line(0x030b, NULL, 0, 10, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lnotab_adds_signed_steps),
		cmocka_unit_test(linetable_of_310_covers_stretches),
		cmocka_unit_test(location_table_has_five_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
