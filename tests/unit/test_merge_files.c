// SPDX-License-Identifier: Apache-2.0
/* What merge finds below the folders that it is given, and what it refuses to read. */
#include "unit/merge_fixture.h"

#include <errno.h>

#include "merge/find.h"

/* --- bad files --- */

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *found = strstr(text, from);
	char *result;

	if (!found)
		fail_msg("no '%s' to replace", from);
	assert_true(asprintf(&result, "%.*s%s%s", (int)(found - text), text, to, found + strlen(from)) > 0);
	return result;
}

static void test_bad_files(void **state)
{
	static const struct { bool results; const char *from, *to, *said; } bad[] = {
		{false, "{", "[", "not JSON"},
		{false, "fixingahole-details-1", "fixingahole-details-9", "schema"},
		{false, "\"elapsed_s\": 9.308", "\"elapsed_s\": \"long\"", "'elapsed_s' of the profile is not a number"},
		{false, "\"elapsed_s\": 9.308", "\"elapsed_s\": -5", "out of range"},
		{false, "\"elapsed_s\": 9.308", "\"elapsed_s\": 1e300", "out of range"},
		{false, "\"elapsed_s\": 9.308,", "", "'elapsed_s' of the profile is missing"},
		{false, "\"elapsed_s\":", "\"samples\": 1, \"elapsed_s\":", "the key 'samples' is there twice"},
		{false, "\"lineno\": 8,", "\"lineno\": 13,", "not in order"},
		{false, "\"rss_bytes\": 639631360", "\"rss_bytes\": 1e18", "'rss_bytes'"},
		{false, "\"processes\": [", "\"processes\": [7", "'pid' of a process is missing"},
		{false, "\"processes\": [", "\"inputs\": 3, \"processes\": [", "'inputs' of the profile is not a list"},
		{false, "\"native_s\": 4.3", "\"native_s\": 0.5", "exceeds the whole"},
		{true, "\"stacks\": [", "\"stacks\": [1,", "stack 0"},
		{true, "\"start_time_absolute\": 1769439530.25", "\"start_time_absolute\": 5", "another run"},
		{true, "\"files\": {", "\"files\": [{", "not JSON"},
		{true, "\"cpu_samples_list\": [", "\"cpu_samples_list\": 5, \"more\": [", "'cpu_samples_list' of '" ADVANCED "' is not a list"},
	};
	struct profile one = advanced_profile();
	_cleanup_free_ char *results = written(report_json, &one, &plain), *details = written(report_details, &one, &plain);

	for (size_t i = 0; i < COUNT(bad); i++) {
		_cleanup_free_ char *broken = replaced(bad[i].results ? results : details, bad[i].from, bad[i].to);
		struct stored_run run;
		char problem[512] = "";

		put("bad/profile_results.json", bad[i].results ? broken : results);
		put("bad/profile_details.json", bad[i].results ? details : broken);
		if (load(&run, "bad", problem) != -EINVAL)
			fail_msg("'%s' was taken", bad[i].to);
		assert_contains(problem, bad[i].said);
		assert_contains(problem, bad[i].results ? "bad/profile_results.json" : "bad/profile_details.json");
		assert_null(strchr(problem, '\n'));
	}
}

/* Cut anywhere, the files are refused. */
static void test_cut_files(void **state)
{
	struct profile one = advanced_profile();
	_cleanup_free_ char *results = written(report_json, &one, &plain), *details = written(report_details, &one, &plain);

	put("cut/profile_results.json", results);
	for (size_t size = strlen(details) - 3; size > 100; size -= size / 20) {
		struct stored_run run;
		char problem[512] = "";

		details[size] = '\0';
		put("cut/profile_details.json", details);
		assert_int_equal(load(&run, "cut", problem), -EINVAL);
	}
}

/* Sums that would turn around are refused, and nothing has changed. */
static void test_too_large(void **state)
{
	struct profile one = advanced_profile();
	struct merge *merge = merge__new(strings);
	struct stored_run run;
	char problem[512] = "";
	int err = 0, n = 0;

	one.whole.waiting_ns = 1000000000ULL * 1000000000ULL;
	store("large", &one);
	assert_int_equal(load(&run, "large", problem), 0);
	for (; !err && n < 20; n++)
		err = merge__add(merge, &run, "large", "/large", problem);
	assert_int_equal(err, -EINVAL);
	assert_contains(problem, "too large");
	assert_int_equal(merge__finish(merge, "x")->merge->n_inputs, n - 1);
	stored_run__release(&run);
	merge__free(merge);
}

/* --- what is where --- */

static void test_find(void **state)
{
	const char *which, *folders[2];
	struct found_list list;

	put("f/rank2/sim/20261121_101010/profile_details.json", "{}");
	put("f/rank2/sim/20261121_101010/profile_results.json", "{}");
	put("f/rank10/sim/20261121_101012/profile_details.json", "{}");
	put("f/rank10/sim/20261121_101012/named.json", "{}");
	put("f/rank3/sim/20261121_101012_1/profile_details.json", "{}");
	put("f/rank4/sim/20261121_101012/profile_results.json", "{}");
	put("f/rank5/sim/20261121_101012/function_stats.json", "{}");
	folders[0] = at("f");
	folders[1] = at("f/rank2");
	assert_int_equal(found__search(&list, folders, 2, &which), 0);
	assert_int_equal(list.n, 4);
	assert_string_equal(list.items[0].label, "rank2");
	assert_string_equal(list.items[1].label, "rank3");
	assert_null(list.items[1].results);
	assert_string_equal(list.items[2].label, "rank4");
	assert_null(list.items[2].details);
	assert_string_equal(list.items[3].label, "rank10");
	assert_contains(list.items[3].results, "named.json");
	found__release(&list);
	folders[0] = at("nowhere");
	assert_int_equal(found__search(&list, folders, 1, &which), -ENOENT);
	assert_ptr_equal(which, folders[0]);
}

static void test_find_repeated(void **state)
{
	const char *which, *folders[1];
	struct found_list list;

	put("g/x/20261121_101010/profile_details.json", "{}");
	put("g/x/20261121_101010/profile_results.json", "{}");
	put("g/x/20261121_101010/profile_details_1.json", "{}");
	put("g/x/20261121_101010/profile_results_1.json", "{}");
	put("g/x/20261121_101011/profile_details.json", "{}");
	put("g/x/20261121_101011/profile_results.json", "{}");
	put("g/x/20261121_101011/link", "");
	unlink(at("g/x/20261121_101011/link"));
	assert_int_equal(symlink("..", at("g/x/20261121_101011/link")), 0);
	folders[0] = at("g");
	assert_int_equal(found__search(&list, folders, 1, &which), 0);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.items[0].label, "20261121_101010");
	assert_string_equal(list.items[1].label, "20261121_101010_1");
	assert_contains(list.items[1].results, "profile_results_1.json");
	assert_string_equal(list.items[2].label, "20261121_101011");
	assert_false(list.items[2].named);
	found__release(&list);
	folders[0] = at("g/x/20261121_101011");
	assert_int_equal(found__search(&list, folders, 1, &which), 0);
	assert_int_equal(list.n, 1);
	assert_true(list.items[0].named);
	found__release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_files), cmocka_unit_test(test_cut_files), cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_find), cmocka_unit_test(test_find_repeated),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
