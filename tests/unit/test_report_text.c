// SPDX-License-Identifier: Apache-2.0
/* Columns, harmless text, units; and what is read from a Python source. */
#include "unit/report_fixture.h"

#include "report/share.h"
#include "report/source.h"
#include "report/text.h"
#include "util/cleanup.h"

static char *printed(const char *text, size_t size, int max, enum text_kind kind, int columns)
{
	char *result = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&result, &length);

	assert_int_equal(text_print(out, text, size, max, kind), columns);
	assert_int_equal(text_print(NULL, text, size, max, kind), columns);
	fclose(out);
	return result;
}

static void check(const char *text, int max, enum text_kind kind, const char *expected, int columns)
{
	_cleanup_free_ char *result = printed(text, strlen(text), max, kind, columns);

	assert_string_equal(result, expected);
}

static void test_columns(void **state)
{
	check("plain", 0, TEXT_NAME, "plain", 5);
	check("汉字", 0, TEXT_NAME, "汉字", 4);
	check("e\u0301", 0, TEXT_NAME, "e\u0301", 1);
	check("\U0001f600", 0, TEXT_NAME, "\U0001f600", 2);
	check("한", 0, TEXT_NAME, "한", 2);
	check("", 5, TEXT_NAME, "", 0);
}

static void test_clipping(void **state)
{
	check("abcdef", 6, TEXT_NAME, "abcdef", 6);
	check("abcdefg", 6, TEXT_NAME, "abcde…", 6);
	check("汉字汉字", 8, TEXT_NAME, "汉字汉字", 8);
	check("汉字汉字", 7, TEXT_NAME, "汉字汉…", 7);
	check("汉字汉字", 6, TEXT_NAME, "汉字…", 5);
	check("ab", 1, TEXT_NAME, "…", 1);
	check("ae\u0301", 2, TEXT_NAME, "ae\u0301", 2);
}

static void test_harmless(void **state)
{
	check("a\nb\tc\r\x1b[2J\x7f", 0, TEXT_NAME, "a\\nb\\tc\\r\\x1b[2J\\x7f", 20);
	check("\xc2\x85\u202e\ufeff", 0, TEXT_NAME, "\\x85\\u202e\\ufeff", 16);
	check("a\tb\x0c", 0, TEXT_SOURCE, "a       b\\x0c", 13);
	check("\t汉\tx", 0, TEXT_SOURCE, "        汉      x", 17);
	/* stray, overlong, surrogate, beyond Unicode, cut off */
	check("\x80\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe6\xb1", 0, TEXT_NAME,
	      "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", 12);
	free(printed("a\0b", 3, 0, TEXT_NAME, 6));
}

static void check_unit(void (*format)(char *, double), double bytes, const char *expected)
{
	char text[32];

	format(text, bytes);
	assert_string_equal(text, expected);
}

static void test_units(void **state)
{
	check_unit(format_memory_exact, 767.8 * MIB, "767.800 MB");
	check_unit(format_memory_exact, 1747 * MIB, "1.706 GB");
	check_unit(format_memory_exact, 0, "0 bytes");
	check_unit(format_memory_exact, 4096, "4.000 kB");
	check_unit(format_memory, 610 * MIB, "610 MB");
	check_unit(format_memory, 1747 * MIB, "1.706 GB");
	check_unit(format_memory, 3e15, "2.665 PB");
	check_unit(format_memory_short, 76.4 * MIB, "76M");
	check_unit(format_memory_short, 2000 * MIB, "2.0G");
	check_unit(format_memory_short, 200e3 * MIB, "195G");
	check_unit(format_memory_short, 3e6 * MIB, "2.9T");
}

static void check_end(const char *path, int columns, const char *expected)
{
	_cleanup_free_ char *result = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&result, &length);

	text_print_end(out, path, columns);
	fclose(out);
	assert_string_equal(result, expected);
}

static void test_end(void **state)
{
	check_end("/srv/app.py", 11, "/srv/app.py");
	check_end("/srv/app.py", 10, "…rv/app.py");
	check_end("/srv/app.py", 2, "…y");
	check_end("/srv/app.py", 1, "");
	check_end("", 5, "");
	/* half of a wide character is not shown */
	check_end("/商品/a.py", 8, "…品/a.py");
	check_end("/商品/a.py", 7, "…/a.py");
	check_end("/a\033[2J/b", 6, "…[2J/b");
}

static void test_paths(void **state)
{
	assert_string_equal(path_below("/a/b/c", "/a/b"), "c");
	assert_string_equal(path_below("/a/b/c", "/a/b/"), "c");
	assert_string_equal(path_below("/a/bc/d", "/a/b"), "/a/bc/d");
	assert_string_equal(path_below("/a", "/"), "a");
	assert_string_equal(path_below("/a", "/a"), "/a");
	assert_string_equal(path_below("/a", NULL), "/a");
	assert_string_equal(path_base("/a/b.py"), "b.py");
	assert_string_equal(path_base("b.py"), "b.py");
}

static void assert_block(const struct source_block *block, uint32_t first, uint32_t last)
{
	assert_non_null(block);
	assert_int_equal(block->first_line, first);
	assert_int_equal(block->last_line, last);
}

/* Strings, brackets and continued lines do not look like statements, and do not end a block. */
static void test_source(void **state)
{
	static const char text[] =
		/*  1 */ "'''\n"
		/*  2 */ "import none\n"
		/*  3 */ "'''\n"
		/*  4 */ "class A:\n"
		/*  5 */ "    async def f(self, x=(1,\n"
		/*  6 */ "for_y)):\r\n"
		/*  7 */ "        s = \"# ' \\\" (\" # it's (\n"
		/*  8 */ "        async for i in x:\n"
		/*  9 */ "            t = \"\"\"\n"
		/* 10 */ "no indent\n"
		/* 11 */ "\\\"\"\" \"\"\"\n"
		/* 12 */ "# comment\n"
		/* 13 */ "\n"
		/* 14 */ "            while(True): pass\n"
		/* 15 */ "            y = 1 + \\\n"
		/* 16 */ "2\n"
		/* 17 */ "        import os, sys\n"
		/* 18 */ "    z = lambda: 0\n"
		/* 19 */ "fortune = 1; from_ = 2\n"
		/* 20 */ "from . import b\n"
		/* 21 */ "from None\n"
		/* 22 */ "for c in d: print(c)";
	struct source source;
	size_t size;

	assert_int_equal(source__scan(&source, text, sizeof(text) - 1), 0);
	assert_int_equal(source.n_lines, 22);
	assert_int_equal(source.n_imports, 2);
	assert_int_equal(source.imports[0], 17);
	assert_int_equal(source.imports[1], 20);
	assert_memory_equal(source__line(&source, 6, &size), "for_y)):", 8);
	assert_int_equal(size, 8);
	assert_null(source__line(&source, 23, &size));
	assert_null(source__line(&source, 0, &size));
	assert_null(source__block(&source, source.region, 4));
	assert_block(source__block(&source, source.region, 6), 5, 17);
	assert_block(source__block(&source, source.region, 10), 8, 16);
	assert_block(source__block(&source, source.function, 10), 5, 17);
	assert_block(source__block(&source, source.region, 14), 14, 14);
	assert_block(source__block(&source, source.outermost_loop, 14), 8, 16);
	assert_block(source__block(&source, source.region, 16), 8, 16);
	assert_null(source__block(&source, source.outermost_loop, 17));
	assert_null(source__block(&source, source.region, 18));
	assert_null(source__block(&source, source.region, 19));
	assert_block(source__block(&source, source.region, 22), 22, 22);
	assert_null(source__block(&source, source.function, 23));
	source__release(&source);
}

/* Texts that are no Python, cut anywhere, and nested too deep. */
static void test_source_broken(void **state)
{
	static const char text[] = "def f(:\n  for (\n '''\\\n\"\n]]\n\tdef\n\0\xff\\";
	struct source source;
	char *deep;

	for (size_t size = 0; size < sizeof(text); size++) {
		_cleanup_free_ char *copy = malloc(size + 1);

		memcpy(copy, text, size);
		assert_int_equal(source__scan(&source, copy, size), 0);
		source__release(&source);
	}
	deep = calloc(1, 400 * 410 + 1);
	for (int i = 0; i < 400; i++)
		sprintf(deep + strlen(deep), "%*sfor x in y:\n", i, "");
	assert_int_equal(source__scan(&source, deep, strlen(deep)), 0);
	assert_int_equal(source.n_lines, 400);
	assert_block(source__block(&source, source.outermost_loop, 400), 1, 400);
	source__release(&source);
	free(deep);
	assert_int_equal(source__scan(&source, NULL, 0), 0);
	assert_null(source__block(&source, source.region, 1));
	source__release(&source);
}

static void test_places(void **state)
{
	struct cell cells[] = {{1, 2, 5}, {4, 7, 7}};
	struct cell_map map = {2, cells};
	char text[32];

	format_place(text, &map, 3);
	assert_string_equal(text, "1:2");
	format_place(text, &map, 7);
	assert_string_equal(text, "4:1");
	format_place(text, &map, 6); /* between cells */
	assert_string_equal(text, "6");
	format_place(text, NULL, 6);
	assert_string_equal(text, "6");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_clipping),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_source_broken),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
