// SPDX-License-Identifier: Apache-2.0
/*
 * "Stack Trace Summary": for each top function the ways that led to it. A stack belongs to its innermost
 * frame in a reported file (that is who the time is charged to); stacks that agree from there outwards are one way.
 * Recursion is folded, and long ways and rare ones are cut with a mark: a page must stay readable when a
 * program recurses 5,000 deep or has 100,000 stacks.
 */
#include "report/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"
#include "util/cleanup.h"
#include "util/strings.h"

#define CALLERS_MAX 40 /* frames of a way, innermost ones kept */
#define WAYS_MAX 10    /* per function */
#define PATH_COLUMNS_MAX 160
#define NAME_COLUMNS_MAX 80

struct step {
	const struct profile_frame *frame;
	bool recursive; /* stands for several equal frames in a row */
};

struct way {
	struct way *next;    /* of the same function */
	struct step *steps;  /* callers, innermost first */
	size_t n_steps;
	bool cut;
	uint64_t hash;
	uint64_t samples;
};

/* Functions by (path, name, lineno), to find the one that a frame belongs to. */
struct stack_report {
	FILE *out;
	const struct summary *summary;
	const struct report_options *options;
	const struct summary_function **by_name;
	struct {
		const char *path;
		const struct summary_function *any; /* function of that file; NULL: none is listed */
	} cache[1024]; /* paths are few and mostly the same pointer */
	struct way **table; /* ways by hash, open addressing */
	size_t table_size, n_ways;
	struct way **first; /* per top function */
	size_t n_top;
	const struct summary_function *function; /* whose ways are printed */
	int columns;
};

static const char *known(const char *text) { return text ? text : "<unknown>"; }

static int by_name(const void *a, const void *b)
{
	const struct summary_function *x = *(const struct summary_function *const *)a, *y = *(const struct summary_function *const *)b;
	int order = strcmp(x->path, y->path);

	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : x->lineno < y->lineno ? -1 : x->lineno > y->lineno;
}

/* Any of the functions that are listed of a file, for what they have in common; NULL: it is no reported file. */
static const struct summary_function *any_of(struct stack_report *report, const char *path)
{
	size_t slot = ((uintptr_t)path >> 4) % (sizeof(report->cache) / sizeof(*report->cache));
	size_t low = 0, high = report->summary->n_functions;

	if (report->cache[slot].path == path)
		return report->cache[slot].any;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(report->by_name[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	report->cache[slot].path = path;
	report->cache[slot].any = low < report->summary->n_functions && !strcmp(report->by_name[low]->path, path) ? report->by_name[low] : NULL;
	return report->cache[slot].any;
}

static bool is_named(const struct summary_function *function, const struct summary_function *wanted)
{
	return !strcmp(function->path, wanted->path) && !strcmp(function->name, wanted->name);
}

/* The function of that name that begins last before the frame's line; of equal names (lambdas) that is the nearest. */
static const struct summary_function *function_of(const struct stack_report *report, const struct profile_frame *frame)
{
	struct summary_function wanted = {.path = known(frame->path), .name = known(frame->function), .lineno = frame->lineno};
	const struct summary_function *key = &wanted;
	size_t low = 0, high = report->summary->n_functions;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (by_name(&report->by_name[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && is_named(report->by_name[low - 1], &wanted))
		return report->by_name[low - 1];
	/* a line before the function's own: decorators */
	return low < report->summary->n_functions && is_named(report->by_name[low], &wanted) ? report->by_name[low] : NULL;
}

static bool same_frame(const struct profile_frame *a, const struct profile_frame *b)
{
	return a->lineno == b->lineno && (a->path == b->path || !strcmp(known(a->path), known(b->path))) &&
	       (a->function == b->function || !strcmp(known(a->function), known(b->function)));
}

/* Callers of frames[n], innermost first, into steps (CALLERS_MAX). Returns their number. */
static size_t collect_steps(const struct profile_frame *frames, size_t n, struct step *steps, bool *cut, uint64_t *hash)
{
	size_t n_steps = 0;

	*cut = false;
	*hash = 0;
	for (size_t i = n; i-- > 0;) {
		const struct profile_frame *frame = &frames[i];

		if (n_steps && same_frame(steps[n_steps - 1].frame, frame)) {
			steps[n_steps - 1].recursive = true;
			continue;
		}
		if (n_steps == CALLERS_MAX) {
			*cut = true;
			break;
		}
		steps[n_steps++] = (struct step){.frame = frame};
	}
	for (size_t i = 0; i < n_steps; i++) {
		const struct profile_frame *frame = steps[i].frame;

		*hash = *hash * 31 + hash_bytes(known(frame->path), strlen(known(frame->path)));
		*hash = *hash * 31 + hash_bytes(known(frame->function), strlen(known(frame->function)));
		*hash = *hash * 31 + frame->lineno;
	}
	*hash = *hash * 31 + *cut;
	return n_steps;
}

static bool same_way(const struct way *way, const struct step *steps, size_t n, bool cut)
{
	if (way->n_steps != n || way->cut != cut)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!same_frame(way->steps[i].frame, steps[i].frame))
			return false;
	}
	return true;
}

static int grow_table(struct stack_report *report)
{
	size_t size = report->table_size ? report->table_size * 2 : 1024;
	struct way **table = calloc(size, sizeof(*table));

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < report->table_size; i++) {
		struct way *way = report->table[i];
		size_t at;

		if (!way)
			continue;
		for (at = way->hash & (size - 1); table[at]; at = (at + 1) & (size - 1))
			;
		table[at] = way;
	}
	free(report->table);
	report->table = table;
	report->table_size = size;
	return 0;
}

static struct way *new_way(const struct step *steps, size_t n, bool cut, uint64_t hash)
{
	struct way *way = calloc(1, sizeof(*way) + n * sizeof(*steps));

	if (!way)
		return NULL;
	way->steps = (struct step *)(way + 1);
	if (n)
		memcpy(way->steps, steps, n * sizeof(*steps));
	way->n_steps = n;
	way->cut = cut;
	way->hash = hash;
	return way;
}

/* Counts a stack for the top function that it is charged to. */
static int add_stack(struct stack_report *report, const struct summary_stack *stack)
{
	const struct summary_function *function = NULL;
	struct step steps[CALLERS_MAX];
	size_t n = stack->n_frames, n_steps, index, at;
	struct way *way;
	uint64_t hash;
	bool cut;

	while (n && !any_of(report, known(stack->frames[n - 1].path)))
		n--;
	if (n)
		function = function_of(report, &stack->frames[n - 1]);
	if (!function || function >= report->summary->functions + report->n_top)
		return 0;
	index = (size_t)(function - report->summary->functions);
	n_steps = collect_steps(stack->frames, n - 1, steps, &cut, &hash);
	hash = hash * 31 + index;
	hash ^= hash >> 29;
	if (report->n_ways * 2 >= report->table_size && grow_table(report) < 0)
		return -ENOMEM;
	for (at = hash & (report->table_size - 1); (way = report->table[at]); at = (at + 1) & (report->table_size - 1)) {
		if (way->hash == hash && same_way(way, steps, n_steps, cut))
			break;
	}
	if (!way) {
		way = new_way(steps, n_steps, cut, hash);
		if (!way)
			return -ENOMEM;
		way->next = report->first[index];
		report->first[index] = way;
		report->table[at] = way;
		report->n_ways++;
	}
	for (size_t i = 0; i < n_steps; i++)
		way->steps[i].recursive |= steps[i].recursive;
	way->samples += stack->samples;
	return 0;
}

static void note_columns(struct stack_report *report, int columns)
{
	if (columns > report->columns)
		report->columns = columns;
}

static void print_step(struct stack_report *report, const struct step *step, int indent)
{
	const struct profile_frame *frame = step->frame;
	const struct summary_function *any = any_of(report, known(frame->path));
	const char *path = path_below(any ? any->shown : known(frame->path), report->summary->root), *name = known(frame->function);
	int columns = indent + text_print(report->out, path, strlen(path), PATH_COLUMNS_MAX, TEXT_NAME);
	char place[32];

	format_place(place, any ? any->cells : NULL, frame->lineno);
	columns += fprintf(report->out, ":%s; ", place);
	columns += text_print(report->out, name, strlen(name), NAME_COLUMNS_MAX, TEXT_NAME);
	if (step->recursive)
		columns += fprintf(report->out, " [recursive]");
	putc('\n', report->out);
	note_columns(report, columns);
}

/* The stems left of a row: bit i of `more` says whether level i goes on below. */
static int print_stems(struct stack_report *report, uint64_t more, size_t level)
{
	fputs("  ", report->out);
	for (size_t i = 0; i < level; i++)
		fputs(more >> i & 1 ? "│  " : "   ", report->out);
	return 2 + 3 * (int)level;
}

static void print_gap(struct stack_report *report, uint64_t more, size_t level)
{
	while (level && !(more >> (level - 1) & 1))
		level--;
	if (level) {
		print_stems(report, more, level - 1);
		fputs("│", report->out);
	}
	putc('\n', report->out);
}

/* Exact, where calls were counted: those of the function by its caller. Ways that begin with the same caller have the same figure. */
static void print_calls(struct stack_report *report, const struct way *way)
{
	const struct summary_function *f = report->function;
	const struct profile_frame *caller = way->n_steps ? way->steps[0].frame : NULL;
	const struct profile_callee *callee = report->summary->calls ? calls_find_callee(report->summary->calls, f->path, f->name, f->lineno) : NULL;
	const char *about;
	uint64_t calls;

	if (!callee)
		return;
	about = calls_estimated(report->summary->calls) ? "about " : "";
	calls = caller ? calls_by(callee, known(caller->path), known(caller->function), caller->lineno) : calls_by(callee, NULL, NULL, 0);
	fprintf(report->out, ", calls%s: %s%llu", calls_from_c(report->summary->calls) == CALLS_PART_ALL ? " from C" : "", about, (unsigned long long)calls);
	if (calls != callee->calls)
		fprintf(report->out, " of %s%llu", about, (unsigned long long)callee->calls);
}

static void print_leaf(struct stack_report *report, const struct way *way, uint64_t more, size_t level)
{
	if (way->cut) {
		print_stems(report, more, level);
		fprintf(report->out, "… further callers are left out\n");
	}
	print_stems(report, more, level);
	fprintf(report->out, "n_calls: %llu", (unsigned long long)way->samples);
	print_calls(report, way);
	putc('\n', report->out);
	print_gap(report, more, level);
}

/* Prints ways[0..n) that agree on their first `level` steps. */
static void print_ways(struct stack_report *report, struct way **ways, size_t n, size_t level, uint64_t more)
{
	size_t done = 0;

	while (done < n && ways[done]->n_steps == level)
		print_leaf(report, ways[done++], more, level);
	while (done < n) {
		const struct step *step = &ways[done]->steps[level];
		size_t end = done + 1;
		uint64_t bit = 1ULL << level;
		bool last;
		int indent;

		while (end < n && same_frame(ways[end]->steps[level].frame, step->frame))
			end++;
		last = end == n;
		indent = print_stems(report, more, level);
		fputs(last ? "└─ " : "├─ ", report->out);
		print_step(report, step, indent + 3);
		print_ways(report, ways + done, end - done, level + 1, last ? more & ~bit : more | bit);
		done = end;
	}
}

static int by_samples(const void *a, const void *b)
{
	const struct way *x = *(struct way *const *)a, *y = *(struct way *const *)b;

	return x->samples > y->samples ? -1 : x->samples < y->samples ? 1 : x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Puts ways with a common beginning beside each other, in the order of their heaviest; shorter first. */
static void group_ways(struct way **ways, size_t n, size_t level)
{
	size_t start = 0;

	for (size_t i = 0; i < n; i++) {
		struct way *way = ways[i];

		if (way->n_steps != level)
			continue;
		memmove(ways + start + 1, ways + start, (i - start) * sizeof(*ways));
		ways[start++] = way;
	}
	while (start < n) {
		size_t end = start + 1;

		for (size_t i = end; i < n; i++) {
			struct way *way = ways[i];

			if (!same_frame(way->steps[level].frame, ways[start]->steps[level].frame))
				continue;
			memmove(ways + end + 1, ways + end, (i - end) * sizeof(*ways));
			ways[end++] = way;
		}
		if (end - start > 1)
			group_ways(ways + start, end - start, level + 1);
		start = end;
	}
}

static int print_function(struct stack_report *report, size_t index)
{
	const struct summary_function *function = &report->summary->functions[index];
	_cleanup_free_ struct way **ways = NULL;
	size_t n = 0, shown;
	uint64_t rest = 0;
	char value[32];
	int columns;

	report->function = function;
	for (const struct way *way = report->first[index]; way; way = way->next)
		n++;
	ways = calloc(n + 1, sizeof(*ways));
	if (!ways)
		return -ENOMEM;
	n = 0;
	for (struct way *way = report->first[index]; way; way = way->next)
		ways[n++] = way;
	qsort(ways, n, sizeof(*ways), by_samples);
	shown = n > WAYS_MAX ? WAYS_MAX : n;
	for (size_t i = shown; i < n; i++)
		rest += ways[i]->samples;
	group_ways(ways, shown, 0);

	summary_format(value, report->summary, report->options, function->share, 2);
	putc('\n', report->out);
	paint(report->out, report->options->color, PAINT_BOLD);
	columns = text_print(report->out, function->name, strlen(function->name), NAME_COLUMNS_MAX, TEXT_NAME);
	paint(report->out, report->options->color, PAINT_NONE);
	note_columns(report, columns + fprintf(report->out, ", (%s)\n", value));
	if (!n)
		fputs("  No stack traces found.\n\n", report->out);
	print_ways(report, ways, shown, 0, 0);
	if (n > shown)
		fprintf(report->out, "  … and %zu more ways, n_calls: %llu\n\n", n - shown, (unsigned long long)rest);
	return 0;
}

static int print_all(struct stack_report *report)
{
	const struct summary *summary = report->summary;

	for (size_t i = 0; i < summary->n_functions; i++)
		report->by_name[i] = &summary->functions[i];
	qsort(report->by_name, summary->n_functions, sizeof(*report->by_name), by_name);
	for (size_t i = 0; i < summary->n_stacks; i++) {
		if (add_stack(report, &summary->stacks[i]) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < report->n_top; i++) {
		if (print_function(report, i) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void release(struct stack_report *report)
{
	for (size_t i = 0; i < report->table_size; i++)
		free(report->table[i]);
	free(report->table);
	free(report->first);
	free(report->by_name);
}

int summary__print_stacks(FILE *out, const struct summary *summary, const struct report_options *options)
{
	_cleanup_free_ char *body = NULL;
	size_t size;
	struct stack_report report = {
		.summary = summary,
		.options = options,
		.n_top = summary__top(summary, options),
		.by_name = calloc(summary->n_functions + 1, sizeof(*report.by_name)),
		.first = calloc(summary->n_functions + 1, sizeof(*report.first)),
	};
	int err = -ENOMEM, rule;

	report.out = open_memstream(&body, &size);
	if (report.out && report.by_name && report.first)
		err = print_all(&report);
	if (report.out && fclose(report.out) != 0)
		err = -ENOMEM;
	release(&report);
	if (err < 0 || !report.n_top)
		return err;
	rule = report.columns + 5;
	if (options->width > 0 && rule > options->width)
		rule = options->width;
	paint(out, options->color, PAINT_BOLD);
	fputs("Stack Trace Summary", out);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	text_repeat(out, "=", rule);
	putc('\n', out);
	fwrite(body, 1, size, out);
	text_repeat(out, "=", rule);
	putc('\n', out);
	return 0;
}
