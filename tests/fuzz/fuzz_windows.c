// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as an event file, through windows into their reports. What the rows of a window add up to is its whole, and that of its
 * processes; texts are UTF-8; the JSON is JSON.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "profile/window.h"
#include "report/window_json.h"
#include "report/window_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzzed {
	struct strings *strings;
	struct symbols *symbols;
	struct windows *windows;
	uint32_t records, every; /* a cut after so many */
	uint64_t now_ns;
	bool text;
};

static void check_text(const char *text)
{
	if (text && !utf8_valid(text, strlen(text)))
		abort();
}

static void check(const struct window *w)
{
	uint64_t rows = 0, processes = 0, samples = 0;

	for (uint32_t i = 0; i < w->n_rows; i++) {
		if (w->rows[i].process >= w->n_processes || w->rows[i].stack >= w->n_stacks)
			abort();
		check_text(w->rows[i].reason);
		rows += times_total(&w->rows[i].times);
		samples += w->rows[i].samples;
	}
	for (uint32_t i = 0; i < w->n_processes; i++) {
		check_text(w->processes[i].program);
		check_text(w->processes[i].facts.name);
		processes += times_total(&w->processes[i].times);
	}
	for (uint32_t i = 0; i < w->n_stacks; i++) {
		const struct window_stack *stack = &w->stacks[i];

		if (stack->n_frames ? stack->site >= stack->n_frames : stack->site)
			abort();
		for (uint32_t k = 0; k < stack->n_frames; k++) {
			check_text(stack->frames[k].path);
			check_text(stack->frames[k].function);
		}
	}
	if (rows != processes || rows != times_total(&w->whole) || samples != w->cpu_samples)
		abort();
	if (w->named_samples + w->frameless_samples > w->python_samples || w->python_samples > w->cpu_samples)
		abort();
}

static void cut(struct fuzzed *f)
{
	const struct report_options options = { .width = 80, .color = f->text };
	const struct window *w = windows__cut(f->windows, f->now_ns, 1);
	char *text = NULL;
	cJSON *json;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!w || !out)
		abort();
	check(w);
	if (f->text ? report_window(out, w, &options) : report_window_json(out, w, "fuzz"))
		abort();
	fclose(out);
	json = f->text ? NULL : cJSON_Parse(text);
	if (!json && !f->text)
		abort();
	cJSON_Delete(json);
	free(text);
}

static void on_record(void *context, const struct event_header *record)
{
	struct fuzzed *f = context;

	if (record->kind == EVENT_INTERP)
		symbols__interp(f->symbols, (const void *)record);
	else if (record->kind == EVENT_CODE)
		symbols__code(f->symbols, (const void *)record);
	else if (record->kind == EVENT_BLOB)
		symbols__blob(f->symbols, (const void *)record);
	if (record->kind == EVENT_FORK)
		symbols__fork(f->symbols, (const void *)record);
	windows__record(f->windows, record);
	if (record->kind == EVENT_EXEC)
		windows__describe(f->windows, record->pid, &(struct process_facts){ .name = ((const struct event_exec *)record)->path, .user = "u", .rss_bytes = record->time_ns });
	f->now_ns = record->time_ns > f->now_ns ? record->time_ns : f->now_ns;
	if (++f->records % f->every == 0)
		cut(f);
}

static bool native(void *context, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function)
{
	*image = address & 1 ? "/bin/a" : "\xff";
	*function = address & 2 ? "f" : NULL;
	return !(address & 4);
}

static bool alive(void *context, uint32_t pid)
{
	return pid & 1;
}

/* Of what is not recorded, the first byte of the period decides. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t choice = size > 12 ? data[12] : 0;
	const struct window_options options = { .rate_hz = 99, .heap = choice & 1, .nodes_max = choice & 2 ? 8 : 0, .native = choice & 4 ? native : NULL, .alive = choice & 8 ? alive : NULL };
	struct fuzzed f = { .strings = strings__new(), .every = 1 + (choice >> 5) * 9, .text = choice & 16 };
	FILE *file = size ? fmemopen((void *)data, size, "r") : NULL;
	uint32_t period;
	uint64_t bad;

	f.symbols = symbols__new(f.strings, NULL);
	f.windows = windows__new(&options, f.strings, f.symbols, 1);
	if (file && f.windows) {
		recording__read(file, &period, on_record, &f, &bad);
		cut(&f);
		cut(&f);
	}
	if (file)
		fclose(file);
	windows__free(f.windows);
	symbols__free(f.symbols);
	strings__free(f.strings);
	return 0;
}
