// SPDX-License-Identifier: Apache-2.0
/* FILE -> one file. */
#include "unit/test_cli.h"

#define NONE cli_no_environment

static int setup(void **state)
{
	if (cli_setup(state) < 0)
		return -1;
	cli_make("top.py", "");
	cli_make("pkg/one.py", "");
	cli_make("pkg/note.ipynb", "");
	cli_make("pkg/noext", "");
	cli_make("pkg/twice.py", "");
	cli_make("lib/twice.py", "");
	cli_make("lib/both.py", "");
	cli_make("lib/both.ipynb", "");
	cli_make("lib/top.py", "");
	cli_make(".git/hidden.py", "");
	cli_make("pkg/.venv/lib/hidden.py", "");
	cli_make("performance/one/2026/one.py", "");
	cli_make("skipped/one.py", "");
	cli_make("pyproject.toml", "[tool.fixingahole]\nignore = ['skipped']\n");
	/* loops: in a search that followed them, every name would be there without end */
	return symlink("..", "pkg/loop") == 0 && symlink("one.py", "pkg/linked.py") == 0 && symlink("gone", "pkg/dangling.py") == 0 ? 0 : -1;
}

static void check(const char *name, const char *file, const char *typed)
{
	char words[256];
	struct config c;

	snprintf(words, sizeof(words), "profile %s", name);
	c = cli_ok(words, NONE);
	assert_string_equal(c.file, cli_path(file));
	assert_string_equal(c.file_typed, typed ? typed : cli_path(file));
	config__release(&c);
}

static void refuse(const char *name, const char *part)
{
	char words[2 * PATH_MAX];

	snprintf(words, sizeof(words), "profile %s", name);
	cli_refused(words, NONE, part);
}

static void test_paths(void **state)
{
	check("top.py", "top.py", "top.py"); /* though lib/top.py is there, too */
	check("./pkg//one.py", "pkg/one.py", "./pkg//one.py");
	check(cli_path("pkg/one.py"), "pkg/one.py", cli_path("pkg/one.py"));
	check("pkg/../top.py", "top.py", "pkg/../top.py");
	check("pkg/linked.py", "pkg/linked.py", "pkg/linked.py"); /* a link keeps its name */
	check("pkg/noext", "pkg/noext", "pkg/noext");
	check("performance/one/2026/one.py", "performance/one/2026/one.py", "performance/one/2026/one.py");
}

static void test_paths_from_root(void **state)
{
	assert_int_equal(chdir("lib"), 0);
	check("pkg/one.py", "pkg/one.py", NULL);
	check("top.py", "lib/top.py", "top.py"); /* the working directory comes first */
	check("../top.py", "top.py", "../top.py");
	assert_int_equal(chdir(".."), 0);
}

static void test_bare_names(void **state)
{
	check("one.py", "pkg/one.py", NULL);
	check("one", "pkg/one.py", NULL);
	check("note.ipynb", "pkg/note.ipynb", NULL);
	check("note", "pkg/note.ipynb", NULL);
	check("noext", "pkg/noext", NULL);
	check("linked.py", "pkg/linked.py", NULL);
	check("both.py", "lib/both.py", NULL);
}

static void test_several(void **state)
{
	struct config c;
	char want[4 * PATH_MAX];

	assert_int_equal(cli_load(&c, "profile twice.py", NONE), -EINVAL);
	snprintf(want, sizeof(want), "fixingahole: 'twice.py' names 2 files: give the path of one of them\n  %s/lib/twice.py\n  %s/pkg/twice.py\n", cli_top, cli_top);
	assert_string_equal(cli_said, want);
	assert_int_equal(cli_load(&c, "profile both", NONE), -EINVAL);
	assert_non_null(strstr(cli_said, "lib/both.ipynb\n"));
	assert_non_null(strstr(cli_said, "lib/both.py\n"));
}

static void test_many(void **state)
{
	struct config c;

	for (int i = 0; i < 14; i++) {
		char name[64];

		snprintf(name, sizeof(name), "many/%d\n/many.py", i);
		cli_make(name, "");
	}
	assert_int_equal(cli_load(&c, "profile many.py", NONE), -EINVAL);
	assert_non_null(strstr(cli_said, "names 14 files"));
	assert_non_null(strstr(cli_said, "many/0?/many.py\n")); /* a line stays a line */
	assert_non_null(strstr(cli_said, "and 4 more\n"));
}

static void test_not_searched(void **state)
{
	refuse("hidden.py", "no file 'hidden.py' in the working directory or below root");
	refuse("dangling.py", "no file 'dangling.py'");
	refuse("one.p", "no file 'one.p'");
	refuse("loop/one.py", "no file 'loop/one.py'");
}

static void test_refused(void **state)
{
	refuse("pkg", "'pkg' is a folder");
	refuse("lib/", "'lib/' is a folder");
	refuse("..", "'..' is a folder");
	refuse("/dev/null", "'/dev/null' is not a regular file");
	refuse("./one.py", "no file './one.py' in the working directory or in root");
	refuse("/nowhere/x.py", "no file '/nowhere/x.py'");
	refuse("top.py/x.py", "no file 'top.py/x.py'");
	refuse("top.py/", "'top.py/' is a file: name it without the '/' at its end");
	refuse("-- -x.py", "no file '-x.py'");
}

static void test_unusual_names(void **state)
{
	cli_make("-dash.py", "");
	cli_make("\xe6\xb5\x8b\xe8\xaf\x95/\xe6\xb5\x8b.py", "");
	check("-- -dash.py", "-dash.py", "-dash.py");
	check("\xe6\xb5\x8b.py", "\xe6\xb5\x8b\xe8\xaf\x95/\xe6\xb5\x8b.py", NULL);
}

static void test_long_name(void **state)
{
	char name[PATH_MAX];

	memset(name, 'x', sizeof(name));
	memcpy(name + 4000, ".py", 4);
	refuse(name, "File name too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),        cmocka_unit_test(test_paths_from_root),
		cmocka_unit_test(test_bare_names),   cmocka_unit_test(test_several),
		cmocka_unit_test(test_many),         cmocka_unit_test(test_not_searched),
		cmocka_unit_test(test_refused),      cmocka_unit_test(test_unusual_names),
		cmocka_unit_test(test_long_name),
	};

	return cmocka_run_group_tests(tests, setup, cli_teardown);
}
