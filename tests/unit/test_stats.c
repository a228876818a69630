// SPDX-License-Identifier: Apache-2.0
/* `stats`: mean and deviation over runs, and what git knows. */
#include "unit/report_fixture.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

static char root[] = "/tmp/fixingahole-stats-XXXXXX";

static int remove_entry(const char *entry, const struct stat *st, int type, struct FTW *ftw) { return remove(entry); }

static int setup(void **state)
{
	strcpy(root, "/tmp/fixingahole-stats-XXXXXX");
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int teardown(void **state) { return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

#define RUN "{\"elapsed_time_sec\": %g, \"files\": {\"%s/src/a.py\": {\"functions\": [%s]}, \"/lib/b.py\": {\"functions\": [" \
	    "{\"line\": \"<lambda>\", \"lineno\": 1, \"n_cpu_percent_python\": 10, \"n_cpu_percent_c\": 0, \"n_sys_percent\": 0, \"n_peak_mb\": 0}," \
	    "{\"line\": \"<lambda>\", \"lineno\": 2, \"n_cpu_percent_python\": 0, \"n_cpu_percent_c\": 5, \"n_sys_percent\": 0, \"n_peak_mb\": 0}]}}}"
#define F "{\"line\": \"f\", \"lineno\": 1, \"n_cpu_percent_python\": 20, \"n_cpu_percent_c\": 10, \"n_sys_percent\": 40, \"n_peak_mb\": 8}"

static void put_run(const char *name, double elapsed, const char *functions)
{
	char text[2048];

	snprintf(text, sizeof(text), RUN, elapsed, root, functions);
	put(name, text);
}

static cJSON *stats(const struct stats_options *options)
{
	char problem[512] = "x";
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	cJSON *json;

	assert_int_equal(report_stats(out, root, options, problem), 0);
	assert_string_equal(problem, "");
	fclose(out);
	json = cJSON_ParseWithOpts(text, NULL, 0);
	assert_non_null(json);
	return json;
}

static void check(const cJSON *json, const char *key, const char *figure, double average, double deviation)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, key), figure);

	assert_non_null(item);
	assert_true(fabs(cJSON_GetObjectItem(item, "avg")->valuedouble - average) < 1e-8);
	assert_true(fabs(cJSON_GetObjectItem(item, "std")->valuedouble - deviation) < 1e-8);
}

static void make_folder(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void test_runs(void **state)
{
	struct stats_options options = {.root = root, .sort = true};
	cJSON *json;

	make_folder("one");
	put_run("one/profile_results.json", 10, F);
	put_run("one/profile_results_1.json", 20, F);
	put_run("named.json", 30, "");
	put_run("function_stats.json", 1000, F);
	put_run("profile_details.json", 1000, F);
	put("other.json", "{\"a\": 1}");
	put("broken.json", "{");
	put("profile_results.txt", "{");
	json = stats(&options);
	assert_int_equal(cJSON_GetArraySize(json), 2);
	assert_string_equal(json->child->string, "/lib/b.py:<lambda>"); /* 3 s in the mean, before f's 3 s by name */
	check(json, "/lib/b.py:<lambda>", "user", 3, 1.5); /* 1.5, 3, 4.5: both lambdas */
	check(json, "src/a.py:f", "user", 3, 3);           /* 3, 6, 0: not seen counts as zero */
	check(json, "src/a.py:f", "system", 4, 4);
	check(json, "src/a.py:f", "memory", 16 / 3., sqrt((2 * pow(8 - 16 / 3., 2) + pow(16 / 3., 2)) / 2));
	assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "src/a.py:f"), "count")->valuedouble == 3);
	cJSON_Delete(json);
}

static void test_one_run_and_order(void **state)
{
	struct stats_options options = {.root = root, .sort = true};
	cJSON *json;

	put_run("profile_results.json", 10, F);
	json = stats(&options);
	check(json, "src/a.py:f", "user", 3, 0);
	assert_string_equal(json->child->string, "src/a.py:f");
	cJSON_Delete(json);
	options.sort = false;
	json = stats(&options);
	assert_string_equal(json->child->string, "/lib/b.py:<lambda>");
	cJSON_Delete(json);
}

#define PROGRAM(path) "{\"elapsed_time_sec\": 1, \"files\": {}, \"program\": \"" path "\"}"

/* What the user is told: how many runs of what, and what could not be read. */
static void test_seen(void **state)
{
	struct stats_seen seen;
	struct stats_options options = {.root = root, .seen = &seen};

	put("profile_results.json", PROGRAM("/w/re\\u001bport.py"));
	put("profile_results_1.json", PROGRAM("/w/re\\u001bport.py"));
	put("other.json", "{\"a\": 1}");
	put("broken.json", "{");
	put("half.json", "{\"elapsed_time_sec\": 1, \"files\": []");
	cJSON_Delete(stats(&options));
	assert_int_equal(seen.runs, 2);
	assert_int_equal(seen.programs, 1);
	assert_string_equal(seen.program, "re\\x1bport.py");
	assert_int_equal(seen.skipped, 2);
	put("mine.json", PROGRAM("/w/elsewhere/re\\u001bport.py"));
	cJSON_Delete(stats(&options));
	assert_int_equal(seen.runs, 3);
	assert_int_equal(seen.programs, 2);
	assert_string_equal(seen.program, "");
}

static void test_refusals(void **state)
{
	struct stats_options options = {.root = root};
	char problem[512], path[512], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_stats(out, root, &options, problem), -EINVAL);
	assert_non_null(strstr(problem, "no profile_results*.json below"));
	assert_int_equal(report_stats(out, "/nonexistent/x", &options, problem), -EINVAL);
	assert_non_null(strstr(problem, "cannot open '/nonexistent/x'"));
	/* a link to somewhere else is no run */
	put_run("elsewhere", 10, F);
	snprintf(path, sizeof(path), "%s/profile_results.json", root);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(report_stats(out, root, &options, problem), -EINVAL);
	/* a broken run is named, not left out */
	put_run("profile_results_1.json", 10, F);
	put("profile_results_2.json", "{");
	assert_int_equal(report_stats(out, root, &options, problem), -EINVAL);
	assert_non_null(strstr(problem, "profile_results_2.json"));
	assert_non_null(strstr(problem, "not JSON"));
	fclose(out);
	free(text);
}

static void shell(const char *command)
{
	char text[1024];

	snprintf(text, sizeof(text), "cd '%s' && %s", root, command);
	assert_int_equal(system(text), 0);
}

static const char *string(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_non_null(item);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static void test_metadata(void **state)
{
	struct stats_options options = {.root = root, .metadata = true};
	const cJSON *metadata, *dirty;
	cJSON *json;

	put_run("profile_results.json", 10, F);
	json = stats(&options);
	metadata = cJSON_GetObjectItem(json, "metadata");
	assert_null(string(metadata, "repo"));
	assert_null(string(metadata, "commit"));
	assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(metadata, "used_dirty_files")));
	assert_int_equal(strlen(string(metadata, "utc_time")), strlen("2026-01-26T14:58:48Z"));
	cJSON_Delete(json);

	if (system("git --version > /dev/null 2>&1") != 0)
		skip();
	make_folder("src");
	put("src/a.py", "1");
	put("src/unused.py", "1");
	shell("git init -q -b work . && git add src && git -c user.name=n -c user.email=e commit -q -m m && git remote add origin git@host:group/tool.git");
	put("src/a.py", "2");
	put("src/unused.py", "2");
	json = stats(&options);
	metadata = cJSON_GetObjectItem(json, "metadata");
	assert_string_equal(string(metadata, "repo"), "tool");
	assert_string_equal(string(metadata, "branch"), "work");
	assert_int_equal(strlen(string(metadata, "commit")), 40);
	dirty = cJSON_GetObjectItem(metadata, "used_dirty_files");
	assert_int_equal(cJSON_GetArraySize(dirty), 1);
	assert_string_equal(dirty->child->valuestring, "src/a.py");
	cJSON_Delete(json);
	shell("git checkout -q --detach");
	json = stats(&options);
	assert_null(string(cJSON_GetObjectItem(json, "metadata"), "branch"));
	cJSON_Delete(json);
}

/* As root, git works on a user's repository with the user's rights, and the repository's settings start nothing as root. */
static void test_metadata_of_a_user(void **state)
{
	struct stats_options options = {.root = root, .metadata = true};
	char path[512];
	cJSON *json;

	if (geteuid() != 0 || system("git --version > /dev/null 2>&1") != 0)
		skip();
	put_run("profile_results.json", 10, F);
	make_folder("src");
	put("src/a.py", "1");
	shell("git init -q -b work . && git add src && git -c user.name=n -c user.email=e commit -q -m m && "
	      "git config filter.x.clean 'id -u > filter-ran; cat' && echo '*.py filter=x' > .gitattributes && chown -R nobody .");
	put("src/a.py", "2");
	json = stats(&options);
	assert_string_equal(string(cJSON_GetObjectItem(json, "metadata"), "branch"), "work");
	cJSON_Delete(json);
	snprintf(path, sizeof(path), "%s/filter-ran", root);
	if (access(path, F_OK) == 0)
		shell("test \"$(cat filter-ran)\" = \"$(id -u nobody)\"");
}

/* Two threads at work for ten seconds are twenty seconds: the details of the same run say so, those of another do not. */
static void test_whole_from_details(void **state)
{
	static const char results[] = "{\"elapsed_time_sec\": 10, \"start_time_absolute\": 1000.25, \"files\": {\"/w/a.py\": {\"functions\": [" F "]}}}";
	struct stats_options options = {.root = "/w", .sort = true};
	cJSON *json;

	make_folder("whole");
	put("whole/profile_results.json", results);
	put("whole/profile_details.json", "{\"start_epoch_s\": 1000.25, \"whole\": {\"python_s\": 15, \"waiting_s\": 5, \"odd\": \"x\"}}");
	json = stats(&options);
	check(json, "a.py:f", "user", 6, 0);
	cJSON_Delete(json);
	put("whole/profile_details.json", "{\"start_epoch_s\": 1001.25, \"whole\": {\"python_s\": 15}}");
	json = stats(&options);
	check(json, "a.py:f", "user", 3, 0);
	cJSON_Delete(json);
	/* the second run's details are numbered like its results */
	put("whole/profile_details_1.json", "{\"start_epoch_s\": 1000.25, \"whole\": {\"python_s\": 30}}");
	put("whole/profile_results_1.json", results);
	json = stats(&options);
	check(json, "a.py:f", "user", 6, sqrt(18));
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_from_details, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_run_and_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metadata_of_a_user, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
