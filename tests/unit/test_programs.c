// SPDX-License-Identifier: Apache-2.0
/* Executables that are known to be interpreters: what is learnt of a process, and what is told of the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "python/programs.h"

static const struct program_file file = { .device = 8, .inode = 77, .size = 6000000, .mtime_s = 1700000000, .mtime_ns = 5 };
static const struct interp_binary binary = { .runtime = 0xa00000, .text_start = 0x41f000, .text_end = 0x6b0000, .dynamic = 0x9f0000 };

static struct interp_process found(void)
{
	struct interp_process p = { .status = INTERP_OK, .binary = &binary, .bias = 0x550000000000, .in_executable = true, .code_start = 0x41f000, .debug_slot = 0x9f0128 };

	p.executable.st_ino = 77;
	p.executable.st_size = 6000000;
	p.executable.st_mtim = (struct timespec){ .tv_sec = 1700000000, .tv_nsec = 5 };
	return p;
}

#define CODE_START (0x550000000000 + 0x41f000)

static void test_an_interpreter(void **state)
{
	struct programs programs = {};
	struct interp_process first = found(), next;
	const struct program *learnt = programs__learn(&programs, &file, CODE_START, &first);
	struct program_file other = file;
	struct program_entry entry;

	(void)state;
	assert_non_null(learnt);
	assert_ptr_equal(programs__executed(&programs, &file), learnt);
	assert_true(program__starts(learnt, 0x7f0000000000 + 0x41f000, &next));
	assert_int_equal(next.status, INTERP_OK);
	assert_int_equal(next.bias, 0x7f0000000000);
	assert_ptr_equal(next.binary, &binary);
	entry = program__entry(learnt);
	assert_int_equal(entry.dynamic, 0);
	assert_int_equal(entry.runtime, 0xa00000 - 0x41f000);
	assert_int_equal(entry.text_start, 0);
	assert_int_equal(entry.text_end, 0x6b0000 - 0x41f000);
	/* once is enough */
	assert_null(programs__learn(&programs, &file, CODE_START, &first));
	assert_int_equal(programs.n, 1);
	other.mtime_ns++;
	assert_null(programs__executed(&programs, &other));
}

/* Its library lies where the dynamic linker has put it; the linker's list is found from the program's code on. */
static void test_a_launcher(void **state)
{
	struct programs programs = {};
	struct interp_process first = found(), next;
	struct program_entry entry;
	const struct program *learnt;

	(void)state;
	first.in_executable = false;
	first.code_start = 0x1000;
	first.debug_slot = 0x3de8;
	learnt = programs__learn(&programs, &file, 0x560000001000, &first);
	assert_non_null(learnt);
	assert_false(program__starts(learnt, 0x560000001000, &next));
	program__loads(learnt, 0x7f1200000000, &next);
	assert_int_equal(next.status, INTERP_OK);
	assert_int_equal(next.bias, 0x7f1200000000);
	assert_false(next.in_executable);
	entry = program__entry(learnt);
	assert_int_equal(entry.dynamic, 0x9f0000);
	assert_int_equal(entry.debug_slot, 0x2de8);
	assert_int_equal(entry.runtime, 0xa00000);
	assert_int_equal(entry.text_start, 0x41f000);
}

/* Between the exec and the look there may have been another exec; and what the kernel could not find is not learnt. */
static void test_another_file(void **state)
{
	static const struct interp_binary without_dynamic = { .runtime = 0xa00000 };
	struct programs programs = {};
	struct interp_process p;
	struct program_file none = file;

	(void)state;
	p = found();
	p.in_executable = false;
	p.debug_slot = 0;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.in_executable = false;
	p.binary = &without_dynamic;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.bias += 0x1000;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.code_start = 0;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.executable.st_ino++;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.executable.st_size++;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.executable.st_mtim.tv_sec++;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	p.executable.st_mtim.tv_nsec++;
	assert_null(programs__learn(&programs, &file, CODE_START, &p));
	p = found();
	assert_null(programs__learn(&programs, &file, 0, &p));
	none.inode = p.executable.st_ino = 0;
	assert_null(programs__learn(&programs, &none, CODE_START, &p));
	assert_int_equal(programs.n, 0);
}

/* Before its first exec, and of one that ran before us: by its file as we see it, with the kernel's number of its device. */
static void test_foretold(void **state)
{
	struct programs programs = {};
	struct interp_process p = found(), next;
	struct program_file expected = file;
	const struct program *told;

	(void)state;
	p.executable.st_dev = makedev(8, 3);
	expected.device = 8 << 20 | 3;
	p.bias = 0;
	told = programs__foretell(&programs, &p);
	assert_non_null(told);
	assert_ptr_equal(programs__executed(&programs, &expected), told);
	assert_true(program__starts(told, CODE_START, &next));
	assert_int_equal(next.bias, 0x550000000000);
	/* known by now */
	p.bias = 0x550000000000;
	assert_null(programs__foretell(&programs, &p));
	p.executable.st_ino++;
	assert_non_null(programs__foretell(&programs, &p));
	p.executable.st_ino++;
	p.status = INTERP_NOT_PYTHON;
	assert_null(programs__foretell(&programs, &p));
	assert_int_equal(programs.n, 2);
}

/* On a file system of layers the kernel has other numbers: whoever executes it there is no other program than that. */
static void test_foretold_in_vain(void **state)
{
	struct programs programs = {};
	struct interp_process p = found();
	struct program_file there = file, seen = file;

	(void)state;
	there.device = 45;
	there.inode = 4711;
	p.executable.st_dev = makedev(0, 8);
	seen.device = 8;
	assert_non_null(programs__foretell(&programs, &p));
	assert_false(programs__has_become_one(&programs, &there, &p.executable));
	/* until one is executed by the numbers that we see */
	assert_non_null(programs__executed(&programs, &seen));
	assert_true(programs__has_become_one(&programs, &there, &p.executable));
}

/* A shell that has replaced itself by a known program: not to be taken for it. */
static void test_became(void **state)
{
	struct programs programs = {};
	struct interp_process p = found();
	struct program_file shell = { .device = 8, .inode = 5, .size = 100, .mtime_s = 1 }, none = {};

	(void)state;
	assert_false(programs__has_become_one(&programs, &shell, &p.executable));
	assert_non_null(programs__learn(&programs, &file, CODE_START, &p));
	assert_true(programs__has_become_one(&programs, &shell, &p.executable));
	assert_false(programs__has_become_one(&programs, &file, &p.executable));
	assert_false(programs__has_become_one(&programs, &none, &p.executable));
	p.executable.st_size++;
	assert_false(programs__has_become_one(&programs, &shell, &p.executable));
}

static void test_full(void **state)
{
	struct programs *programs = calloc(1, sizeof(*programs));
	struct interp_process p = found();
	struct program_file other = file;

	(void)state;
	assert_non_null(programs);
	for (size_t i = 0; i < PROGRAMS_MAX + 3; i++) {
		other.device = i;
		assert_true(!!programs__learn(programs, &other, CODE_START, &p) == (i < PROGRAMS_MAX));
	}
	free(programs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_interpreter),
		cmocka_unit_test(test_a_launcher),
		cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_foretold),
		cmocka_unit_test(test_foretold_in_vain),
		cmocka_unit_test(test_became),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
