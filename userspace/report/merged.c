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

struct ranked { uint64_t cpu_ns; size_t index; };

static int by_cpu(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->cpu_ns != y->cpu_ns)
		return x->cpu_ns > y->cpu_ns ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Marks the processes that deserve a row. */
static int choose_rows(const struct profile *profile, bool *shown)
{
	_cleanup_free_ struct ranked *ranked = calloc(profile->n_processes, sizeof(*ranked));

	if (!ranked)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_processes; i++)
		ranked[i] = (struct ranked){process_cpu(&profile->processes[i]), i};
	qsort(ranked, profile->n_processes, sizeof(*ranked), by_cpu);
	for (size_t i = 0; i < profile->n_processes; i++)
		shown[ranked[i].index] = profile->n_processes <= ROWS_SHOWN || i < ROWS_SHOWN - ROWS_LEAST || i >= profile->n_processes - ROWS_LEAST;
	return 0;
}

static void print_rows(FILE *out, const struct profile *profile, const bool *shown, double mean_ns)
{
	struct widths w = fit_columns(profile);
	size_t left_out = 0;

	text_print_padded(out, "input", w.label);
	putc(' ', out);
	text_print_padded(out, "host", w.host);
	putc(' ', out);
	text_print_padded(out, "rank", w.rank);
	fprintf(out, " %8s %10s %10s %7s %10s %10s\n", "pid", "elapsed s", "CPU s", "x mean", "waiting s", "max RSS");
	for (size_t i = 0; i < profile->n_processes; i++) {
		if (shown[i])
			print_row(out, profile, &w, &profile->processes[i], mean_ns);
		else
			left_out++;
	}
	if (left_out)
		fprintf(out, "(%zu more with neither much nor little CPU time: all are in profile_details.json)\n", left_out);
}

/* "CPU 1.31": the largest by the mean, of inputs. */
static void print_ratio(FILE *out, const char *name, uint64_t largest, double sum, size_t n)
{
	if (sum > 0)
		fprintf(out, "%s %.2f", name, (double)largest / (sum / (double)n));
	else
		fprintf(out, "%s -", name);
}

/* Of several inputs by input: helpers of a rank are no stragglers. Else by process. */
static void print_imbalance(FILE *out, const struct profile *profile)
{
	const struct profile_merge *merge = profile->merge;
	bool by_input = merge->n_inputs > 1;
	size_t n = by_input ? merge->n_inputs : profile->n_processes, slowest = 0;
	double cpu_sum = 0, wait_sum = 0, elapsed_sum = 0;
	uint64_t cpu_most = 0, wait_most = 0, elapsed_most = 0;

	for (size_t i = 0; i < n; i++) {
		const struct times *times = by_input ? &merge->inputs[i].whole : &profile->processes[i].times;
		uint64_t cpu = times_cpu(times), wait = times_wait(times), elapsed = by_input ? merge->inputs[i].elapsed_ns : 0;

		cpu_sum += (double)cpu;
		wait_sum += (double)wait;
		elapsed_sum += (double)elapsed;
		if (wait > wait_most)
			wait_most = wait;
		if (elapsed > elapsed_most)
			elapsed_most = elapsed;
		if (cpu > cpu_most) {
			cpu_most = cpu;
			slowest = i;
		}
	}
	if (n < 2)
		return;
	fprintf(out, "Imbalance of %s (largest by mean): ", by_input ? "inputs" : "processes");
	print_ratio(out, "CPU", cpu_most, cpu_sum, n);
	print_ratio(out, ", waiting", wait_most, wait_sum, n);
	if (by_input)
		print_ratio(out, ", elapsed", elapsed_most, elapsed_sum, n);
	if (by_input && cpu_most) {
		fputs("; most CPU: ", out);
		print_name(out, merge->inputs[slowest].label);
	}
	putc('\n', out);
}

int print_merged_processes(FILE *out, const struct profile *profile, const struct report_options *options)
{
	_cleanup_free_ bool *shown = calloc(profile->n_processes + 1, sizeof(*shown));
	double sum = 0;

	if (!shown)
		return -ENOMEM;
	if (!profile->n_processes)
		return 0;
	if (choose_rows(profile, shown))
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_processes; i++)
		sum += (double)process_cpu(&profile->processes[i]);
	paint(out, options->color, PAINT_BOLD);
	fputs("Processes:", out);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	print_rows(out, profile, shown, sum / (double)profile->n_processes);
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
