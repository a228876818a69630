// SPDX-License-Identifier: Apache-2.0
/* `summarize`: stored profiles, ours, the reference's, and bad ones. */
#include "unit/report_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

static char path[] = "/tmp/fixingahole-summarize-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) { return unlink(path); }

static void store(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static char *summarized(const struct report_options *options)
{
	char problem[512] = "x", *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_summarize(out, path, options, problem), 0);
	assert_string_equal(problem, "");
	fclose(out);
	return text;
}

static void refuse(const char *json, const char *expected)
{
	char problem[512] = "", *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	store(json, strlen(json));
	assert_int_equal(report_summarize(out, path, &plain, problem), -EINVAL);
	fclose(out);
	free(text);
	assert_null(strchr(problem, '\n'));
	if (!strstr(problem, expected))
		fail_msg("'%s' is missing in '%s'", expected, problem);
	assert_non_null(strstr(problem, path));
}

/* What we write can be read back, and says the same. */
static void test_our_own(void **state)
{
	struct profile profile = advanced_profile();
	_cleanup_free_ char *json = written(report_json, &profile, &plain), *text = NULL;

	store(json, strlen(json));
	text = summarized(&plain);
	assert_ptr_equal(strstr(text, "Finished in 9.308 seconds\n\nProfile Summary\n"), text);
	assert_non_null(strstr(text, " 1. serialize     75.2% (advanced.py:12)\n 2. fourier       16.1% (advanced.py:5)\n"));
	assert_non_null(strstr(text, "         └─ work (2 func, 91.32% total)\n"));
	assert_non_null(strstr(text, "serialize, (75.20%)\n  ├─ /home/u/repo/work/advanced.py:17; <module>\n  │  n_calls: 6000\n"));
	assert_null(strstr(text, "by Memory"));
}

static void test_odd_names_come_back(void **state)
{
	static const struct profile_frame frames[] = {{"/r/a b:%25;\n.py", "<mod ule>", 3}, {"/r/a b:%25;\n.py", "f:新", 9}};
	struct profile profile = advanced_profile();
	struct profile_function function = {.name = "f:新", .firstlineno = 8, .m = {.times = {.python_ns = 9000 * MS}}};
	struct profile_file file = {.path = "/r/a b:%25;\n.py", .functions = &function, .n_functions = 1};
	struct profile_stack stack = {.frames = frames, .n_frames = 2, .samples = 5};
	_cleanup_free_ char *json = NULL, *text = NULL;

	profile.files = &file;
	profile.stacks = &stack;
	profile.n_stacks = 1;
	json = written(report_json, &profile, &plain);
	store(json, strlen(json));
	text = summarized(&plain);
	assert_non_null(strstr(text, "f:新, (96.69%)\n  └─ /r/a b:%25;\\n.py:3; <mod ule>\n     n_calls: 5\n"));
}

/* The reference's form: heap, blanks in paths, keys that we do not know. */
static void test_the_reference(void **state)
{
	static const char json[] =
		"{\"elapsed_time_sec\": 9.308, \"max_footprint_mb\": 767.8, \"memory\": true, \"more\": [], \"files\": {\"/x y/a.py\": {\"functions\": ["
		"{\"line\": \"f\", \"lineno\": 4, \"n_cpu_percent_python\": 60.5, \"n_cpu_percent_c\": 10, \"n_sys_percent\": 0.09, \"n_peak_mb\": 400.2},"
		"{\"line\": \"g\", \"lineno\": 9, \"n_cpu_percent_python\": 0, \"n_cpu_percent_c\": -1e-9, \"n_sys_percent\": 0, \"n_peak_mb\": 1747}"
		"]}}, \"stacks\": [[[\"/x y/a.py <module>:20;\", \"/x y/a.py f:5;\"], {\"count\": 370, \"c_time\": 0}]]}";
	struct report_options options = plain;
	_cleanup_free_ char *text = NULL, *absolute = NULL;

	store(json, strlen(json));
	text = summarized(&plain);
	assert_ptr_equal(strstr(text, "Finished in 9.308 seconds using 767.800 MB of heap RAM\n\n"), text);
	assert_non_null(strstr(text, "Top 1 Functions by Total Runtime:\n"));
	assert_non_null(strstr(text, " 1. f     70.6% (a.py:4)\n"));
	assert_non_null(strstr(text, "Top 2 Functions by Memory Usage:\n"));
	assert_non_null(strstr(text, " 1. g    1.706 GB (a.py)\n 2. f      400 MB (a.py)\n"));
	assert_non_null(strstr(text, "├─ f........................................70.59% (400 MB)\n"));
	assert_non_null(strstr(text, "f, (70.59%)\n  └─ /x y/a.py:20; <module>\n     n_calls: 370\n"));
	options.absolute = true;
	options.trace = false;
	absolute = summarized(&options);
	assert_non_null(strstr(absolute, " 1. f    6.571s (a.py:4)\n"));
	assert_null(strstr(absolute, "n_calls"));
}

#define FUNCTION(more) "{\"elapsed_time_sec\": 1, \"files\": {\"a.py\": {\"functions\": [{\"line\": \"f\"" more "}]}}}"
#define STACKS(stacks) "{\"elapsed_time_sec\": 1, \"files\": {}, \"stacks\": " stacks "}"

static void test_bad_profiles(void **state)
{
	refuse("", "not JSON");
	refuse("{", "not JSON");
	refuse("{} x", "not JSON");
	refuse("[]", "not a profile");
	refuse("null", "not a profile");
	refuse("{\"files\": {}}", "not a profile");
	refuse("{\"files\": [], \"elapsed_time_sec\": 1}", "not a profile");
	refuse("{\"files\": {}, \"elapsed_time_sec\": \"1\"}", "'elapsed_time_sec' of the profile is not a number");
	refuse("{\"files\": {}, \"elapsed_time_sec\": 1e999}", "out of range");
	refuse("{\"files\": {}, \"elapsed_time_sec\": -5}", "out of range");
	refuse("{\"files\": {\"a\\nb\": 1}, \"elapsed_time_sec\": 1}", "'functions' of 'a\\nb' is not a list");
	refuse("{\"files\": {\"a\": {\"functions\": {}}}, \"elapsed_time_sec\": 1}", "'functions' of 'a' is not a list");
	refuse("{\"files\": {\"a\": {\"functions\": [1]}}, \"elapsed_time_sec\": 1}", "a function of 'a' has no name");
	refuse(FUNCTION(""), "'lineno' of f is missing");
	refuse(FUNCTION(", \"lineno\": 1e300"), "'lineno' of f is out of range");
	refuse(FUNCTION(", \"lineno\": 1, \"n_cpu_percent_python\": [[]]"), "'n_cpu_percent_python' of f is not a number");
	refuse(STACKS("{}"), "'stacks' is not a list");
	refuse(STACKS("[[]]"), "stack 0 is not a pair");
	refuse(STACKS("[[[],{}]]"), "'count' of a stack is missing");
	refuse(STACKS("[[[1],{\"count\":1}]]"), "a frame of stack 0 is not a text");
	refuse(STACKS("[[[\"a b\"],{\"count\":1}]]"), "'a b' is not a frame");
	refuse(STACKS("[[[\"ab:1;\"],{\"count\":1}]]"), "is not a frame");
	refuse(STACKS("[[[\"a b:99999999999;\"],{\"count\":1}]]"), "is not a frame");
	refuse(STACKS("[[[\"a b: 1;\"],{\"count\":1}]]"), "is not a frame");
}

static void test_files_that_are_none(void **state)
{
	static const char *const paths[] = {"/nonexistent/x.json", "/tmp", "/dev/zero"};
	char problem[512], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < COUNT(paths); i++) {
		assert_int_equal(report_summarize(out, paths[i], &plain, problem), -EINVAL);
		assert_non_null(strstr(problem, paths[i]));
	}
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
	assert_int_equal(report_summarize(out, path, &plain, problem), -EINVAL);
	assert_non_null(strstr(problem, "not a regular file"));
	unlink(path);
	store("", 0);
	fclose(out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_own),
		cmocka_unit_test(test_odd_names_come_back),
		cmocka_unit_test(test_the_reference),
		cmocka_unit_test(test_bad_profiles),
		cmocka_unit_test(test_files_that_are_none),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
