// SPDX-License-Identifier: Apache-2.0
/* What the reports say of a measured heap: hand-made profiles. (tests/golden/test_heap.c: a whole run.) */
#include "report_fixture.h"

#include <cjson/cJSON.h>

#define SECOND_NS 1000000000ULL

static struct moment ramp[] = {{0, 10 * MIBS}, {2 * SECOND_NS, 40 * MIBS}, {2 * SECOND_NS, 0}};
static struct cell cells_array[] = {{1, 1, 3}, {2, 5, 20}};
static struct cell_map cells = {2, cells_array};

/* Lines of one function that hold 10, 20, … MB at the peak, and half of it on average. */
struct case_data {
	struct heap_measures lines[8], outside, function, file;
	struct profile_line line[8];
	struct profile_function functions[1];
	struct profile_file files[1];
	struct profile_heap heap;
	struct profile profile;
};

static void fill(struct case_data *d, size_t n)
{
	memset(d, 0, sizeof(*d));
	d->functions[0] = (struct profile_function){.name = "work", .firstlineno = 5, .m = {.heap = &d->function}};
	for (size_t i = 0; i < n; i++) {
		d->lines[i] = (struct heap_measures){
			.allocated_bytes = (i + 1) * 10 * MIBS, .peak_bytes = (i + 1) * 10 * MIBS, .at_peak_bytes = (i + 1) * 10 * MIBS, .average_bytes = (i + 1) * 5 * MIBS,
			.usage = 0.1, .python = 0.5, .timeline = ramp, .n_timeline = 3,
		};
		d->line[i] = (struct profile_line){.lineno = 6 + i, .function = d->functions, .m = {.heap = &d->lines[i]}};
		d->heap.all.peak_bytes += d->lines[i].peak_bytes;
	}
	d->file.allocated_bytes = d->function.peak_bytes = d->heap.all.peak_bytes;
	d->outside.at_peak_bytes = 15 * MIBS;
	d->heap.all.peak_bytes += 15 * MIBS;
	d->heap.all.peak_ns = 2 * SECOND_NS;
	d->heap.all.timeline = ramp;
	d->heap.all.n_timeline = 3;
	d->heap.growth_rate = 37.4;
	d->files[0] = (struct profile_file){
		.path = "/r/a.py", .display = "/r/a.py", .lines = d->line, .n_lines = n, .functions = d->functions, .n_functions = 1, .m = {.heap = &d->file}, .source = "x\n", .source_size = 2,
	};
	d->profile = (struct profile){
		.command_line = "fixingahole profile a.py", .root = "/r", .elapsed_ns = 4 * SECOND_NS, .rate_hz = 1000, .allowed_cpus = 2, .whole = {.python_ns = SECOND_NS}, .cpu_samples = 1000,
		.outside = {.times = {.python_ns = SECOND_NS}, .heap = &d->outside}, .files = d->files, .n_files = 1, .heap = &d->heap,
	};
}

static void has(const char *text, const char *piece)
{
	if (!strstr(text, piece))
		fail_msg("no '%s' in:\n%s", piece, text);
}

static void has_not(const char *text, const char *piece)
{
	if (strstr(text, piece))
		fail_msg("'%s' in:\n%s", piece, text);
}

static void the_table_has_memory_columns(void **state)
{
	struct case_data d;
	char *text;

	fill(&d, 2);
	d.lines[1].copied_per_s = 12.4 * MIBS;
	d.lines[0].usage = 0.009;
	text = written(report_results, &d.profile, &plain);
	has(text, "     Memory usage: ");
	has(text, "(max: 45.000 MB, growth rate:  37%)\n");
	has(text, "│Time   │–––––– │–––––– │Memory  │–––––– │–––––––––––│Copy   │\n");
	has(text, " Line │Python │native │system │Python  │peak   │timeline/% │(MB/s) │/r/a.py\n");
	/* the level rises by half of the run, and then is nothing */
	has(text, "    6 │       │       │       │  50%   │   10M │      ▂▂█▁▁│       │\n");
	has(text, "    7 │       │       │       │  50%   │   20M │  10% ▂▂█▁▁│    12 │\n");
	has(text, "\nTop AVERAGE memory consumption, by line:\n(1)     7:    10 MB\n(2)     6:     5 MB\nTop PEAK memory consumption, by line:\n(1)     7:    20 MB\n(2)     6:    10 MB\n");
	has(text, "work (line 5): 0% Python, 0% native, 0% system, 30 MB heap\n");
	has_not(text, "leak");
	has_not(text, "Grew");
	has_not(text, "RSS");
	free(text);
}

static void small_lines_have_no_row(void **state)
{
	struct case_data d;
	char *text;

	fill(&d, 4);
	d.lines[0].peak_bytes = d.lines[0].average_bytes = MIBS - 1; /* but a tenth of all that was allocated */
	d.lines[1] = (struct heap_measures){.peak_bytes = MIBS - 1, .allocated_bytes = MIBS - 1, .usage = 0.5};
	d.lines[2] = (struct heap_measures){.copied_per_s = MIBS};
	text = written(report_results, &d.profile, &plain);
	has(text, "    6 │       │       │       │  50%   │       │  10%      │       │\n");
	has_not(text, "    7 │");
	has(text, "    8 │       │       │       │        │       │           │     1 │\n");
	has(text, "    9 │");
	has(text, "Top AVERAGE memory consumption, by line:\n(1)     9:    20 MB\nTop PEAK");
	free(text);
}

static void five_lines_are_listed(void **state)
{
	struct case_data d;
	char *text;

	fill(&d, 8);
	d.lines[3].peak_bytes = 70 * MIBS; /* as much as another: the first comes first */
	text = written(report_results, &d.profile, &plain);
	has(text, "Top PEAK memory consumption, by line:\n(1)    13:    80 MB\n(2)     9:    70 MB\n(3)    12:    70 MB\n(4)    11:    60 MB\n(5)    10:    50 MB\n\n");
	free(text);
}

static void leaks_are_told_from_growth(void **state)
{
	struct case_data d;
	cJSON *json, *leaks;
	char *text;

	fill(&d, 3);
	d.lines[0].likelihood = 0.96;
	d.lines[0].velocity = 4.2 * MIBS;
	d.lines[1].likelihood = 0.87;
	d.lines[1].velocity = 3 * MIBS;
	d.lines[1].left_bytes = 12 * MIBS;
	text = written(report_results, &d.profile, &plain);
	has(text, "Possible memory leak identified at line 6 (estimated likelihood:  96%, velocity:   4 MB/s)\n"
		  "Grew to the end: line 7 (12 MB left, velocity:   3 MB/s); needed until then, or never freed\n");
	free(text);
	text = written(report_json, &d.profile, &plain);
	json = cJSON_Parse(text);
	leaks = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "files"), "/r/a.py"), "leaks");
	assert_int_equal(cJSON_GetArraySize(leaks), 1);
	assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(leaks, "6"), "likelihood")->valuedouble == 0.96);
	assert_true(cJSON_GetObjectItem(cJSON_GetObjectItem(leaks, "6"), "velocity_mb_s")->valuedouble == 4.2);
	cJSON_Delete(json);
	free(text);
}

static const struct profile_frame by_main[] = {{"/r/a.py", "<module>", 30}, {"/r/a.py", "main", 25}, {"/r/a.py", "work", 6}, {"/lib/n.py", "inner", 3}};
static const struct profile_frame by_main_too[] = {{"/r/a.py", "<module>", 30}, {"/r/a.py", "main", 25}, {"/r/a.py", "work", 6}, {"/lib/n.py", "other", 9}};
static const struct profile_frame by_itself[] = {{"/r/a.py", "<module>", 31}, {"/r/a.py", "work", 6}};

static void the_peak_says_who_held_it(void **state)
{
	struct heap_stack stacks[] = {
		{.frames = by_main, .n_frames = 4, .at_peak_bytes = 5 * MIBS, .path = "/r/a.py", .lineno = 6},
		{.frames = by_main_too, .n_frames = 4, .at_peak_bytes = 3 * MIBS, .path = "/r/a.py", .lineno = 6},
		{.frames = by_itself, .n_frames = 2, .at_peak_bytes = 2 * MIBS, .path = "/r/a.py", .lineno = 6, .cut = true},
	};
	struct case_data d;
	char *text;

	fill(&d, 1);
	d.heap.stacks = stacks;
	d.heap.n_stacks = COUNT(stacks);
	text = written(report_summary, &d.profile, &plain);
	has(text, "Finished in 4.000 seconds using 25.000 MB of heap RAM\nMax RSS");
	has(text, "Top 1 Functions by Memory Usage:\n");
	/* the ways begin at the line, not at what it called */
	has(text, "At the peak of 25.000 MB, 2.000 seconds after the start:\n"
		  "    15 MB (outside root)\n"
		  "    10 MB work (a.py:6)\n"
		  "            8 MB by way of\n"
		  "            └─ a.py:25; main\n"
		  "               └─ a.py:30; <module>\n"
		  "            2 MB by way of\n"
		  "            └─ a.py:31; <module>\n"
		  "               └─ …\n"
		  "\n");
	has_not(text, "Out of memory");
	free(text);
}

static void the_peak_names_five_lines(void **state)
{
	struct case_data d;
	char *text;

	fill(&d, 8);
	text = written(report_summary, &d.profile, &plain);
	has(text, "    80 MB work (a.py:13)\n    70 MB work (a.py:12)\n    60 MB work (a.py:11)\n    50 MB work (a.py:10)\n    40 MB work (a.py:9)\n    75 MB in 4 other lines\n\n");
	free(text);
	/* nothing was held */
	fill(&d, 0);
	d.outside.at_peak_bytes = d.heap.all.peak_bytes = 0;
	text = written(report_summary, &d.profile, &plain);
	has_not(text, "At the peak");
	has(text, "using 0 bytes of heap RAM");
	free(text);
}

static void notebooks_have_cells(void **state)
{
	struct heap_stack stacks[] = {{.frames = by_itself, .n_frames = 2, .at_peak_bytes = 10 * MIBS, .path = "/r/a.py", .lineno = 6}};
	struct case_data d;
	char *text;

	fill(&d, 1);
	d.heap.stacks = stacks;
	d.heap.n_stacks = 1;
	d.files[0].cells = &cells;
	d.files[0].display = "/r/note.ipynb";
	d.lines[0].likelihood = 0.99;
	text = written(report_summary, &d.profile, &plain);
	has(text, "    10 MB work (note.ipynb:2:2)\n            └─ note.ipynb:31; <module>\n");
	free(text);
	text = written(report_results, &d.profile, &plain);
	has(text, "(1)   2:2:    10 MB\n");
	has(text, "Possible memory leak identified at line 2:2 (");
	free(text);
}

static void losses_are_told(void **state)
{
	struct case_data d;
	char *text;

	fill(&d, 1);
	d.heap.all.samples = 12;
	d.heap.all.allocated_bytes = 3 * MIBS;
	d.heap.unknown_frees = 4;
	d.heap.lost_frees = 5;
	d.heap.forks_not_copied = 6;
	text = written(report_summary, &d.profile, &plain);
	has(text, "Heap: 12 samples of 3 MB allocated;\n      4 frees of unknown blocks, 5 lost frees, 6 forks without their parent's blocks\n");
	free(text);
	d.heap.has_totals = true;
	d.heap.untracked = 2;
	d.heap.untracked_bytes = MIBS;
	d.heap.missed_frees = 7;
	text = written(report_summary, &d.profile, &plain);
	has(text, "Heap: 12 samples of 3 MB allocated, not tracked: 1 MB (samples: 2), missed frees: 7;\n");
	free(text);
	d.heap.live_of[HEAP_KINDS - 1] = 7 * MIBS;
	text = written(report_live, &d.profile, &plain);
	has(text, ", heap 7 MB (peak 25 MB)\n");
	free(text);
}

static void types_are_listed(void **state)
{
	struct heap_type_row rows[12] = {
		{"dict", {40 * MIBS, 30 * MIBS, 320}, {MIBS, 0, 8}},
		{"list", {20 * MIBS, 19 * MIBS, 160}, {5 * MIBS, 4 * MIBS, 40}},
		{"bad\nname", {10 * MIBS, 0, 80}, {0, 0, 0}},
		{"(attributes of instances)", {5 * MIBS, 5 * MIBS, 40}, {50 * MIBS, 50 * MIBS, 400}},
		{"only at the end", {0, 0, 0}, {60 * MIBS, 0, 480}},
	};
	struct case_data d;
	char *text;

	fill(&d, 1);
	text = written(report_summary, &d.profile, &plain);
	has_not(text, "By type");
	free(text);
	d.heap.types = rows;
	d.heap.n_types = 5;
	d.heap.untyped = (struct heap_type_row){.at_peak = {2 * MIBS, 0, 1}, .at_end = {3 * MIBS, 0, 2}};
	text = written(report_summary, &d.profile, &plain);
	has(text, "\nBy type, the 77 MB that Python's own allocators gave at the peak:\n"
		  "    40 MB dict (30 MB of it in tables)\n"
		  "    20 MB list (19 MB of it in arrays of items)\n"
		  "    10 MB bad\\nname\n"
		  "     5 MB (attributes of instances)\n"
		  "     2 MB in 1 sampled block of no known type\n"
		  "At the end: 60 MB only at the end, 50 MB (attributes of instances), 5 MB list; 3 MB in 2 sampled blocks of no known type\n\n");
	free(text);
	for (size_t i = 3; i < 12; i++)
		rows[i] = (struct heap_type_row){"small", {2 * MIBS, 0, 1}, {0, 0, 0}};
	d.heap.n_types = 12;
	text = written(report_summary, &d.profile, &plain);
	has(text, "     2 MB small\n     8 MB of 4 other types\n     2 MB in 1 sampled block");
	free(text);
}

static void what_ran_out_of_memory(void **state)
{
	struct profile_process processes[3] = {
		{.pid = 10, .program = "/usr/bin/python3", .max_rss_bytes = 503 * MIBS, .end_ns = 1, .out_of_memory = true},
		{.pid = 11, .program = "/bin/worker", .max_rss_bytes = 100 * MIBS, .end_ns = 1, .out_of_memory = true},
		{.pid = 12, .program = "/bin/other", .max_rss_bytes = 100 * MIBS, .end_ns = 1},
	};
	struct case_data d;
	char *text;

	fill(&d, 1);
	d.profile.processes = processes;
	d.profile.n_processes = 3;
	text = written(report_summary, &d.profile, &plain);
	has(text, "The script was killed by the kernel for lack of memory, with 503.000 MB of physical memory.\n"
		  "Process 11, /bin/worker, was killed by the kernel for lack of memory, with 100.000 MB of physical memory.\n\n");
	free(text);
	d.profile.memory_limit = 512 * MIBS;
	d.heap.failed_count = 1;
	d.heap.failed_bytes = 8192 * MIBS;
	d.heap.failed_limit = 2048 * MIBS;
	d.heap.failed_where = (struct heap_where){"/r/a.py", "work", 7};
	text = written(report_summary, &d.profile, &plain);
	has(text, "killed by the kernel for lack of memory (limit of its control group: 512.000 MB), with 503.000 MB of physical memory.\n");
	has(text, "Out of memory: 1 allocation failed, the largest of 8.000 GB in work (a.py:7); RLIMIT_AS is 2.000 GB\n\nAt the peak of ");
	free(text);
	d.heap.failed_data = true;
	text = written(report_details, &d.profile, &plain);
	has(text, "\"killed_for_memory\": true");
	has(text, "\"RLIMIT_DATA\"");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_memory_columns),
		cmocka_unit_test(small_lines_have_no_row),
		cmocka_unit_test(five_lines_are_listed),
		cmocka_unit_test(leaks_are_told_from_growth),
		cmocka_unit_test(the_peak_says_who_held_it),
		cmocka_unit_test(the_peak_names_five_lines),
		cmocka_unit_test(notebooks_have_cells),
		cmocka_unit_test(losses_are_told),
		cmocka_unit_test(types_are_listed),
		cmocka_unit_test(what_ran_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
