// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as an event file, through symbols, builder and profile into all reports. Both JSON files must be JSON, and
 * the sums must hold: what was charged to lines and outside is the whole, of the time and of the heap.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "tests/golden/replay.h"

static char *report_text(int (*report)(FILE *, const struct profile *, const struct report_options *), const struct profile *p, const struct report_options *options)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out || report(out, p, options) || fclose(out))
		abort();
	return text;
}

static void check_json(char *text)
{
	cJSON *json = cJSON_Parse(text);

	if (!json)
		abort();
	cJSON_Delete(json);
	free(text);
}

static void check_sums(const struct profile *p)
{
	uint64_t ns = times_total(&p->outside.times), process_ns = 0;

	for (size_t i = 0; i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_lines; k++)
			ns += times_total(&p->files[i].lines[k].m.times);
	}
	for (size_t i = 0; i < p->n_processes; i++)
		process_ns += times_total(&p->processes[i].times);
	if (ns != times_total(&p->whole) || process_ns != ns)
		abort();
}

static void check_heap_of(const struct heap_measures *m)
{
	if (m->average_bytes > m->peak_bytes || m->at_peak_bytes > m->peak_bytes || m->exact_bytes > m->allocated_bytes || m->n_timeline > TIMELINE_MAX)
		abort();
	if (!(m->usage >= 0 && m->usage <= 1 && m->python >= 0 && m->python <= 1 && m->likelihood >= 0 && m->likelihood <= 1))
		abort();
	if (!(m->allocated_error >= 0 && m->live_error >= 0 && m->peak_error >= 0 && m->at_peak_error >= 0 && m->average_error >= 0))
		abort();
}

/* Types and what is not known come to what Python's allocators gave. */
static void check_types(const struct profile_heap *heap)
{
	struct heap_type_held at_peak = heap->untyped.at_peak;

	for (size_t i = 0; i < heap->n_types; i++) {
		const struct heap_type_row *row = &heap->types[i];

		if (row->at_peak.buffers > row->at_peak.bytes || row->at_end.buffers > row->at_end.bytes)
			abort();
		at_peak.bytes += row->at_peak.bytes;
	}
	if (at_peak.bytes != heap->at_peak_of[HEAP_KIND_MEM] + heap->at_peak_of[HEAP_KIND_OBJECT])
		abort();
}

/* The fuzzer's records are too short for sums to overflow. */
static void check_heap(const struct profile *p)
{
	struct heap_measures sum = { 0 };

	if (!p->heap)
		return;
	if (p->outside.heap)
		sum = *p->outside.heap;
	for (size_t i = 0; i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_functions; k++) {
			if (p->files[i].functions[k].m.heap)
				check_heap_of(p->files[i].functions[k].m.heap);
		}
		for (size_t k = 0; k < p->files[i].n_lines; k++) {
			const struct heap_measures *m = p->files[i].lines[k].m.heap;

			if (!m)
				continue;
			check_heap_of(m);
			sum.allocated_bytes += m->allocated_bytes;
			sum.live_bytes += m->live_bytes;
			sum.at_peak_bytes += m->at_peak_bytes;
			sum.copied_bytes += m->copied_bytes;
		}
	}
	check_heap_of(&p->heap->all);
	check_types(p->heap);
	if (sum.allocated_bytes != p->heap->all.allocated_bytes || sum.live_bytes != p->heap->all.live_bytes || sum.copied_bytes != p->heap->all.copied_bytes ||
	    sum.at_peak_bytes != p->heap->all.at_peak_bytes || sum.at_peak_bytes != p->heap->all.peak_bytes)
		abort();
}

static void check_reports(const struct profile *p, const struct report_options *options)
{
	free(report_text(report_summary, p, options));
	free(report_text(report_results, p, options));
	check_json(report_text(report_json, p, options));
	check_json(report_text(report_details, p, options));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay r = { .options = { .root = "/p", .directory = "/p", .script = "/p/x.py", .script_source = "a\nb\n", .script_size = 4, .allowed_cpus = 2 } };
	struct report_options options = { .trace = true, .top_n = 10, .threshold_percent = 0.1 };
	FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;
	struct profile *profile;

	if (!file)
		return 0;
	/* of what is not printed here, the first byte of the period decides */
	r.options.detailed = size > 12 && data[12] & 1;
	r.options.heap = size > 12 && data[12] & 16;
	r.options.calls = size > 12 && data[12] & 32;
	options.absolute = size > 12 && data[12] & 2;
	options.color = size > 12 && data[12] & 4;
	options.width = size > 12 && data[12] & 8 ? 60 : 0;
	replay_init(&r);
	replay_file(&r, file);
	fclose(file);
	profile = replay_profile(&r, "fixingahole profile x.py");
	check_sums(profile);
	check_heap(profile);
	check_reports(profile, &options);
	profile__free(profile);
	replay_release(&r);
	return 0;
}
