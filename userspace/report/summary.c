// SPDX-License-Identifier: Apache-2.0
#include "report/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "util/cleanup.h"

#define NAME_COLUMNS_MAX 60
#define FILE_COLUMNS_MAX 60
#define RULE_COLUMNS 65 /* at least */

bool summary_has_memory(const struct summary *summary, const struct summary_function *function)
{
	return summary->heap ? function->bytes > 0 : function->bytes >= MIB;
}

void summary_format(char out[32], const struct summary *summary, const struct report_options *options, double share, int decimals)
{
	if (options->absolute)
		snprintf(out, 32, "%.3fs", share * summary->whole_s);
	else
		snprintf(out, 32, "%.*f%%", decimals, share * 100);
}

static int compare_text(const struct summary_function *a, const struct summary_function *b)
{
	int order = strcmp(a->shown, b->shown);

	if (!order)
		order = a->lineno < b->lineno ? -1 : a->lineno > b->lineno;
	return order ? order : strcmp(a->name, b->name);
}

static int by_share(const void *a, const void *b)
{
	const struct summary_function *x = a, *y = b;

	return x->share > y->share ? -1 : x->share < y->share ? 1 : compare_text(x, y);
}

static int by_bytes(const void *a, const void *b)
{
	const struct summary_function *x = *(const struct summary_function *const *)a, *y = *(const struct summary_function *const *)b;

	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes ? 1 : compare_text(x, y);
}

size_t summary__top(const struct summary *summary, const struct report_options *options)
{
	double threshold = options->threshold_percent / 100;
	size_t n = 0;

	while (n < summary->n_functions && n < (size_t)options->top_n && summary->functions[n].share > 0 &&
	       summary->functions[n].share >= threshold)
		n++;
	return n;
}

static void print_heading(FILE *out, const struct report_options *options, int columns, const char *text)
{
	paint(out, options->color, PAINT_BOLD);
	fprintf(out, "%s", text);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	paint(out, options->color, PAINT_DIM);
	text_repeat(out, "-", columns);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
}

static void print_rule(FILE *out, const struct report_options *options, int columns)
{
	paint(out, options->color, PAINT_DIM);
	text_repeat(out, "=", columns);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
}

static void print_file(FILE *out, const struct summary_function *function, bool with_place)
{
	const char *base = path_base(function->shown);

	fputs(" (", out);
	text_print(out, base, strlen(base), FILE_COLUMNS_MAX, TEXT_NAME);
	if (with_place)
		fprintf(out, ":%s", function->place);
	fputs(")\n", out);
}

static void print_by_time(FILE *out, const struct summary *summary, const struct report_options *options, size_t n, int name_columns, int rule)
{
	char heading[64];

	if (!n) {
		print_heading(out, options, rule, "No functions to summarize by Total Runtime");
		return;
	}
	snprintf(heading, sizeof(heading), "Top %zu Functions by Total Runtime:", n);
	print_heading(out, options, rule, heading);
	for (size_t i = 0; i < n; i++) {
		const struct summary_function *function = &summary->functions[i];
		char value[32];

		summary_format(value, summary, options, function->share, 1);
		fprintf(out, "%2zu. ", i + 1);
		text_print_padded(out, function->name, name_columns);
		paint(out, options->color, paint_for(function->share));
		fprintf(out, "%10s", value);
		if (paint_for(function->share) != PAINT_NONE)
			paint(out, options->color, PAINT_NONE);
		print_file(out, function, true);
	}
}

static void print_by_memory(FILE *out, const struct summary *summary, const struct report_options *options,
			    struct summary_function *const *functions, size_t n, int name_columns, int rule)
{
	char heading[64];

	snprintf(heading, sizeof(heading), "Top %zu Functions by %s:", n, summary->heap ? "Memory Usage" : "RSS");
	putc('\n', out);
	print_heading(out, options, rule, heading);
	for (size_t i = 0; i < n; i++) {
		char value[32];

		format_memory(value, functions[i]->bytes);
		fprintf(out, "%2zu. ", i + 1);
		text_print_padded(out, functions[i]->name, name_columns);
		fprintf(out, "%12s", value);
		print_file(out, functions[i], false);
	}
}

/* Widens the name column and the rule to what a row needs. */
static void fit_row(const struct summary_function *function, int *name_columns, int *tail_columns)
{
	int name = text_width(function->name, NAME_COLUMNS_MAX);
	int tail = 4 + 12 + 4 + text_width(path_base(function->shown), FILE_COLUMNS_MAX) + (int)strlen(function->place);

	if (name > *name_columns)
		*name_columns = name;
	if (tail > *tail_columns)
		*tail_columns = tail;
}

int summary__print(FILE *out, struct summary *summary, const struct report_options *options)
{
	_cleanup_free_ struct summary_function **by_memory = calloc(summary->n_functions + 1, sizeof(*by_memory));
	_cleanup_free_ char *tree = NULL;
	size_t tree_size, n_memory = 0, n_time;
	int name_columns = 0, tail_columns = 0, rule = RULE_COLUMNS, err;
	FILE *tree_out;

	if (!by_memory)
		return -ENOMEM;
	qsort(summary->functions, summary->n_functions, sizeof(*summary->functions), by_share);
	n_time = summary__top(summary, options);
	for (size_t i = 0; i < summary->n_functions; i++) {
		if (summary_has_memory(summary, &summary->functions[i]))
			by_memory[n_memory++] = &summary->functions[i];
	}
	qsort(by_memory, n_memory, sizeof(*by_memory), by_bytes);
	if (n_memory > (size_t)options->top_n)
		n_memory = (size_t)options->top_n;
	for (size_t i = 0; i < n_time; i++)
		fit_row(&summary->functions[i], &name_columns, &tail_columns);
	for (size_t i = 0; i < n_memory; i++)
		fit_row(by_memory[i], &name_columns, &tail_columns);

	tree_out = open_memstream(&tree, &tree_size);
	if (!tree_out)
		return -ENOMEM;
	err = summary__print_tree(tree_out, summary, options, &rule);
	if (fclose(tree_out) != 0 || err < 0)
		return err < 0 ? err : -ENOMEM;
	if (name_columns + tail_columns > rule)
		rule = name_columns + tail_columns;
	if (options->width > 0 && rule > options->width)
		rule = options->width;

	paint(out, options->color, PAINT_BOLD);
	fputs("Profile Summary", out);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	print_rule(out, options, rule);
	putc('\n', out);
	print_by_time(out, summary, options, n_time, name_columns, rule);
	if (n_memory)
		print_by_memory(out, summary, options, by_memory, n_memory, name_columns, rule);
	if (tree_size) {
		putc('\n', out);
		print_heading(out, options, rule, "Functions by Module:");
		fwrite(tree, 1, tree_size, out);
	}
	putc('\n', out);
	print_rule(out, options, rule);
	return 0;
}
