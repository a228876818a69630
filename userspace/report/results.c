// SPDX-License-Identifier: Apache-2.0
/* profile_results.txt: a table per file that matters. */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/heap.h"
#include "report/losses.h"
#include "report/share.h"
#include "report/source.h"
#include "report/text.h"
#include "util/cleanup.h"

#define WIDTH_DEFAULT 146
#define SOURCE_COLUMNS_MIN 20
#define SHARE_SHOWN 0.01 /* cells and files under it are left out */
#define BYTES_SHOWN MIB
#define SPARKLINE_COLUMNS 32
#define WAITS_SHOWN 3    /* reasons per line */

/* Widths of the cells: three of time, and one of RSS or four of the heap. */
static const int rss_columns[] = {7, 7, 7, 7, 0}, heap_columns[] = {7, 7, 7, 8, 7, 11, 7, 0};

struct table {
	FILE *out;
	const struct profile *profile;
	const struct report_options *options;
	const struct profile_file *file;
	struct source source;
	const int *columns; /* widths of the cells, ended by 0 */
	int line_columns;
	int source_columns;
};

/* Of a file, or of what has no table: sums. */
static uint64_t memory_bytes(const struct measures *m, const struct profile *profile)
{
	return !profile->heap ? m->rss_bytes : m->heap ? m->heap->allocated_bytes : 0;
}

static bool file_matters(const struct profile_file *file, const struct profile *profile)
{
	return share_of(times_total(&file->m.times), profile) >= SHARE_SHOWN || (double)memory_bytes(&file->m, profile) >= BYTES_SHOWN;
}

/* Of a line or a function. */
static bool memory_matters(const struct measures *m, const struct profile *profile)
{
	return profile->heap ? heap_matters(m->heap) : (double)m->rss_bytes >= BYTES_SHOWN;
}

static bool line_matters(const struct profile_line *line, const struct profile *profile)
{
	return share_of(times_total(&line->m.times), profile) >= SHARE_SHOWN || memory_matters(&line->m, profile);
}

/* The four lines of the head and the foot: a piece for the line numbers, one per cell, one for the source. */
static void print_frame(const struct table *table, const char *fill, const char *cross, bool with_source)
{
	text_repeat(table->out, fill, table->line_columns + 1);
	for (const int *columns = table->columns; *columns; columns++) {
		fputs(cross, table->out);
		text_repeat(table->out, fill, *columns);
	}
	fputs(cross, table->out);
	if (with_source)
		text_repeat(table->out, fill, table->source_columns);
	putc('\n', table->out);
}

static void print_table_head(const struct table *table)
{
	const char *display = table->file->display ? table->file->display : table->file->path;

	print_frame(table, " ", "╷", false);
	fprintf(table->out, "%*s │Time   │–––––– │–––––– │", table->line_columns, "");
	fputs(table->profile->heap ? "Memory  │–––––– │–––––––––––│Copy   │\n" : "RSS    │\n", table->out);
	fprintf(table->out, "%*s │Python │native │system │", table->line_columns, "Line");
	fputs(table->profile->heap ? "Python  │peak   │timeline/% │(MB/s) │" : "touched│", table->out);
	text_print(table->out, display, strlen(display), table->source_columns, TEXT_NAME);
	putc('\n', table->out);
	print_frame(table, "━", "┿", true);
}

/*
 * One time cell of 7 columns. Below 1 % it is blank; but where a line reaches 1 % only by its cells together,
 * they say so rather than leave an empty row.
 */
static void print_time_cell(const struct table *table, uint64_t ns, bool only_together, bool system)
{
	double share = share_of(ns, table->profile);
	char text[32] = "";

	if (share >= SHARE_SHOWN && !table->options->absolute)
		snprintf(text, sizeof(text), "%.0f%%", share * 100);
	else if ((share >= SHARE_SHOWN || (only_together && share > 0)) && table->options->absolute)
		snprintf(text, sizeof(text), ns < 5000000 ? "<5ms" : seconds(ns) < 99.95 ? "%.2fs" : "%.0fs", seconds(ns));
	else if (only_together && share > 0)
		snprintf(text, sizeof(text), "<1%%");
	fprintf(table->out, "│%*s%*s", system ? 5 : 6, text, system ? 2 : 1, "");
}

static void print_cells(const struct table *table, const struct measures *m)
{
	uint64_t system = m->times.system_ns + times_wait(&m->times);
	bool none = share_of(m->times.python_ns, table->profile) < SHARE_SHOWN && share_of(m->times.native_ns, table->profile) < SHARE_SHOWN &&
		    share_of(system, table->profile) < SHARE_SHOWN;
	bool only_together = none && share_of(times_total(&m->times), table->profile) >= SHARE_SHOWN;
	char memory[32] = "";

	print_time_cell(table, m->times.python_ns, only_together, false);
	print_time_cell(table, m->times.native_ns, only_together, false);
	print_time_cell(table, system, only_together, true);
	if (table->profile->heap) {
		print_heap_cells(table->out, m->heap, table->profile->elapsed_ns);
		return;
	}
	if ((double)m->rss_bytes >= BYTES_SHOWN)
		format_memory_short(memory, (double)m->rss_bytes);
	fprintf(table->out, "│%6s │", memory);
}

static void print_gap(const struct table *table)
{
	fprintf(table->out, "%*s ", table->line_columns, "...");
	for (const int *columns = table->columns; *columns; columns++)
		fprintf(table->out, "│%*s", *columns, "");
	fputs("│\n", table->out);
}

static void print_line(const struct table *table, const struct profile_line *line)
{
	char place[32];
	const char *text;
	size_t size;

	if (line->lineno)
		format_place(place, table->file->cells, line->lineno);
	else
		strcpy(place, "?");
	fprintf(table->out, "%*s ", table->line_columns, place);
	print_cells(table, &line->m);
	text = source__line(&table->source, line->lineno, &size);
	if (text)
		text_print(table->out, text, size, table->source_columns, TEXT_SOURCE);
	putc('\n', table->out);
}

static void print_lines(const struct table *table)
{
	const struct profile_file *file = table->file;
	uint32_t last = 0; /* line printed last */

	for (size_t i = 0; i < file->n_lines; i++) {
		const struct profile_line *line = &file->lines[i];

		if (!line_matters(line, table->profile))
			continue;
		if (line->lineno > last + 1)
			print_gap(table);
		print_line(table, line);
		last = line->lineno;
	}
	if (!table->source.n_lines || last < table->source.n_lines)
		print_gap(table);
}

/* One measure of a function: "37% Python" or "1.234s Python". */
static void print_part(const struct table *table, uint64_t ns, const char *name)
{
	if (table->options->absolute)
		fprintf(table->out, "%.3fs %s", seconds(ns), name);
	else
		fprintf(table->out, "%.0f%% %s", share_of(ns, table->profile) * 100, name);
}

static void print_function_memory(const struct table *table, const struct measures *m)
{
	uint64_t bytes = !table->profile->heap ? m->rss_bytes : m->heap ? m->heap->peak_bytes : 0;
	char memory[32];

	if ((double)bytes < BYTES_SHOWN)
		return;
	format_memory(memory, (double)bytes);
	fprintf(table->out, ", %s %s", memory, table->profile->heap ? "heap" : "RSS");
}

static void print_functions(const struct table *table)
{
	const struct profile_file *file = table->file;
	double threshold = table->options->threshold_percent / 100;
	bool headed = false;

	for (size_t i = 0; i < file->n_functions; i++) {
		const struct profile_function *function = &file->functions[i];
		const struct measures *m = &function->m;
		uint64_t total = times_total(&m->times);
		const char *name = function->name ? function->name : "<unknown>";
		char place[32];

		if ((!total || share_of(total, table->profile) < threshold) && !memory_matters(m, table->profile))
			continue;
		if (!headed)
			fputs("\nFunction summaries:\n", table->out);
		headed = true;
		fputs("  ", table->out);
		text_print(table->out, name, strlen(name), 100, TEXT_NAME);
		format_place(place, file->cells, function->firstlineno);
		fprintf(table->out, " (line %s): ", place);
		print_part(table, m->times.python_ns, "Python");
		fputs(", ", table->out);
		print_part(table, m->times.native_ns, "native");
		fputs(", ", table->out);
		print_part(table, m->times.system_ns + times_wait(&m->times), "system");
		print_function_memory(table, m);
		putc('\n', table->out);
	}
}

static void print_waits(FILE *out, const struct profile *profile, const struct cell_map *cells, const struct measures *m, uint32_t lineno, bool *headed)
{
	for (size_t i = 0; i < m->n_waits_for && i < WAITS_SHOWN; i++) {
		const struct wait_reason *reason = &m->waits_for[i];
		char place[32] = "?";

		if (!wait_matters(reason->ns, profile))
			break;
		if (!*headed)
			fputs("\nWaiting:\n", out);
		*headed = true;
		if (cells || lineno)
			format_place(place, cells, lineno);
		fprintf(out, "  line %s: %.2f s in ", place, seconds(reason->ns));
		text_print(out, reason->what, strlen(reason->what), 0, TEXT_NAME);
		fprintf(out, " (%llu time%s)\n", (unsigned long long)reason->count, reason->count == 1 ? "" : "s");
	}
}

static void print_title(const struct table *table)
{
	const char *display = table->file->display ? table->file->display : table->file->path;
	uint64_t total = times_total(&table->file->m.times);

	fputs("  ", table->out);
	text_print(table->out, display, strlen(display), 0, TEXT_NAME);
	fprintf(table->out, ": %% of time = %6.2f%% (%.3fs) out of %.3fs.\n", share_of(total, table->profile) * 100, seconds(total),
		seconds(times_total(&table->profile->whole)));
	if (!table->file->source) {
		fputs("  No source text", table->out);
		if (table->file->source_problem) {
			fputs(": ", table->out);
			text_print(table->out, table->file->source_problem, strlen(table->file->source_problem), 0, TEXT_NAME);
		}
		putc('\n', table->out);
	}
}

static void fit_columns(struct table *table)
{
	int width = table->options->width > 0 ? table->options->width : WIDTH_DEFAULT;

	table->line_columns = 5;
	for (size_t i = 0; i < table->file->n_lines; i++) {
		char place[32];
		int columns;

		if (!line_matters(&table->file->lines[i], table->profile))
			continue;
		format_place(place, table->file->cells, table->file->lines[i].lineno);
		columns = (int)strlen(place);
		if (columns > table->line_columns)
			table->line_columns = columns;
	}
	table->source_columns = width - (table->line_columns + 1) - 1;
	for (const int *columns = table->columns; *columns; columns++)
		table->source_columns -= *columns + 1;
	if (table->source_columns < SOURCE_COLUMNS_MIN)
		table->source_columns = SOURCE_COLUMNS_MIN;
}

static int print_table(FILE *out, const struct profile *profile, const struct report_options *options, const struct profile_file *file)
{
	struct table table = {.out = out, .profile = profile, .options = options, .file = file, .columns = profile->heap ? heap_columns : rss_columns};
	bool headed = false;
	int err = source__scan(&table.source, file->source, file->source_size);

	if (err == 0) {
		fit_columns(&table);
		print_title(&table);
		print_table_head(&table);
		print_lines(&table);
		print_frame(&table, " ", "╵", false);
		print_functions(&table);
		if (profile->heap)
			print_heap_lists(out, file);
		for (size_t i = 0; i < file->n_lines; i++)
			print_waits(out, profile, file->cells, &file->lines[i].m, file->lines[i].lineno, &headed);
		fputs("\n\n", out);
	}
	source__release(&table.source);
	return err;
}

static void print_rest(FILE *out, const struct profile *profile, const char *name, const struct times *times, uint64_t bytes)
{
	uint64_t system = times->system_ns + times_wait(times);
	char memory[32];

	format_memory(memory, (double)bytes);
	fprintf(out, "  %s: %% of time = %6.2f%% (%.3fs) out of %.3fs: %.3fs Python, %.3fs native, %.3fs system; %s %s\n", name,
		share_of(times_total(times), profile) * 100, seconds(times_total(times)), seconds(times_total(&profile->whole)),
		seconds(times->python_ns), seconds(times->native_ns), seconds(system), memory, profile->heap ? "allocated" : "RSS touched");
}

static void print_outside(FILE *out, const struct profile *profile)
{
	bool headed = false;

	print_rest(out, profile, "(outside root)", &profile->outside.times, memory_bytes(&profile->outside, profile));
	for (size_t i = 0; i < profile->outside.n_waits_for && i < WAITS_SHOWN; i++) {
		const struct wait_reason *reason = &profile->outside.waits_for[i];

		if (!wait_matters(reason->ns, profile))
			break;
		if (!headed)
			fputs("\nWaiting outside root:\n", out);
		headed = true;
		fprintf(out, "  %.2f s in ", seconds(reason->ns));
		text_print(out, reason->what, strlen(reason->what), 0, TEXT_NAME);
		fprintf(out, " (%llu time%s)\n", (unsigned long long)reason->count, reason->count == 1 ? "" : "s");
	}
}

/* The RSS over time, one block per column. */
static void print_sparkline(FILE *out, const struct profile *profile)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	size_t n = profile->n_rss_timeline, columns = n < SPARKLINE_COLUMNS ? n : SPARKLINE_COLUMNS;
	uint64_t largest = 0;

	for (size_t i = 0; i < n; i++) {
		if (profile->rss_timeline[i].bytes > largest)
			largest = profile->rss_timeline[i].bytes;
	}
	for (size_t i = 0; largest && i < columns; i++) {
		uint64_t bytes = 0;

		for (size_t k = i * n / columns; k < (i + 1) * n / columns; k++) {
			if (profile->rss_timeline[k].bytes > bytes)
				bytes = profile->rss_timeline[k].bytes;
		}
		fputs(blocks[(size_t)((double)bytes / (double)largest * 7.999)], out);
	}
	if (largest)
		putc(' ', out);
}

static void print_overall_memory(FILE *out, const struct profile *profile)
{
	char max[32], touched[32];

	format_memory_exact(max, (double)profile->max_rss_bytes);
	format_memory_exact(touched, (double)all_rss_bytes(profile));
	fputs("     Memory usage: ", out);
	print_sparkline(out, profile);
	fprintf(out, "(max RSS: %s, touched in all: %s)\n", max, touched);
}

int report_results(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct times rest = {0};
	uint64_t rest_bytes = 0;
	size_t n_rest = 0;
	char name[64];

	if (profile->heap)
		print_heap_overall(out, profile);
	else
		print_overall_memory(out, profile);
	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		if (file_matters(file, profile)) {
			int err = print_table(out, profile, options, file);

			if (err < 0)
				return err;
			continue;
		}
		times_sum(&rest, &file->m.times);
		rest_bytes += memory_bytes(&file->m, profile);
		n_rest++;
	}
	if (n_rest) {
		snprintf(name, sizeof(name), "(%zu %s under 1 %%)", n_rest, n_rest == 1 ? "file" : "files");
		print_rest(out, profile, name, &rest, rest_bytes);
	}
	print_outside(out, profile);
	putc('\n', out);
	print_losses(out, profile);
	return stream_result(out);
}
