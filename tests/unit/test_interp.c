// SPDX-License-Identifier: Apache-2.0
/* Which interpreter a file or a process holds; the live tests walk them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "interpreters.h"
#include "python/analyse.h"
#include "python/evalloop.h"
#include "python/layout.h"
#include "tiny_elf.h"

static int analyse_bytes(const struct tiny_elf *tiny, const char *name, struct interp_binary *out, enum interp_status *status, char reason[160])
{
	char folder[] = "/tmp/interp-XXXXXX", path[64];
	int fd, error;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT, 0700);
	assert_int_equal(write(fd, tiny, sizeof(*tiny)), sizeof(*tiny));
	close(fd);
	error = interp__analyse_file(path, out, status, reason);
	unlink(path);
	rmdir(folder);
	return error;
}

static void a_stripped_loop_is_found_by_its_jumps(void **state)
{
	struct interp_binary b;
	enum interp_status status;
	struct tiny_elf tiny;
	uint64_t words[128];
	char reason[160];

	tiny_debug_offsets(words);
	tiny_elf_init(&tiny, words, sizeof(words));
	assert_int_equal(analyse_bytes(&tiny, "python3.13", &b, &status, reason), 0);
	assert_int_equal(status, INTERP_OK);
	assert_string_equal(b.version_text, "3.13.0");
	assert_true(b.runtime == TINY_BASE + TINY_RUNTIME && b.text_start == TINY_BASE && b.text_end == TINY_BASE + TINY_SIZE);
	assert_int_equal(b.n_eval, 2);
	assert_true(b.eval[0].start == TINY_BASE + TINY_HOT && b.eval[0].end == TINY_BASE + TINY_OTHER);
	assert_true(b.eval[1].start == TINY_BASE + TINY_COLD && b.eval[1].end == TINY_BASE + TINY_TEXT_END);
}

static void note(struct evalloop_symbols *symbols, const char *name, uint64_t start, uint64_t size)
{
	const struct elf_symbol symbol = { .name = name, .value = start, .size = size };

	evalloop_note_symbol(symbols, &symbol);
}

/* Handlers of instructions with other functions between them: no range holds one of those. */
static void handlers_of_instructions_are_no_hull(void **state)
{
	static struct evalloop_symbols symbols;
	struct elf_code_range ranges[4];
	struct elf_image *image;
	struct tiny_elf tiny;
	uint64_t words[128];
	FILE *file = tmpfile();

	tiny_debug_offsets(words);
	tiny_elf_init(&tiny, words, sizeof(words));
	assert_int_equal(fwrite(&tiny, sizeof(tiny), 1, file), 1);
	fflush(file);
	assert_int_equal(elf_image__new(dup(fileno(file)), &image), 0);
	note(&symbols, "_PyEval_EvalFrameDefault", TINY_BASE + TINY_HOT, TINY_OTHER - TINY_HOT);
	for (unsigned i = 0; i < 100; i++) {
		note(&symbols, "_TAIL_CALL_LOAD_FAST", 0x500000 + i * 64, 50);
		note(&symbols, "_TAIL_CALL_BINARY_OP", 0x600000 + i * 256, 256);
	}
	note(&symbols, "_TAIL_CALL_CALL", 0x601000, 16); /* within another: an alias */
	note(&symbols, "_TAIL_CALL_SWAP", 0x700000, 100);
	note(&symbols, "_TAIL_CALL_COPY", 0x7ff000, 99); /* too small to be told */
	note(&symbols, "_TAIL_CALL_hostile", ~0ULL - 5, 100);
	assert_int_equal(evalloop__find(image, &symbols, ranges, 4), 4);
	assert_true(ranges[0].start == TINY_BASE + TINY_HOT && ranges[0].end == TINY_BASE + TINY_OTHER);
	assert_true(ranges[1].start == 0x500000 && ranges[1].end == 0x500000 + 99 * 64 + 50);
	assert_true(ranges[2].start == 0x600000 && ranges[2].end == 0x600000 + 100 * 256);
	assert_true(ranges[3].start == 0x700000 && ranges[3].end == 0x700064);
	elf_image__free(image);
	fclose(file);
}

static void expect_unsupported(const uint64_t *words, size_t size, const char *name, const char *expected)
{
	struct interp_binary b;
	enum interp_status status;
	struct tiny_elf tiny;
	char reason[160];

	tiny_elf_init(&tiny, words, size);
	assert_int_equal(analyse_bytes(&tiny, name, &b, &status, reason), 0);
	assert_int_equal(status, INTERP_UNSUPPORTED);
	assert_string_equal(reason, expected);
}

static void what_cannot_be_walked_is_named(void **state)
{
	uint64_t words[128], none[1] = { 0 };

	tiny_debug_offsets(words);
	words[2] = 1;
	expect_unsupported(words, sizeof(words), "python3.13t", "free-threaded CPython 3.13t is not supported yet");
	words[2] = 0;
	words[1] = 0x31000f0;
	expect_unsupported(words, sizeof(words), "python3.16", "CPython 3.16 is not supported");
	words[1] = 0x30d00f0;
	words[23] = 3;
	expect_unsupported(words, sizeof(words), "python3.13", "the debug offsets of this CPython 3.13 make no sense");
	/* no debug offsets, no Py_Version, no strings: the name alone */
	expect_unsupported(none, sizeof(none), "python3.6m", "CPython 3.6 is not supported");
	expect_unsupported(none, sizeof(none), "python3.7", "CPython 3.7 is not supported"); /* which 3.7? */
	expect_unsupported(none, sizeof(none), "editor", "'editor' is a CPython of unknown version");
}

static void a_name_decides_where_nothing_else_does(void **state)
{
	struct interp_binary b;
	enum interp_status status;
	struct tiny_elf tiny;
	char reason[160];
	uint64_t none[1] = { 0 };

	tiny_elf_init(&tiny, none, sizeof(none));
	assert_int_equal(analyse_bytes(&tiny, "libpython3.9.so.1.0", &b, &status, reason), 0);
	assert_int_equal(status, INTERP_OK);
	assert_int_equal(b.layout.version, 0x0309);
	assert_string_equal(b.version_text, "3.9");
}

static void names_of_libraries(void **state)
{
	const struct { const char *name; uint32_t version; } cases[] = {
		{ "libpython3.12.so.1.0", 0x030c }, { "libpython3.7m.so", 0x0307 }, { "libpython3.13t.so.1.0", 0x030d }, { "libpython2.7.so.1.0", 0x0207 },
		{ "libpython3.so", 0 }, { "libpython3.so.1", 0 }, { "libpython3.12.a", 0 }, { "libpython", 0 }, { "python3.12", 0 }, { "libpython3.9999.so", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t version = 0;

		assert_int_equal(interp_name_is_libpython(cases[i].name, &version), cases[i].version != 0);
		if (cases[i].version)
			assert_int_equal(version, cases[i].version);
	}
}

static void other_programs_are_not_python(void **state)
{
	struct interp_cache *cache = interp_cache__new();
	struct interp_process process;
	struct interp_binary b;
	enum interp_status status;
	char reason[160];

	assert_int_equal(interp__analyse_file("/bin/sh", &b, &status, reason), 0);
	assert_int_equal(status, INTERP_NOT_PYTHON);
	assert_int_equal(interp__analyse_file("/etc/passwd", &b, &status, reason), -ENOEXEC);
	assert_int_equal(interp__analyse_file("/dev/null", &b, &status, reason), -ENOEXEC);
	assert_int_equal(interp__analyse_file("/no/such/file", &b, &status, reason), -ENOENT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(interp__find(cache, getpid(), &process), 0);
		assert_int_equal(process.status, INTERP_NOT_PYTHON);
		assert_null(process.binary);
	}
	assert_int_equal(interp__find(cache, 0x7fffffff, &process), -ESRCH);
	interp_cache__free(cache);
	interp_cache__free(NULL);
}

static void calls_are_known_in_all_their_forms(void **state)
{
	const struct { uint32_t version; uint8_t opcode; bool call; } cases[] = {
		{ 0x0308, 131, true },  { 0x0308, 162, false }, { 0x0309, 161, true }, { 0x030a, 142, true }, { 0x030a, 100, false },
		{ 0x030b, 171, true },  { 0x030b, 166, true },  { 0x030b, 78, true },  { 0x030b, 22, true },  { 0x030b, 23, false },
		{ 0x030c, 42, true },   { 0x030c, 241, true },  { 0x030c, 173, false }, { 0x030d, 53, true },  { 0x030d, 170, true },
		{ 0x030d, 177, false }, { 0x030e, 160, true },  { 0x030e, 161, false }, { 0x030f, 151, true }, { 0x030f, 152, false },
		{ 0x0306, 131, false }, { 0x0310, 50, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(interp__opcode_is_call(cases[i].version, cases[i].opcode), cases[i].call);
}

/* The parts that matter of two analyses: stripping may lose a cold part of some bytes, which nothing but a symbol shows. */
static void same_loop(const struct interp_binary *a, const struct interp_binary *b)
{
	for (uint32_t i = 0; i < a->n_eval; i++) {
		bool found = a->eval[i].end - a->eval[i].start < 64;

		for (uint32_t k = 0; k < b->n_eval; k++)
			found |= a->eval[i].start == b->eval[k].start && a->eval[i].end == b->eval[k].end;
		assert_true(found);
	}
}

/* A process's interpreter, from a copy that lost its symbols. */
static void stripping_changes_nothing(void **state)
{
	struct interpreter *all = calloc(INTERPRETERS_MAX, sizeof(*all));
	struct interp_cache *cache = interp_cache__new();
	size_t n = interpreters_find(all);
	char folder[] = "/tmp/interp-XXXXXX";

	if (geteuid() != 0 || system("strip --version > /dev/null 2>&1"))
		skip();
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < n; i++) {
		struct running running = { -1, -1, -1 };
		struct interp_process process = { 0 };
		struct interp_binary whole, stripped;
		enum interp_status status;
		char output[64] = "", command[1024], reason[160], copy[300];

		assert_int_equal(interpreter_run(&all[i], "import os; os.write(1, b'go\\n'); os.read(0, 1)", &running), 0);
		assert_true(interpreter_await(&running, output, sizeof(output), "go\n"));
		assert_int_equal(interp__find(cache, running.pid, &process), 0);
		assert_int_equal(process.status, INTERP_OK);
		interpreter_stop(&running);
		snprintf(copy, sizeof(copy), "%s/%s", folder, strrchr(process.path, '/') + 1);
		snprintf(command, sizeof(command), "strip -o %s %s", copy, process.path);
		assert_int_equal(system(command), 0);
		assert_int_equal(interp__analyse_file(process.path, &whole, &status, reason), 0);
		assert_int_equal(interp__analyse_file(copy, &stripped, &status, reason), 0);
		assert_int_equal(status, INTERP_OK);
		assert_string_equal(whole.version_text, stripped.version_text);
		assert_memory_equal(&whole.layout, &stripped.layout, sizeof(whole.layout));
		same_loop(&whole, &stripped);
		same_loop(&stripped, &whole);
		unlink(copy);
	}
	rmdir(folder);
	interp_cache__free(cache);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stripped_loop_is_found_by_its_jumps),
		cmocka_unit_test(handlers_of_instructions_are_no_hull),
		cmocka_unit_test(what_cannot_be_walked_is_named),
		cmocka_unit_test(a_name_decides_where_nothing_else_does),
		cmocka_unit_test(names_of_libraries),
		cmocka_unit_test(other_programs_are_not_python),
		cmocka_unit_test(calls_are_known_in_all_their_forms),
		cmocka_unit_test(stripping_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
