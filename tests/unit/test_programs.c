// SPDX-License-Identifier: Apache-2.0
/* Executables that are known to be interpreters: what is learnt of a process, and what is told of the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "python/programs.h"

static const struct program_file file = { .device = 8, .inode = 77, .size = 6000000, .mtime_s = 1700000000, .mtime_ns = 5 };
static const struct interp_binary binary = { .runtime = 0xa00000, .text_start = 0x41f000, .text_end = 0x6b0000 };

static struct interp_process found(void)
{
	struct interp_process p = { .status = INTERP_OK, .binary = &binary, .bias = 0x550000000000, .in_executable = true };

	p.executable.st_ino = 77;
	p.executable.st_size = 6000000;
	p.executable.st_mtim = (struct timespec){ .tv_sec = 1700000000, .tv_nsec = 5 };
	return p;
}

#define CODE_START (0x550000000000 + 0x41f000)

static void test_learn_and_find(void **state)
{
	struct programs programs = {};
	struct interp_process first = found(), next;
	struct event_exec event = { .head.flags = EXEC_KNOWN, .file = file, .code_start = 0x7f0000000000 + 0x41f000, .path = "/usr/bin/python3" };
	const struct program *learnt = programs__learn(&programs, &file, CODE_START, &first);

	(void)state;
	assert_non_null(learnt);
	assert_ptr_equal(learnt->binary, &binary);
	assert_int_equal(learnt->code_start, 0x41f000);
	assert_true(programs__find(&programs, &event, &next));
	assert_int_equal(next.status, INTERP_OK);
	assert_int_equal(next.bias, 0x7f0000000000);
	assert_ptr_equal(next.binary, &binary);
	assert_string_equal(next.path, "/usr/bin/python3");
	/* once is enough */
	assert_null(programs__learn(&programs, &file, CODE_START, &first));
	assert_int_equal(programs.n, 1);
}

/* The kernel did not know it at that exec, so nobody walked it: it is looked at as ever. */
static void test_unknown(void **state)
{
	struct programs programs = {};
	struct interp_process first = found(), next;
	struct event_exec event = { .file = file, .code_start = CODE_START };

	(void)state;
	assert_false(programs__find(&programs, &event, &next));
	assert_non_null(programs__learn(&programs, &file, CODE_START, &first));
	assert_false(programs__find(&programs, &event, &next));
	event.head.flags = EXEC_KNOWN;
	assert_true(programs__find(&programs, &event, &next));
	event.file.mtime_ns++;
	assert_false(programs__find(&programs, &event, &next));
}

/* Between the exec and the look there may have been another exec; a library says nothing of who maps it. */
static void test_another_file(void **state)
{
	struct programs programs = {};
	struct interp_process p;
	struct program_file none = file;

	(void)state;
	p = found();
	p.in_executable = false;
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
		cmocka_unit_test(test_learn_and_find),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_another_file),
		cmocka_unit_test(test_became),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
