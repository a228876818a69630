// SPDX-License-Identifier: Apache-2.0
/* profile_results.json against the strict schema, and profile_details.json. */
#include "unit/report_fixture.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "util/cleanup.h"

enum type { INTEGER, NUMBER, FRACTION, PERCENT, TEXT, TEXT_OR_NULL, INTEGER_OR_NULL, LIST, LIST_OR_NULL, OBJECT, BOOL };

struct key {
	const char *name;
	enum type type;
};

static const struct key top_keys[] = {
	{"alloc_samples", INTEGER}, {"args", LIST_OR_NULL}, {"elapsed_time_sec", NUMBER}, {"entrypoint_dir", TEXT}, {"filename", TEXT},
	{"files", OBJECT}, {"gpu", BOOL}, {"gpu_device", TEXT}, {"growth_rate", NUMBER}, {"max_footprint_fname", TEXT_OR_NULL},
	{"max_footprint_lineno", INTEGER_OR_NULL}, {"max_footprint_mb", NUMBER}, {"max_footprint_python_fraction", FRACTION},
	{"memory", BOOL}, {"program", TEXT}, {"samples", LIST}, {"stacks", LIST}, {"start_time_absolute", NUMBER}, {"start_time_perf", NUMBER},
};
static const struct key file_keys[] = {
	{"functions", LIST}, {"imports", LIST}, {"leaks", OBJECT}, {"lines", LIST}, {"percent_cpu_time", PERCENT},
};
static const struct key line_keys[] = {
	{"cpu_samples_list", LIST}, {"line", TEXT}, {"lineno", INTEGER}, {"memory_samples", LIST}, {"n_avg_mb", NUMBER},
	{"n_copy_mb_s", NUMBER}, {"n_core_utilization", FRACTION}, {"n_cpu_percent_c", PERCENT}, {"n_cpu_percent_python", PERCENT},
	{"n_gpu_avg_memory_mb", NUMBER}, {"n_gpu_peak_memory_mb", NUMBER}, {"n_gpu_percent", PERCENT}, {"n_growth_mb", NUMBER},
	{"n_malloc_mb", NUMBER}, {"n_mallocs", INTEGER}, {"n_peak_mb", NUMBER}, {"n_python_fraction", FRACTION},
	{"n_sys_percent", PERCENT}, {"n_usage_fraction", FRACTION},
	/* lines only */
	{"start_region_line", INTEGER}, {"end_region_line", INTEGER}, {"start_outermost_loop", INTEGER},
	{"end_outermost_loop", INTEGER}, {"start_function_line", INTEGER}, {"end_function_line", INTEGER},
};
static const struct key stack_keys[] = {{"count", INTEGER}, {"python_time", FRACTION}, {"c_time", FRACTION}, {"cpu_samples", FRACTION}};
#define FUNCTION_KEYS 19

static void check_type(const cJSON *item, enum type type)
{
	double value = item->valuedouble;
	bool number = cJSON_IsNumber(item) && isfinite(value) && value >= 0;

	switch (type) {
	case INTEGER: assert_true(number && value == floor(value)); break;
	case NUMBER: assert_true(number); break;
	case FRACTION: assert_true(number && value <= 1); break;
	case PERCENT: assert_true(number && value <= 100); break;
	case TEXT: assert_true(cJSON_IsString(item)); break;
	case TEXT_OR_NULL: assert_true(cJSON_IsString(item) || cJSON_IsNull(item)); break;
	case INTEGER_OR_NULL: assert_true(cJSON_IsNull(item) || (number && value == floor(value) && value >= 1)); break;
	case LIST: assert_true(cJSON_IsArray(item)); break;
	case LIST_OR_NULL: assert_true(cJSON_IsArray(item) || cJSON_IsNull(item)); break;
	case OBJECT: assert_true(cJSON_IsObject(item)); break;
	case BOOL: assert_true(cJSON_IsBool(item)); break;
	}
}

/* Exactly these keys, each once, of these types; those from `required` on may be missing. */
static void check_keys(const cJSON *object, const struct key *keys, size_t n, size_t required)
{
	const cJSON *item;
	size_t found = 0;

	assert_true(cJSON_IsObject(object));
	cJSON_ArrayForEach(item, object) {
		size_t i = 0;

		while (i < n && strcmp(keys[i].name, item->string))
			i++;
		if (i == n)
			fail_msg("unknown key '%s'", item->string);
		assert_ptr_equal(cJSON_GetObjectItemCaseSensitive(object, item->string), item);
		check_type(item, keys[i].type);
		found += i < required;
	}
	assert_int_equal(found, required);
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static double percents(const cJSON *entry)
{
	return number(entry, "n_cpu_percent_c") + number(entry, "n_cpu_percent_python") + number(entry, "n_sys_percent");
}

static void check_frame(const char *frame)
{
	size_t separators = 0, length = strlen(frame);

	for (const char *p = frame; *p; p++)
		separators += *p == ' ' || *p == ':';
	assert_int_equal(separators, 2);
	assert_int_equal(frame[length - 1], ';');
	assert_null(strchr(frame, '\n'));
}

static cJSON *checked_json(const struct profile *profile)
{
	_cleanup_free_ char *text = written(report_json, profile, &plain);
	cJSON *json = cJSON_ParseWithOpts(text, NULL, 0);
	const cJSON *file, *entry;

	assert_non_null(json);
	check_keys(json, top_keys, COUNT(top_keys), COUNT(top_keys));
	cJSON_ArrayForEach(file, cJSON_GetObjectItem(json, "files")) {
		check_keys(file, file_keys, COUNT(file_keys), COUNT(file_keys));
		cJSON_ArrayForEach(entry, cJSON_GetObjectItem(file, "functions")) {
			check_keys(entry, line_keys, FUNCTION_KEYS, FUNCTION_KEYS);
			assert_true(percents(entry) <= 100);
		}
		cJSON_ArrayForEach(entry, cJSON_GetObjectItem(file, "lines")) {
			check_keys(entry, line_keys, COUNT(line_keys), FUNCTION_KEYS);
			assert_true(percents(entry) <= 100);
			assert_true(number(entry, "start_region_line") >= 1);
		}
	}
	cJSON_ArrayForEach(entry, cJSON_GetObjectItem(json, "stacks")) {
		const cJSON *frame;

		assert_int_equal(cJSON_GetArraySize(entry), 2);
		check_keys(cJSON_GetArrayItem(entry, 1), stack_keys, COUNT(stack_keys), COUNT(stack_keys));
		cJSON_ArrayForEach(frame, cJSON_GetArrayItem(entry, 0))
			check_frame(frame->valuestring);
	}
	cJSON_ArrayForEach(entry, cJSON_GetObjectItem(json, "samples"))
		assert_int_equal(cJSON_GetArraySize(entry), 2);
	return json;
}

static void test_schema_and_values(void **state)
{
	struct profile profile = advanced_profile();
	cJSON *json = checked_json(&profile);
	const cJSON *file = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItem(json, "files"), ADVANCED);
	const cJSON *line = cJSON_GetArrayItem(cJSON_GetObjectItem(file, "lines"), 2);
	const cJSON *sample = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "samples"), 1);

	assert_true(number(json, "elapsed_time_sec") == 9.308);
	assert_string_equal(cJSON_GetObjectItem(json, "filename")->valuestring, ADVANCED);
	assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "args"), 1)->valuestring, "1 0");
	assert_true(fabs(number(file, "percent_cpu_time") - 8508 / 93.08) < 1e-8);
	assert_string_equal(cJSON_GetObjectItem(line, "line")->valuestring, "    return json.dumps(data)");
	assert_true(fabs(number(line, "n_cpu_percent_python") - 4000 / 93.08) < 1e-8);
	assert_true(fabs(number(line, "n_cpu_percent_c") - 2500 / 93.08) < 1e-8);
	assert_true(fabs(number(line, "n_sys_percent") - 500 / 93.08) < 1e-8); /* system and waiting */
	assert_true(number(line, "n_core_utilization") == 0.5);
	assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(line, "cpu_samples_list"), 1)->valuedouble == 100.5);
	assert_true(cJSON_GetArrayItem(sample, 0)->valuedouble == 5e9 && cJSON_GetArrayItem(sample, 1)->valuedouble == 40);
	cJSON_Delete(json);
}

/* Loops, functions and imports of the source text. */
static void test_regions(void **state)
{
	struct profile profile = advanced_profile();
	cJSON *json = checked_json(&profile);
	const cJSON *file = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItem(json, "files"), ADVANCED);
	const cJSON *lines = cJSON_GetObjectItem(file, "lines"), *imports = cJSON_GetObjectItem(file, "imports");
	const cJSON *module = cJSON_GetArrayItem(lines, 0), *fft = cJSON_GetArrayItem(lines, 1), *dumps = cJSON_GetArrayItem(lines, 2);

	assert_int_equal(cJSON_GetArraySize(imports), 2);
	assert_string_equal(cJSON_GetArrayItem(imports, 0)->valuestring, "import json");
	assert_string_equal(cJSON_GetArrayItem(imports, 1)->valuestring, "from numpy import fft");
	assert_true(number(fft, "start_region_line") == 7 && number(fft, "end_region_line") == 8);
	assert_true(number(fft, "start_outermost_loop") == 6 && number(fft, "end_outermost_loop") == 8);
	assert_true(number(fft, "start_function_line") == 5 && number(fft, "end_function_line") == 9);
	assert_true(number(dumps, "start_region_line") == 12 && number(dumps, "end_region_line") == 13);
	assert_true(number(dumps, "start_outermost_loop") == 13 && number(dumps, "end_outermost_loop") == 13);
	assert_true(number(module, "start_region_line") == 1 && number(module, "end_region_line") == 1);
	assert_false(cJSON_HasObjectItem(module, "start_function_line"));
	cJSON_Delete(json);
}

/* Hostile names, numbers that are none, whole = one line, no samples at all. */
static void test_extremes(void **state)
{
	static const struct profile_frame frames[] = {{"/a b:c%;\n.py", "", 1}, {NULL, "f g\t\x7f:\"\\\xff", UINT32_MAX}};
	struct profile profile = advanced_profile();
	double moments[] = {INFINITY};
	struct profile_line lines[] = {
		{.lineno = 0, .m = {.times = {.python_ns = 1, .native_ns = 1, .waiting_ns = 1}, .core_utilization = NAN, .cpu_samples_s = moments, .n_cpu_samples = 1}},
		{.lineno = 99999, .m = {.times = {.runnable_ns = 0}, .core_utilization = 17}},
	};
	struct profile_file file = {.path = "/a\x01\xff\"\\新.py", .lines = lines, .n_lines = 2, .m = {.times = {.python_ns = 1, .native_ns = 1, .waiting_ns = 1}}};
	struct profile_stack stack = {.frames = frames, .n_frames = 2, .samples = 3, .times = {.python_ns = 3}};
	struct profile empty = {0};
	const cJSON *frame;
	cJSON *json;

	profile.whole = (struct times){.python_ns = 1, .native_ns = 1, .waiting_ns = 1};
	profile.files = &file;
	profile.stacks = &stack;
	profile.n_stacks = 1;
	profile.n_args = 0;
	profile.start_epoch_s = NAN;
	json = checked_json(&profile);
	assert_string_equal(cJSON_GetObjectItem(json, "files")->child->string, "/a\x01\xef\xbf\xbd\"\\新.py");
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "args")));
	frame = cJSON_GetArrayItem(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "stacks"), 0), 0)->child;
	assert_string_equal(frame->valuestring, "/a%20b%3Ac%25%3B%0A.py <unknown>:1;");
	assert_string_equal(frame->next->valuestring, "<unknown> f%20g%09%7F%3A\"\\\xef\xbf\xbd:4294967295;");
	cJSON_Delete(json);
	cJSON_Delete(checked_json(&empty));
}

static void test_details(void **state)
{
	struct profile profile = advanced_profile();
	struct profile_process process = {.pid = 7, .parent_pid = 1, .interpreter = "CPython 3.11", .start_ns = 5, .end_ns = 6 * MS, .status = 3 << 8,
					  .times = {.runnable_ns = 2000 * MS}, .max_rss_bytes = 12345678901, .threads = 4};
	_cleanup_free_ char *text = NULL;
	const cJSON *file, *function, *line, *reason, *entry;
	cJSON *json;

	profile.processes = &process;
	profile.n_processes = 1;
	profile.status = 11;
	profile.helpers_ns = 250 * MS;
	text = written(report_details, &profile, &plain);
	json = cJSON_ParseWithOpts(text, NULL, 0);
	assert_non_null(json);
	assert_string_equal(cJSON_GetObjectItem(json, "schema")->valuestring, "fixingahole-details-1");
	assert_true(number(cJSON_GetObjectItem(json, "whole"), "waiting_s") == 0.46);
	assert_true(number(cJSON_GetObjectItem(json, "outside"), "native_s") == 0.4);
	assert_true(number(json, "helpers_s") == 0.25);
	assert_true(number(json, "signal") == 11 && cJSON_IsNull(cJSON_GetObjectItem(json, "exit_status")));
	file = cJSON_GetObjectItem(json, "files")->child;
	function = cJSON_GetArrayItem(cJSON_GetObjectItem(file, "functions"), 2);
	line = cJSON_GetArrayItem(cJSON_GetObjectItem(file, "lines"), 2);
	assert_true(number(function, "inclusive_s") == 7);
	assert_true(number(function, "rss_bytes") == 77 * (double)MIBS);
	assert_string_equal(cJSON_GetObjectItem(line, "function")->valuestring, "serialize");
	reason = cJSON_GetObjectItem(line, "waits_for")->child;
	assert_string_equal(cJSON_GetObjectItem(reason, "call")->valuestring, "recvfrom");
	assert_string_equal(cJSON_GetObjectItem(reason, "object")->valuestring, "10.0.0.5:5432");
	assert_true(number(reason, "seconds") == 0.4 && number(reason, "count") == 41);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(reason->next, "object")));
	entry = cJSON_GetObjectItem(json, "processes")->child;
	assert_true(number(entry, "runnable_s") == 2 && number(entry, "exit_status") == 3 && number(entry, "max_rss_bytes") == 12345678901.);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(entry, "program")));
	assert_true(number(cJSON_GetObjectItem(json, "losses"), loss_text(LOSS_CUT_STACKS)) == 3);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "losses")), LOSS_COUNT);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "rss_timeline")), 3);
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema_and_values),
		cmocka_unit_test(test_regions),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
