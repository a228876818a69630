// SPDX-License-Identifier: Apache-2.0
/* Words -> config: forms of options, whose the words after FILE are, and what is refused. */
#include "unit/test_cli.h"

#define NONE cli_no_environment

static int setup(void **state)
{
	if (cli_setup(state) < 0)
		return -1;
	cli_make("a.py", "");
	cli_make("b.ipynb", "");
	cli_make("runs/profile_results.json", "{}");
	return 0;
}

static void test_defaults(void **state)
{
	struct config c = cli_ok("profile a.py", NONE);

	assert_int_equal(c.command, COMMAND_PROFILE);
	assert_string_equal(c.file, cli_path("a.py"));
	assert_string_equal(c.file_typed, "a.py");
	assert_null(c.module);
	assert_int_equal(c.script_argc, 0);
	assert_true(c.trace && c.metadata && c.sort);
	assert_false(c.memory || c.detailed || c.quiet || c.verbose || c.no_plots_matplotlib || c.no_plots_plotly);
	assert_int_equal(c.precision, 0);
	assert_int_equal(c.log_level, LOG_LEVEL_WARNING);
	assert_int_equal(c.repeat, 1);
	assert_int_equal(c.rate_hz, 1000);
	assert_true(c.live_s == 0);
	assert_null(c.output_file);
	assert_null(c.python);
	assert_null(c.user);
	config__release(&c);
}

static void test_every_option(void **state)
{
	struct config c = cli_ok("profile --cpu --detailed --precision 7 --no-trace --log-level ERROR --no-plots --live 2.5 --ignore runs "
				 "--output-directory out --duration absolute --repeat 3 --output-file mine --no-metadata --no-sort "
				 "--python /bin/py --rate 99 --user nobody --quiet --verbose a.py", NONE);

	assert_true(c.detailed && c.quiet && c.verbose && c.no_plots_matplotlib && c.no_plots_plotly);
	assert_false(c.trace || c.metadata || c.sort);
	assert_int_equal(c.precision, 7);
	assert_int_equal(c.log_level, LOG_LEVEL_ERROR);
	assert_true(c.live_s == 2.5);
	assert_int_equal(c.n_ignore, 1);
	assert_string_equal(c.ignore[0], cli_path("runs"));
	assert_string_equal(c.output_dir, cli_path("out"));
	assert_int_equal(c.duration, DURATION_ABSOLUTE);
	assert_int_equal(c.repeat, 3);
	assert_string_equal(c.output_file, "mine");
	assert_string_equal(c.python, "/bin/py");
	assert_string_equal(c.user, "nobody");
	assert_int_equal(c.rate_hz, 99);
	config__release(&c);
}

static void check_precision(const char *words, int precision)
{
	struct config c = cli_ok(words, NONE);

	assert_int_equal(c.precision, precision);
	config__release(&c);
}

static void test_forms_of_values(void **state)
{
	check_precision("profile -p 3 a.py", 3);
	check_precision("profile -p3 a.py", 3);
	check_precision("profile -p=3 a.py", 3);
	check_precision("profile -p -3 a.py", -3);
	check_precision("profile -p-3 a.py", -3);
	check_precision("profile -p=-3 a.py", -3);
	check_precision("profile --precision=-10 a.py", -10);
	check_precision("profile --precision +10 a.py", 10);
	check_precision("profile a.py -p 3", 3);
	check_precision("profile -dqp3 a.py", 3);
	check_precision("profile -p 3 -p 4 a.py", 4);
}

static void check_flags(const char *words, bool detailed, bool quiet, bool trace)
{
	struct config c = cli_ok(words, NONE);

	assert_int_equal(c.detailed, detailed);
	assert_int_equal(c.quiet, quiet);
	assert_int_equal(c.trace, trace);
	config__release(&c);
}

static void test_short_options(void **state)
{
	check_flags("profile -d -q a.py", true, true, true);
	check_flags("profile -dq a.py", true, true, true);
	check_flags("profile -nt a.py", false, false, false);
	check_flags("profile -nt -t a.py", false, false, true);
	check_flags("profile -t a.py -nt", false, false, false);
}

static void check_plots(const char *words, bool matplotlib, bool plotly)
{
	struct config c = cli_ok(words, NONE);

	assert_string_equal(c.file, cli_path("a.py"));
	assert_int_equal(c.no_plots_matplotlib, matplotlib);
	assert_int_equal(c.no_plots_plotly, plotly);
	config__release(&c);
}

static void test_no_plots(void **state)
{
	check_plots("profile -np a.py", true, true);
	check_plots("profile --no-plots a.py", true, true);
	check_plots("profile -np matplotlib a.py", true, false);
	check_plots("profile --no-plots plotly a.py", false, true);
	check_plots("profile --no-plots=plotly a.py", false, true);
	check_plots("profile -np=matplotlib -np plotly a.py", true, true);
	check_plots("profile a.py -np", true, true);
	check_plots("profile a.py -np plotlyx", true, true);
	cli_refused("profile -np=qt a.py", NONE, "must be matplotlib or plotly, not 'qt'");
}

static void check_script(const char *words, bool quiet, int argc, const char *first)
{
	struct config c = cli_ok(words, NONE);

	assert_int_equal(c.quiet, quiet);
	assert_int_equal(c.script_argc, argc);
	if (argc)
		assert_string_equal(c.script_argv[0], first);
	assert_null(c.script_argv[argc]);
	config__release(&c);
}

static void test_whose_words(void **state)
{
	check_script("profile a.py x -q", false, 2, "x");
	check_script("profile a.py -q x -q", true, 2, "x");
	check_script("profile a.py -q --epochs 3 -d", true, 3, "--epochs");
	check_script("profile a.py -- -q", false, 1, "-q");
	check_script("profile a.py -q -- -- -q", true, 2, "--");
	check_script("profile a.py x -- y", false, 3, "x");
	check_script("profile a.py ''", false, 1, "");
	check_script("profile a.py - -q", false, 2, "-");
	check_script("profile a.py --", false, 0, NULL);
	check_script("profile a.py -dx", false, 1, "-dx");
	check_script("profile -- a.py -q", false, 1, "-q");
	check_script("profile -q -- a.py -- -q", true, 2, "--");
	check_script("profile --module m -q x -q", true, 2, "x");
	check_script("profile --module m -- -q", false, 1, "-q");
	check_script("profile --module m.sub_1 --epochs", false, 1, "--epochs");
}

static void test_module(void **state)
{
	struct config c = cli_ok("profile --module pkg.tool a.py", NONE);

	assert_string_equal(c.module, "pkg.tool");
	assert_null(c.file);
	assert_int_equal(c.script_argc, 1);
	config__release(&c);
	cli_refused("profile a.py --module m", NONE, "cannot go with the file 'a.py'");
	cli_refused("profile --module a/b.py", NONE, "module's name");
	cli_refused("profile --module a..b", NONE, "module's name");
	cli_refused("profile --module= x", NONE, "must not be empty");
}

static void test_wrong_values(void **state)
{
	cli_refused("profile -p 11 a.py", NONE, "'-p' must be a whole number from -10 to 10, not '11'");
	cli_refused("profile --precision=1.5 a.py", NONE, "not '1.5'");
	cli_refused("profile --precision= a.py", NONE, "not ''");
	cli_refused("profile --rate 0 a.py", NONE, "from 1 to 10000");
	cli_refused("profile --rate 10001 a.py", NONE, "from 1 to 10000");
	cli_refused("profile --rate 1e3 a.py", NONE, "not '1e3'");
	cli_refused("profile --live 0.99 a.py", NONE, "at least 1");
	cli_refused("profile --live nan a.py", NONE, "not 'nan'");
	cli_refused("profile --live 1e999 a.py", NONE, "not '1e999'");
	cli_refused("profile --live 0x10 a.py", NONE, "not '0x10'");
	cli_refused("profile -r 0 a.py", NONE, "'-r' must be a whole number of at least 1");
	cli_refused("profile -r 99999999999999999999 a.py", NONE, "at least 1");
	cli_refused("profile -r -1 a.py", NONE, "not '-1'");
	cli_refused("profile -l LOUD a.py", NONE, "must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'LOUD'");
	cli_refused("profile --duration sometimes a.py", NONE, "relative or absolute");
	cli_refused("profile --output-file a/b a.py", NONE, "without a directory");
	cli_refused("profile --output-file .. a.py", NONE, "without a directory");
	cli_refused("profile --output-file= a.py", NONE, "empty");
	cli_refused("profile -o= a.py", NONE, "empty");
	cli_refused("profile --cpu=yes a.py", NONE, "takes no value");
	cli_refused("profile -o", NONE, "'-o' needs a value, DIR");
	cli_refused("profile -o -q a.py", NONE, "needs a value");
	cli_refused("profile a.py -p x", NONE, "put '--' before");
}

static void test_unknown_options(void **state)
{
	cli_refused("profile --detialed a.py", NONE, "unknown option '--detialed': did you mean '--detailed'?");
	cli_refused("profile --det a.py", NONE, "did you mean '--detailed'?");
	cli_refused("profile --noplots=plotly a.py", NONE, "did you mean '--no-plots'?");
	cli_refused("profile -detailed a.py", NONE, "did you mean '--detailed'?");
	cli_refused("profile --zzz a.py", NONE, "see 'fixingahole profile --help'");
	cli_refused("profile -x a.py", NONE, "unknown option '-x'");
	cli_refused("summarize --rate 3 x.json", NONE, "unknown option '--rate'");
	cli_refused("--versoin", NONE, "did you mean '--version'?");
	cli_refused("-d profile a.py", NONE, "goes behind the command");
}

static void test_heap_sources(void **state)
{
	cli_refused("profile --heap-source=magic a.py", NONE, "'--heap-source' must be preload or probes");
	cli_refused("profile --heap-source=preload --pid 12", NONE, "'--heap-source=preload' is for scripts that are started");
}

static void test_attach(void **state)
{
	struct config c = cli_ok("profile --pid 12 --seconds 2.5 --pid=34 --name *.py --cgroup a/b --no-children", NONE);

	assert_int_equal(c.n_pids, 2);
	assert_int_equal(c.pids[0], 12);
	assert_int_equal(c.pids[1], 34);
	assert_true(c.seconds == 2.5);
	assert_string_equal(c.process_name, "*.py");
	assert_string_equal(c.cgroup, "a/b");
	assert_false(c.children);
	config__release(&c);
	/* behind FILE they are the script's */
	c = cli_ok("profile a.py --name x --pid 3", NONE);
	assert_int_equal(c.n_pids, 0);
	assert_true(c.children);
	assert_int_equal(c.script_argc, 4);
	config__release(&c);
	cli_refused("profile --pid 0", NONE, "'--pid' must be a whole number from 1");
	cli_refused("profile --pid x", NONE, "'--pid' must be a whole number from 1");
	cli_refused("profile --pid 12 a.py", NONE, "'--pid' cannot go with the file 'a.py'");
	cli_refused("profile --seconds 3 a.py", NONE, "'--seconds' needs --pid, --name or --cgroup");
	cli_refused("profile --no-children a.py", NONE, "'--no-children' needs --pid");
	cli_refused("profile --pid 12 --seconds 0", NONE, "at least 0.1");
	c = cli_ok("profile --pid 12 --calls=f*", NONE);
	assert_string_equal(c.calls_pattern, "f*");
	config__release(&c);
	cli_refused("profile --pid 12 -r 2", NONE, "'--repeat' is for scripts that are started");
	cli_refused("profile --name x --module y", NONE, "'--module' is for scripts that are started");
}

static void test_calls(void **state)
{
	struct config c = cli_ok("profile a.py x", NONE);

	assert_null(c.calls_pattern);
	config__release(&c);
	/* the next word is not its value */
	c = cli_ok("profile --calls a.py x", NONE);
	assert_string_equal(c.calls_pattern, "");
	assert_string_equal(c.file_typed, "a.py");
	config__release(&c);
	c = cli_ok("profile a.py --calls=Scene.* x", NONE);
	assert_string_equal(c.calls_pattern, "Scene.*");
	assert_int_equal(c.script_argc, 1);
	config__release(&c);
	cli_refused("profile --calls= a.py", NONE, "'--calls=PATTERN' must have 1 to 255 letters");
}

static void test_cpu_or_memory(void **state)
{
	static const char *const lines[] = { "profile --memory a.py", "profile -dm a.py", "profile a.py -m", "profile -p 3 -m a.py x" };
	struct config c;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		c = cli_ok(lines[i], NONE);
		assert_true(c.memory);
		config__release(&c);
	}
	c = cli_ok("profile -c a.py", NONE);
	assert_false(c.memory);
	config__release(&c);
	cli_refused("profile -c --memory a.py", NONE, "'-c' and '--memory' exclude each other");
	cli_refused("profile -mc a.py", NONE, "'-c' and '-m' exclude each other");
}

static void test_commands(void **state)
{
	struct config c;

	cli_refused("a.py", NONE, "to profile it, type 'fixingahole profile a.py'");
	cli_refused("nowhere.ipynb", NONE, "fixingahole profile nowhere.ipynb");
	cli_refused("proflie", NONE, "did you mean 'profile'?");
	cli_refused("zzzzzz", NONE, "see 'fixingahole --help'");
	cli_refused("profile", NONE, "nothing to profile");
	cli_refused("profile ''", NONE, "empty name");
	cli_refused("summarize", NONE, "nothing to read");
	assert_int_equal(cli_load(&c, "", NONE), -EINVAL);
	assert_non_null(strstr(cli_said, "Usage: fixingahole COMMAND"));
}

static void test_summarize_and_stats(void **state)
{
	struct config c = cli_ok("summarize runs/profile_results.json -n 5 -t 2.5 --duration absolute", NONE);

	assert_int_equal(c.command, COMMAND_SUMMARIZE);
	assert_string_equal(c.input, cli_path("runs/profile_results.json"));
	assert_int_equal(c.top_n, 5);
	assert_true(c.threshold_percent == 2.5);
	assert_int_equal(c.duration, DURATION_ABSOLUTE);
	config__release(&c);
	c = cli_ok("summarize -n3 runs/profile_results.json", NONE);
	assert_int_equal(c.top_n, 3);
	assert_true(c.threshold_percent == 0.1);
	config__release(&c);
	c = cli_ok("stats runs -o out.json --no-sort", NONE);
	assert_int_equal(c.command, COMMAND_STATS);
	assert_string_equal(c.input, cli_path("runs"));
	assert_string_equal(c.output_file, "out.json");
	assert_true(!c.sort && c.metadata);
	config__release(&c);
	cli_refused("summarize runs", NONE, "is a folder");
	cli_refused("summarize /dev/null", NONE, "not a regular file");
	cli_refused("summarize none.json", NONE, "cannot open 'none.json': No such file");
	cli_refused("summarize a.py b.ipynb", NONE, "unexpected 'b.ipynb' after 'a.py'");
	cli_refused("summarize a.py -t 101", NONE, "from 0 to 100");
	cli_refused("summarize a.py -n 0", NONE, "at least 1");
	cli_refused("stats a.py", NONE, "is not a folder");
	cli_refused("stats -o ../x runs", NONE, "without a directory");
}

static void test_help_and_version(void **state)
{
	static const struct { const char *words, *topic; } helps[] = {
		{ "--help", NULL }, { "-h", NULL }, { "help", NULL }, { "help stats", "stats" }, { "profile --help", "profile" },
		{ "profile -h", "profile" }, { "profile a.py -p 3 --help x", "profile" }, { "summarize --help", "summarize" },
		{ "stats -vh", "stats" },
	};
	struct config c;

	for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
		c = cli_ok(helps[i].words, NONE);
		assert_int_equal(c.command, COMMAND_HELP);
		if (helps[i].topic)
			assert_string_equal(c.help_topic, helps[i].topic);
		else
			assert_null(c.help_topic);
		config__release(&c);
	}
	c = cli_ok("profile a.py -- --help", NONE);
	assert_int_equal(c.command, COMMAND_PROFILE);
	config__release(&c);
	c = cli_ok("--version", NONE);
	assert_int_equal(c.command, COMMAND_VERSION);
	assert_string_equal(c.root, cli_path(""));
	config__release(&c);
	cli_refused("--version x", NONE, "unexpected 'x'");
	cli_refused("help nothing", NONE, "unknown command 'nothing'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_every_option),
		cmocka_unit_test(test_forms_of_values), cmocka_unit_test(test_short_options),
		cmocka_unit_test(test_no_plots),      cmocka_unit_test(test_whose_words),
		cmocka_unit_test(test_module),        cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_unknown_options), cmocka_unit_test(test_heap_sources), cmocka_unit_test(test_attach), cmocka_unit_test(test_calls), cmocka_unit_test(test_cpu_or_memory),
		cmocka_unit_test(test_commands),      cmocka_unit_test(test_summarize_and_stats),
		cmocka_unit_test(test_help_and_version),
	};

	return cmocka_run_group_tests(tests, setup, cli_teardown);
}
