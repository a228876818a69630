// SPDX-License-Identifier: Apache-2.0
/* The heap out of a profile_details.json: the counterpart of heap_json.c. */
#include <string.h>

#include "report/heap.h"
#include "report/stored_read.h"

static double estimate(struct json_reader *r, const cJSON *object, const char *key, double *error)
{
	const cJSON *pair = read_object(r, object, key);

	*error = read_number(r, pair, "error", COUNT_MAX);
	return read_number(r, pair, "estimate", COUNT_MAX);
}

static uint64_t estimated_bytes(struct json_reader *r, const cJSON *object, const char *key, double *error)
{
	return (uint64_t)(estimate(r, object, key, error) + 0.5);
}

static void read_by(struct json_reader *r, const cJSON *object, const char *key, const char *const names[], uint64_t *values, size_t n)
{
	const cJSON *by = read_object(r, object, key);

	for (size_t i = 0; i < n; i++)
		values[i] = read_count(r, by, names[i]);
}

static void read_counts(struct json_reader *r, const cJSON *object, struct heap_measures *m)
{
	m->exact_bytes = read_count(r, object, "exact_bytes");
	read_by(r, object, "allocated_of", heap_kind_keys, m->allocated_of, HEAP_KINDS);
	m->python = read_number(r, object, "python_fraction", 1.001);
	m->usage = read_number(r, object, "usage_fraction", 1.001);
	m->temporary_bytes = read_count(r, object, "temporary_bytes");
	m->temporary_allocations = read_number(r, object, "temporary_allocations", COUNT_MAX);
	m->copied_bytes = read_optional_count(r, object, "copied_bytes");
	m->samples = read_count(r, object, "samples");
}

static void read_growth(struct json_reader *r, const cJSON *object, struct heap_measures *m)
{
	const cJSON *growth = read_optional_object(r, object, "grows_to_the_end");

	if (!growth)
		return;
	m->likelihood = read_number(r, growth, "likelihood", 1);
	m->left_bytes = read_count(r, growth, "left_bytes");
	m->velocity = read_number(r, growth, "velocity_bytes_s", COUNT_MAX);
}

static void read_measures(struct json_reader *r, const cJSON *object, struct heap_measures *m)
{
	m->allocated_bytes = estimated_bytes(r, object, "allocated_bytes", &m->allocated_error);
	m->allocations = estimate(r, object, "allocations", &m->allocations_error);
	m->live_bytes = estimated_bytes(r, object, "live_bytes", &m->live_error);
	m->peak_bytes = estimated_bytes(r, object, "peak_bytes", &m->peak_error);
	m->at_peak_bytes = estimated_bytes(r, object, "at_peak_bytes", &m->at_peak_error);
	m->average_bytes = estimated_bytes(r, object, "average_bytes", &m->average_error);
	if (m->average_bytes > m->peak_bytes)
		m->average_bytes = m->peak_bytes;
	m->peak_ns = read_seconds(r, object, "peak_s");
	read_counts(r, object, m);
	read_growth(r, object, m);
	m->timeline = read_moments(r, object, "timeline", &m->n_timeline);
}

struct heap_measures *read_heap_measures(struct json_reader *r, const cJSON *object)
{
	const cJSON *heap = read_optional_object(r, object, "heap");
	struct heap_measures *m = heap ? read_new(r, sizeof(*m)) : NULL;

	if (m)
		read_measures(r, heap, m);
	return m;
}

struct heap_measures *read_heap_sums(struct json_reader *r, const cJSON *object)
{
	const cJSON *heap = read_optional_object(r, object, "heap");
	struct heap_measures *m = heap ? read_new(r, sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->allocated_bytes = read_count(r, heap, "allocated_bytes");
	m->allocations = read_number(r, heap, "allocations", COUNT_MAX);
	m->live_bytes = read_count(r, heap, "live_bytes");
	m->at_peak_bytes = read_count(r, heap, "at_peak_bytes");
	read_counts(r, heap, m);
	return m;
}

static void read_where(struct json_reader *r, const cJSON *object, const char *key, struct heap_where *where)
{
	const cJSON *item = read_optional_object(r, object, key);

	if (item)
		*where = (struct heap_where){read_text(r, item, "path"), read_optional_text(r, item, "function"), read_small(r, item, "lineno")};
}

static void read_stack(struct json_reader *r, const cJSON *item, struct heap_stack *stack)
{
	const cJSON *frames = read_list(r, item, "frames"), *frame;
	struct profile_frame *made = read_array(r, frames, sizeof(*made), &stack->n_frames);
	size_t i = 0;

	stack->frames = made;
	stack->at_peak_bytes = read_count(r, item, "at_peak_bytes");
	stack->allocated_bytes = read_count(r, item, "allocated_bytes");
	stack->path = read_optional_text(r, item, "path");
	stack->lineno = read_small(r, item, "lineno");
	stack->cut = read_bool(r, item, "cut");
	cJSON_ArrayForEach(frame, (made ? frames : NULL)) {
		const cJSON *path = cJSON_IsArray(frame) ? frame->child : NULL, *function = path ? path->next : NULL;

		/* a frame that could not be named has none */
		made[i].path = cJSON_IsNull(path) ? "" : read_text_of(r, path, "frames");
		made[i].function = cJSON_IsNull(function) ? "" : read_text_of(r, function, "frames");
		made[i++].lineno = (uint32_t)read_number_of(r, function ? function->next : NULL, "frames", UINT32_MAX);
	}
}

static void read_held(struct json_reader *r, const cJSON *object, const char *key, struct heap_type_held *held)
{
	const cJSON *item = read_object(r, object, key);

	held->bytes = read_count(r, item, "bytes");
	held->buffers = read_count(r, item, "buffers_bytes");
	held->blocks = read_count(r, item, "sampled_blocks");
}

static void read_type(struct json_reader *r, const cJSON *item, struct heap_type_row *row)
{
	read_held(r, item, "at_peak", &row->at_peak);
	read_held(r, item, "at_end", &row->at_end);
}

static void read_lists(struct json_reader *r, const cJSON *json, struct profile_heap *heap)
{
	const cJSON *list = read_list(r, json, "stacks_at_peak"), *item;
	size_t i = 0;

	reader_at(r, "the heap");
	heap->stacks = read_array(r, list, sizeof(*heap->stacks), &heap->n_stacks);
	cJSON_ArrayForEach(item, (heap->stacks ? list : NULL))
		read_stack(r, item, &heap->stacks[i++]);
	i = 0;
	list = read_list(r, json, "types");
	heap->types = read_array(r, list, sizeof(*heap->types), &heap->n_types);
	cJSON_ArrayForEach(item, (heap->types ? list : NULL)) {
		heap->types[i].name = read_text(r, item, "name");
		read_type(r, item, &heap->types[i++]);
	}
	read_type(r, read_object(r, json, "no_known_type"), &heap->untyped);
}

static void read_exact(struct json_reader *r, const cJSON *json, struct profile_heap *heap)
{
	const cJSON *exact = read_optional_object(r, json, "exact");

	if (!exact)
		return;
	heap->has_totals = true;
	read_by(r, exact, "allocated_of", heap_source_keys, heap->exact_bytes_of, HEAP_SOURCES);
	read_by(r, exact, "allocations_of", heap_source_keys, heap->exact_count_of, HEAP_SOURCES);
	heap->untracked = read_count(r, exact, "untracked_samples");
	heap->untracked_bytes = read_count(r, exact, "untracked_bytes");
	heap->missed_frees = read_count(r, exact, "missed_frees");
}

static void read_probes(struct json_reader *r, const cJSON *json, struct heap_probing *probes)
{
	const cJSON *item = read_optional_object(r, json, "probes");

	if (!item)
		return;
	probes->used = true;
	probes->processes = read_count(r, item, "processes");
	probes->failed = read_count(r, item, "processes_failed");
	probes->sliced = read_count(r, item, "processes_in_slices");
	probes->calls = read_count(r, item, "calls");
	probes->cost_ns = read_seconds(r, item, "cost_s");
	probes->cpu_ns = read_seconds(r, item, "cpu_s");
	probes->seen = read_number(r, item, "seen", 1.001);
}

static void read_failed(struct json_reader *r, const cJSON *json, struct profile_heap *heap)
{
	const cJSON *failed = read_object(r, json, "failed"), *limit;
	const char *name;

	heap->failed_count = read_count(r, failed, "count");
	heap->failed_bytes = read_count(r, failed, "largest_bytes");
	read_where(r, failed, "largest_at", &heap->failed_where);
	limit = read_optional_object(r, failed, "limit");
	if (!limit)
		return;
	name = read_text(r, limit, "name");
	heap->failed_data = !strcmp(name, "RLIMIT_DATA");
	heap->failed_limit = read_count(r, limit, "bytes");
}

struct profile_heap *read_heap(struct json_reader *r, const cJSON *details)
{
	const cJSON *json = read_optional_object(r, details, "heap"), *losses;
	struct profile_heap *heap = json ? read_new(r, sizeof(*heap)) : NULL;

	if (!heap)
		return NULL;
	reader_at(r, "the heap");
	read_measures(r, json, &heap->all);
	heap->growth_rate = read_number(r, json, "growth_rate", 100.001);
	heap->python_at_peak = read_number(r, json, "python_fraction_at_peak", 1.001);
	read_by(r, json, "at_peak_of", heap_kind_keys, heap->at_peak_of, HEAP_KINDS);
	read_by(r, json, "live_of", heap_kind_keys, heap->live_of, HEAP_KINDS);
	read_where(r, json, "peak_reached_by", &heap->peak_where);
	read_lists(r, json, heap);
	read_exact(r, json, heap);
	read_probes(r, json, &heap->probes);
	read_failed(r, json, heap);
	losses = read_object(r, json, "losses");
	heap->unknown_frees = read_count(r, losses, "frees of unknown blocks");
	heap->lost_frees = read_count(r, losses, "lost frees");
	heap->forks_not_copied = read_count(r, losses, "forks without their parent's blocks");
	return heap;
}
