// SPDX-License-Identifier: Apache-2.0
/* The heap in profile_details.json. */
#include "report/heap.h"
#include "report/share.h"

const char *const heap_kind_keys[HEAP_KINDS] = {"c", "mem", "object", "mapping"};
const char *const heap_source_keys[HEAP_SOURCES] = {"c", "python", "mapping"};

void json_timeline(struct json *json, const char *key, const struct moment *moments, size_t n)
{
	json_array(json, key);
	for (size_t i = 0; i < n; i++) {
		json_array(json, NULL);
		json_unsigned(json, NULL, moments[i].since_start_ns);
		json_unsigned(json, NULL, moments[i].bytes);
		json_close(json);
	}
	json_close(json);
}

static void write_by(struct json *json, const char *key, const char *const names[], const uint64_t *values, size_t n)
{
	json_object(json, key);
	for (size_t i = 0; i < n; i++)
		json_unsigned(json, names[i], values[i]);
	json_close(json);
}

static void write_kinds(struct json *json, const char *key, const uint64_t of[HEAP_KINDS])
{
	write_by(json, key, heap_kind_keys, of, HEAP_KINDS);
}

/* An estimate and its standard error. */
static void write_estimate(struct json *json, const char *key, double value, double error, int decimals)
{
	json_object(json, key);
	json_number(json, "estimate", value, decimals);
	json_number(json, "error", error, decimals);
	json_close(json);
}

/* What has no error of its own. */
static void write_counts(struct json *json, const struct heap_measures *heap)
{
	json_unsigned(json, "exact_bytes", heap->exact_bytes);
	write_kinds(json, "allocated_of", heap->allocated_of);
	json_number(json, "python_fraction", heap->python, 6);
	json_number(json, "usage_fraction", heap->usage, 6);
	json_unsigned(json, "temporary_bytes", heap->temporary_bytes);
	json_number(json, "temporary_allocations", heap->temporary_allocations, 3);
	/* not every source of the heap's events tells of copies, and a few bytes may have met no sample: that is not 0 */
	if (heap->copied_bytes)
		json_unsigned(json, "copied_bytes", heap->copied_bytes);
	else
		json_null(json, "copied_bytes");
	json_unsigned(json, "samples", heap->samples);
}

void json_heap_sums(struct json *json, const struct heap_measures *heap)
{
	json_unsigned(json, "allocated_bytes", heap->allocated_bytes);
	json_number(json, "allocations", heap->allocations, 3);
	json_unsigned(json, "live_bytes", heap->live_bytes);
	json_unsigned(json, "at_peak_bytes", heap->at_peak_bytes);
	write_counts(json, heap);
}

void json_heap_measures(struct json *json, const struct heap_measures *heap)
{
	write_estimate(json, "allocated_bytes", (double)heap->allocated_bytes, heap->allocated_error, 0);
	write_estimate(json, "allocations", heap->allocations, heap->allocations_error, 3);
	write_estimate(json, "live_bytes", (double)heap->live_bytes, heap->live_error, 0);
	write_estimate(json, "peak_bytes", (double)heap->peak_bytes, heap->peak_error, 0);
	write_estimate(json, "at_peak_bytes", (double)heap->at_peak_bytes, heap->at_peak_error, 0);
	write_estimate(json, "average_bytes", (double)heap->average_bytes, heap->average_error, 0);
	json_number(json, "peak_s", seconds(heap->peak_ns), 9);
	write_counts(json, heap);
	if (heap->likelihood > 0) {
		json_object(json, "grows_to_the_end");
		json_number(json, "likelihood", heap->likelihood, 6);
		json_unsigned(json, "left_bytes", heap->left_bytes);
		json_number(json, "velocity_bytes_s", heap->velocity, 3);
		json_close(json);
	} else {
		json_null(json, "grows_to_the_end");
	}
	json_timeline(json, "timeline", heap->timeline, heap->n_timeline);
}

static void write_where(struct json *json, const char *key, const struct heap_where *where)
{
	if (!where->path) {
		json_null(json, key);
		return;
	}
	json_object(json, key);
	json_string(json, "path", where->path);
	json_unsigned(json, "lineno", where->lineno);
	json_string(json, "function", where->function);
	json_close(json);
}

static void write_stack(struct json *json, const struct heap_stack *stack)
{
	json_object(json, NULL);
	json_unsigned(json, "at_peak_bytes", stack->at_peak_bytes);
	json_unsigned(json, "allocated_bytes", stack->allocated_bytes);
	json_string(json, "path", stack->path);
	json_unsigned(json, "lineno", stack->lineno);
	json_bool(json, "cut", stack->cut);
	json_array(json, "frames");
	for (size_t i = 0; i < stack->n_frames; i++) {
		json_array(json, NULL);
		json_string(json, NULL, stack->frames[i].path);
		json_string(json, NULL, stack->frames[i].function);
		json_unsigned(json, NULL, stack->frames[i].lineno);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void write_held(struct json *json, const char *key, const struct heap_type_held *held)
{
	json_object(json, key);
	json_unsigned(json, "bytes", held->bytes);
	json_unsigned(json, "buffers_bytes", held->buffers);
	json_unsigned(json, "sampled_blocks", held->blocks);
	json_close(json);
}

static void write_type(struct json *json, const char *key, const struct heap_type_row *row)
{
	json_object(json, key);
	if (row->name)
		json_string(json, "name", row->name);
	write_held(json, "at_peak", &row->at_peak);
	write_held(json, "at_end", &row->at_end);
	json_close(json);
}

static void write_types(struct json *json, const struct profile_heap *heap)
{
	json_array(json, "types");
	for (size_t i = 0; i < heap->n_types; i++)
		write_type(json, NULL, &heap->types[i]);
	json_close(json);
	write_type(json, "no_known_type", &heap->untyped);
}

static void write_exact(struct json *json, const struct profile_heap *heap)
{
	if (!heap->has_totals) {
		json_null(json, "exact");
		return;
	}
	json_object(json, "exact");
	write_by(json, "allocated_of", heap_source_keys, heap->exact_bytes_of, HEAP_SOURCES);
	write_by(json, "allocations_of", heap_source_keys, heap->exact_count_of, HEAP_SOURCES);
	json_unsigned(json, "untracked_samples", heap->untracked);
	json_unsigned(json, "untracked_bytes", heap->untracked_bytes);
	json_unsigned(json, "missed_frees", heap->missed_frees);
	json_close(json);
}

static void write_probes(struct json *json, const struct heap_probing *probes)
{
	if (!probes->used) {
		json_null(json, "probes");
		return;
	}
	json_object(json, "probes");
	json_unsigned(json, "processes", probes->processes);
	json_unsigned(json, "processes_failed", probes->failed);
	json_unsigned(json, "processes_in_slices", probes->sliced);
	json_unsigned(json, "calls", probes->calls);
	json_number(json, "cost_s", seconds(probes->cost_ns), 9);
	json_number(json, "cpu_s", seconds(probes->cpu_ns), 9);
	json_number(json, "seen", probes->seen, 6);
	json_close(json);
}

void json_heap(struct json *json, const struct profile_heap *heap)
{
	json_object(json, "heap");
	json_heap_measures(json, &heap->all);
	json_number(json, "growth_rate", heap->growth_rate, 6);
	json_number(json, "python_fraction_at_peak", heap->python_at_peak, 6);
	write_kinds(json, "at_peak_of", heap->at_peak_of);
	write_kinds(json, "live_of", heap->live_of);
	write_where(json, "peak_reached_by", &heap->peak_where);
	json_array(json, "stacks_at_peak");
	for (size_t i = 0; i < heap->n_stacks; i++)
		write_stack(json, &heap->stacks[i]);
	json_close(json);
	write_types(json, heap);
	write_exact(json, heap);
	write_probes(json, &heap->probes);
	json_object(json, "failed");
	json_unsigned(json, "count", heap->failed_count);
	json_unsigned(json, "largest_bytes", heap->failed_bytes);
	write_where(json, "largest_at", &heap->failed_where);
	if (heap->failed_limit) {
		json_object(json, "limit");
		json_string(json, "name", heap->failed_data ? "RLIMIT_DATA" : "RLIMIT_AS");
		json_unsigned(json, "bytes", heap->failed_limit);
		json_close(json);
	} else {
		json_null(json, "limit");
	}
	json_close(json);
	json_object(json, "losses");
	json_unsigned(json, "frees of unknown blocks", heap->unknown_frees);
	json_unsigned(json, "lost frees", heap->lost_frees);
	json_unsigned(json, "forks without their parent's blocks", heap->forks_not_copied);
	json_close(json);
	json_close(json);
}
