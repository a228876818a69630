// SPDX-License-Identifier: Apache-2.0
/* Which files are the user's, and how measures add up. (tests/golden/test_synthetic.c: whole runs.) */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "golden/records.h"
#include "profile/model.h"

#define SCRIPT "/p/script.py"

static struct maker start(struct replay *r, struct builder_options options)
{
	struct maker m;

	*r = (struct replay){ .options = options };
	replay_init(r);
	m = maker_of(r);
	maker_exec(&m, 0, "/usr/bin/python3");
	maker_interp(&m);
	return m;
}

static bool reports(struct replay *r, const char *file)
{
	const char *name = strings__intern(r->strings, file);
	bool answer = builder_reports(r->builder, name);

	/* the second answer is the remembered one */
	assert_int_equal(builder_reports(r->builder, name), answer);
	return answer;
}

static void files_below_the_root_are_the_users(void **state)
{
	char *ignore[] = { "/p/ignored", "/p/also/" };
	struct replay r;

	start(&r, (struct builder_options){ .root = "/p", .directory = "/p/sub", .script = "/elsewhere/script.py", .ignore = ignore, .n_ignore = 2, .output_dir = "/p/performance" });
	assert_true(reports(&r, "/p/x.py"));
	assert_true(reports(&r, "/p/deep/er/x.py"));
	assert_true(reports(&r, "/elsewhere/script.py"));
	assert_true(reports(&r, "x.py"));
	assert_true(reports(&r, "./x.py"));
	assert_false(reports(&r, "/elsewhere/other.py"));
	assert_false(reports(&r, "/px/x.py"));
	assert_false(reports(&r, "<string>"));
	assert_false(reports(&r, "<frozen importlib._bootstrap>"));
	assert_false(reports(&r, ""));
	assert_false(reports(&r, "/p/ignored/x.py"));
	assert_true(reports(&r, "/p/ignored2/x.py"));
	assert_false(reports(&r, "/p/also/x.py"));
	assert_false(reports(&r, "/p/performance/run/copy.py"));
	assert_true(reports(&r, "/p/performance.py"));
	/* other people's code in the user's folder */
	assert_false(reports(&r, "/p/.venv/lib/python3.11/site-packages/numpy/core.py"));
	assert_false(reports(&r, "/p/env/lib/python3.11/json/decoder.py"));
	assert_false(reports(&r, "/p/env/lib64/python3.11/json/decoder.py"));
	assert_false(reports(&r, "/p/vendor/site-packages/x.py"));
	assert_false(reports(&r, "/p/.git/hooks/x.py"));
	assert_true(reports(&r, "/p/lib/python/x.py"));
	assert_string_equal(builder_path(r.builder, strings__intern(r.strings, "./././x.py")), "/p/sub/x.py");
	replay_release(&r);
}

static void a_root_within_a_library_folder_is_meant(void **state)
{
	struct replay r;

	start(&r, (struct builder_options){ .root = "/usr/lib/python3.11/site-packages/mine" });
	assert_true(reports(&r, "/usr/lib/python3.11/site-packages/mine/x.py"));
	assert_false(reports(&r, "/usr/lib/python3.11/site-packages/mine/.venv/x.py"));
	assert_false(reports(&r, "/usr/lib/python3.11/site-packages/other/x.py"));
	assert_false(reports(&r, "x.py")); /* relative to a folder that is not known */
	replay_release(&r);
}

static void the_root_folder_may_be_everything(void **state)
{
	struct replay r;

	start(&r, (struct builder_options){ .root = "/", .directory = "/" });
	assert_true(reports(&r, "/x.py"));
	assert_true(reports(&r, "/home/u/x.py"));
	assert_true(reports(&r, "x.py"));
	assert_false(reports(&r, "/site-packages/x.py"));
	assert_false(reports(&r, "<string>"));
	assert_string_equal(builder_path(r.builder, strings__intern(r.strings, "x.py")), "/x.py");
	replay_release(&r);
	/* written with a slash at its end */
	start(&r, (struct builder_options){ .root = "/p/" });
	assert_true(reports(&r, "/p/x.py"));
	assert_true(reports(&r, "/p"));
	assert_false(reports(&r, "/p/site-packages/x.py"));
	replay_release(&r);
}

static void detailed_reports_every_file(void **state)
{
	struct replay r;

	start(&r, (struct builder_options){ .root = "/p", .detailed = true });
	assert_true(reports(&r, "/usr/lib/python3.11/json/decoder.py"));
	assert_true(reports(&r, "<string>"));
	replay_release(&r);
}

/* Folders `real` and `other` with a file each, and links between them. */
static char *linked_folders(void)
{
	static char place[PATH_MAX];
	char folder[] = "/tmp/builder-XXXXXX";
	FILE *file;

	assert_non_null(mkdtemp(folder));
	assert_non_null(realpath(folder, place));
	assert_int_equal(chdir(place), 0);
	assert_int_equal(mkdir("real", 0755) | mkdir("real/sub", 0755) | mkdir("other", 0755), 0);
	file = fopen("real/x.py", "w");
	fclose(file);
	file = fopen("other/y.py", "w");
	fclose(file);
	assert_int_equal(symlink("real", "link") | symlink("../real/x.py", "other/x.py") | symlink("../other", "real/vendor"), 0);
	return place;
}

static void remove_linked_folders(const char *place)
{
	static const char *const files[] = { "real/vendor", "real/x.py", "real/sub", "real", "other/x.py", "other/y.py", "other", "link" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_int_equal(remove(files[i]), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(place), 0);
}

static void check_path(struct replay *r, const char *place, const char *file, const char *expected, bool reported)
{
	char name[PATH_MAX * 2], path[PATH_MAX * 2];
	const char *interned;

	snprintf(name, sizeof(name), file[0] == '.' ? "%.0s%s" : "%s/%s", place, file);
	snprintf(path, sizeof(path), "%s/%s", place, expected);
	interned = strings__intern(r->strings, name);
	assert_string_equal(builder_path(r->builder, interned), path);
	assert_int_equal(reports(r, name), reported);
}

static void links_to_the_users_files_are_followed(void **state)
{
	char *place = linked_folders(), root[PATH_MAX + 16], script[PATH_MAX + 16], directory[PATH_MAX + 16];
	struct replay r;

	snprintf(root, sizeof(root), "%s/real", place);
	snprintf(script, sizeof(script), "%s/other/y.py", place);
	snprintf(directory, sizeof(directory), "%s/real/sub", place);
	start(&r, (struct builder_options){ .root = root, .directory = directory, .script = script });
	check_path(&r, place, "real/x.py", "real/x.py", true);
	check_path(&r, place, "link/x.py", "real/x.py", true);
	check_path(&r, place, "other/x.py", "real/x.py", true);
	check_path(&r, place, "link/gone.py", "link/gone.py", false);
	/* below the root by its name: left as it is */
	check_path(&r, place, "real/vendor/y.py", "real/vendor/y.py", true);
	/* the script, and what only looks as if it were below the root */
	check_path(&r, place, "link/vendor/y.py", "other/y.py", true);
	check_path(&r, place, "../x.py", "real/x.py", true);
	check_path(&r, place, "../../other/y.py", "other/y.py", true);
	replay_release(&r);
	remove_linked_folders(place);
}

static const struct profile_file *only_file(const struct profile *p)
{
	assert_int_equal(p->n_files, 1);
	return &p->files[0];
}

static void a_file_named_in_two_ways_is_one_file(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .directory = "/p", .script = SCRIPT });
	const struct profile_file *file;
	struct profile *p;

	/* lines 11 and 13 by one name, line 12 by the other */
	maker_function(&m, 1, SCRIPT, "f", 10);
	maker_function(&m, 2, "script.py", "f", 10);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 11)));
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(2, 10, 12)));
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 13)));
	p = replay_profile(&r, "");
	file = only_file(p);
	assert_string_equal(file->path, SCRIPT);
	assert_int_equal(file->n_lines, 3);
	assert_int_equal(file->n_functions, 1);
	assert_int_equal(file->functions[0].m.samples, 3);
	assert_int_equal(file->functions[0].inclusive_ns, 3 * MILLISECOND);
	profile__free(p);
	replay_release(&r);
}

static void functions_are_the_sum_of_their_lines(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT, .allowed_cpus = 2 });
	const struct profile_file *file;
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "<module>", 1);
	maker_function(&m, 2, SCRIPT, "f", 10);
	maker_function(&m, 3, SCRIPT, "g", 10); /* begins on the same line: a lambda in a default */
	for (int i = 0; i < 3; i++)
		maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(2, 10, 11), AT(1, 1, 30)));
	maker_cpu(&m, 0, MAKER_LIBRARY, FRAMES(AT(2, 10, 12), AT(1, 1, 30)));
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(3, 10, 10), AT(2, 10, 12), AT(1, 1, 30)));
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 1, 30)));
	p = replay_profile(&r, "");
	file = only_file(p);
	assert_int_equal(file->n_functions, 3);
	assert_string_equal(file->functions[0].name, "<module>");
	assert_string_equal(file->functions[1].name, "f");
	assert_string_equal(file->functions[2].name, "g");
	assert_int_equal(file->functions[1].m.samples, 4);
	assert_int_equal(file->functions[1].m.times.python_ns, 3 * MILLISECOND);
	assert_int_equal(file->functions[1].m.times.native_ns, MILLISECOND);
	assert_int_equal(file->functions[0].inclusive_ns, 6 * MILLISECOND);
	assert_int_equal(file->functions[1].inclusive_ns, 5 * MILLISECOND);
	assert_int_equal(file->functions[2].inclusive_ns, MILLISECOND);
	assert_int_equal(file->n_lines, 4);
	assert_int_equal(file->lines[0].lineno, 10);
	assert_string_equal(file->lines[0].function->name, "g");
	assert_int_equal(file->lines[3].lineno, 30);
	/* one thread on two CPUs */
	assert_true(file->functions[1].m.core_utilization == 0.5);
	profile__free(p);
	replay_release(&r);
}

/* A library's own threads: not the main one before Python begins, and not those of which no interpreter is known. */
static void threads_without_python_are_told_apart(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p" });
	struct profile *p;

	maker_cpu(&m, STACK_NO_TSTATE, MAKER_LIBRARY, NULL, 0);
	m.tid = m.pid + 1;
	maker_cpu(&m, STACK_NO_TSTATE, MAKER_LIBRARY, NULL, 0);
	maker_cpu(&m, STACK_NO_TSTATE | STACK_KERNEL, MAKER_LIBRARY, NULL, 0);
	maker_cpu(&m, STACK_NO_LAYOUT, MAKER_LIBRARY, NULL, 0);
	p = replay_profile(&r, "");
	assert_int_equal(p->helpers_ns, 2 * MILLISECOND);
	assert_int_equal(times_total(&p->outside.times), 4 * MILLISECOND);
	profile__free(p);
	replay_release(&r);
}

static void recursion_counts_once(void **state)
{
	struct raw_frame frames[100];
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	const struct profile_file *file;
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "f", 10);
	maker_function(&m, 2, SCRIPT, "g", 40);
	for (int i = 0; i < 100; i++)
		frames[i] = i & 1 ? (struct raw_frame)AT(2, 40, 41) : (struct raw_frame)AT(1, 10, 11 + i / 50);
	maker_cpu(&m, 0, MAKER_EVAL, frames, 100);
	maker_cpu(&m, 0, MAKER_EVAL, frames, 99);
	maker_block(&m, 3, frames, 50);
	maker_wait(&m, 3, 5 * MILLISECOND, WAIT_BLOCKED, 0);
	p = replay_profile(&r, "");
	file = only_file(p);
	assert_int_equal(file->n_functions, 1); /* g has no line of its own that was charged */
	assert_int_equal(file->functions[0].inclusive_ns, 7 * MILLISECOND);
	assert_int_equal(times_total(&file->functions[0].m.times), 7 * MILLISECOND);
	assert_int_equal(p->n_stacks, 3);
	assert_int_equal(p->stacks[0].n_frames, 50); /* the largest first, outermost frame first */
	assert_string_equal(p->stacks[0].frames[49].function, "f");
	assert_int_equal(p->stacks[1].n_frames, 100); /* equal ones in order of appearance */
	assert_int_equal(p->stacks[2].n_frames, 99);
	profile__free(p);
	replay_release(&r);
}

static void long_series_are_thinned_out(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	const struct measures *line;
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "f", 10);
	for (int i = 0; i < 12345; i++) {
		maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 11)));
		maker_rss(&m, 4096, (i + 1) * 4096ULL, FRAMES(AT(1, 10, 11)));
	}
	p = replay_profile(&r, "");
	line = &only_file(p)->lines[0].m;
	assert_int_equal(line->samples, 12345);
	assert_int_equal(line->rss_bytes, 12345 * 4096);
	assert_in_range(line->n_cpu_samples, CPU_SAMPLES_MAX / 2, CPU_SAMPLES_MAX);
	assert_in_range(line->n_rss_timeline, TIMELINE_MAX / 2, TIMELINE_MAX);
	assert_in_range(p->n_rss_timeline, TIMELINE_MAX / 2, TIMELINE_MAX);
	/* evenly: 12.3 s in 500 are 25 ms each */
	for (size_t i = 1; i < line->n_cpu_samples; i++)
		assert_true(line->cpu_samples_s[i] > line->cpu_samples_s[i - 1] && line->cpu_samples_s[i] - line->cpu_samples_s[i - 1] < 0.08);
	for (size_t i = 1; i < line->n_rss_timeline; i++)
		assert_true(line->rss_timeline[i].since_start_ns > line->rss_timeline[i - 1].since_start_ns && line->rss_timeline[i].bytes > line->rss_timeline[i - 1].bytes);
	/* spread over the whole run */
	assert_true(line->cpu_samples_s[0] < 1000.2 && line->cpu_samples_s[line->n_cpu_samples - 1] > 1012);
	assert_true(line->rss_timeline[line->n_rss_timeline - 1].bytes > 12000 * 4096ULL);
	profile__free(p);
	replay_release(&r);
}

static void curves_of_several_lines_add_up(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	const struct measures *function;
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "f", 10);
	for (int i = 0; i < 6; i++) {
		m.now_ns += SECOND;
		maker_rss(&m, 100, 100, FRAMES(AT(1, 10, 11 + i % 3)));
		maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 11 + i % 3)));
	}
	p = replay_profile(&r, "");
	function = &only_file(p)->functions[0].m;
	assert_int_equal(function->n_rss_timeline, 6);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(function->rss_timeline[i].bytes, (i + 1) * 100);
	assert_int_equal(function->n_cpu_samples, 6);
	for (int i = 1; i < 6; i++)
		assert_true(function->cpu_samples_s[i] > function->cpu_samples_s[i - 1]);
	profile__free(p);
	replay_release(&r);
}

static void a_profile_can_be_taken_while_the_run_goes_on(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	struct profile *before, *after;

	assert_int_equal(builder__start_ns(r.builder), MAKER_START);
	before = replay_profile(&r, "");
	assert_int_equal(before->n_files + before->n_stacks + before->cpu_samples, 0);
	profile__free(before);
	maker_function(&m, 1, SCRIPT, "f", 10);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 11)));
	before = replay_profile(&r, "");
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 10, 11)));
	builder__lose(r.builder, LOSS_DROPPED_RECORDS, 3);
	builder__notice(r.builder, "noticed");
	builder__notice(r.builder, "noticed");
	after = replay_profile(&r, "");
	assert_int_equal(builder__samples(r.builder), 2);
	assert_int_equal(before->files[0].lines[0].m.samples, 1);
	assert_int_equal(after->files[0].lines[0].m.samples, 2);
	assert_int_equal(before->losses[LOSS_DROPPED_RECORDS], 0);
	assert_int_equal(after->losses[LOSS_DROPPED_RECORDS], 3);
	assert_int_equal(after->n_notices, 1);
	replay_release(&r);
	profile__free(after);
	profile__free(before);
	profile__free(NULL);
	builder__free(NULL);
}

static void many_reasons_to_wait_are_kept_within_bounds(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	const struct measures *line;
	uint64_t ns = 0, count = 0;
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "f", 10);
	maker_block(&m, 1, FRAMES(AT(1, 10, 11)));
	for (int i = 0; i < 1000; i++)
		maker_wait(&m, 1, MILLISECOND, WAIT_BLOCKED, i);
	p = replay_profile(&r, "");
	line = &only_file(p)->lines[0].m;
	assert_in_range(line->n_waits_for, 2, 100);
	/* what is left out is not put down to one of the others */
	assert_string_equal(line->waits_for[0].what, "other calls");
	assert_int_equal(line->waits_for[1].count, 2); /* both sleeps */
	for (size_t i = 0; i < line->n_waits_for; i++) {
		ns += line->waits_for[i].ns;
		count += line->waits_for[i].count;
	}
	assert_int_equal(ns, 1000 * MILLISECOND);
	assert_int_equal(count, 1000);
	profile__free(p);
	replay_release(&r);
}

static void the_heaviest_lines_of_a_process_are_kept(void **state)
{
	struct replay r;
	struct maker m = start(&r, (struct builder_options){ .root = "/p", .script = SCRIPT });
	struct profile *p;

	maker_function(&m, 1, SCRIPT, "f", 1);
	for (int line = 1; line <= 30; line++) {
		for (int i = 0; i < line; i++)
			maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(1, 1, line)));
	}
	builder__no_interpreter(r.builder, 100, "not asked");
	p = replay_profile(&r, "");
	assert_int_equal(p->processes[0].n_top, 20);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(p->processes[0].top[i].lineno, 30 - i);
		assert_int_equal(p->processes[0].top[i].times.python_ns, (30 - i) * MILLISECOND);
	}
	assert_null(p->processes[0].no_interpreter); /* it has one */
	profile__free(p);
	replay_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_below_the_root_are_the_users),
		cmocka_unit_test(a_root_within_a_library_folder_is_meant),
		cmocka_unit_test(the_root_folder_may_be_everything),
		cmocka_unit_test(detailed_reports_every_file),
		cmocka_unit_test(links_to_the_users_files_are_followed),
		cmocka_unit_test(a_file_named_in_two_ways_is_one_file),
		cmocka_unit_test(functions_are_the_sum_of_their_lines),
		cmocka_unit_test(threads_without_python_are_told_apart),
		cmocka_unit_test(recursion_counts_once),
		cmocka_unit_test(long_series_are_thinned_out),
		cmocka_unit_test(curves_of_several_lines_add_up),
		cmocka_unit_test(a_profile_can_be_taken_while_the_run_goes_on),
		cmocka_unit_test(many_reasons_to_wait_are_kept_within_bounds),
		cmocka_unit_test(the_heaviest_lines_of_a_process_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
