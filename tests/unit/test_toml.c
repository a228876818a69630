// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/toml.h"

static struct toml_settings read_ok(const char *text)
{
	struct toml_settings settings = { 0 };
	struct toml_problem problem = { 0 };
	int err = toml_read(&settings, text, strlen(text), &problem);

	if (err)
		print_message("line %u: %s\n", problem.line, problem.text);
	assert_int_equal(err, 0);
	return settings;
}

/* One value of a key in a document. */
static void check_value(const char *text, enum toml_key key, const char *value, unsigned int line)
{
	struct toml_settings settings = read_ok(text);

	assert_true(settings.found);
	assert_true(settings.entries[key].present);
	assert_int_equal(settings.entries[key].n_values, 1);
	assert_string_equal(settings.entries[key].values[0], value);
	assert_int_equal(settings.entries[key].line, line);
	toml_release(&settings);
}

static void check_problem(const char *text, unsigned int line, const char *part)
{
	struct toml_settings settings = { .found = true };
	struct toml_problem problem = { 0 };

	assert_int_equal(toml_read(&settings, text, strlen(text), &problem), -EINVAL);
	if (!strstr(problem.text, part))
		fail_msg("'%s' lacks '%s'", problem.text, part);
	assert_int_equal(problem.line, line);
	assert_true(settings.found); /* untouched */
}

static void test_every_key(void **state)
{
	struct toml_settings s = read_ok("[project]\nname = 'x'\n\n[tool.fixingahole] # ours\nroot = \"/a b\"\noutput = 'c\\d'\n"
					 "ignore = [ \"e\", # why\n  'f',\n]\nduration = \"absolute\"\n[tool.other]\nroot = 1\n");

	assert_true(s.found);
	assert_string_equal(s.entries[TOML_ROOT].values[0], "/a b");
	assert_string_equal(s.entries[TOML_OUTPUT].values[0], "c\\d");
	assert_int_equal(s.entries[TOML_IGNORE].n_values, 2);
	assert_string_equal(s.entries[TOML_IGNORE].values[0], "e");
	assert_string_equal(s.entries[TOML_IGNORE].values[1], "f");
	assert_int_equal(s.entries[TOML_IGNORE].line, 7);
	assert_string_equal(s.entries[TOML_DURATION].values[0], "absolute");
	assert_int_equal(s.entries[TOML_DURATION].line, 10);
	toml_release(&s);
}

static void test_ways_to_write_the_table(void **state)
{
	check_value("[tool.\"fixingahole\"]\nroot='a'", TOML_ROOT, "a", 2);
	check_value("[ 'tool' . fixingahole ]\r\n\troot\t=\t'a'\r\n", TOML_ROOT, "a", 2);
	check_value("[\"t\\u006fol\".fixingahole]\nroot='a'", TOML_ROOT, "a", 2);
	check_value("tool.fixingahole.root = 'a'", TOML_ROOT, "a", 1);
	check_value("[tool]\nfixingahole.root = 'a'", TOML_ROOT, "a", 2);
	check_value("[tool]\nfixingahole = { root = 'a' } # c", TOML_ROOT, "a", 2);
	check_value("tool = { black = {a = [1]}, fixingahole = { output = 'o', \"root\" = 'a' } }", TOML_ROOT, "a", 1);
	check_value("\xef\xbb\xbf[tool.fixingahole]\nroot = 'a'", TOML_ROOT, "a", 2);
}

static void test_strings(void **state)
{
	check_value("[tool.fixingahole]\nroot = \"\\u00e9\\U0001f600\\t\\\"\\\\ #\"", TOML_ROOT, "\xc3\xa9\xf0\x9f\x98\x80\t\"\\ #", 2);
	check_value("[tool.fixingahole]\nroot = \"\"", TOML_ROOT, "", 2);
	check_value("[tool.fixingahole]\nroot = \"\"\"\n  a\"b\\\n   c\"\"\"", TOML_ROOT, "  a\"bc", 2);
	check_value("[tool.fixingahole]\nroot = \"\"\"\"a\"\"\"\"\"", TOML_ROOT, "\"a\"\"", 2);
	check_value("[tool.fixingahole]\nroot = '''\r\na\\'''", TOML_ROOT, "a\\", 2);
}

static void test_absent(void **state)
{
	static const char *const texts[] = {
		"", "# [tool.fixingahole]", "[tool.fixinghole]\nroot = 1", "[[a]]\n[[a]]\n", "fixingahole.root = 1",
		"[x]\ntool.fixingahole.root = 1", "[x.tool.fixingahole]\nroot = 1", "[\"tool.fixingahole\"]\nroot = 1",
		"a = \"\"\"\n[tool.fixingahole]\nroot = 1\n\"\"\"", "a = '''\n[tool.fixingahole]\nroot = 1'''''",
		"a = [\n[tool.fixingahole],\n\"]\", # ]\n{ root = '}' }\n]\n", "[[tool]]\nfixingahole.root = 1",
		"a = \"\\\"\"\nb = 1979-05-27 07:32:00Z\nc = -inf\nd = {}\ne = []", "[tool]\nx = { fixingahole = { root = 1 } }",
		"[tool.\"fixingahole\\u0000\"]\nroot = 1",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct toml_settings s = read_ok(texts[i]);

		if (s.found)
			fail_msg("found in: %s", texts[i]);
		toml_release(&s);
	}
}

static void test_empty_table_is_found(void **state)
{
	struct toml_settings s = read_ok("[tool.fixingahole]\n[tool.other]\nroot = 1");

	assert_true(s.found);
	assert_false(s.entries[TOML_ROOT].present);
	toml_release(&s);
	s = read_ok("[tool.fixingahole]\nignore = []");
	assert_true(s.entries[TOML_IGNORE].present);
	assert_int_equal(s.entries[TOML_IGNORE].n_values, 0);
	toml_release(&s);
}

static void test_our_table_is_strict(void **state)
{
	check_problem("[tool.fixingahole]\n\nrot = 'a'", 3, "unknown key 'rot'");
	check_problem("[tool.fixingahole]\nroot = 1", 2, "'root' must be a string");
	check_problem("[tool.fixingahole]\nroot = ['a']", 2, "'root' must be a string");
	check_problem("[tool.fixingahole]\nignore = 'a'", 2, "'ignore' must be a list");
	check_problem("[tool.fixingahole]\nignore = [\n'a',\n1]", 4, "'ignore' must be a list");
	check_problem("[tool.fixingahole]\nignore = ['a' 'b']", 2, "',' or ']'");
	check_problem("[tool.fixingahole]\nignore = ['a',\n", 2, "'[' does not close");
	check_problem("[tool.fixingahole]\nroot = 'a'\nroot = 'b'", 3, "given twice");
	check_problem("[tool.fixingahole]\n[a]\n[tool.fixingahole]", 3, "given twice");
	check_problem("[[tool.fixingahole]]", 1, "not a list");
	check_problem("[tool.fixingahole.sub]", 1, "unknown table 'sub'");
	check_problem("[tool.fixingahole]\nroot.a = 'a'", 2, "unknown key 'root.'");
	check_problem("[tool]\nfixingahole = 3", 2, "must be a table");
	check_problem("tool = { fixingahole = { x = 1 } }", 1, "unknown key 'x'");
	check_problem("[tool.fixingahole]\nroot = \"a\\qb\"", 2, "unknown escape");
	check_problem("[tool.fixingahole]\nroot = \"\\u12\"", 2, "hexadecimal");
	check_problem("[tool.fixingahole]\nroot = \"\\ud800\"", 2, "no character");
	check_problem("[tool.fixingahole]\nroot = \"a\\u0000b\"", 2, "NUL");
	check_problem("[tool.fixingahole]\nroot = 'a' 'b'", 2, "end of the line");
	check_problem("[tool.fixingahole]\n\"\033[2Jx\" = 1", 2, "unknown key '?[2Jx'");
}

static void test_broken_documents(void **state)
{
	check_problem("a = \"x\nb = 1", 1, "does not end");
	check_problem("\na = '''x\n\n", 2, "does not end");
	check_problem("a = [1,\n2", 1, "'[' does not close");
	check_problem("a = {b = [}", 1, "closes nothing");
	check_problem("a = ", 1, "value is missing");
	check_problem("a", 1, "needs '='");
	check_problem("a = 1\n= 2", 2, "key is missing");
	check_problem("[a\nb = 1", 1, "']'");
	check_problem("[[a]\n", 1, "']]'");
	check_problem("[a] b", 1, "end of the line");
	check_problem("a = 'x' 1", 1, "after a value");
	check_problem("a = x'y'", 1, "after a value");
	check_problem("'''a''' = 1", 1, "multi-line");
	check_problem("tool = { a = 1 b = 2", 1, "',' or '}'");
	check_problem("tool = { a = 1,", 1, "'{' does not close");
}

static void test_deep_nesting(void **state)
{
	char text[4096] = "a = ";

	memset(text + 4, '[', sizeof(text) - 5);
	check_problem(text, 1, "nested too deep");
}

/* Every prefix of a good document: read or refused, never beyond its end (seen by the sanitizers, since each is its own block). */
static void test_prefixes(void **state)
{
	static const char whole[] = "[a]\nb = \"\"\"x\\\n y\"\"\"\n[tool.\"fixingahole\"]\nroot = \"\\u00e9\"\nignore = ['a', # c\n \"b\"]\n";

	for (size_t size = 0; size < sizeof(whole); size++) {
		struct toml_settings s = { 0 };
		struct toml_problem problem = { 0 };
		char *text = malloc(size + !size);
		int err;

		assert_non_null(text);
		memcpy(text, whole, size);
		err = toml_read(&s, text, size, &problem);
		assert_true(err == 0 || (err == -EINVAL && problem.line && problem.text[0]));
		toml_release(&s);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_key),          cmocka_unit_test(test_ways_to_write_the_table),
		cmocka_unit_test(test_strings),            cmocka_unit_test(test_absent),
		cmocka_unit_test(test_empty_table_is_found), cmocka_unit_test(test_our_table_is_strict),
		cmocka_unit_test(test_broken_documents),   cmocka_unit_test(test_deep_nesting),
		cmocka_unit_test(test_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
