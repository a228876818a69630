// SPDX-License-Identifier: Apache-2.0
/* "By type": what Python's objects held when the footprint was highest, and at the end. */
#include "report/heap.h"

#include <string.h>

#include "report/share.h"
#include "report/text.h"

#define TYPES_SHOWN 8
#define TYPES_AT_END 5
#define SHARE_SHOWN 0.01
#define NAME_COLUMNS_MAX 60

static void print_type_name(FILE *out, const char *name)
{
	text_print(out, name, strlen(name), NAME_COLUMNS_MAX, TEXT_NAME);
}

static void print_row(FILE *out, const struct heap_type_row *row)
{
	char memory[32], buffers[32];

	format_memory(memory, (double)row->at_peak.bytes);
	fprintf(out, "%9s ", memory);
	print_type_name(out, row->name);
	if (row->at_peak.buffers && row->name[0] != '(') {
		format_memory(buffers, (double)row->at_peak.buffers);
		fprintf(out, " (%s of it in %s)", buffers, strcmp(row->name, "list") ? "tables" : "arrays of items");
	}
	putc('\n', out);
}

static void print_unknown(FILE *out, const struct heap_type_held *held)
{
	char memory[32];

	if (!held->blocks)
		return;
	format_memory(memory, (double)held->bytes);
	fprintf(out, "%9s in %llu sampled block%s of no known type\n", memory, (unsigned long long)held->blocks, held->blocks == 1 ? "" : "s");
}

/* The largest of those that are left at the end, not yet shown: rows are sorted by the peak. */
static const struct heap_type_row *largest_below(const struct profile_heap *heap, const struct heap_type_row *above)
{
	const struct heap_type_row *best = NULL;

	for (size_t i = 0; i < heap->n_types; i++) {
		const struct heap_type_row *row = &heap->types[i];

		if (above && (row->at_end.bytes > above->at_end.bytes || (row->at_end.bytes == above->at_end.bytes && row <= above)))
			continue;
		if (row->at_end.bytes && (!best || row->at_end.bytes > best->at_end.bytes))
			best = row;
	}
	return best;
}

static void print_at_end(FILE *out, const struct profile_heap *heap)
{
	const struct heap_type_row *row = NULL;
	uint64_t all = heap->untyped.at_end.bytes;
	char memory[32];
	int n = 0;

	for (size_t i = 0; i < heap->n_types; i++)
		all += heap->types[i].at_end.bytes;
	while (n < TYPES_AT_END && (row = largest_below(heap, row)) && (double)row->at_end.bytes >= SHARE_SHOWN * (double)all) {
		format_memory(memory, (double)row->at_end.bytes);
		fprintf(out, "%s%s ", n++ ? ", " : "At the end: ", memory);
		print_type_name(out, row->name);
	}
	if (n && heap->untyped.at_end.blocks) {
		format_memory(memory, (double)heap->untyped.at_end.bytes);
		fprintf(out, "; %s in %llu sampled block%s of no known type", memory, (unsigned long long)heap->untyped.at_end.blocks, heap->untyped.at_end.blocks == 1 ? "" : "s");
	}
	if (n)
		putc('\n', out);
}

void print_heap_types(FILE *out, const struct profile *profile, const struct report_options *options)
{
	const struct profile_heap *heap = profile->heap;
	uint64_t all = heap->untyped.at_peak.bytes, rest = 0;
	size_t shown = 0;
	char memory[32];

	if (!heap->n_types)
		return;
	for (size_t i = 0; i < heap->n_types; i++)
		all += heap->types[i].at_peak.bytes;
	format_memory(memory, (double)all);
	paint(out, options->color, PAINT_BOLD);
	fprintf(out, "By type, the %s that Python's own allocators gave at the peak:", memory);
	paint(out, options->color, PAINT_NONE);
	putc('\n', out);
	while (shown < heap->n_types && shown < TYPES_SHOWN && (double)heap->types[shown].at_peak.bytes >= SHARE_SHOWN * (double)all)
		print_row(out, &heap->types[shown++]);
	for (size_t i = shown; i < heap->n_types; i++)
		rest += heap->types[i].at_peak.bytes;
	if (rest) {
		format_memory(memory, (double)rest);
		fprintf(out, "%9s of %zu other type%s\n", memory, heap->n_types - shown, heap->n_types - shown == 1 ? "" : "s");
	}
	print_unknown(out, &heap->untyped.at_peak);
	print_at_end(out, heap);
	putc('\n', out);
}
