// SPDX-License-Identifier: Apache-2.0
/* profile_results.json. Its readers refuse any key that they do not know, so nothing of ours is added here. */
#include "report/report.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/json_write.h"
#include "report/share.h"
#include "report/source.h"
#include "report/text.h"
#include "util/cleanup.h"

/* Nine decimals, cut off: parts of a whole must never add up to more than it. */
static double percent_down(uint64_t ns, const struct profile *profile)
{
	return floor(share_of(ns, profile) * 100e9) / 1e9;
}

static void write_percents(struct json *json, const struct times *times, const struct profile *profile)
{
	double native = percent_down(times->native_ns, profile);
	double python = percent_down(times->python_ns, profile);
	double system = percent_down(times->system_ns + times_wait(times), profile);
	double *largest = native > python ? &native : &python;

	if (system > *largest)
		largest = &system;
	if (native + python + system > 100) /* binary fractions may add up to a hair more */
		*largest -= 1e-9;
	json_number(json, "n_cpu_percent_c", native, 9);
	json_number(json, "n_cpu_percent_python", python, 9);
	json_number(json, "n_sys_percent", system, 9);
}

static double clamp_fraction(double value)
{
	return value > 0 ? value < 1 ? value : 1 : 0; /* what is not a number is 0, too */
}

static void write_moments(struct json *json, const char *key, const struct moment *moments, size_t n)
{
	json_array(json, key);
	for (size_t i = 0; i < n && i < TIMELINE_MAX; i++) {
		json_array(json, NULL);
		json_unsigned(json, NULL, moments[i].since_start_ns);
		json_number(json, NULL, (double)moments[i].bytes / MIB, 6);
		json_close(json);
	}
	json_close(json);
}

/* The 19 keys of a line or a function. */
static void write_measures(struct json *json, const struct measures *m, const struct profile *profile)
{
	static const struct heap_measures none;
	const struct heap_measures *heap = m->heap ? m->heap : &none;

	json_array(json, "cpu_samples_list");
	for (size_t i = 0; i < m->n_cpu_samples && i < CPU_SAMPLES_MAX; i++)
		json_number(json, NULL, m->cpu_samples_s[i], 6);
	json_close(json);
	write_moments(json, "memory_samples", heap->timeline, heap->n_timeline);
	json_number(json, "n_avg_mb", (double)heap->average_bytes / MIB, 6);
	json_number(json, "n_copy_mb_s", heap->copied_per_s / MIB, 6);
	json_number(json, "n_core_utilization", clamp_fraction(m->core_utilization), 6);
	write_percents(json, &m->times, profile);
	json_integer(json, "n_gpu_avg_memory_mb", 0);
	json_integer(json, "n_gpu_peak_memory_mb", 0);
	json_integer(json, "n_gpu_percent", 0);
	json_number(json, "n_growth_mb", (double)heap->live_bytes / MIB, 6);
	json_number(json, "n_malloc_mb", (double)heap->allocated_bytes / MIB, 6);
	json_number(json, "n_mallocs", floor(heap->allocations + 0.5), 0);
	json_number(json, "n_peak_mb", (double)heap->peak_bytes / MIB, 6);
	json_number(json, "n_python_fraction", clamp_fraction(heap->python), 9);
	json_number(json, "n_usage_fraction", clamp_fraction(heap->usage), 9);
}

static void write_leaks(struct json *json, const struct profile_file *file)
{
	json_object(json, "leaks");
	for (size_t i = 0; i < file->n_lines; i++) {
		const struct heap_measures *heap = file->lines[i].m.heap;
		char lineno[16];

		if (!heap || heap->likelihood < LEAK_LIKELY)
			continue;
		snprintf(lineno, sizeof(lineno), "%u", file->lines[i].lineno);
		json_object_named(json, lineno);
		json_number(json, "likelihood", clamp_fraction(heap->likelihood), 6);
		json_number(json, "velocity_mb_s", heap->velocity / MIB, 6);
		json_close(json);
	}
	json_close(json);
}

static void write_block(struct json *json, const char *start, const char *end, const struct source_block *block, uint32_t otherwise)
{
	json_unsigned(json, start, block ? block->first_line : otherwise);
	json_unsigned(json, end, block ? block->last_line : otherwise);
}

static void write_line(struct json *json, const struct profile_line *line, const struct source *source, const struct profile *profile)
{
	const struct source_block *function = source__block(source, source->function, line->lineno);
	uint32_t alone = line->lineno ? line->lineno : 1; /* readers want a positive number */
	size_t size;
	const char *text = source__line(source, line->lineno, &size);

	json_object(json, NULL);
	json_string_n(json, "line", text ? text : "", size);
	json_unsigned(json, "lineno", line->lineno);
	write_measures(json, &line->m, profile);
	write_block(json, "start_region_line", "end_region_line", source__block(source, source->region, line->lineno), alone);
	write_block(json, "start_outermost_loop", "end_outermost_loop", source__block(source, source->outermost_loop, line->lineno), alone);
	if (function)
		write_block(json, "start_function_line", "end_function_line", function, alone);
	json_close(json);
}

static void write_imports(struct json *json, const struct source *source)
{
	json_array(json, "imports");
	for (size_t i = 0; i < source->n_imports; i++) {
		size_t size;
		const char *text = source__line(source, source->imports[i], &size);

		while (size && isspace((unsigned char)*text)) {
			text++;
			size--;
		}
		json_string_n(json, NULL, text, size);
	}
	json_close(json);
}

static int write_file(struct json *json, const struct profile_file *file, const struct profile *profile)
{
	struct source source;
	int err = source__scan(&source, file->source, file->source_size);

	if (err < 0) {
		source__release(&source);
		return err;
	}
	json_object_named(json, file->path);
	json_array(json, "functions");
	for (size_t i = 0; i < file->n_functions; i++) {
		const struct profile_function *function = &file->functions[i];

		json_object(json, NULL);
		json_string(json, "line", function->name ? function->name : "");
		json_unsigned(json, "lineno", function->firstlineno);
		write_measures(json, &function->m, profile);
		json_close(json);
	}
	json_close(json);
	write_imports(json, &source);
	write_leaks(json, file);
	json_array(json, "lines");
	for (size_t i = 0; i < file->n_lines; i++)
		write_line(json, &file->lines[i], &source, profile);
	json_close(json);
	json_number(json, "percent_cpu_time", percent_down(times_total(&file->m.times), profile), 9);
	json_close(json);
	source__release(&source);
	return 0;
}

/*
 * The same few paths and names come back in millions of frames: which of them need escapes is remembered by
 * their address (the profile is const, so an address keeps its text).
 */
struct known_text {
	const char *text;
	size_t size;
	bool plain;
};
#define KNOWN_TEXTS 8192

/* Written as it is, in a frame and in JSON? */
static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != ':' && c != ';' && c != '%' && c != '"' && c != '\\';
}

static const struct known_text *look_up(struct known_text *known, const char *text)
{
	struct known_text *entry = &known[((uintptr_t)text * 0x9e3779b97f4a7c15ULL) >> 51];

	if (entry->text == text)
		return entry;
	*entry = (struct known_text){.text = text, .plain = true};
	for (; text[entry->size]; entry->size++)
		entry->plain &= is_plain(text[entry->size]);
	return entry;
}

/* The frame is split at blanks and colons, so a path or a name must hold none: such characters are percent-encoded. */
static void write_frame_part(struct json *json, struct known_text *known, const char *text)
{
	const struct known_text *entry;
	size_t plain = 0, at = 0;

	if (!text || !*text)
		text = "<unknown>";
	entry = look_up(known, text);
	if (entry->plain) {
		json_text_plain(json, text, entry->size);
		return;
	}
	for (; text[at]; at++) {
		unsigned char c = (unsigned char)text[at];
		char escape[4];

		if (c > ' ' && c != ':' && c != ';' && c != '%' && c != 0x7f)
			continue;
		json_text_piece(json, text + plain, at - plain);
		snprintf(escape, sizeof(escape), "%%%02X", c);
		json_text_plain(json, escape, 3);
		plain = at + 1;
	}
	json_text_piece(json, text + plain, at - plain);
}

static void write_frame(struct json *json, struct known_text *known, const struct profile_frame *frame)
{
	json_text_begin(json, NULL);
	write_frame_part(json, known, frame->path);
	json_text_plain(json, " ", 1);
	write_frame_part(json, known, frame->function);
	json_text_plain(json, ":", 1);
	json_text_number(json, frame->lineno);
	json_text_plain(json, ";", 1);
	json_text_end(json);
}

static int write_stacks(struct json *json, const struct profile *profile)
{
	_cleanup_free_ struct known_text *known = calloc(KNOWN_TEXTS, sizeof(*known));
	unsigned spread = json->spread;

	if (!known)
		return -ENOMEM;
	json_array(json, "stacks");
	json->spread = 2; /* one stack per line */
	for (size_t i = 0; i < profile->n_stacks; i++) {
		const struct profile_stack *stack = &profile->stacks[i];

		json_array(json, NULL);
		json_array(json, NULL);
		for (size_t k = 0; k < stack->n_frames; k++)
			write_frame(json, known, &stack->frames[k]);
		json_close(json);
		json_object(json, NULL);
		json_unsigned(json, "count", stack->samples);
		json_number(json, "python_time", share_of(stack->times.python_ns, profile), 9);
		json_number(json, "c_time", share_of(stack->times.native_ns, profile), 9);
		json_number(json, "cpu_samples", share_of(times_total(&stack->times), profile), 9);
		json_close(json);
		json_close(json);
	}
	json_close(json);
	json->spread = spread;
	return 0;
}

/* The heap's footprint; where it was not measured, the resident memory. */
static void write_footprint(struct json *json, const struct profile_heap *heap)
{
	json_number(json, "growth_rate", heap ? heap->growth_rate : 0, 6);
	json_string(json, "max_footprint_fname", heap ? heap->peak_where.path : NULL);
	if (heap && heap->peak_where.path)
		json_unsigned(json, "max_footprint_lineno", heap->peak_where.lineno);
	else
		json_null(json, "max_footprint_lineno");
	json_number(json, "max_footprint_mb", heap ? (double)heap->all.peak_bytes / MIB : 0, 6);
	json_number(json, "max_footprint_python_fraction", heap ? clamp_fraction(heap->python_at_peak) : 0, 9);
	json_bool(json, "memory", heap != NULL);
}

int report_json(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct json json;
	int err;

	json_begin(&json, out, 4);
	json_object(&json, NULL);
	json_unsigned(&json, "alloc_samples", profile->heap ? profile->heap->all.samples : 0);
	if (profile->n_args) {
		json_array(&json, "args");
		for (size_t i = 0; i < profile->n_args; i++)
			json_string(&json, NULL, profile->args[i]);
		json_close(&json);
	} else {
		json_null(&json, "args");
	}
	json_number(&json, "elapsed_time_sec", seconds(profile->elapsed_ns), 9);
	json_string(&json, "entrypoint_dir", profile->entrypoint_dir ? profile->entrypoint_dir : "");
	json_string(&json, "filename", profile->program ? profile->program : "");
	json_object(&json, "files");
	for (size_t i = 0; i < profile->n_files; i++) {
		err = write_file(&json, &profile->files[i], profile);
		if (err < 0)
			return err;
	}
	json_close(&json);
	json_bool(&json, "gpu", false);
	json_string(&json, "gpu_device", "");
	write_footprint(&json, profile->heap);
	json_string(&json, "program", profile->program ? profile->program : "");
	if (profile->heap)
		write_moments(&json, "samples", profile->heap->all.timeline, profile->heap->all.n_timeline);
	else
		write_moments(&json, "samples", profile->rss_timeline, profile->n_rss_timeline);
	err = write_stacks(&json, profile);
	if (err < 0)
		return err;
	json_number(&json, "start_time_absolute", profile->start_epoch_s, 6);
	json_number(&json, "start_time_perf", profile->start_monotonic_s, 6);
	json_close(&json);
	return json_finish(&json);
}
