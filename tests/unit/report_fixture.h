/* SPDX-License-Identifier: Apache-2.0 */
/* Small hand-made profiles, and the output of a writer as text. */
#ifndef REPORT_FIXTURE_H
#define REPORT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/report.h"
#include "util/cleanup.h"

#define MS 1000000ULL
#define MIBS 1048576ULL
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* The options of a plain run into a file. */
static const struct report_options plain = {.trace = true, .top_n = 10, .threshold_percent = 0.1};

typedef int (*report_writer)(FILE *, const struct profile *, const struct report_options *);

__attribute__((unused)) static char *written(report_writer writer, const struct profile *profile, const struct report_options *options)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(writer(out, profile, options), 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

__attribute__((unused)) static void assert_begins(const char *text, const char *beginning)
{
	_cleanup_free_ char *head = strndup(text, strlen(beginning));

	assert_string_equal(head, beginning);
}

__attribute__((unused)) static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is missing in:\n%s", part, text);
}

__attribute__((unused)) static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}

__attribute__((unused)) static size_t occurrences(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

/* advanced.py: 9.308 s, nearly all of it in data_serialization; the shape of the reference's example. */
static const char advanced_source[] =
	"import json\n"
	"from numpy import fft\n"
	"\n"
	"\n"
	"def fourier(signal):\n"
	"    for i in range(3):\n"
	"\twhile True:\n"
	"\t    fft.fft(signal)\n"
	"    return signal\n"
	"\n"
	"\n"
	"def serialize(data):\n"
	"    return json.dumps(data)\n"
	"\n"
	"\n"
	"text = 'x' * 10\n"
	"serialize(text)\n";

static struct wait_reason advanced_waits[] = {
	{"recvfrom, 10.0.0.5:5432", "recvfrom", "10.0.0.5:5432", 400 * MS, 41},
	{"sleep", "sleep", NULL, 60 * MS, 1},
};

static double advanced_moments[] = {100.25, 100.5};
static struct moment advanced_rss[] = {{1 * MS, 10 * MIBS}, {5000 * MS, 40 * MIBS}, {9000 * MS, 1746 * MIBS}};

static struct profile_function advanced_functions[] = {
	{.name = "<module>", .firstlineno = 1, .inclusive_ns = 9308 * MS, .m = {.times = {.python_ns = 8 * MS}, .samples = 8}},
	{.name = "fourier", .firstlineno = 5, .inclusive_ns = 1500 * MS,
	 .m = {.times = {.python_ns = 100 * MS, .native_ns = 1400 * MS}, .samples = 1500, .rss_bytes = 610 * MIBS}},
	{.name = "serialize", .firstlineno = 12, .inclusive_ns = 7000 * MS,
	 .m = {.times = {.python_ns = 4000 * MS, .native_ns = 2500 * MS, .system_ns = 40 * MS, .waiting_ns = 460 * MS},
	       .samples = 6540, .waits = 42, .rss_bytes = 77 * MIBS, .core_utilization = 0.5}},
};

static struct profile_line advanced_lines[] = {
	{.lineno = 1, .function = &advanced_functions[0], .m = {.times = {.python_ns = 8 * MS}, .samples = 8}},
	{.lineno = 8, .function = &advanced_functions[1],
	 .m = {.times = {.python_ns = 100 * MS, .native_ns = 1400 * MS}, .samples = 1500, .rss_bytes = 610 * MIBS}},
	{.lineno = 13, .function = &advanced_functions[2],
	 .m = {.times = {.python_ns = 4000 * MS, .native_ns = 2500 * MS, .system_ns = 40 * MS, .waiting_ns = 460 * MS},
	       .samples = 6540, .waits = 42, .rss_bytes = 77 * MIBS, .core_utilization = 0.5,
	       .cpu_samples_s = advanced_moments, .n_cpu_samples = COUNT(advanced_moments),
	       .waits_for = advanced_waits, .n_waits_for = COUNT(advanced_waits)}},
};

static struct profile_file advanced_files[] = {
	{.path = "/home/u/repo/work/advanced.py", .display = "/home/u/repo/work/advanced.py",
	 .m = {.times = {.python_ns = 4108 * MS, .native_ns = 3900 * MS, .system_ns = 40 * MS, .waiting_ns = 460 * MS},
	       .samples = 8048, .waits = 42, .rss_bytes = 687 * MIBS},
	 .lines = advanced_lines, .n_lines = COUNT(advanced_lines), .functions = advanced_functions, .n_functions = COUNT(advanced_functions),
	 .source = advanced_source, .source_size = sizeof(advanced_source) - 1},
};

#define ADVANCED "/home/u/repo/work/advanced.py"
static const struct profile_frame advanced_stack_0[] = {
	{ADVANCED, "<module>", 17}, {ADVANCED, "serialize", 13}, {"/usr/lib/python3.11/json/__init__.py", "dumps", 231}};
static const struct profile_frame advanced_stack_1[] = {{ADVANCED, "<module>", 16}, {ADVANCED, "serialize", 13}};
static const struct profile_frame advanced_stack_2[] = {{ADVANCED, "<module>", 17}, {ADVANCED, "fourier", 8}};

static struct profile_stack advanced_stacks[] = {
	{.frames = advanced_stack_0, .n_frames = 3, .times = {.python_ns = 4000 * MS, .native_ns = 2000 * MS}, .samples = 6000, .cpu_samples = 6000},
	{.frames = advanced_stack_2, .n_frames = 2, .times = {.python_ns = 100 * MS, .native_ns = 1400 * MS}, .samples = 1500, .cpu_samples = 1500},
	{.frames = advanced_stack_1, .n_frames = 2, .times = {.native_ns = 500 * MS, .system_ns = 40 * MS, .waiting_ns = 460 * MS},
	 .samples = 582, .cpu_samples = 540},
};

static const char *advanced_args[] = {"--size", "1 0"};
static const char *advanced_notices[] = {"preempted often: the machine was busy"};

__attribute__((unused)) static struct profile advanced_profile(void)
{
	return (struct profile){
		.command_line = "fixingahole profile advanced.py",
		.program = ADVANCED,
		.args = advanced_args,
		.n_args = COUNT(advanced_args),
		.entrypoint_dir = "/home/u/repo/work",
		.root = "/home/u/repo",
		.start_epoch_s = 1769439530.25,
		.start_monotonic_s = 99.5,
		.elapsed_ns = 9308 * MS,
		.wall_ns = 10210 * MS,
		.utime_ns = 8800 * MS,
		.stime_ns = 48 * MS,
		.max_rss_bytes = 1746 * MIBS,
		.rate_hz = 1000,
		.allowed_cpus = 2,
		.logs_path = "/home/u/repo/performance/advanced/20260126_145848/profile_logs.log",
		.n_warnings = 6,
		.whole = {.python_ns = 4508 * MS, .native_ns = 4300 * MS, .system_ns = 40 * MS, .waiting_ns = 460 * MS},
		.cpu_samples = 8848,
		.waits = 42,
		.outside = {.times = {.python_ns = 400 * MS, .native_ns = 400 * MS}, .samples = 800, .rss_bytes = 9 * MIBS},
		.files = advanced_files,
		.n_files = COUNT(advanced_files),
		.stacks = advanced_stacks,
		.n_stacks = COUNT(advanced_stacks),
		.rss_timeline = advanced_rss,
		.n_rss_timeline = COUNT(advanced_rss),
		.losses = {[LOSS_CUT_STACKS] = 3},
		.unknown_frames = 1,
		.python_frames = 4508,
		.notices = advanced_notices,
		.n_notices = COUNT(advanced_notices),
	};
}

/* Samples, every loss with its figure, notices. */
__attribute__((unused)) static void assert_losses(const char *text, const struct profile *profile)
{
	assert_contains(text, "Samples: 8848 at 1000 Hz, waits: 42, unknown frames: 1 of 4508 (0.02%)\nLost: 0 ");
	for (int i = 0; i < LOSS_COUNT; i++) {
		char part[128];

		snprintf(part, sizeof(part), " %d %s", i == LOSS_CUT_STACKS ? 3 : 0, loss_text((enum loss)i));
		assert_contains(text, part);
	}
	assert_contains(text, "\nNotice: preempted often: the machine was busy\n");
	assert_lacks(text, "rough");
}

#endif
