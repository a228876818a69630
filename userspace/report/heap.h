/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the writers have to say about the heap; only where profile->heap is set, or a measure's heap.
 */
#ifndef FIXINGAHOLE_REPORT_HEAP_H
#define FIXINGAHOLE_REPORT_HEAP_H

#include "report/json_write.h"
#include "report/report.h"

/* Does a line deserve a row for its memory? heap may be NULL. */
bool heap_matters(const struct heap_measures *heap);
/* The four memory cells of a row (8 + 7 + 11 + 7 columns, each after its bar), blank where there is nothing worth a figure. */
void print_heap_cells(FILE *out, const struct heap_measures *heap, uint64_t end_ns);
/* "Memory usage: …" above the tables. */
void print_heap_overall(FILE *out, const struct profile *profile);
/* Below a file's table: top average and peak lines, possible leaks, what grows to the end. */
void print_heap_lists(FILE *out, const struct profile_file *file);
/* In the summary: what was held at the peak, where, and by which stacks. -ENOMEM or 0. */
int print_heap_peak(FILE *out, const struct profile *profile, const struct report_options *options);
/* In the summary: by Python's types, at the peak and at the end. */
void print_heap_types(FILE *out, const struct profile *profile, const struct report_options *options);
/* Samples and losses. */
void print_heap_losses(FILE *out, const struct profile_heap *heap);

/* What profile_details.json calls the kinds and the sources. */
extern const char *const heap_kind_keys[HEAP_KINDS], *const heap_source_keys[HEAP_SOURCES];
/* Keys of profile_details.json, into the open object. */
void json_timeline(struct json *json, const char *key, const struct moment *moments, size_t n);
void json_heap_measures(struct json *json, const struct heap_measures *heap);
void json_heap_sums(struct json *json, const struct heap_measures *heap); /* a file's: what adds up */
void json_heap(struct json *json, const struct profile_heap *heap);       /* "heap": {…} */

#endif
