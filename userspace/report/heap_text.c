// SPDX-License-Identifier: Apache-2.0
/* The heap in profile_results.txt: cells, lists below the tables, losses. */
#include "report/heap.h"

#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"

#define SHARE_SHOWN 0.01
#define COPY_SHOWN (MIB / 2)
#define OVERALL_COLUMNS 32
#define LINE_COLUMNS 5
#define TOP_LINES 5

bool heap_matters(const struct heap_measures *heap)
{
	if (!heap)
		return false;
	return (double)heap->peak_bytes >= MIB || heap->copied_per_s >= COPY_SHOWN || (heap->usage >= SHARE_SHOWN && (double)heap->allocated_bytes >= MIB);
}

/* The highest level in each of equal times, as a block; a level holds until the next. Nothing without a level. */
static int print_sparkline(FILE *out, const struct heap_measures *heap, int columns, uint64_t end_ns)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	uint64_t largest = 0, level = 0;
	size_t at = 0;

	for (size_t i = 0; i < heap->n_timeline; i++) {
		if (heap->timeline[i].bytes > largest)
			largest = heap->timeline[i].bytes;
	}
	if (!largest || !end_ns)
		return 0;
	for (int i = 0; i < columns; i++) {
		uint64_t until = (uint64_t)((double)end_ns * (i + 1) / columns), top = level;

		for (; at < heap->n_timeline && (heap->timeline[at].since_start_ns < until || i + 1 == columns); at++) {
			level = heap->timeline[at].bytes;
			if (level > top)
				top = level;
		}
		fputs(blocks[(size_t)((double)top / (double)largest * 7.999)], out);
	}
	return columns;
}

static void format_percent(char text[32], double share)
{
	*text = '\0';
	if (share >= SHARE_SHOWN)
		snprintf(text, 32, "%.0f%%", share * 100);
}

void print_heap_cells(FILE *out, const struct heap_measures *heap, uint64_t end_ns)
{
	static const struct heap_measures none;
	char text[32] = "";
	int used = 0;

	if (!heap)
		heap = &none;
	format_percent(text, heap_matters(heap) ? heap->python : 0);
	fprintf(out, "│%5s   ", text);
	*text = '\0';
	if ((double)heap->peak_bytes >= MIB)
		format_memory_short(text, (double)heap->peak_bytes);
	fprintf(out, "│%6s │", text);
	format_percent(text, heap->usage);
	fprintf(out, "%5s ", text);
	if ((double)heap->peak_bytes >= MIB)
		used = print_sparkline(out, heap, LINE_COLUMNS, end_ns);
	fprintf(out, "%*s", LINE_COLUMNS - used, "");
	*text = '\0';
	if (heap->copied_per_s >= COPY_SHOWN)
		snprintf(text, sizeof(text), "%.0f", heap->copied_per_s / MIB);
	fprintf(out, "│%6s │", text);
}

void print_heap_overall(FILE *out, const struct profile *profile)
{
	const struct profile_heap *heap = profile->heap;
	char max[32];

	format_memory_exact(max, (double)heap->all.peak_bytes);
	fputs("     Memory usage: ", out);
	if (print_sparkline(out, &heap->all, OVERALL_COLUMNS, profile->elapsed_ns))
		putc(' ', out);
	fprintf(out, "(max: %s%s, growth rate: %3.0f%%)\n", max, profile->merge && profile->merge->n_inputs > 1 ? " as the sum of the inputs' peaks" : "",
		heap->growth_rate);
}

struct top { const struct profile_line *line; uint64_t bytes; };

/* The lines with most bytes, largest first; of equal ones the first. */
static size_t top_lines(const struct profile_file *file, bool average, struct top top[TOP_LINES])
{
	size_t n = 0;

	for (size_t i = 0; i < file->n_lines; i++) {
		const struct heap_measures *heap = file->lines[i].m.heap;
		uint64_t bytes = !heap ? 0 : average ? heap->average_bytes : heap->peak_bytes;
		size_t at = n;

		if ((double)bytes < MIB)
			continue;
		while (at && top[at - 1].bytes < bytes)
			at--;
		if (at == TOP_LINES)
			continue;
		if (n < TOP_LINES)
			n++;
		memmove(&top[at + 1], &top[at], (n - at - 1) * sizeof(*top));
		top[at] = (struct top){&file->lines[i], bytes};
	}
	return n;
}

static void print_top(FILE *out, const struct profile_file *file, bool average)
{
	struct top top[TOP_LINES];
	size_t n = top_lines(file, average, top);

	if (n && average)
		putc('\n', out);
	if (n)
		fprintf(out, "Top %s memory consumption, by line:\n", average ? "AVERAGE" : "PEAK");
	for (size_t i = 0; i < n; i++) {
		char place[32], memory[32];

		format_place(place, file->cells, top[i].line->lineno);
		format_memory(memory, (double)top[i].bytes);
		fprintf(out, "(%zu) %5s: %8s\n", i + 1, place, memory);
	}
}

void print_heap_lists(FILE *out, const struct profile_file *file)
{
	print_top(out, file, true);
	print_top(out, file, false);
	for (size_t i = 0; i < file->n_lines; i++) {
		const struct heap_measures *heap = file->lines[i].m.heap;
		char place[32];

		if (!heap || heap->likelihood < LEAK_LIKELY)
			continue;
		format_place(place, file->cells, file->lines[i].lineno);
		fprintf(out, "Possible memory leak identified at line %s (estimated likelihood: %3.0f%%, velocity: %3.0f MB/s)\n", place,
			heap->likelihood * 100, heap->velocity / MIB);
	}
	for (size_t i = 0; i < file->n_lines; i++) {
		const struct heap_measures *heap = file->lines[i].m.heap;
		char place[32], memory[32];

		if (!heap || heap->likelihood <= 0 || heap->likelihood >= LEAK_LIKELY)
			continue;
		format_place(place, file->cells, file->lines[i].lineno);
		format_memory(memory, (double)heap->left_bytes);
		fprintf(out, "Grew to the end: line %s (%s left, velocity: %3.0f MB/s); needed until then, or never freed\n", place, memory, heap->velocity / MIB);
	}
}

void print_heap_losses(FILE *out, const struct profile_heap *heap)
{
	char allocated[32], memory[32];

	format_memory(allocated, (double)heap->all.allocated_bytes);
	fprintf(out, "Heap: %llu samples of %s allocated", (unsigned long long)heap->all.samples, allocated);
	if (heap->has_totals) {
		format_memory(memory, (double)heap->untracked_bytes);
		fprintf(out, ", not tracked: %s (samples: %llu), missed frees: %llu", memory, (unsigned long long)heap->untracked,
			(unsigned long long)heap->missed_frees);
	}
	fprintf(out, ";\n      %llu frees of unknown blocks, %llu lost frees, %llu forks without their parent's blocks\n",
		(unsigned long long)heap->unknown_frees, (unsigned long long)heap->lost_frees, (unsigned long long)heap->forks_not_copied);
}
