// SPDX-License-Identifier: Apache-2.0
/* Where root, output, ignore and duration come from, and what happens to wrong ones. */
#include "unit/test_cli.h"

#include "cli/help.h"

#define NONE cli_no_environment
#define ENVIRONMENT(...) ((char *[]){ __VA_ARGS__, NULL })

/* Each test has a tree of its own. */
static int setup(void **state)
{
	if (cli_setup(state) < 0)
		return -1;
	cli_make("sub/deep/a.py", "");
	cli_make("other/", NULL);
	return 0;
}

static void test_defaults(void **state)
{
	struct config c;

	assert_int_equal(chdir("sub/deep"), 0);
	c = cli_ok("--version", NONE);
	assert_string_equal(c.root, cli_path(""));
	assert_string_equal(c.output_dir, cli_path("performance"));
	assert_int_equal(c.n_ignore, 0);
	assert_int_equal(c.duration, DURATION_RELATIVE);
	assert_string_equal(c.root_source, "default");
	assert_string_equal(c.output_source, "default");
	assert_string_equal(c.ignore_source, "default");
	assert_string_equal(c.duration_source, "default");
	assert_null(c.settings_path);
	config__release(&c);
}

static void test_no_repository(void **state)
{
	struct config c;

	assert_int_equal(rmdir(cli_path(".git")), 0);
	assert_int_equal(chdir("sub"), 0);
	c = cli_ok("--version", NONE);
	assert_string_equal(c.root, cli_path("sub"));
	config__release(&c);
}

static const char whole_table[] = "[tool.fixingahole]\nroot = '.'\noutput = 'from_file'\nignore = ['x', '/abs']\nduration = 'absolute'\n";

static void test_file(void **state)
{
	struct config c;

	cli_make("sub/pyproject.toml", whole_table);
	assert_int_equal(chdir("sub/deep"), 0);
	c = cli_ok("--version", NONE);
	assert_string_equal(c.settings_path, cli_path("sub/pyproject.toml"));
	assert_string_equal(c.root, cli_path("sub"));
	assert_string_equal(c.output_dir, cli_path("sub/from_file"));
	assert_int_equal(c.n_ignore, 2);
	assert_string_equal(c.ignore[0], cli_path("sub/x"));
	assert_string_equal(c.ignore[1], "/abs");
	assert_int_equal(c.duration, DURATION_ABSOLUTE);
	assert_ptr_equal(c.root_source, c.settings_path);
	assert_ptr_equal(c.output_source, c.settings_path);
	assert_ptr_equal(c.ignore_source, c.settings_path);
	assert_ptr_equal(c.duration_source, c.settings_path);
	config__release(&c);
}

static void test_environment_beats_file(void **state)
{
	struct config c;

	cli_make("pyproject.toml", whole_table);
	c = cli_ok("--version", ENVIRONMENT("FIXINGAHOLE_ROOT=sub", "FIXINGAHOLE_OUTPUT=o", "FIXINGAHOLE_IGNORE=p::/q:deep", "FIXINGAHOLE_DURATION=relative"));
	assert_string_equal(c.root, cli_path("sub"));
	assert_string_equal(c.root_source, "FIXINGAHOLE_ROOT");
	assert_string_equal(c.output_dir, cli_path("sub/o"));
	assert_string_equal(c.output_source, "FIXINGAHOLE_OUTPUT");
	assert_int_equal(c.n_ignore, 3);
	assert_string_equal(c.ignore[0], cli_path("sub/p"));
	assert_string_equal(c.ignore[1], "/q");
	assert_string_equal(c.ignore[2], cli_path("sub/deep"));
	assert_string_equal(c.ignore_source, "FIXINGAHOLE_IGNORE");
	assert_int_equal(c.duration, DURATION_RELATIVE);
	assert_string_equal(c.duration_source, "FIXINGAHOLE_DURATION");
	config__release(&c);

	/* each key for itself, and an empty list is a list */
	c = cli_ok("--version", ENVIRONMENT("FIXINGAHOLE_IGNORE="));
	assert_int_equal(c.n_ignore, 0);
	assert_string_equal(c.ignore_source, "FIXINGAHOLE_IGNORE");
	assert_string_equal(c.output_dir, cli_path("from_file"));
	config__release(&c);
}

static void test_command_line_beats_all(void **state)
{
	struct config c;

	cli_make("pyproject.toml", whole_table);
	assert_int_equal(chdir("sub/deep"), 0);
	c = cli_ok("profile a.py -o out -i ../../other -i y --duration relative",
		   ENVIRONMENT("FIXINGAHOLE_OUTPUT=o", "FIXINGAHOLE_IGNORE=p", "FIXINGAHOLE_DURATION=absolute"));
	assert_string_equal(c.root, cli_path(""));
	assert_string_equal(c.output_dir, cli_path("sub/deep/out")); /* from the working directory */
	assert_string_equal(c.output_source, "--output-directory");
	assert_int_equal(c.n_ignore, 2);
	assert_string_equal(c.ignore[0], cli_path("other"));
	assert_string_equal(c.ignore[1], cli_path("sub/deep/y"));
	assert_string_equal(c.ignore_source, "--ignore");
	assert_non_null(strstr(cli_said, "no directory 'y'")); /* harmless, but said */
	assert_null(strstr(cli_said, "other"));
	assert_int_equal(c.duration, DURATION_RELATIVE);
	assert_string_equal(c.duration_source, "--duration");
	config__release(&c);
}

static void check_output(char *const *environment, const char *output)
{
	struct config c = cli_ok("--version", environment);

	assert_string_equal(c.output_dir, cli_path(output));
	config__release(&c);
}

static void test_which_file(void **state)
{
	cli_make("pyproject.toml", "[tool.fixingahole]\noutput = 'top'\n");
	cli_make("sub/pyproject.toml", "[project]\nname = 'sub'\n");
	cli_make("sub/deep/venv/bin/", NULL);
	assert_int_equal(chdir("sub/deep"), 0);
	check_output(NONE, "top"); /* sub's has no table of ours */
	cli_make("sub/pyproject.toml", "[tool.fixingahole]\noutput = 'near'\n");
	check_output(NONE, "near");
	/* not beyond the git root */
	cli_make("sub/deep/.git/", NULL);
	check_output(NONE, "sub/deep/performance");
	/* then beside the virtual environment */
	cli_make("other/pyproject.toml", "[tool.fixingahole]\noutput = 'venv'\n");
	cli_make("other/.venv/", NULL);
	{
		char variable[2 * PATH_MAX];

		snprintf(variable, sizeof(variable), "VIRTUAL_ENV=%s", cli_path("other/.venv/"));
		check_output(ENVIRONMENT(variable), "sub/deep/venv");
		cli_make("sub/deep/pyproject.toml", "[tool.fixingahole]\noutput = 'own'\n");
		check_output(ENVIRONMENT(variable), "sub/deep/own");
	}
}

static void test_a_stranger_s_file(void **state)
{
	if (geteuid() != 0)
		skip(); /* needs root to make a file of another user's */
	cli_make("pyproject.toml", "[tool.fixingahole]\noutput = 'theirs'\n");
	assert_int_equal(chown("pyproject.toml", 12345, 12345), 0);
	assert_int_equal(chdir("sub"), 0);
	check_output(NONE, "performance");
	assert_non_null(strstr(cli_said, "belongs to another user"));
	assert_int_equal(chown(".", 12345, 12345), 0); /* he who owns the working directory may */
	check_output(NONE, "theirs");
}

static void test_a_stranger_s_repository(void **state)
{
	if (geteuid() != 0)
		skip(); /* as above */
	assert_int_equal(chown(".git", 12345, 12345), 0);
	check_output(NONE, "performance"); /* in the working directory itself it is no surprise */
	assert_int_equal(chdir("sub"), 0);
	check_output(NONE, "sub/performance");
	assert_non_null(strstr(cli_said, "belongs to another user"));
}

static void test_links(void **state)
{
	struct config c;

	assert_int_equal(symlink("sub", "link"), 0);
	c = cli_ok("--version", ENVIRONMENT("FIXINGAHOLE_ROOT=link/", "FIXINGAHOLE_OUTPUT=new/../er"));
	assert_string_equal(c.root, cli_path("sub"));
	assert_string_equal(c.output_dir, cli_path("sub/er"));
	config__release(&c);
	/* "link/.." is sub's parent's business, not the link's */
	assert_int_equal(symlink("sub/deep", "far"), 0);
	c = cli_ok("--version", ENVIRONMENT("FIXINGAHOLE_ROOT=far/.."));
	assert_string_equal(c.root, cli_path("sub"));
	config__release(&c);
}

static void test_wrong_values_name_their_source(void **state)
{
	char said[2 * PATH_MAX];

	cli_make("plain", "");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_ROOT=nowhere"), "FIXINGAHOLE_ROOT: no such directory: 'nowhere'");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_ROOT=plain"), "FIXINGAHOLE_ROOT: not a directory: 'plain'");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_ROOT="), "FIXINGAHOLE_ROOT: must not be empty");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_OUTPUT=plain"), "FIXINGAHOLE_OUTPUT: not a directory: 'plain'");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_OUTPUT=plain/x"), "FIXINGAHOLE_OUTPUT: no such directory");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_IGNORE=sub:plain"), "FIXINGAHOLE_IGNORE: not a directory: 'plain'");
	cli_refused("--version", ENVIRONMENT("FIXINGAHOLE_DURATION=abs"), "FIXINGAHOLE_DURATION: must be 'relative' or 'absolute', not 'abs'");
	cli_refused("profile sub/deep/a.py -o plain", NONE, "--output-directory: not a directory: 'plain'");
	cli_refused("profile sub/deep/a.py -i plain", NONE, "--ignore: not a directory: 'plain'");

	cli_make("pyproject.toml", "[tool.fixingahole]\n\nduration = 'abs'\n");
	snprintf(said, sizeof(said), "%s, line 3: duration: must be", cli_path("pyproject.toml"));
	cli_refused("--version", NONE, said);
	cli_make("pyproject.toml", "[tool.fixingahole]\nroot = 'no\\where\033'\n");
	cli_refused("--version", NONE, "line 2: root: no such directory: 'no\\where?'");
	cli_make("pyproject.toml", "[tool.fixingahole]\noutput = '~/results'\n");
	cli_refused("--version", NONE, "line 2: output: '~' is not expanded here, name the folder in full, not '~/results'");
	cli_refused("profile sub/deep/a.py --output-directory=~", NONE, "--output-directory: '~' is not expanded");
	cli_make("pyproject.toml", "[tool.fixingahole]\nignore = ['sub', '']\n");
	cli_refused("--version", NONE, "line 2: ignore: must not be empty");
	cli_make("pyproject.toml", "[tool.fixingahole]\noutptu = 'x'\n");
	cli_refused("--version", NONE, "pyproject.toml, line 2: unknown key 'outptu'");
	cli_make("pyproject.toml", "x = 1\ny = \"open\n");
	cli_refused("--version", NONE, "pyproject.toml, line 2: a string does not end");
	assert_int_equal(unlink("pyproject.toml"), 0);
	assert_int_equal(mkfifo("pyproject.toml", 0600), 0);
	cli_refused("--version", NONE, "not a regular file");
}

static void test_version_prints_sources(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct config c;
	char want[8 * PATH_MAX];

	cli_make("pyproject.toml", "[tool.fixingahole]\nignore = ['x']\n");
	c = cli_ok("--version", ENVIRONMENT("FIXINGAHOLE_DURATION=absolute"));
	assert_int_equal(config_print_version(out, &c), 0);
	assert_int_equal(fclose(out), 0);
	snprintf(want, sizeof(want), "fixingahole " VERSION "\nroot      %s (default)\noutput    %s/performance (default)\n"
		 "ignore    %s/x (%s/pyproject.toml)\nduration  absolute (FIXINGAHOLE_DURATION)\n", cli_top, cli_top, cli_top, cli_top);
	assert_string_equal(text, want);
	free(text);
	config__release(&c);
}

static void test_working_directory_is_gone(void **state)
{
	cli_make("gone/", NULL);
	assert_int_equal(chdir("gone"), 0);
	assert_int_equal(rmdir(cli_path("gone")), 0);
	cli_refused("--version", NONE, "cannot tell the working directory");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, cli_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_defaults), TEST(test_no_repository), TEST(test_file), TEST(test_environment_beats_file),
		TEST(test_command_line_beats_all), TEST(test_which_file), TEST(test_a_stranger_s_file), TEST(test_a_stranger_s_repository),
		TEST(test_links),
		TEST(test_wrong_values_name_their_source), TEST(test_version_prints_sources), TEST(test_working_directory_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
