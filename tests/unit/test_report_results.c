// SPDX-License-Identifier: Apache-2.0
/* profile_results.txt, letter by letter. */
#include "unit/report_fixture.h"

static const char advanced_results[] =
	"     Memory usage: ▁▁█ (max RSS: 1.705 GB, touched in all: 696.000 MB)\n"
	"  /home/u/repo/work/advanced.py: % of time =  91.41% (8.508s) out of 9.308s.\n"
	"      ╷       ╷       ╷       ╷       ╷\n"
	"      │Time   │–––––– │–––––– │RSS    │\n"
	" Line │Python │native │system │touched│/home/u/repo/work/advanced.py\n"
	"━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n"
	"  ... │       │       │       │       │\n"
	"    8 │    1% │   15% │       │  610M │            fft.fft(signal)\n"
	"  ... │       │       │       │       │\n"
	"   13 │   43% │   27% │   5%  │   77M │    return json.dumps(data)\n"
	"  ... │       │       │       │       │\n"
	"      ╵       ╵       ╵       ╵       ╵\n"
	"\n"
	"Function summaries:\n"
	"  fourier (line 5): 1% Python, 15% native, 0% system, 610 MB RSS\n"
	"  serialize (line 12): 43% Python, 27% native, 5% system, 77 MB RSS\n"
	"\n"
	"Waiting:\n"
	"  line 13: 0.40 s in recvfrom, 10.0.0.5:5432 (41 times)\n"
	"  line 13: 0.06 s in sleep (1 time)\n"
	"\n"
	"\n"
	"  (outside root): % of time =   8.59% (0.800s) out of 9.308s: 0.400s Python, 0.400s native, 0.000s system; 9 MB RSS touched\n"
	"\n";

static void test_results(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *text = written(report_results, &profile, &plain);

	assert_begins(text, advanced_results);
	assert_losses(text, &profile);
}

static void test_results_absolute_and_narrow(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	_cleanup_free_ char *text = NULL;

	options.absolute = true;
	options.width = 60;
	text = written(report_results, &profile, &options);
	assert_contains(text, "    8 │ 0.10s │ 1.40s │       │  610M │            fft.fft(…\n");
	assert_contains(text, "   13 │ 4.00s │ 2.50s │0.50s  │   77M │    return json.dump…\n");
	assert_contains(text, "━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━┿━━━━━━━━━━━━━━━━━━━━━\n");
	assert_contains(text, "  serialize (line 12): 4.000s Python, 2.500s native, 0.500s system, 77 MB RSS\n");
}

/* What is worth a cell, but less than 0.01 s, is not "0.00s". */
static void test_results_absolute_and_short(void **state)
{
	struct profile profile = advanced_profile();
	struct report_options options = plain;
	struct profile_line lines[] = {
		{.lineno = 1, .m = {.times = {.python_ns = 5 * MS, .native_ns = 4 * MS, .waiting_ns = 4 * MS}}},
		{.lineno = 2, .m = {.times = {.native_ns = 3 * MS}}},
	};
	struct profile_file file = {.path = "/r/x.py", .display = "/r/x.py", .m = {.times = {.python_ns = 100 * MS}}, .lines = lines, .n_lines = 2};
	_cleanup_free_ char *text = NULL;

	options.absolute = true;
	profile.files = &file;
	profile.n_files = 1;
	profile.whole = (struct times){.python_ns = 400 * MS};
	text = written(report_results, &profile, &options);
	assert_contains(text, "    1 │ 0.01s │  <5ms │ <5ms  │       │");
	assert_lacks(text, "\n    2 ");
}

/* A file without its text, and small files together: nothing gets lost from 100 %. */
static void test_results_rest(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_line lines[] = {{.lineno = 40000000, .m = {.times = {.python_ns = 100 * MS}}}, {.lineno = 40000001, .m = {.times = {.python_ns = 55 * MS, .native_ns = 53 * MS}}}};
	struct profile_file files[] = {
		advanced_files[0],
		{.path = "/r/gone.py", .display = "/r/gone.py", .m = {.times = {.python_ns = 155 * MS, .native_ns = 53 * MS}}, .lines = lines, .n_lines = 2, .source_problem = "deleted"},
		{.path = "/r/a.py", .display = "/r/a.py", .m = {.times = {.python_ns = 4 * MS}}},
		{.path = "/r/b.py", .display = "/r/b.py", .m = {.times = {.system_ns = 2 * MS, .waiting_ns = 3 * MS, .runnable_ns = 1 * MS}, .rss_bytes = 5000}},
	};
	_cleanup_free_ char *text = NULL;
	double sum = 0;

	profile.files = files;
	profile.n_files = COUNT(files);
	profile.whole.python_ns += 159 * MS;
	profile.whole.native_ns += 53 * MS;
	profile.whole.waiting_ns += 6 * MS;
	text = written(report_results, &profile, &plain);
	assert_contains(text, "  /r/gone.py: % of time =   2.18% (0.208s) out of 9.526s.\n  No source text: deleted\n");
	assert_contains(text, "\n     ... │       │       │       │       │\n40000000 │    1% │       │       │       │\n40000001 │   <1% │   <1% │       │       │\n     ... │");
	assert_contains(text, "  (2 files under 1 %): % of time =   0.10% (0.010s) out of 9.526s: 0.004s Python, 0.000s native, 0.006s system; 5 kB RSS touched\n");
	for (const char *at = text; (at = strstr(at, "% of time =")); at++)
		sum += atof(at + strlen("% of time ="));
	assert_true(sum > 99.95 && sum < 100.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_results_absolute_and_narrow),
		cmocka_unit_test(test_results_absolute_and_short),
		cmocka_unit_test(test_results_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
