// SPDX-License-Identifier: Apache-2.0
/* Where a probe goes: instructions as compilers put them at the start of allocators' functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "image/probe_point.h"

#define CODE(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static void expect(const uint8_t *code, size_t size, uint32_t offset, bool stepped)
{
	struct probe_point point;

	assert_true(probe_point__choose(code, size, &point));
	assert_int_equal(point.offset, offset);
	assert_int_equal(point.stepped, stepped);
}

static void test_emulated(void **state)
{
	expect(CODE(0x41, 0x54, 0x55), 0, false);                               /* push %r12 */
	expect(CODE(0x55), 0, false);                                           /* push %rbp */
	expect(CODE(0x90, 0xc3), 0, false);                                     /* nop */
	expect(CODE(0xe9, 1, 2, 3, 4), 0, false);                               /* jmp */
	expect(CODE(0xe8, 1, 2, 3, 4), 0, false);                               /* call */
	expect(CODE(0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57), 4, false);             /* endbr64; push */
	expect(CODE(0x48, 0x85, 0xff, 0x0f, 0x84, 1, 0, 0, 0), 3, false);       /* test %rdi,%rdi; je */
	expect(CODE(0x80, 0x3d, 1, 2, 3, 4, 0, 0x74, 7), 7, false);             /* cmpb $0,x(%rip); je */
	expect(CODE(0x41, 0x89, 0xca, 0x41, 0xf7, 0xc1, 0xff, 0x0f, 0, 0, 0x75, 0x14), 10, false); /* mov %ecx,%r10d; test $0xfff,%r9d; jne */
	expect(CODE(0x48, 0x89, 0xf8, 0x53), 3, false);                         /* mov %rdi,%rax; push */
	expect(CODE(0x64, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0, 0x53), 9, false); /* mov %fs:0x28,%rax; push */
	expect(CODE(0x49, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x53), 0, true);        /* movabs $x,%r8: an argument */
	expect(CODE(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0x53), 10, false);      /* movabs $x,%rax */
}

/* What moves the stack or changes an argument ends the search. */
static void test_stepped(void **state)
{
	expect(CODE(0x48, 0x83, 0xec, 0x58, 0x53), 0, true);                    /* sub $0x58,%rsp; push */
	expect(CODE(0xb8, 11, 0, 0, 0, 0x0f, 0x05, 0x73, 1), 0, true);          /* mov $11,%eax; syscall; jae */
	expect(CODE(0x48, 0x89, 0xf7, 0x53), 0, true);                          /* mov %rsi,%rdi; push */
	expect(CODE(0x31, 0xf6, 0x53), 0, true);                                /* xor %esi,%esi; push */
	expect(CODE(0x48, 0x8d, 0x77, 0xf0, 0x53), 0, true);                    /* lea -16(%rdi),%rsi; push */
	expect(CODE(0x41, 0xb8, 0, 0, 0, 0, 0x53), 0, true);                    /* mov $0,%r8d; push */
	expect(CODE(0x48, 0x83, 0xc7, 8, 0x53), 0, true);                       /* add $8,%rdi; push */
	expect(CODE(0xc3, 0x55), 0, true);                                      /* ret */
	expect(CODE(0xff, 0xe0, 0x55), 0, true);                                /* jmp *%rax */
}

/* A probe is never on a nop of several bytes. */
static void test_nops(void **state)
{
	struct probe_point point;

	expect(CODE(0x0f, 0x1f, 0x44, 0, 0, 0x55), 5, false);                   /* nop of 5; push */
	expect(CODE(0x0f, 0x1f, 0x44, 0, 0, 0x48, 0x83, 0xec, 8), 5, true);     /* nop of 5; sub $8,%rsp */
	expect(CODE(0x66, 0x90, 0x0f, 0x1f, 0x40, 0, 0x48, 0x29, 0xfc), 6, true);
	assert_false(probe_point__choose(CODE(0x0f, 0x1f, 0x44, 0, 0), &point));
	assert_false(probe_point__choose(NULL, 0, &point));
}

/* free(NULL) is passed over where the function tests for it first. */
static void test_not_null(void **state)
{
	static const uint8_t glibc[] = { 0x48, 0x85, 0xff, 0x0f, 0x84, 0xbf, 0, 0, 0, 0x55 }, shorter[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x74, 9, 0x53, 0x90 };
	static const uint8_t moved[] = { 0x48, 0x85, 0xff, 0x74, 9, 0x48, 0x83, 0xec, 8, 0x53 }, other[] = { 0x48, 0x85, 0xff, 0x75, 9, 0x53, 0x90, 0x90, 0x90 };
	struct probe_point point;

	assert_true(probe_point__choose_not_null(glibc, sizeof(glibc), &point));
	assert_int_equal(point.offset, 9);
	assert_true(probe_point__choose_not_null(shorter, sizeof(shorter), &point));
	assert_int_equal(point.offset, 7); /* too short to be sure: at the jump */
	assert_true(probe_point__choose_not_null(moved, sizeof(moved), &point));
	assert_int_equal(point.offset, 3);
	assert_true(probe_point__choose_not_null(other, sizeof(other), &point));
	assert_int_equal(point.offset, 3);
	assert_false(point.stepped);
}

/* Where only three arguments matter, the stack may move; their registers still must not change. */
static void test_three(void **state)
{
	static const uint8_t moved[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x81, 0xec, 0xa8, 1, 0, 0, 0x48, 0x85, 0xff, 0x0f, 0x84, 1, 2, 3, 4 }; /* endbr64; sub; test; je */
	static const uint8_t changed[] = { 0x48, 0x83, 0xec, 8, 0x48, 0x89, 0xf7, 0x53 }; /* sub; mov %rsi,%rdi; push */
	struct probe_point point;

	assert_true(probe_point__choose_three(moved, sizeof(moved), &point));
	assert_int_equal(point.offset, 14);
	assert_false(point.stepped);
	assert_true(probe_point__choose(moved, sizeof(moved), &point));
	assert_true(point.stepped);
	assert_true(probe_point__choose_three(changed, sizeof(changed), &point));
	assert_int_equal(point.offset, 0);
	assert_true(point.stepped);
}

/* Every cut, and random bytes: no read beyond the end (under the sanitizer), and no place outside. */
static void test_any_bytes(void **state)
{
	uint32_t random = 12345;

	for (int round = 0; round < 200000; round++) {
		struct probe_point point;
		uint8_t code[PROBE_POINT_LOOK + 8];
		size_t size = round % sizeof(code);

		for (size_t i = 0; i < size; i++) {
			random = random * 1664525 + 1013904223;
			code[i] = random >> 24;
		}
		uint8_t *exact = test_malloc(size);
		memcpy(exact, code, size);
		if (probe_point__choose(exact, size, &point)) {
			assert_true(point.offset < size);
			assert_false(size - point.offset >= 2 && exact[point.offset] == 0x0f && exact[point.offset + 1] == 0x1f);
		}
		test_free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emulated),
		cmocka_unit_test(test_stepped),
		cmocka_unit_test(test_nops),
		cmocka_unit_test(test_not_null),
		cmocka_unit_test(test_three),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
