// SPDX-License-Identifier: Apache-2.0
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"

#define LIVE_FUNCTIONS 5

struct candidate {
	const struct profile_file *file;
	const struct profile_function *function;
	uint64_t ns;
};

/* Puts a function in its place among the heaviest so far. */
static void offer(struct candidate *top, size_t *n, struct candidate candidate)
{
	size_t at = *n;

	if (*n < LIVE_FUNCTIONS)
		(*n)++;
	else if (top[--at].ns >= candidate.ns)
		return;
	for (; at && top[at - 1].ns < candidate.ns; at--)
		top[at] = top[at - 1];
	top[at] = candidate;
}

static void print_time(FILE *out, uint64_t ns, const struct profile *profile, const struct report_options *options)
{
	if (options->absolute)
		fprintf(out, "  %8.3fs ", seconds(ns));
	else
		fprintf(out, "  %5.1f%% ", share_of(ns, profile) * 100);
}

int report_live(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct candidate top[LIVE_FUNCTIONS];
	size_t n = 0;

	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		for (size_t k = 0; k < file->n_functions; k++) {
			uint64_t ns = times_total(&file->functions[k].m.times);

			if (ns)
				offer(top, &n, (struct candidate){file, &file->functions[k], ns});
		}
	}
	fprintf(out, "After %.1f seconds: %llu samples, CPU %.1f s, waiting %.1f s", seconds(profile->elapsed_ns),
		(unsigned long long)profile->cpu_samples, seconds(times_cpu(&profile->whole)), seconds(profile->whole.waiting_ns));
	if (profile->whole.runnable_ns >= 50000000)
		fprintf(out, ", runnable %.1f s", seconds(profile->whole.runnable_ns));
	if (profile->heap) {
		uint64_t live = 0;
		char now[32], peak[32];

		for (int i = 0; i < HEAP_KINDS; i++)
			live += profile->heap->live_of[i];
		format_memory(now, (double)live);
		format_memory(peak, (double)profile->heap->all.peak_bytes);
		fprintf(out, ", heap %s (peak %s)", now, peak);
	}
	putc('\n', out);
	for (size_t i = 0; i < n; i++) {
		const char *name = top[i].function->name ? top[i].function->name : "<unknown>";
		const char *base = path_base(top[i].file->display ? top[i].file->display : top[i].file->path);
		char place[32];

		format_place(place, top[i].file->cells, top[i].function->firstlineno);
		print_time(out, top[i].ns, profile, options);
		text_print(out, name, strlen(name), 60, TEXT_NAME);
		fputs(" (", out);
		text_print(out, base, strlen(base), 60, TEXT_NAME);
		fprintf(out, ":%s)\n", place);
	}
	if (times_total(&profile->outside.times)) {
		print_time(out, times_total(&profile->outside.times), profile, options);
		fputs("(outside root)\n", out);
	}
	return stream_result(out);
}
