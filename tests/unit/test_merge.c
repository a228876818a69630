// SPDX-License-Identifier: Apache-2.0
/* Runs written, read back and joined: sums that are known by construction. */
#include "unit/merge_fixture.h"

#include <math.h>

static const struct profile *merged(struct merge **merge, const char *const *names)
{
	const struct profile *profile;

	*merge = merge__new(strings);
	assert_non_null(*merge);
	for (; *names; names++)
		add(*merge, *names);
	profile = merge__finish(*merge, "fixingahole merge x");
	assert_non_null(profile);
	return profile;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct profile_line *line_of(const struct profile *profile, const char *path, uint32_t lineno)
{
	for (size_t i = 0; i < profile->n_files; i++) {
		for (size_t k = 0; k < profile->files[i].n_lines && !strcmp(profile->files[i].path, path); k++) {
			if (profile->files[i].lines[k].lineno == lineno)
				return &profile->files[i].lines[k];
		}
	}
	fail_msg("no line %u of '%s'", lineno, path);
	return NULL;
}

/* --- one run --- */

static void test_one_is_itself(void **state)
{
	struct profile one = advanced_profile();
	_cleanup_free_ char *after = NULL, *table = NULL;
	const struct profile *p;
	struct merge *merge;

	store("a", &one);
	p = merged(&merge, NAMES("a"));
	after = written(report_json, p, &plain);
	/* the source is not there: the regions of loops and functions are what the known lines tell; the rest is the same */
	assert_int_equal(times_total(&p->whole), times_total(&one.whole));
	assert_int_equal(p->n_stacks, one.n_stacks);
	assert_int_equal(p->elapsed_ns, one.elapsed_ns);
	assert_int_equal(p->wall_ns, one.wall_ns);
	assert_int_equal(p->max_rss_bytes, one.max_rss_bytes);
	assert_string_equal(p->notices[0], advanced_notices[0]);
	assert_int_equal(p->n_notices, 1);
	assert_string_equal(p->logs_path, one.logs_path);
	for (size_t i = 0; i < one.files[0].n_lines; i++) {
		const struct measures *a = &one.files[0].lines[i].m, *b = &line_of(p, ADVANCED, one.files[0].lines[i].lineno)->m;

		assert_memory_equal(&a->times, &b->times, sizeof(a->times));
		assert_int_equal(a->rss_bytes, b->rss_bytes);
		assert_int_equal(a->n_cpu_samples, b->n_cpu_samples);
		assert_int_equal(a->n_waits_for, b->n_waits_for);
	}
	assert_contains(after, "\"line\": \"    return json.dumps(data)\"");
	assert_contains(after, "\"imports\": [");
	assert_contains(after, "from numpy import fft");
	table = written(report_results, p, &plain);
	assert_contains(table, "return json.dumps(data)");
	merge__free(merge);
}

static void test_sums(void **state)
{
	struct profile one = advanced_profile(), two = advanced_profile();
	_cleanup_free_ char *summary = NULL;
	const struct profile_line *line;
	const struct profile *p;
	struct merge *merge;

	two.start_epoch_s += 2;
	two.start_monotonic_s = 7;
	two.elapsed_ns = 20000 * MS;
	two.wall_ns = 21000 * MS;
	two.max_rss_bytes = 100 * MIBS;
	two.host = "node2";
	store("r1", &one);
	store("r2", &two);
	p = merged(&merge, NAMES("r1", "r2"));
	assert_int_equal(times_total(&p->whole), 2 * times_total(&one.whole));
	assert_int_equal(p->cpu_samples, 2 * one.cpu_samples);
	assert_int_equal(p->elapsed_ns, 20000 * MS);
	assert_int_equal(p->wall_ns, 23000 * MS);
	assert_int_equal(p->max_rss_bytes, 1746 * MIBS);
	assert_int_equal(p->allowed_cpus, 4); /* two hosts, two CPUs each */
	assert_int_equal(p->losses[LOSS_CUT_STACKS], 6);
	assert_int_equal(p->n_files, 1);
	assert_int_equal(p->n_stacks, 3);
	assert_int_equal(p->stacks[0].samples, 12000);
	line = line_of(p, ADVANCED, 13);
	assert_int_equal(line->m.times.python_ns, 8000 * MS);
	assert_int_equal(line->m.rss_bytes, 154 * MIBS);
	assert_int_equal(line->m.n_waits_for, 2);
	assert_int_equal(line->m.waits_for[0].ns, 800 * MS);
	assert_int_equal(line->m.waits_for[0].count, 82);
	assert_true(fabs(line->m.core_utilization - 0.5) < 1e-6);
	/* moments count from the first one's monotonic start: 100.25 stays, and the other's are 2 s + (100.25 - 7) s after 99.5 */
	assert_int_equal(line->m.n_cpu_samples, 4);
	assert_true(fabs(line->m.cpu_samples_s[0] - 100.25) < 1e-6);
	assert_true(fabs(line->m.cpu_samples_s[2] - (99.5 + 2 + 93.25)) < 1e-5);
	/* shares are of the joined whole */
	assert_true(fabs((double)times_total(&line->m.times) / (double)times_total(&p->whole) - (double)times_total(&one.files[0].lines[2].m.times) / (double)times_total(&one.whole)) < 1e-9);
	summary = written(report_summary, p, &plain);
	assert_contains(summary, "Merged: 2 inputs");
	assert_contains(summary, "Max RSS Memory Usage: 1.705 GB (the largest; sum of all: 1.803 GB)");
	assert_contains(summary, "Imbalance of inputs (largest by mean): CPU 1.00, waiting 1.00, elapsed 1.36");
	assert_contains(summary, "preempted often: the machine was busy (all 2 inputs)");
	merge__free(merge);
}

/* Merging in steps is merging at once. */
static void test_steps(void **state)
{
	_cleanup_free_ char *at_once = NULL, *in_steps = NULL, *details = NULL;
	struct profile runs[4];
	const struct profile *p;
	struct merge *merge;
	char name[8];

	for (int i = 0; i < 4; i++) {
		runs[i] = advanced_profile();
		runs[i].start_epoch_s += i;
		runs[i].elapsed_ns += (uint64_t)i * 1000 * MS;
		snprintf(name, sizeof(name), "s%d", i);
		store(name, &runs[i]);
	}
	p = merged(&merge, NAMES("s0", "s1", "s2", "s3"));
	at_once = written(report_json, p, &plain);
	merge__free(merge);
	store("left", merged(&merge, NAMES("s0", "s1")));
	merge__free(merge);
	store("right", merged(&merge, NAMES("s2", "s3")));
	merge__free(merge);
	p = merged(&merge, NAMES("left", "right"));
	in_steps = written(report_json, p, &plain);
	assert_string_equal(in_steps, at_once);
	assert_int_equal(p->merge->n_inputs, 4);
	assert_string_equal(p->merge->inputs[3].label, "right/s3");
	assert_int_equal(p->merge->inputs[3].start_ns, 3000 * MS);
	details = written(report_details, p, &plain);
	assert_contains(details, "\"label\": \"left/s0\"");
	merge__free(merge);
}

/* --- the heap, calls, processes --- */

static struct heap_measures heap_of(uint64_t mib, double error)
{
	return (struct heap_measures){
		.allocated_bytes = 4 * mib * MIBS, .live_bytes = mib * MIBS, .peak_bytes = 2 * mib * MIBS, .at_peak_bytes = 2 * mib * MIBS, .average_bytes = mib * MIBS,
		.allocated_error = error, .peak_error = error, .allocations = 10, .allocated_of = {mib * MIBS, 0, 3 * mib * MIBS, 0}, .python = 0.75, .usage = 1,
		.likelihood = mib > 1 ? 0.99 : 0.5, .velocity = (double)mib, .left_bytes = mib, .peak_ns = mib * 1000 * MS, .samples = mib,
	};
}

static void test_heap(void **state)
{
	struct heap_measures measures[2] = {heap_of(1, 3000), heap_of(3, 4000)};
	struct profile_heap heaps[2] = {{.all = measures[0], .growth_rate = 10}, {.all = measures[1], .growth_rate = 50, .failed_count = 1}};
	struct profile_line lines[2][3];
	struct profile_file files[2];
	_cleanup_free_ char *summary = NULL;
	const struct profile *p;
	struct profile runs[2];
	struct merge *merge;
	char name[8];

	for (int i = 0; i < 2; i++) {
		runs[i] = advanced_profile();
		memcpy(lines[i], advanced_lines, sizeof(lines[i]));
		lines[i][2].m.heap = &measures[i];
		files[i] = advanced_files[0];
		files[i].lines = lines[i];
		files[i].m.heap = &measures[i];
		runs[i].files = &files[i];
		runs[i].heap = &heaps[i];
		runs[i].elapsed_ns = 10000 * MS;
		snprintf(name, sizeof(name), "h%d", i);
		store(name, &runs[i]);
	}
	p = merged(&merge, NAMES("h0", "h1"));
	assert_int_equal(p->heap->all.peak_bytes, 8 * MIBS);
	assert_int_equal(p->heap->all.allocated_bytes, 16 * MIBS);
	assert_int_equal(p->heap->all.average_bytes, 4 * MIBS); /* both began at one time */
	assert_true(fabs(p->heap->all.peak_error - 5000) < 1);
	assert_true(fabs(p->heap->all.allocations - 20) < 1e-9);
	assert_true(fabs(p->heap->all.python - 0.75) < 1e-9);
	assert_int_equal(p->heap->all.peak_ns, 3000 * MS);
	assert_true(fabs(p->heap->growth_rate - (10 * 2 + 50 * 6) / 8.0) < 1e-9);
	assert_int_equal(p->heap->failed_count, 1);
	assert_int_equal(line_of(p, ADVANCED, 13)->m.heap->peak_bytes, 8 * MIBS);
	assert_true(fabs(line_of(p, ADVANCED, 13)->m.heap->likelihood - 0.99) < 1e-9);
	assert_true(fabs(line_of(p, ADVANCED, 13)->m.heap->velocity - 4) < 1e-9);
	assert_int_equal(p->merge->inputs[1].heap_peak_bytes, 6 * MIBS);
	summary = written(report_summary, p, &plain);
	assert_contains(summary, "8.000 MB of heap RAM (the sum of the inputs' peaks, so at most that at one moment; the largest: 6.000 MB)");
	merge__free(merge);
}

/* The line at the peak is that of the input which held most, not of those that were merged first. */
static void test_heap_in_steps(void **state)
{
	static const uint64_t peaks[] = {4 * MIBS, 6 * MIBS, 7 * MIBS};
	struct profile_heap heaps[3] = {};
	struct merge *merge, *steps;
	struct profile runs[3];
	const struct profile *p;
	char name[8];

	for (int i = 0; i < 3; i++) {
		heaps[i].all = (struct heap_measures){.allocated_bytes = peaks[i], .peak_bytes = peaks[i], .at_peak_bytes = peaks[i]};
		heaps[i].peak_where = (struct heap_where){.path = ADVANCED, .lineno = 11 + (uint32_t)i, .function = "f"};
		runs[i] = advanced_profile();
		runs[i].heap = &heaps[i];
		snprintf(name, sizeof(name), "s%d", i);
		store(name, &runs[i]);
	}
	p = merged(&merge, NAMES("s0", "s1"));
	assert_int_equal(p->heap->peak_where.lineno, 12);
	store("first", p);
	p = merged(&steps, NAMES("first", "s2"));
	assert_int_equal(p->heap->all.peak_bytes, 17 * MIBS);
	assert_int_equal(p->heap->peak_where.lineno, 13);
	merge__free(steps);
	merge__free(merge);
}

static void test_calls(void **state)
{
	struct profile_caller callers[] = {{ADVANCED, "<module>", 1, 5, 0}, {NULL, NULL, 0, 2, 1}};
	struct profile_callee callees[] = {{.path = ADVANCED, .function = "serialize", .firstlineno = 12, .reported = true, .calls = 7, .resumptions = 1, .callers = callers, .n_callers = 2}};
	struct profile_calls_process processes[] = {{.pid = 9, .how = 1, .calls = 7, .resumptions = 1}};
	struct profile_calls calls = {.calls = 7, .resumptions = 1, .lost = 3, .functions = callees, .n_functions = 1, .processes = processes, .n_processes = 1};
	struct profile one = advanced_profile();
	const struct profile *p;
	struct merge *merge;

	one.calls = &calls;
	store("c1", &one);
	store("c2", &one);
	p = merged(&merge, NAMES("c1", "c2"));
	assert_int_equal(p->calls->calls, 14);
	assert_int_equal(p->calls->lost, 6);
	assert_int_equal(p->calls->n_functions, 1);
	assert_int_equal(p->calls->functions[0].n_callers, 2);
	assert_int_equal(p->calls->functions[0].callers[0].calls, 10);
	assert_int_equal(p->calls->functions[0].callers[1].resumptions, 2);
	assert_int_equal(p->calls->n_processes, 2);
	assert_int_equal(p->calls->processes[1].how, 1);
	assert_string_equal(p->notices[1], "6 warnings in '/home/u/repo/performance/advanced/20260126_145848/profile_logs.log' (all 2 inputs)");
	assert_string_equal(p->notices[2], "c2: has runs that other inputs have, too, and which count each time");
	for (size_t i = 0; i < p->files[0].n_functions; i++)
		assert_int_equal(p->files[0].functions[i].calls != NULL, !strcmp(p->files[0].functions[i].name, "serialize"));
	merge__free(merge);
}

static void test_processes(void **state)
{
	static const struct profile_rank ranks[] = {{"SLURM_PROCID", "7"}};
	struct profile_process process = {.pid = 41, .interpreter = "CPython 3.11", .start_ns = 5 * MS, .end_ns = 1000 * MS, .times = {.python_ns = 900 * MS}, .max_rss_bytes = 20 * MIBS};
	struct profile one = advanced_profile(), two = advanced_profile();
	struct profile_process slow = process;
	_cleanup_free_ char *summary = NULL, *details = NULL;
	const struct profile *p;
	struct merge *merge;

	slow.times.python_ns = 2700 * MS;
	slow.status = 9;
	one.processes = &process;
	two.processes = &slow;
	one.n_processes = two.n_processes = 1;
	two.start_epoch_s -= 10;
	two.host = "node2";
	two.ranks = ranks;
	two.n_ranks = 1;
	two.status = 9;
	two.ended_how = "The script was ended by signal 9 (Killed).";
	store("p1", &one);
	store("p2", &two);
	p = merged(&merge, NAMES("p1", "p2"));
	assert_int_equal(p->n_processes, 2);
	assert_int_equal(p->processes[0].input, 0);
	assert_int_equal(p->processes[0].start_ns, 10005 * MS); /* the other began ten seconds earlier */
	assert_int_equal(p->processes[1].start_ns, 5 * MS);
	assert_int_equal(p->status, 9);
	summary = written(report_summary, p, &plain);
	assert_contains(summary, "1 of 2 inputs did not run to an end with exit status 0: p2: The script was ended by signal 9");
	assert_contains(summary, "p1    -     -          41      0.995      0.900    0.50");
	assert_contains(summary, "p2    node2 7          41      0.995      2.700    1.50");
	details = written(report_details, p, &plain);
	assert_contains(details, "\"rank\": \"7\"");
	assert_contains(details, "\"SLURM_PROCID\": \"7\"");
	assert_contains(details, "\"signal\": 9");
	merge__free(merge);
}

/* --- files that differ --- */

static void test_versions(void **state)
{
	static const char other_source[] =
		"import json\n\n\n\n\n\n\n\t    numpy.fft(signal)\n\n\n\n\n    return json.dumps(data)\n";
	struct profile one = advanced_profile(), two = advanced_profile();
	struct profile_file file = advanced_files[0];
	_cleanup_free_ char *table = NULL, *json = NULL;
	const struct profile *p;
	struct merge *merge;

	file.source = other_source;
	file.source_size = sizeof(other_source) - 1;
	two.files = &file;
	store("v1", &one);
	store("v2", &two);
	store("v3", &one);
	p = merged(&merge, NAMES("v1", "v2", "v3"));
	assert_int_equal(p->n_files, 2);
	assert_int_equal(p->merge->n_versions, 1);
	assert_int_equal(line_of(p, ADVANCED, 13)->m.times.python_ns, 8000 * MS);
	assert_int_equal(line_of(p, ADVANCED " (version 2)", 13)->m.times.python_ns, 4000 * MS);
	table = written(report_results, p, &plain);
	assert_contains(table, "fft.fft(signal)");
	assert_contains(table, "numpy.fft(signal)");
	assert_contains(table, "kept apart");
	json = written(report_json, p, &plain);
	assert_contains(json, "advanced.py%20(version%202) serialize:13;");
	/* merged again, with one that has the first text, each goes where it belongs */
	store("both", p);
	merge__free(merge);
	p = merged(&merge, NAMES("v2", "both"));
	assert_int_equal(p->n_files, 2);
	assert_int_equal(line_of(p, ADVANCED, 13)->m.times.python_ns, 8000 * MS);
	assert_int_equal(line_of(p, ADVANCED " (version 2)", 13)->m.times.python_ns, 8000 * MS);
	merge__free(merge);
}

/* The file on disk is taken only if it is what ran. */
static void test_sources(void **state)
{
	struct profile one = advanced_profile();
	struct profile_file file = advanced_files[0];
	const struct profile *p;
	struct merge *merge;

	put("advanced.py", advanced_source);
	file.path = file.display = at("advanced.py");
	file.path = file.display = strings__intern(strings, file.path);
	one.files = &file;
	store("d", &one);
	p = merged(&merge, NAMES("d"));
	assert_string_equal(p->files[0].source, advanced_source);
	assert_null(p->files[0].source_problem);
	merge__free(merge);
	put("advanced.py", "import json\nsecret\n");
	p = merged(&merge, NAMES("d"));
	assert_null(strstr(p->files[0].source, "secret"));
	assert_non_null(p->files[0].source_problem);
	merge__free(merge);
	/* the copy in the run's folder */
	put("d/advanced.py", advanced_source);
	p = merged(&merge, NAMES("d"));
	assert_string_equal(p->files[0].source, advanced_source);
	merge__free(merge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_is_itself), cmocka_unit_test(test_sums), cmocka_unit_test(test_steps),
		cmocka_unit_test(test_heap), cmocka_unit_test(test_heap_in_steps), cmocka_unit_test(test_calls), cmocka_unit_test(test_processes),
		cmocka_unit_test(test_versions), cmocka_unit_test(test_sources),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
