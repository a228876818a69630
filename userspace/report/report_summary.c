// SPDX-License-Identifier: Apache-2.0
/* profile_summary.txt, and the same on the terminal. */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/heap.h"
#include "report/losses.h"
#include "report/merged.h"
#include "report/share.h"
#include "report/summary.h"
#include "report/text.h"
#include "util/cleanup.h"

#define WAITS_SHOWN 10

static void print_name(FILE *out, const char *text)
{
	text_print(out, text, strlen(text), 0, TEXT_NAME);
}

static void print_cpu(FILE *out, const struct profile *profile)
{
	double cpu = seconds(times_cpu(&profile->whole)), waiting = seconds(profile->whole.waiting_ns);
	/* inputs of a merged profile may have run one after the other */
	double elapsed = seconds(profile->merge ? profile->wall_ns : profile->elapsed_ns);

	fprintf(out, "CPU Time: %.3f seconds in %.3f elapsed (%.2f of %u %s busy), waiting %.3f seconds (%.1f%%)", cpu, elapsed,
		elapsed > 0 ? cpu / elapsed : 0, profile->allowed_cpus, profile->allowed_cpus == 1 ? "core" : "cores", waiting,
		share_of(profile->whole.waiting_ns, profile) * 100);
	if (profile->whole.runnable_ns)
		fprintf(out, ", runnable %.3f seconds (%.1f%%)", seconds(profile->whole.runnable_ns),
			share_of(profile->whole.runnable_ns, profile) * 100);
	/* each waits on its own account, so that the sum may exceed the elapsed time */
	if (profile->n_processes > 1)
		fprintf(out, ", summed over %zu processes", profile->n_processes);
	putc('\n', out);
}

/* Processes that the kernel killed for lack of memory. */
static void print_killed(FILE *out, const struct profile *profile)
{
	char memory[32];

	for (size_t i = 0; i < profile->n_processes; i++) {
		const struct profile_process *process = &profile->processes[i];

		if (!process->out_of_memory)
			continue;
		if (process->pid == profile->processes[0].pid && !profile->merge) {
			fputs("The script", out);
		} else {
			fprintf(out, "Process %u", process->pid);
			if (profile->merge) {
				fputs(" of ", out);
				print_name(out, profile->merge->inputs[process->input].label);
			}
			if (process->program) {
				fputs(", ", out);
				print_name(out, process->program);
				putc(',', out);
			}
		}
		fputs(" was killed by the kernel for lack of memory", out);
		if (profile->memory_limit) {
			format_memory_exact(memory, (double)profile->memory_limit);
			fprintf(out, " (limit of its control group: %s)", memory);
		}
		format_memory_exact(memory, (double)process->max_rss_bytes);
		fprintf(out, ", with %s of physical memory.\n", memory);
	}
}

static void print_one_head(FILE *out, const struct profile *profile)
{
	char memory[32];

	fprintf(out, "Finished in %.3f seconds", seconds(profile->elapsed_ns));
	if (profile->heap) {
		format_memory_exact(memory, (double)profile->heap->all.peak_bytes);
		fprintf(out, " using %s of heap RAM", memory);
	}
	putc('\n', out);
	format_memory_exact(memory, (double)profile->max_rss_bytes);
	fprintf(out, "Max RSS Memory Usage: %s\n", memory);
	fprintf(out, "Total Wall Time: %.3f seconds\n", seconds(profile->wall_ns));
}

static void print_head(FILE *out, const struct profile *profile)
{
	if (profile->command_line) {
		print_name(out, profile->command_line);
		fputs("\n\n", out);
	}
	if (profile->merge)
		print_merged_head(out, profile);
	else
		print_one_head(out, profile);
	print_cpu(out, profile);
	if (profile->ended_how) {
		print_name(out, profile->ended_how);
		putc('\n', out);
	} else if (profile->interrupted) {
		fputs("Interrupted: the figures cover the time until then.\n", out);
	}
	print_killed(out, profile);
	putc('\n', out);
	if (profile->logs_path) {
		fputs("Check logs ", out);
		print_name(out, path_below(profile->logs_path, profile->root));
		fprintf(out, " (%llu warning%s)\n\n", (unsigned long long)profile->n_warnings, profile->n_warnings == 1 ? "" : "s");
	}
}

/* One reason on one line; line NULL: outside root. */
struct wait_place {
	const struct wait_reason *reason;
	const struct profile_file *file;
	uint32_t lineno;
};

static int by_wait(const void *a, const void *b)
{
	const struct wait_place *x = a, *y = b;

	if (x->reason->ns != y->reason->ns)
		return x->reason->ns > y->reason->ns ? -1 : 1;
	return x->lineno < y->lineno ? -1 : x->lineno > y->lineno;
}

static size_t collect_waits(const struct profile *profile, struct wait_place *places)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		for (size_t k = 0; k < file->n_lines; k++) {
			for (size_t r = 0; r < file->lines[k].m.n_waits_for; r++, n++) {
				if (places)
					places[n] = (struct wait_place){&file->lines[k].m.waits_for[r], file, file->lines[k].lineno};
			}
		}
	}
	for (size_t r = 0; r < profile->outside.n_waits_for; r++, n++) {
		if (places)
			places[n] = (struct wait_place){&profile->outside.waits_for[r], NULL, 0};
	}
	return n;
}

static int print_waiting(FILE *out, const struct profile *profile, const struct report_options *options)
{
	size_t n = collect_waits(profile, NULL);
	_cleanup_free_ struct wait_place *places = NULL;

	if (!n || share_of(times_wait(&profile->whole), profile) < 0.01)
		return 0;
	places = calloc(n, sizeof(*places));
	if (!places)
		return -ENOMEM;
	collect_waits(profile, places);
	qsort(places, n, sizeof(*places), by_wait);
	if (!wait_matters(places[0].reason->ns, profile))
		return 0;
	paint(out, options->color, PAINT_BOLD);
	fputs("Waiting:", out);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	for (size_t i = 0; i < n && i < WAITS_SHOWN; i++) {
		const struct wait_place *place = &places[i];
		char where[32];

		if (!wait_matters(place->reason->ns, profile))
			break;
		fprintf(out, "%8.2f s in ", seconds(place->reason->ns));
		print_name(out, place->reason->what);
		if (place->file) {
			format_place(where, place->file->cells, place->lineno);
			fputs(" (", out);
			print_name(out, path_base(place->file->display ? place->file->display : place->file->path));
			fprintf(out, ":%s)\n", where);
		} else {
			fputs(" (outside root)\n", out);
		}
	}
	putc('\n', out);
	return 0;
}

static double memory_of(const struct measures *m, const struct profile *profile)
{
	if (!profile->heap)
		return (double)m->rss_bytes;
	return m->heap ? (double)m->heap->peak_bytes : 0;
}

/* That it was not all. */
static void print_parts(FILE *out, const struct profile_calls *c)
{
	enum calls_part from_c = calls_from_c(c);

	if (from_c)
		fprintf(out, ".\nEntries from C code only%s: Python 3.11 and later make calls from Python to Python without a new evaluation", from_c == CALLS_PART_SOME ? ", in some processes" : "");
	if (calls_estimated(c))
		fputs(".\nCalls were looked at for a part of the time and scaled up: the figures are estimates", out);
}

/* What `calls:` means, and how much there was of it. */
static void print_calls(FILE *out, const struct profile *profile)
{
	const struct profile_calls *c = profile->calls;

	if (!c)
		return;
	fprintf(out, "Calls %s: %llu of %zu function%s", calls_estimated(c) ? "estimated" : "counted", (unsigned long long)c->calls, c->n_functions, c->n_functions == 1 ? "" : "s");
	if (c->pattern) {
		fputs(" that fit '", out);
		print_name(out, c->pattern);
		putc('\'', out);
	}
	if (c->resumptions)
		fprintf(out, "; %llu resumptions of generators and coroutines, which are no calls", (unsigned long long)c->resumptions);
	print_parts(out, c);
	fputs(".\n\"calls: A of B\": the first caller in the list made A, from any of its lines, all callers B. One figure: they are equal.\n\n", out);
}

static void fill_functions(struct summary *summary, const struct profile *profile)
{
	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		for (size_t k = 0; k < file->n_functions; k++) {
			const struct profile_function *function = &file->functions[k];
			struct summary_function *entry = &summary->functions[summary->n_functions++];

			*entry = (struct summary_function){
				.path = file->path,
				.shown = file->display ? file->display : file->path,
				.name = function->name ? function->name : "<unknown>",
				.cells = file->cells,
				.lineno = function->firstlineno,
				.share = share_of(times_total(&function->m.times), profile),
				.bytes = memory_of(&function->m, profile),
			};
			format_place(entry->place, file->cells, function->firstlineno);
		}
	}
}

static int fill(struct summary *summary, const struct profile *profile)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_files; i++)
		n += profile->files[i].n_functions;
	summary->functions = calloc(n + 1, sizeof(*summary->functions));
	summary->stacks = calloc(profile->n_stacks + 1, sizeof(*summary->stacks));
	if (!summary->functions || !summary->stacks)
		return -ENOMEM;
	fill_functions(summary, profile);
	summary->outside = (struct summary_function){
		.path = "", .shown = "", .name = "(outside root)",
		.share = share_of(times_total(&profile->outside.times), profile),
		.bytes = memory_of(&profile->outside, profile),
	};
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		summary->stacks[summary->n_stacks++] = (struct summary_stack){stack->frames, stack->n_frames, stack->samples};
	}
	return 0;
}

int report_summary(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct summary summary = {.root = profile->root, .whole_s = seconds(times_total(&profile->whole)), .heap = profile->heap != NULL, .calls = profile->calls};
	int err = fill(&summary, profile);

	if (err == 0) {
		print_head(out, profile);
		err = summary__print(out, &summary, options);
	}
	if (err == 0) {
		fputs("\n\n", out);
		if (profile->merge)
			err = print_merged_processes(out, profile, options);
		if (profile->heap && !err)
			err = print_heap_peak(out, profile, options);
		if (profile->heap && !err)
			print_heap_types(out, profile, options);
	}
	if (err == 0) {
		if (options->trace && profile->n_stacks && summary__top(&summary, options)) {
			err = summary__print_stacks(out, &summary, options);
			fputs("\n\n", out);
		}
	}
	if (err == 0)
		err = print_waiting(out, profile, options);
	if (err == 0)
		print_calls(out, profile);
	if (err == 0)
		print_losses(out, profile);
	free(summary.functions);
	free(summary.stacks);
	return err < 0 ? err : stream_result(out);
}
