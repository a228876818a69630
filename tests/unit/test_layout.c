// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "python/layout.h"
#include "tiny_elf.h"

static void every_row_passes_its_own_check(void **state)
{
	for (uint32_t version = 0x0307; version <= 0x030c; version++) {
		const struct py_layout *l = layout_for(version);

		assert_non_null(l);
		assert_int_equal(l->version, version);
		assert_int_equal(layout_check(l), 0);
		assert_int_not_equal(l->tss_key, 0);
		assert_int_equal(!!(l->flags & PY_CODE_VERSION), version >= 0x030c);
	}
	assert_null(layout_for(0x0306));
	assert_null(layout_for(0x030d));
	assert_null(layout_for(0));
}

static void debug_offsets_are_parsed(void **state)
{
	uint64_t words[128];
	struct py_layout l = { 0 };
	char reason[LAYOUT_REASON_SIZE];

	tiny_debug_offsets(words);
	assert_int_equal(layout_debug_version(words, sizeof(words)), 0x30d00f0);
	assert_int_equal(layout_from_debug_offsets(words, 73 * 8, &l, reason), 0);
	assert_true(l.version == 0x030d && l.flags == PY_CODE_VERSION && l.tss_key == 2164 && l.interpreters_head == 632);
	assert_true(l.tstate_frame == 72 && l.tstate_thread_id == 152 && l.frame_prev == 8 && l.frame_instr == 56 && l.frame_owner == 70);
	assert_true(l.code_firstlineno == 68 && l.code_linetable == 136 && l.code_first_instr == 200 && l.str_ascii == 40 && l.str_compact == 56);
	/* an unknown build's TSS key is not guessed */
	words[5] = 640;
	assert_int_equal(layout_from_debug_offsets(words, 73 * 8, &l, reason), 0);
	assert_int_equal(l.tss_key, 0);
}

static void debug_offsets_that_do_not_fit_are_refused(void **state)
{
	struct py_layout l = { .version = 1 };
	char reason[LAYOUT_REASON_SIZE];
	uint64_t words[128];

	tiny_debug_offsets(words);
	assert_int_equal(layout_from_debug_offsets(words, 72 * 8, &l, reason), -EBADMSG);
	assert_int_equal(layout_from_debug_offsets(words, 16, &l, reason), -ENODATA);
	words[2] = 1;
	assert_int_equal(layout_from_debug_offsets(words, sizeof(words), &l, reason), -ENOTSUP);
	assert_string_equal(reason, "free-threaded CPython 3.13t is not supported yet");
	words[2] = 0;
	words[1] = 0x31000f0;
	assert_int_equal(layout_from_debug_offsets(words, sizeof(words), &l, reason), -ENOTSUP);
	assert_string_equal(reason, "CPython 3.16 is not supported");
	words[1] = 0x30f00a3;
	assert_int_equal(layout_from_debug_offsets(words, sizeof(words), &l, reason), -ENOTSUP);
	assert_string_equal(reason, "this pre-release of CPython 3.15 is not supported");
	words[0] ^= 1;
	assert_int_equal(layout_from_debug_offsets(words, sizeof(words), &l, reason), -ENODATA);
	assert_int_equal(l.version, 1);
}

static void no_wrong_word_gets_through(void **state)
{
	static const uint8_t used[] = { 5, 8, 9, 21, 23, 24, 29, 30, 31, 33, 35, 36, 37, 38, 39, 43, 65, 66, 68, 69, 70 };
	static const uint64_t wrong[] = { UINT64_MAX, 1ULL << 32, 1ULL << 31, 0x7fffffff, 5000000, UINT64_MAX - 7 };

	for (size_t i = 0; i < sizeof(used); i++) {
		for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
			char reason[LAYOUT_REASON_SIZE];
			struct py_layout l;
			uint64_t words[128];

			tiny_debug_offsets(words);
			words[used[i]] = wrong[k];
			assert_int_equal(layout_from_debug_offsets(words, sizeof(words), &l, reason), -EBADMSG);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_passes_its_own_check),
		cmocka_unit_test(debug_offsets_are_parsed),
		cmocka_unit_test(debug_offsets_that_do_not_fit_are_refused),
		cmocka_unit_test(no_wrong_word_gets_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
