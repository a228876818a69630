// SPDX-License-Identifier: Apache-2.0
#include "test_cli.h"

#include <unistd.h>

#include "cli/options_file.h"

static struct config config;

/* Words for record, behind "-a". */
static int load(const char *words)
{
	static char text[1024], *argv[64] = { (char *)"fixingahole", (char *)"record", (char *)"-a" };
	int n = 3, err, fds[2], saved = dup(STDERR_FILENO);
	ssize_t size;

	snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[n++] = word;
	argv[n] = NULL;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	err = config__load_with(&config, n, argv, cli_no_environment);
	dup2(saved, STDERR_FILENO);
	close(saved);
	size = read(fds[0], cli_said, sizeof(cli_said) - 1);
	cli_said[size < 0 ? 0 : size] = '\0';
	close(fds[0]);
	return err;
}

static void fails(const char *file, const char *why)
{
	cli_make("conf", file);
	assert_int_equal(load("--options conf"), -EINVAL);
	if (!strstr(cli_said, why))
		fail_msg("said: %s", cli_said);
	assert_int_equal(strcspn(cli_said, "\n") + 1, strlen(cli_said));
}

static void test_defaults(void **state)
{
	assert_int_equal(load(""), 0);
	assert_int_equal(config.keep_files, 1440);
	assert_int_equal(config.keep_bytes, 1 << 30);
	assert_int_equal(config.spool_bytes, 256 << 20);
	assert_true(config.timeout_s == 30);
	assert_null(config.options_words);
	config__release(&config);
}

static void test_file(void **state)
{
	cli_make("conf",
		 "# a comment\n"
		 "\n"
		 "--interval 60\r\n"
		 "  --rate=19   \n"
		 "--header X-Scope-OrgID:  a = \"b\"\n"
		 "--header\tX-Other: -x\n"
		 "--quiet\n"
		 "--output /a b\n"
		 "--spool-bytes 2g\n"
		 "--keep-bytes 0\n"
		 "--keep-files=7");
	assert_int_equal(load("--output first --rate 5 --options conf --interval 10 -o last"), 0);
	assert_true(config.interval_s == 10); /* behind the file */
	assert_int_equal(config.rate_hz, 19); /* before it */
	assert_int_equal(config.n_headers, 2);
	assert_string_equal(config.headers[0], "X-Scope-OrgID:  a = \"b\"");
	assert_string_equal(config.headers[1], "X-Other: -x");
	assert_true(config.quiet);
	assert_int_equal(config.n_outputs, 3);
	assert_string_equal(config.outputs[1], "/a b");
	assert_string_equal(config.outputs[2], "last");
	assert_true(config.spool_bytes == 2ull << 30);
	assert_int_equal(config.keep_bytes, 0);
	assert_int_equal(config.keep_files, 7);
	assert_string_equal(config.options_file, "conf");
	/* as typed: what is loaded again later */
	assert_int_equal(config.argc, 13);
	assert_string_equal(config.argv[7], "--options");
	cli_make("conf", "--rate 7\n");
	{
		struct config again;

		assert_int_equal(config__load_with(&again, config.argc, config.argv, cli_no_environment), 0);
		assert_int_equal(again.rate_hz, 7);
		config__release(&again);
	}
	config__release(&config);
	assert_int_equal(load("--options=conf"), 0);
	config__release(&config);
}

static void test_wrong_files(void **state)
{
	fails("interval 60\n", "'conf', line 1: 'interval 60' is no option");
	fails("\n\n-a\n", "line 3");
	fails("--options other\n", "names no further one");
	fails("--no-such-thing 1\n", "unknown option");
	fails("--interval\n", "needs a value");
	fails("--quiet yes\n", "takes no value");
	fails("--keep-bytes 5x\n", "'--keep-bytes' must be a number of bytes");
	fails("--keep-bytes -5\n", "number of bytes");
	fails("--keep-bytes 99999999999999999999\n", "number of bytes");
	fails("--keep-bytes 9999999999T\n", "number of bytes");
	fails("--keep-bytes \n", "needs a value");
	assert_int_equal(load("--options nowhere"), -EINVAL);
	assert_non_null(strstr(cli_said, "cannot read the options in 'nowhere': No such file"));
	assert_int_equal(load("--options ."), -EINVAL);
	assert_int_equal(load("--options /dev/zero"), -EINVAL);
	assert_int_equal(load("--options"), -EINVAL);
	assert_int_equal(load("--options="), -EINVAL);
	cli_make("conf", "--rate 1\n");
	assert_int_equal(load("--options conf --options conf"), -EINVAL);
	assert_non_null(strstr(cli_said, "counts once"));
}

static void test_nul_and_size(void **state)
{
	FILE *f = fopen("conf", "w");

	assert_non_null(f);
	fwrite("--rate 5\0 6\n", 12, 1, f);
	fclose(f);
	assert_int_equal(load("--options conf"), -EINVAL);
	assert_non_null(strstr(cli_said, "no text file"));
	assert_int_equal(truncate("conf", 2 << 20), 0);
	assert_int_equal(load("--options conf"), -EINVAL);
	assert_non_null(strstr(cli_said, "too large"));
}

/* Other commands have no such option, and a script may have one of its own. */
static void test_other_commands(void **state)
{
	char *argv[] = { (char *)"fixingahole", (char *)"profile", (char *)"x.py", (char *)"--options", (char *)"conf", NULL };

	cli_make("x.py", "");
	cli_make("conf", "--rate 1\n");
	assert_int_equal(config__load_with(&config, 5, argv, cli_no_environment), 0);
	assert_int_equal(config.script_argc, 2);
	assert_null(config.options_words);
	config__release(&config);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, cli_setup, cli_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_defaults), TEST(test_file), TEST(test_wrong_files), TEST(test_nul_and_size), TEST(test_other_commands) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
