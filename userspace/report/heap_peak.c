// SPDX-License-Identifier: Apache-2.0
/* "At the peak of …": which lines held the memory when the footprint was highest, and which ways led to them. */
#include "report/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"
#include "util/cleanup.h"

#define PEAK_LINES 5
#define PEAK_WAYS 3     /* per line */
#define CALLERS_MAX 12  /* per way; the innermost are shown */
#define SHARE_SHOWN 0.01
#define NAME_COLUMNS_MAX 80
#define PATH_COLUMNS_MAX 160

struct holder {
	const struct profile_file *file; /* NULL: outside root */
	const struct profile_line *line;
	uint64_t bytes;
};

/* Stacks that agree from the charged line outwards. */
struct way {
	const struct profile_frame *frames; /* outermost first */
	size_t n_callers;                   /* without the line's own frame */
	bool cut;
	uint64_t bytes;
};

static int by_holder(const void *a, const void *b)
{
	const struct holder *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return x->line && y->line ? (x->line > y->line) - (x->line < y->line) : !x->line - !y->line;
}

static int by_way(const void *a, const void *b)
{
	const struct way *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : (x->n_callers > y->n_callers) - (x->n_callers < y->n_callers);
}

/* The charged line's frame: its innermost; SIZE_MAX: not on the stack. */
static size_t site_frame(const struct heap_stack *stack)
{
	for (size_t i = stack->n_frames; i-- > 0;) {
		if (stack->path && stack->frames[i].lineno == stack->lineno && !strcmp(stack->frames[i].path, stack->path))
			return i;
	}
	return SIZE_MAX;
}

static bool same_callers(const struct way *way, const struct profile_frame *frames, size_t n)
{
	if (way->n_callers != n)
		return false;
	for (size_t i = n; i-- > 0;) {
		const struct profile_frame *x = &way->frames[i], *y = &frames[i];

		if (x->lineno != y->lineno || strcmp(x->path, y->path) || strcmp(x->function, y->function))
			return false;
	}
	return true;
}

static size_t collect_ways(const struct profile_heap *heap, const struct holder *holder, struct way *ways)
{
	size_t n = 0;

	for (size_t i = 0; i < heap->n_stacks; i++) {
		const struct heap_stack *stack = &heap->stacks[i];
		size_t own, at = 0;

		if (!stack->path || stack->lineno != holder->line->lineno || strcmp(stack->path, holder->file->path))
			continue;
		own = site_frame(stack);
		if (own == SIZE_MAX)
			continue;
		while (at < n && !same_callers(&ways[at], stack->frames, own))
			at++;
		if (at == n)
			ways[n++] = (struct way){stack->frames, own, stack->cut, 0};
		ways[at].bytes += stack->at_peak_bytes;
	}
	qsort(ways, n, sizeof(*ways), by_way);
	return n;
}

/* How people know a file: a notebook by its own path. */
static const char *shown_path(const struct profile *profile, const char *path, const struct cell_map **cells)
{
	*cells = NULL;
	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		if (strcmp(file->path, path))
			continue;
		*cells = file->cells;
		return path_below(file->display ? file->display : path, profile->root);
	}
	return path_below(path, profile->root);
}

static void print_way(FILE *out, const struct profile *profile, const struct way *way)
{
	size_t shown = way->n_callers < CALLERS_MAX ? way->n_callers : CALLERS_MAX;

	for (size_t i = 0; i < shown; i++) {
		const struct profile_frame *frame = &way->frames[way->n_callers - 1 - i];
		const struct cell_map *cells;
		const char *path = shown_path(profile, frame->path, &cells);
		char place[32];

		format_place(place, cells, frame->lineno);
		text_repeat(out, " ", 12 + 3 * (int)i);
		fputs("└─ ", out);
		text_print(out, path, strlen(path), PATH_COLUMNS_MAX, TEXT_NAME);
		fprintf(out, ":%s; ", place);
		text_print(out, frame->function, strlen(frame->function), NAME_COLUMNS_MAX, TEXT_NAME);
		putc('\n', out);
	}
	if (shown < way->n_callers || way->cut) {
		text_repeat(out, " ", 12 + 3 * (int)shown);
		fputs("└─ …\n", out);
	}
}

static void print_ways(FILE *out, const struct profile *profile, const struct holder *holder, struct way *ways)
{
	size_t n = collect_ways(profile->heap, holder, ways);

	for (size_t i = 0; i < n && i < PEAK_WAYS; i++) {
		char memory[32];

		if (n > 1) {
			format_memory(memory, (double)ways[i].bytes);
			fprintf(out, "            %s by way of\n", memory);
		}
		print_way(out, profile, &ways[i]);
	}
	if (n > PEAK_WAYS)
		fprintf(out, "            and %zu more ways\n", n - PEAK_WAYS);
}

static void print_holder(FILE *out, const struct profile *profile, const struct holder *holder)
{
	const char *name, *base;
	char memory[32], place[32];

	format_memory(memory, (double)holder->bytes);
	fprintf(out, "%9s ", memory);
	if (!holder->line) {
		fputs("(outside root)\n", out);
		return;
	}
	name = holder->line->function && holder->line->function->name ? holder->line->function->name : "<unknown>";
	base = path_base(holder->file->display ? holder->file->display : holder->file->path);
	format_place(place, holder->file->cells, holder->line->lineno);
	text_print(out, name, strlen(name), NAME_COLUMNS_MAX, TEXT_NAME);
	fputs(" (", out);
	text_print(out, base, strlen(base), NAME_COLUMNS_MAX, TEXT_NAME);
	fprintf(out, ":%s)\n", place);
}

static size_t collect_holders(const struct profile *profile, struct holder *holders)
{
	const struct heap_measures *outside = profile->outside.heap;
	size_t n = 0;

	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		for (size_t k = 0; k < file->n_lines; k++) {
			const struct heap_measures *heap = file->lines[k].m.heap;

			if (heap && heap->at_peak_bytes)
				holders[n++] = (struct holder){file, &file->lines[k], heap->at_peak_bytes};
		}
	}
	if (outside && outside->at_peak_bytes)
		holders[n++] = (struct holder){NULL, NULL, outside->at_peak_bytes};
	qsort(holders, n, sizeof(*holders), by_holder);
	return n;
}

static void print_failed(FILE *out, const struct profile_heap *heap)
{
	char memory[32];

	if (!heap->failed_count)
		return;
	format_memory_exact(memory, (double)heap->failed_bytes);
	fprintf(out, "Out of memory: %llu allocation%s failed, the largest of %s", (unsigned long long)heap->failed_count, heap->failed_count == 1 ? "" : "s", memory);
	if (heap->failed_where.path) {
		const char *base = path_base(heap->failed_where.path);

		fputs(" in ", out);
		text_print(out, heap->failed_where.function, strlen(heap->failed_where.function), NAME_COLUMNS_MAX, TEXT_NAME);
		fputs(" (", out);
		text_print(out, base, strlen(base), NAME_COLUMNS_MAX, TEXT_NAME);
		fprintf(out, ":%u)", heap->failed_where.lineno);
	}
	if (heap->failed_limit) {
		format_memory_exact(memory, (double)heap->failed_limit);
		fprintf(out, "; %s is %s", heap->failed_data ? "RLIMIT_DATA" : "RLIMIT_AS", memory);
	}
	fputs("\n\n", out);
}

int print_heap_peak(FILE *out, const struct profile *profile, const struct report_options *options)
{
	_cleanup_free_ struct way *ways = calloc(profile->heap->n_stacks + 1, sizeof(*ways));
	_cleanup_free_ struct holder *holders = NULL;
	size_t n = 1, shown = 0;
	char memory[32];

	for (size_t i = 0; i < profile->n_files; i++)
		n += profile->files[i].n_lines;
	holders = calloc(n, sizeof(*holders));
	if (!ways || !holders)
		return -ENOMEM;
	print_failed(out, profile->heap);
	n = collect_holders(profile, holders);
	if (!n)
		return 0;
	format_memory_exact(memory, (double)profile->heap->all.peak_bytes);
	paint(out, options->color, PAINT_BOLD);
	if (profile->merge && profile->merge->n_inputs > 1)
		fprintf(out, "At each input's own peak, %s in all:", memory);
	else
		fprintf(out, "At the peak of %s, %.3f seconds after the start:", memory, seconds(profile->heap->all.peak_ns));
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	for (; shown < n && shown < PEAK_LINES; shown++) {
		if (shown && (double)holders[shown].bytes < SHARE_SHOWN * (double)profile->heap->all.peak_bytes)
			break;
		print_holder(out, profile, &holders[shown]);
		if (holders[shown].line)
			print_ways(out, profile, &holders[shown], ways);
	}
	if (shown < n) {
		uint64_t rest = 0;

		for (size_t i = shown; i < n; i++)
			rest += holders[i].bytes;
		format_memory(memory, (double)rest);
		fprintf(out, "%9s in %zu other line%s\n", memory, n - shown, n - shown == 1 ? "" : "s");
	}
	putc('\n', out);
	return 0;
}
