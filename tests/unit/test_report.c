// SPDX-License-Identifier: Apache-2.0
/* profile_summary.txt and --live, letter by letter; and what both reports share. */
#include "unit/report_fixture.h"

#include <errno.h>

#include "util/cleanup.h"

/* Everything but the losses, whose names belong to the model. */
static const char advanced_summary[] =
	"fixingahole profile advanced.py\n"
	"\n"
	"Finished in 9.308 seconds\n"
	"Max RSS Memory Usage: 1.705 GB\n"
	"Total Wall Time: 10.210 seconds\n"
	"CPU Time: 8.848 seconds in 9.308 elapsed (0.95 of 2 cores busy), waiting 0.460 seconds (4.9%)\n"
	"\n"
	"Check logs performance/advanced/20260126_145848/profile_logs.log (6 warnings)\n"
	"\n"
	"Profile Summary\n"
	"=================================================================\n"
	"\n"
	"Top 2 Functions by Total Runtime:\n"
	"-----------------------------------------------------------------\n"
	" 1. serialize     75.2% (advanced.py:12)\n"
	" 2. fourier       16.1% (advanced.py:5)\n"
	"\n"
	"Top 2 Functions by RSS:\n"
	"-----------------------------------------------------------------\n"
	" 1. fourier        610 MB (advanced.py)\n"
	" 2. serialize       77 MB (advanced.py)\n"
	"\n"
	"Functions by Module:\n"
	"-----------------------------------------------------------------\n"
	"├─ work (2 func, 91.32% total)\n"
	"│  └─ advanced.py (2 func, 91.32% total)\n"
	"│     ├─ serialize................................75.20% ( 77 MB)\n"
	"│     └─ fourier..................................16.12% (610 MB)\n"
	"│\n"
	"└─ (outside root)..................................8.59% (  9 MB)\n"
	"\n"
	"\n"
	"=================================================================\n"
	"\n"
	"\n"
	"Stack Trace Summary\n"
	"=======================================\n"
	"\n"
	"serialize, (75.20%)\n"
	"  ├─ work/advanced.py:17; <module>\n"
	"  │  n_calls: 6000\n"
	"  │\n"
	"  └─ work/advanced.py:16; <module>\n"
	"     n_calls: 582\n"
	"\n"
	"\n"
	"fourier, (16.12%)\n"
	"  └─ work/advanced.py:17; <module>\n"
	"     n_calls: 1500\n"
	"\n"
	"=======================================\n"
	"\n"
	"\n"
	"Waiting:\n"
	"    0.40 s in recvfrom, 10.0.0.5:5432 (advanced.py:13)\n"
	"    0.06 s in sleep (advanced.py:13)\n"
	"\n";

static void test_summary(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *text = written(report_summary, &profile, &plain);

	assert_begins(text, advanced_summary);
	assert_losses(text, &profile);
}

static void test_summary_without_trace(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *text = NULL;

	options.trace = false;
	text = written(report_summary, &profile, &options);
	assert_lacks(text, "Stack Trace Summary");
	assert_contains(text, "Waiting:\n    0.40 s in recvfrom");
}

static void test_summary_absolute(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *text = NULL;

	options.absolute = true;
	text = written(report_summary, &profile, &options);
	assert_contains(text, " 1. serialize    7.000s (advanced.py:12)\n 2. fourier      1.500s (advanced.py:5)\n");
	assert_contains(text, "│     ├─ serialize................................7.000s ( 77 MB)\n");
	assert_contains(text, "├─ work (2 func, 8.500s total)\n");
	assert_contains(text, "└─ (outside root).................................0.800s (  9 MB)\n");
	assert_contains(text, "\nserialize, (7.000s)\n");
}

/* Rules, and the dots of the tree, end where the terminal does. */
static void test_summary_narrow(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *text = NULL;

	options.width = 37;
	text = written(report_summary, &profile, &options);
	assert_contains(text, "\nProfile Summary\n=====================================\n");
	assert_contains(text, "\nTop 2 Functions by RSS:\n-------------------------------------\n");
	assert_contains(text, "\n│     ├─ serialize....75.20% ( 77 MB)\n│     └─ fourier......16.12% (610 MB)\n│\n└─ (outside root)......8.59% (  9 MB)\n\n\n=====================================\n");
	assert_contains(text, "\nStack Trace Summary\n=====================================\n");
}

/* Waits that would read "0.00 s" are no rows, and where nothing else is left there is no heading. */
static void test_short_waits(void **state)
{
	struct profile profile = advanced_profile();
	struct wait_reason reasons[] = {{"poll", "poll", NULL, 5 * MS, 2}, {"read, pipe:[7]", "read", "pipe:[7]", 4 * MS, 1}};
	_cleanup_free_ char *summary = NULL, *results = NULL, *none = NULL;

	profile.n_files = 0;
	profile.whole = (struct times){.waiting_ns = 9 * MS, .python_ns = 9 * MS};
	profile.outside.waits_for = reasons;
	profile.outside.n_waits_for = COUNT(reasons);
	summary = written(report_summary, &profile, &plain);
	results = written(report_results, &profile, &plain);
	assert_contains(summary, "Waiting:\n    0.01 s in poll (outside root)\n\n");
	assert_contains(results, "Waiting outside root:\n  0.01 s in poll (2 times)\n");
	assert_lacks(summary, "pipe:[7]");
	assert_lacks(results, "pipe:[7]");
	reasons[0].ns = 4 * MS;
	none = written(report_summary, &profile, &plain);
	assert_lacks(none, "Waiting:");
}

/* Several processes wait at the same time: the sum says that it is one. */
static void test_summed_over_processes(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_process processes[2] = {};
	_cleanup_free_ char *one = NULL, *two = NULL;

	profile.processes = processes;
	profile.n_processes = 1;
	one = written(report_summary, &profile, &plain);
	profile.n_processes = 2;
	two = written(report_summary, &profile, &plain);
	assert_lacks(one, "summed over");
	assert_contains(two, "%), summed over 2 processes\n");
}

/* Colour adds escapes and changes nothing else. */
static void test_summary_color(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *black = written(report_summary, &profile, &options), *text = NULL;
	char *to;

	assert_null(strchr(black, '\033'));
	options.color = true;
	text = written(report_summary, &profile, &options);
	assert_contains(text, "\033[1mProfile Summary\033[0m\n");
	assert_contains(text, "serialize\033[1;31m     75.2%\033[0m (advanced.py:12)");
	to = text;
	for (const char *p = text; *p; p++) {
		if (*p == '\033')
			p = strchr(p, 'm');
		else
			*to++ = *p;
	}
	*to = '\0';
	assert_string_equal(text, black);
}

static void test_summary_limits(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *one = NULL, *none = NULL;

	options.top_n = 1;
	one = written(report_summary, &profile, &options);
	assert_contains(one, "Top 1 Functions by Total Runtime:");
	assert_int_equal(occurrences(one, "n_calls"), 2);
	assert_contains(one, "│     └─ fourier"); /* the tree holds all above the threshold */
	options.top_n = 10;
	options.threshold_percent = 99;
	none = written(report_summary, &profile, &options);
	assert_contains(none, "No functions to summarize by Total Runtime\n");
	assert_contains(none, "( 77 MB)"); /* memory is reason enough */
	assert_lacks(none, "Stack Trace Summary");
}

static void test_how_it_ended(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *crashed = NULL, *interrupted = NULL;

	profile.ended_how = "The script was killed by signal 11 (Segmentation fault).";
	crashed = written(report_summary, &profile, &plain);
	assert_contains(crashed, "\nThe script was killed by signal 11 (Segmentation fault).\n\n");
	profile.ended_how = NULL;
	profile.interrupted = true;
	interrupted = written(report_summary, &profile, &plain);
	assert_contains(interrupted, "\nInterrupted: the figures cover the time until then.\n\n");
}

/* All of the time is somewhere, also where no function has any. */
static void test_only_outside(void **state)
{
	struct profile profile = {.whole.native_ns = 500 * MS, .outside = {.times.native_ns = 500 * MS, .rss_bytes = 12 * MIBS}, .root = "/r"};
	_cleanup_free_ char *text = written(report_summary, &profile, &plain);

	assert_contains(text, "No functions to summarize by Total Runtime\n");
	assert_contains(text, "\nFunctions by Module:\n-----------------------------------------------------------------\n"
			      "└─ (outside root)................................100.00% ( 12 MB)\n\n\n=====");
}

/* Programs that are no Python are named, a fork by what its parent executed. */
static void test_other_programs(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_process processes[] = {
		{.pid = 10, .program = "/usr/bin/python3", .interpreter = "CPython 3.11", .times.python_ns = 8000 * MS},
		{.pid = 11, .parent_pid = 10, .program = "/bin/sh", .times.system_ns = 2 * MS},
		{.pid = 12, .parent_pid = 11, .times.native_ns = 3 * MS},
		{.pid = 13, .parent_pid = 11, .program = "/usr/bin/gzip", .times = {.native_ns = 300 * MS, .waiting_ns = 9000 * MS}},
		{.pid = 14, .parent_pid = 11, .program = "/opt/gzip", .times.native_ns = 100 * MS},
		{.pid = 15, .parent_pid = 99, .times.native_ns = 10 * MS},
		{.pid = 16, .parent_pid = 10, .program = "tr", .times.native_ns = 20 * MS},
		{.pid = 17, .parent_pid = 10, .program = "idle", .times.waiting_ns = 20 * MS},
		{.pid = 18, .parent_pid = 10, .program = "wc", .times.native_ns = 1 * MS},
	};
	_cleanup_free_ char *text = NULL, *few = NULL;

	profile.processes = processes;
	profile.n_processes = COUNT(processes);
	text = written(report_summary, &profile, &plain);
	assert_contains(text, "\nOther programs: 0.436 seconds of CPU time (4.7%), outside root: gzip 0.400 s, tr 0.020 s, (unknown) 0.010 s, sh 0.005 s, 1 more 0.001 s\n");
	processes[3].times.native_ns = processes[4].times.native_ns = 20 * MS;
	few = written(report_summary, &profile, &plain);
	assert_lacks(few, "Other programs");
}

/* What libraries' own threads did is told apart, from a part in a hundred on. */
static void test_helpers(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *summary = NULL, *results = NULL, *few = NULL;
	static const char helpers[] = "Threads without Python code: 0.300 seconds of CPU time (3.2%), outside root: of threads that\n"
				      "      libraries start for themselves, as BLAS does.\n";

	profile.helpers_ns = 300 * MS;
	summary = written(report_summary, &profile, &plain);
	results = written(report_results, &profile, &plain);
	assert_contains(summary, helpers);
	assert_contains(results, helpers);
	profile.helpers_ns = 90 * MS;
	few = written(report_summary, &profile, &plain);
	assert_lacks(few, "Threads without");
}

static void test_nothing_measured(void **state)
{
	struct profile profile = {.command_line = "fixingahole profile empty.py", .program = "/r/empty.py", .root = "/r"};
	_cleanup_free_ char *summary = written(report_summary, &profile, &plain), *results = written(report_results, &profile, &plain);
	_cleanup_free_ char *live = written(report_live, &profile, &plain), *details = written(report_details, &profile, &plain);

	assert_begins(summary, "fixingahole profile empty.py\n\nFinished in 0.000 seconds\n");
	assert_contains(summary, "No functions to summarize by Total Runtime");
	assert_contains(summary, "Only 0 CPU samples: the shares of CPU time are rough.\n");
	assert_contains(results, "  (outside root): % of time =   0.00% (0.000s) out of 0.000s");
	assert_string_equal(live, "After 0.0 seconds: 0 samples, CPU 0.0 s, waiting 0.0 s\n");
	for (size_t i = 0; i < 4; i++) {
		const char *text = (const char *[]){summary, results, live, details}[i];

		assert_lacks(text, "nan");
		assert_lacks(text, "inf ");
	}
	free(summary);
	profile.cpu_samples = 1;
	summary = written(report_summary, &profile, &plain);
	assert_contains(summary, "Only 1 CPU sample: the shares");
	/* stacks, but of no function that is listed: no gap where they would be */
	free(summary);
	profile.stacks = advanced_stacks;
	profile.n_stacks = COUNT(advanced_stacks);
	summary = written(report_summary, &profile, &plain);
	assert_contains(summary, "=====\n\n\nSamples: ");
}

/* A notebook: its own path, and cell:line wherever a line is named. */
static void test_notebook(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_file file = advanced_files[0];
	struct cell cells[] = {{1, 1, 9}, {3, 11, 20}};
	struct cell_map map = {COUNT(cells), cells};
	_cleanup_free_ char *summary = NULL, *results = NULL, *details = NULL, *live = NULL;

	file.display = "/home/u/repo/work/笔记.ipynb";
	file.cells = &map;
	profile.files = &file;
	summary = written(report_summary, &profile, &plain);
	results = written(report_results, &profile, &plain);
	details = written(report_details, &profile, &plain);
	live = written(report_live, &profile, &plain);
	assert_contains(summary, " 1. serialize     75.2% (笔记.ipynb:3:2)\n");
	assert_contains(summary, "│  └─ 笔记.ipynb (2 func, 91.32% total)\n");
	assert_contains(summary, "    0.40 s in recvfrom, 10.0.0.5:5432 (笔记.ipynb:3:3)\n");
	assert_contains(summary, "─ work/笔记.ipynb:3:7; <module>\n");
	assert_lacks(summary, "advanced.py:");
	assert_contains(results, "  3:3 │   43% │   27% │   5%  │   77M │    return json.dumps(data)\n");
	assert_contains(results, "  serialize (line 3:2): 43% Python");
	assert_contains(results, "  line 3:3: 0.40 s in recvfrom, 10.0.0.5:5432 (41 times)\n");
	assert_contains(details, "\"lineno\": 13,\"cell\": 3,\"cell_line\": 3,");
	assert_contains(live, "serialize (笔记.ipynb:3:2)\n");
}

/* Names with wide, control and broken characters, and very long ones. */
static void test_odd_names(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_file file = advanced_files[0];
	char long_name[4001];
	struct profile_function functions[] = {
		{.name = "计算\n\033[31m", .firstlineno = 1, .m = {.times = {.python_ns = 4000 * MS}}},
		{.name = "short", .firstlineno = 2, .m = {.times = {.python_ns = 3000 * MS}}},
		{.name = "bad\xff\u202e", .firstlineno = 3, .m = {.times = {.python_ns = 2000 * MS}}},
		{.name = long_name, .firstlineno = 4, .m = {.times = {.python_ns = 1000 * MS}}},
	};
	struct report_options options = plain;
	_cleanup_free_ char *summary = NULL, *results = NULL;

	memset(long_name, 'x', 4000);
	long_name[4000] = '\0';
	file.path = file.display = "/home/u/repo/wo rk/新\tfile.py";
	file.functions = functions;
	file.n_functions = 3;
	profile.files = &file;
	options.trace = false;
	summary = written(report_summary, &profile, &options);
	assert_contains(summary, " 1. 计算\\n\\x1b[31m     43.0% (新\\tfile.py:1)\n"
				 " 2. short              32.2% (新\\tfile.py:2)\n"
				 " 3. bad\xef\xbf\xbd\\u202e         21.5% (新\\tfile.py:3)\n");
	assert_contains(summary, "├─ wo rk (3 func, 96.69% total)\n│  └─ 新\\tfile.py (3 func");
	free(summary);
	file.n_functions = 4;
	summary = written(report_summary, &profile, &options);
	results = written(report_results, &profile, &options);
	assert_contains(summary, "xxxxx…     10.7% (新");
	assert_lacks(summary, "\033");
	assert_lacks(results, "\033");
	for (const char *line = summary, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_true(end - line < 400);
	}
}

/* Recursion and many ways to one function stay readable. */
static void test_long_and_many_stacks(void **state)
{
	enum { DEPTH = 5000, WAYS = 30 };
	struct profile profile = advanced_profile();
	struct profile_frame *deep = calloc(DEPTH + 2, sizeof(*deep)), *zigzag = calloc(DEPTH + 1, sizeof(*zigzag));
	struct profile_frame ways[WAYS][2];
	struct profile_stack stacks[WAYS + 3];
	_cleanup_free_ char *text = NULL;

	for (int i = 0; i <= DEPTH; i++) {
		deep[i] = (struct profile_frame){ADVANCED, i ? "serialize" : "<module>", i ? 13 : 17};
		zigzag[i] = (struct profile_frame){ADVANCED, i % 2 ? "even" : i == DEPTH ? "serialize" : "odd", 13};
	}
	deep[DEPTH + 1] = deep[DEPTH];
	stacks[0] = (struct profile_stack){.frames = deep, .n_frames = DEPTH + 1, .samples = 70, .times = {.python_ns = 7000 * MS}};
	stacks[1] = (struct profile_stack){.frames = deep, .n_frames = DEPTH, .samples = 7};
	stacks[2] = (struct profile_stack){.frames = zigzag, .n_frames = DEPTH + 1, .samples = 60};
	for (int i = 0; i < WAYS; i++) {
		ways[i][0] = (struct profile_frame){ADVANCED, "<module>", (uint32_t)i + 100};
		ways[i][1] = (struct profile_frame){ADVANCED, "serialize", 13};
		stacks[i + 3] = (struct profile_stack){.frames = ways[i], .n_frames = 2, .samples = 1};
	}
	profile.stacks = stacks;
	profile.n_stacks = COUNT(stacks);
	text = written(report_summary, &profile, &plain);
	assert_contains(text, "serialize, (75.20%)\n  ├─ work/advanced.py:13; serialize [recursive]\n"
			      "  │  └─ work/advanced.py:17; <module>\n  │     n_calls: 77\n");
	assert_contains(text, "… further callers are left out\n");
	assert_contains(text, "  … and 22 more ways, n_calls: 22\n");
	assert_true(strlen(text) < 20000);
	free(deep);
	free(zigzag);
}

static void test_live(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *text = written(report_live, &profile, &plain);

	assert_string_equal(text,
	"After 9.3 seconds: 8848 samples, CPU 8.8 s, waiting 0.5 s\n"
	"   75.2% serialize (advanced.py:12)\n"
	"   16.1% fourier (advanced.py:5)\n"
	"    0.1% <module> (advanced.py:1)\n"
	"    8.6% (outside root)\n");
	free(text);
	profile.whole.runnable_ns = 250 * MS;
	profile.whole.waiting_ns -= 250 * MS;
	text = written(report_live, &profile, &plain);
	assert_begins(text, "After 9.3 seconds: 8848 samples, CPU 8.8 s, waiting 0.2 s, runnable 0.2 s\n");
}

/* Writers tell of a stream that fails. */
static void test_full_disk(void **state)
{
	static const report_writer writers[] = {report_summary, report_results, report_json, report_details, report_live};
	struct profile profile = advanced_profile();

	for (size_t i = 0; i < COUNT(writers); i++) {
		FILE *full = fopen("/dev/full", "w");

		if (!full)
			skip();
		assert_int_equal(writers[i](full, &profile, &plain), -ENOSPC);
		fclose(full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_summary_without_trace),
		cmocka_unit_test(test_summary_absolute),
		cmocka_unit_test(test_short_waits),
		cmocka_unit_test(test_summed_over_processes),
		cmocka_unit_test(test_summary_narrow),
		cmocka_unit_test(test_summary_color),
		cmocka_unit_test(test_summary_limits),
		cmocka_unit_test(test_how_it_ended),
		cmocka_unit_test(test_only_outside),
		cmocka_unit_test(test_other_programs),
		cmocka_unit_test(test_helpers),
		cmocka_unit_test(test_nothing_measured),
		cmocka_unit_test(test_notebook),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_long_and_many_stacks),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
