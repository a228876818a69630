// SPDX-License-Identifier: Apache-2.0
#include "report/merged.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"
#include "util/cleanup.h"

#define ROWS_SHOWN 40 /* processes; of more, those with most CPU time and those with least */
#define ROWS_LEAST 5
#define LABEL_COLUMNS 28
#define HOST_COLUMNS 16
#define SKIPPED_SHOWN 10

static void print_name(FILE *out, const char *text)
{
	text_print(out, text, strlen(text), 0, TEXT_NAME);
}

struct extremes { uint64_t sum, largest; };

static struct extremes extremes_of(const struct profile *profile, size_t offset)
{
	struct extremes e = {};

	for (size_t i = 0; i < profile->merge->n_inputs; i++) {
		uint64_t value = *(const uint64_t *)(const void *)((const char *)&profile->merge->inputs[i] + offset);

		e.sum = e.sum > UINT64_MAX - value ? UINT64_MAX : e.sum + value;
		if (value > e.largest)
			e.largest = value;
	}
	return e;
}

void print_merged_head(FILE *out, const struct profile *profile)
{
	const struct profile_merge *merge = profile->merge;
	struct extremes rss = extremes_of(profile, offsetof(struct profile_input, max_rss_bytes));
	struct extremes heap = extremes_of(profile, offsetof(struct profile_input, heap_peak_bytes));
	char memory[32];

	fprintf(out, "Merged: %zu input%s with %zu process%s", merge->n_inputs, merge->n_inputs == 1 ? "" : "s", profile->n_processes,
		profile->n_processes == 1 ? "" : "es");
	if (merge->n_skipped)
		fprintf(out, "; %zu could not be read", merge->n_skipped);
	fprintf(out, "\nFinished in %.3f seconds%s", seconds(profile->elapsed_ns), merge->n_inputs > 1 ? " (the longest)" : "");
	if (profile->heap) {
		format_memory_exact(memory, (double)profile->heap->all.peak_bytes);
		fprintf(out, " using %s of heap RAM", memory);
	}
	if (profile->heap && merge->n_inputs > 1) {
		format_memory_exact(memory, (double)heap.largest);
		fprintf(out, " (the sum of the inputs' peaks, so at most that at one moment; the largest: %s)", memory);
	}
	format_memory_exact(memory, (double)rss.largest);
	fprintf(out, "\nMax RSS Memory Usage: %s", memory);
	if (merge->n_inputs > 1) {
		format_memory_exact(memory, (double)rss.sum);
		fprintf(out, " (the largest; sum of all: %s)", memory);
	}
	fprintf(out, "\nTotal Wall Time: %.3f seconds%s\n", seconds(profile->wall_ns), merge->n_inputs > 1 ? " (from the first start to the last end)" : "");
}

/* --- processes --- */

static uint64_t process_cpu(const struct profile_process *process)
{
	return times_cpu(&process->times);
}

static const char *rank_of(const struct profile_input *input)
{
	return input->n_ranks ? input->ranks[0].value : "-";
}

static void fit(int *columns, const char *text, int most)
{
	int width = text_width(text, most);

	if (width > *columns)
		*columns = width;
}

struct widths { int label, host, rank; };

static struct widths fit_columns(const struct profile *profile)
{
	struct widths w = {5, 4, 4};

	for (size_t i = 0; i < profile->merge->n_inputs; i++) {
		const struct profile_input *input = &profile->merge->inputs[i];

		fit(&w.label, input->label, LABEL_COLUMNS);
		fit(&w.host, input->host ? input->host : "-", HOST_COLUMNS);
		fit(&w.rank, rank_of(input), HOST_COLUMNS);
	}
	return w;
}

static void print_row(FILE *out, const struct profile *profile, const struct widths *w, const struct profile_process *process, double mean_ns)
{
	const struct profile_input *input = &profile->merge->inputs[process->input];
	uint64_t end = process->end_ns ? process->end_ns : input->start_ns + input->elapsed_ns;
	char memory[32] = "-";

	text_print_padded(out, input->label, w->label);
	putc(' ', out);
	text_print_padded(out, input->host ? input->host : "-", w->host);
	putc(' ', out);
	text_print_padded(out, rank_of(input), w->rank);
	if (process->max_rss_bytes)
		format_memory(memory, (double)process->max_rss_bytes);
	fprintf(out, " %8u %10.3f %10.3f %7.2f %10.3f %10s\n", process->pid, end > process->start_ns ? seconds(end - process->start_ns) : 0,
		seconds(process_cpu(process)), mean_ns > 0 ? (double)process_cpu(process) / mean_ns : 0, seconds(times_wait(&process->times)), memory);
}

/* Shells and other helpers that took next to nothing are no stragglers. */
static bool matters(const struct profile *profile, const struct profile_process *process)
{
	return process->interpreter || share_of(times_total(&process->times), profile) >= 0.01;
}

struct ranked { uint64_t cpu_ns; size_t index; };

static int by_cpu(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Marks the processes that deserve a row. *n: how many matter, of which there may be too many; *mean_ns: their CPU time. */
static int choose_rows(const struct profile *profile, bool *shown, size_t *n, double *mean_ns)
{
	_cleanup_free_ struct ranked *ranked = calloc(profile->n_processes + 1, sizeof(*ranked));

	*n = 0;
	*mean_ns = 0;
	if (!ranked)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_processes; i++) {
		const struct profile_process *process = &profile->processes[i];

		if (!matters(profile, process))
			continue;
		ranked[(*n)++] = (struct ranked){process_cpu(process), i};
		*mean_ns += (double)process_cpu(process);
	}
	if (!*n)
		return 0;
	*mean_ns /= (double)*n;
	qsort(ranked, *n, sizeof(*ranked), by_cpu);
	for (size_t i = 0; i < *n; i++)
		shown[ranked[i].index] = *n <= ROWS_SHOWN || i < ROWS_SHOWN - ROWS_LEAST || i >= *n - ROWS_LEAST;
	return 0;
}

static void print_rows(FILE *out, const struct profile *profile, const bool *shown, size_t n, double mean_ns)
{
	struct widths w = fit_columns(profile);

	text_print_padded(out, "input", w.label);
	putc(' ', out);
	text_print_padded(out, "host", w.host);
	putc(' ', out);
	text_print_padded(out, "rank", w.rank);
	fprintf(out, " %8s %10s %10s %7s %10s %10s\n", "pid", "elapsed s", "CPU s", "x mean", "waiting s", "max RSS");
	for (size_t i = 0; i < profile->n_processes; i++) {
		if (shown[i])
			print_row(out, profile, &w, &profile->processes[i], mean_ns);
	}
	if (n > ROWS_SHOWN)
		fprintf(out, "(%zu more with neither most nor least CPU time: profile_details.json has all)\n", n - ROWS_SHOWN);
	if (profile->n_processes > n)
		fprintf(out, "(%zu other%s under 1 %% without Python)\n", profile->n_processes - n, profile->n_processes - n == 1 ? "" : "s");
}

struct evenness { size_t n; double sum_ns; uint64_t most_ns; };

static void weigh(struct evenness *e, uint64_t ns)
{
	e->n++;
	e->sum_ns += (double)ns;
	if (ns > e->most_ns)
		e->most_ns = ns;
}

/* "CPU 1.31": the largest by the mean. */
static void print_evenness(FILE *out, const char *name, const struct evenness *e)
{
	if (e->sum_ns > 0)
		fprintf(out, "%s %.2f", name, (double)e->most_ns / (e->sum_ns / (double)e->n));
	else
		fprintf(out, "%s -", name);
}

static void print_imbalance_of_inputs(FILE *out, const struct profile_merge *merge)
{
	struct evenness cpu = {}, waiting = {}, elapsed = {};
	const struct profile_input *most = &merge->inputs[0];

	for (size_t i = 0; i < merge->n_inputs; i++) {
		const struct profile_input *input = &merge->inputs[i];

		weigh(&cpu, times_cpu(&input->whole));
		weigh(&waiting, times_wait(&input->whole));
		weigh(&elapsed, input->elapsed_ns);
		if (times_cpu(&input->whole) > times_cpu(&most->whole))
			most = input;
	}
	print_evenness(out, "Imbalance of inputs (largest by mean): CPU", &cpu);
	print_evenness(out, ", waiting", &waiting);
	print_evenness(out, ", elapsed", &elapsed);
	fputs("; most CPU: ", out);
	print_name(out, most->label);
	putc('\n', out);
}

/* By input, since a rank's helpers are no stragglers; within the only input by process. */
static void print_imbalance(FILE *out, const struct profile *profile)
{
	struct evenness cpu = {}, waiting = {};

	if (profile->merge->n_inputs > 1) {
		print_imbalance_of_inputs(out, profile->merge);
		return;
	}
	for (size_t i = 0; i < profile->n_processes; i++) {
		if (!matters(profile, &profile->processes[i]))
			continue;
		weigh(&cpu, process_cpu(&profile->processes[i]));
		weigh(&waiting, times_wait(&profile->processes[i].times));
	}
	if (cpu.n < 2)
		return;
	print_evenness(out, "Imbalance of processes (largest by mean): CPU", &cpu);
	print_evenness(out, ", waiting", &waiting);
	putc('\n', out);
}

int print_merged_processes(FILE *out, const struct profile *profile, const struct report_options *options)
{
	_cleanup_free_ bool *shown = calloc(profile->n_processes + 1, sizeof(*shown));
	double mean_ns;
	size_t n;

	if (!shown || choose_rows(profile, shown, &n, &mean_ns))
		return -ENOMEM;
	if (n) {
		paint(out, options->color, PAINT_BOLD);
		fputs("Processes:", out);
		paint(out, options->color, PAINT_NONE);
		putc('\n', out);
		print_rows(out, profile, shown, n, mean_ns);
	}
	print_imbalance(out, profile);
	putc('\n', out);
	return 0;
}

void print_merged_losses(FILE *out, const struct profile *profile)
{
	const struct profile_merge *merge = profile->merge;

	fprintf(out, "Inputs that could not be read: %zu\n", merge->n_skipped);
	for (size_t i = 0; i < merge->n_skipped; i++) {
		if (i == SKIPPED_SHOWN) {
			fprintf(out, "      and %zu more\n", merge->n_skipped - i);
			return;
		}
		fputs("      ", out);
		print_name(out, merge->skipped[i].problem);
		putc('\n', out);
	}
}

/* --- profile_details.json --- */

void json_ranks(struct json *json, const struct profile_rank *ranks, size_t n)
{
	json_object(json, "ranks");
	for (size_t i = 0; i < n; i++)
		json_string_named(json, ranks[i].name, ranks[i].value);
	json_close(json);
}

static void write_input(struct json *json, const struct profile *profile, const struct profile_input *input)
{
	json_object(json, NULL);
	json_string(json, "label", input->label);
	json_string(json, "path", input->path);
	json_string(json, "host", input->host);
	json_ranks(json, input->ranks, input->n_ranks);
	json_string(json, "command_line", input->command_line);
	json_string(json, "program", input->program);
	json_number(json, "start_epoch_s", input->start_epoch_s, 6);
	json_number(json, "start_s", seconds(input->start_ns), 9);
	json_number(json, "elapsed_s", seconds(input->elapsed_ns), 9);
	json_number(json, "wall_s", seconds(input->wall_ns), 9);
	json_times(json, &input->whole);
	json_unsigned(json, "samples", input->samples);
	json_unsigned(json, "rss_bytes", input->rss_bytes);
	json_unsigned(json, "max_rss_bytes", input->max_rss_bytes);
	if (profile->heap)
		json_unsigned(json, "heap_peak_bytes", input->heap_peak_bytes);
	json_unsigned(json, "rate_hz", input->rate_hz);
	json_unsigned(json, "allowed_cpus", input->allowed_cpus);
	json_unsigned(json, "processes", input->n_processes);
	json_status(json, input->status, true);
	json_bool(json, "interrupted", input->interrupted);
	json_string(json, "ended_how", input->ended_how);
	json_close(json);
}

void json_merged(struct json *json, const struct profile *profile)
{
	const struct profile_merge *merge = profile->merge;

	json_array(json, "inputs");
	for (size_t i = 0; i < merge->n_inputs; i++)
		write_input(json, profile, &merge->inputs[i]);
	json_close(json);
	json_array(json, "skipped_inputs");
	for (size_t i = 0; i < merge->n_skipped; i++) {
		json_object(json, NULL);
		json_string(json, "path", merge->skipped[i].path);
		json_string(json, "problem", merge->skipped[i].problem);
		json_close(json);
	}
	json_close(json);
	json_unsigned(json, "other_versions", merge->n_versions);
	json_unsigned(json, "max_rss_sum_bytes", extremes_of(profile, offsetof(struct profile_input, max_rss_bytes)).sum);
	if (profile->heap)
		json_unsigned(json, "heap_peak_largest_bytes", extremes_of(profile, offsetof(struct profile_input, heap_peak_bytes)).largest);
}

void json_merged_process(struct json *json, const struct profile *profile, const struct profile_process *process)
{
	const struct profile_input *input = &profile->merge->inputs[process->input];

	json_unsigned(json, "input", process->input);
	json_string(json, "label", input->label);
	json_string(json, "host", input->host);
	json_string(json, "rank", input->n_ranks ? input->ranks[0].value : NULL);
}
