// SPDX-License-Identifier: Apache-2.0
#include "export/encode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/gzip.h"
#include "export/messages.h"
#include "export/pprof.pb-c.h"
#include "export/tables.h"

#define PROCESS_LABELS 7 /* at most */
#define SAMPLE_LABELS 2  /* more, of one sample: its thread, and what it waited for */

/* The labels that all samples of a process share. */
struct shared {
	Pprof__Label *labels[PROCESS_LABELS];
	size_t n_labels;
};

/* Strings that each sample needs. */
struct words { int64_t pid, thread, reason, id; };

static int string(struct tables *tables, const char *text, int64_t *out)
{
	uint32_t index;
	int err = tables_string(tables, text, &index);

	if (!err)
		*out = index;
	return err;
}

static Pprof__Label *label_new(struct tables *tables, int64_t key)
{
	Pprof__Label *label = message(&tables->arena, &pprof__label__descriptor);

	if (label)
		label->key = key;
	return label;
}

/* NULL or "": no label. */
static int label_text(struct tables *tables, struct shared *shared, const char *key, const char *text)
{
	Pprof__Label *label;
	int64_t index = 0;
	int err;

	if (!text || !*text)
		return 0;
	err = string(tables, key, &index);
	if (err)
		return err;
	label = label_new(tables, index);
	if (!label)
		return -ENOMEM;
	shared->labels[shared->n_labels++] = label;
	return string(tables, text, &label->str);
}

static Pprof__Label *label_number(struct tables *tables, const struct words *words, int64_t key, int64_t number)
{
	Pprof__Label *label = label_new(tables, key);

	if (label) {
		label->num = number;
		label->num_unit = words->id; /* without a unit readers take the key for it, and show "1234pid" */
	}
	return label;
}

static int process_labels(struct tables *tables, const struct words *words, const struct window_process *process, const char *host, struct shared *shared)
{
	const char *name = tables_process_name(tables, process);
	size_t ignored;
	int err = name ? label_text(tables, shared, "process", name) : -ENOMEM;

	if (err)
		return err;
	shared->labels[shared->n_labels] = label_number(tables, words, words->pid, process->pid);
	if (!shared->labels[shared->n_labels++])
		return -ENOMEM;
	return label_text(tables, shared, "container", process->facts.container) ?:
	       label_text(tables, shared, "cgroup", process->facts.cgroup) ?:
	       label_text(tables, shared, "user", process->facts.user) ?:
	       label_text(tables, shared, "python", interpreter_version(process->interpreter, &ignored)) ?:
	       label_text(tables, shared, "host", host);
}

static Pprof__ValueType *value_type(struct tables *tables, enum value value)
{
	Pprof__ValueType *type = message(&tables->arena, &pprof__value_type__descriptor);

	return type && !string(tables, value_names[value].type, &type->type) && !string(tables, value_names[value].unit, &type->unit) ? type : NULL;
}

static int sample_fill(struct tables *tables, const struct words *words, const struct table_sample *from, const struct shared *shared, Pprof__Sample *sample)
{
	const struct shared *process = &shared[from->process];
	Pprof__Label *label;

	sample->n_value = tables->n_values;
	sample->value = (int64_t *)from->values; /* at most INT64_MAX each */
	sample->label = arena_array(&tables->arena, process->n_labels + SAMPLE_LABELS, sizeof(*sample->label));
	if (!sample->label)
		return -ENOMEM;
	memcpy(sample->label, process->labels, process->n_labels * sizeof(*sample->label));
	sample->n_label = process->n_labels;
	if (from->tid) {
		label = label_number(tables, words, words->thread, from->tid);
		if (!label)
			return -ENOMEM;
		sample->label[sample->n_label++] = label;
	}
	if (from->reason) {
		label = label_new(tables, words->reason);
		if (!label || string(tables, tables->texts.entries[from->reason].data, &label->str))
			return -ENOMEM;
		sample->label[sample->n_label++] = label;
	}
	return 0;
}

static int samples(struct tables *tables, const char *host, Pprof__Profile *profile)
{
	struct shared *shared = arena_array(&tables->arena, tables->processes.n, sizeof(*shared));
	uint64_t **stacks = arena_array(&tables->arena, tables->stacks.n, sizeof(*stacks));
	struct words words = { 0 };
	int err = string(tables, "pid", &words.pid) ?: string(tables, "thread", &words.thread) ?: string(tables, "reason", &words.reason) ?:
		  string(tables, "id", &words.id);

	profile->n_sample = tables->samples.n;
	profile->sample = messages(&tables->arena, &pprof__sample__descriptor, tables->samples.n);
	if (!shared || !stacks || !profile->sample)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->processes.n && !err; i++)
		err = process_labels(tables, &words, &tables->window->processes[table_at(&tables->processes, i, struct table_process)->of], host, &shared[i]);
	for (uint32_t i = 0; i < tables->stacks.n && !err; i++) {
		const uint32_t *from = tables->stacks.entries[i].data;
		uint32_t n = tables->stacks.entries[i].size / sizeof(*from);

		stacks[i] = arena_array(&tables->arena, n, sizeof(**stacks));
		if (!stacks[i])
			return -ENOMEM;
		for (uint32_t j = 0; j < n; j++)
			stacks[i][j] = from[j];
	}
	for (uint32_t i = 0; i < tables->samples.n && !err; i++) {
		const struct table_sample *from = table_at(&tables->samples, i, struct table_sample);

		err = sample_fill(tables, &words, from, shared, profile->sample[i]);
		profile->sample[i]->location_id = stacks[from->stack];
		profile->sample[i]->n_location_id = tables->stacks.entries[from->stack].size / sizeof(uint32_t);
	}
	return err;
}

/* Where most CPU time went. NULL: nowhere, or not known. */
static const char *main_program(const struct tables *tables)
{
	const struct window_process *main = NULL;

	for (uint32_t i = 0; i < tables->processes.n; i++) {
		const struct window_process *p = &tables->window->processes[table_at(&tables->processes, i, struct table_process)->of];

		if (!main || times_cpu(&p->times) > times_cpu(&main->times))
			main = p;
	}
	return main && main->program && *main->program ? main->program : NULL;
}

/*
 * Entry i of a table has the id i. The first mapping, whatever its id, is taken for the program that was profiled, and
 * its name shown above each report: with many processes, that of the busiest.
 */
static int mappings(struct tables *tables, Pprof__Profile *profile)
{
	const char *program = main_program(tables);
	size_t n = tables->mappings.n - 1, first = 0;
	uint32_t name = 0;
	Pprof__Mapping *swap;

	if (program && tables_string(tables, program, &name))
		return -ENOMEM;
	profile->mapping = messages(&tables->arena, &pprof__mapping__descriptor, n + 1);
	if (!profile->mapping)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		profile->mapping[i]->filename = *table_at(&tables->mappings, i + 1, uint32_t);
		if (profile->mapping[i]->filename == name)
			first = i + 1;
	}
	if (name && !first) { /* nothing is known of its own frames */
		profile->mapping[n++]->filename = name;
		first = n;
	}
	for (size_t i = 0; i < n; i++) {
		profile->mapping[i]->id = i + 1;
		profile->mapping[i]->has_functions = profile->mapping[i]->has_filenames = profile->mapping[i]->has_line_numbers = true;
	}
	profile->n_mapping = n;
	if (first) {
		swap = profile->mapping[0];
		profile->mapping[0] = profile->mapping[first - 1];
		profile->mapping[first - 1] = swap;
	}
	return 0;
}

static int places(struct tables *tables, Pprof__Profile *profile)
{
	struct arena *arena = &tables->arena;
	Pprof__Line **lines = messages(arena, &pprof__line__descriptor, tables->locations.n - 1);

	profile->n_function = tables->functions.n - 1;
	profile->function = messages(arena, &pprof__function__descriptor, profile->n_function);
	profile->n_location = tables->locations.n - 1;
	profile->location = messages(arena, &pprof__location__descriptor, profile->n_location);
	if (!lines || !profile->function || !profile->location)
		return -ENOMEM;
	for (size_t i = 0; i < profile->n_function; i++) {
		const struct table_function *from = table_at(&tables->functions, i + 1, struct table_function);
		Pprof__Function *function = profile->function[i];

		function->id = i + 1;
		function->name = from->name;
		function->system_name = from->system_name;
		function->filename = from->filename;
		function->start_line = from->start_line;
	}
	for (size_t i = 0; i < profile->n_location; i++) {
		const struct table_location *from = table_at(&tables->locations, i + 1, struct table_location);
		Pprof__Location *location = profile->location[i];

		location->id = i + 1;
		location->mapping_id = from->mapping;
		location->n_line = 1;
		location->line = &lines[i];
		lines[i]->function_id = from->function;
		lines[i]->line = from->line;
	}
	return 0;
}

/* Lines that readers print above each report: who wrote this, what was lost, and what there was to say. */
static int comments(struct tables *tables, Pprof__Profile *profile)
{
	const struct window *window = tables->window;
	char lost[512] = "lost: ";
	size_t at = strlen(lost);
	int err;

	profile->comment = arena_array(&tables->arena, window->n_notices + 2, sizeof(*profile->comment));
	if (!profile->comment)
		return -ENOMEM;
	for (int i = 0; i < LOSS_COUNT && at < sizeof(lost); i++)
		at += (size_t)snprintf(lost + at, sizeof(lost) - at, "%s%llu %s", i ? ", " : "", (unsigned long long)window->losses[i], loss_text(i));
	err = string(tables, "fixingahole " VERSION, &profile->comment[profile->n_comment++]) ?:
	      string(tables, lost, &profile->comment[profile->n_comment++]);
	for (size_t i = 0; i < window->n_notices && !err; i++)
		err = string(tables, window->notices[i], &profile->comment[profile->n_comment++]);
	return err;
}

static int header(struct tables *tables, Pprof__Profile *profile)
{
	const struct window *window = tables->window;

	profile->n_sample_type = tables->n_values;
	profile->sample_type = arena_array(&tables->arena, tables->n_values, sizeof(*profile->sample_type));
	if (!profile->sample_type)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->n_values; i++) {
		profile->sample_type[i] = value_type(tables, i);
		if (!profile->sample_type[i])
			return -ENOMEM;
	}
	profile->default_sample_type = profile->sample_type[VALUE_CPU]->type;
	profile->period_type = profile->sample_type[VALUE_CPU];
	profile->period = (int64_t)window_period_ns(window);
	profile->time_nanos = (int64_t)window_time_ns(window);
	profile->duration_nanos = window->end_ns > window->start_ns ? (int64_t)(window->end_ns - window->start_ns) : 0;
	return 0;
}

static int pprof_bytes(struct tables *tables, const char *host, struct encoded *plain)
{
	Pprof__Profile profile = PPROF__PROFILE__INIT;
	int err = header(tables, &profile) ?: samples(tables, host, &profile) ?: mappings(tables, &profile) ?: places(tables, &profile) ?:
		  comments(tables, &profile);

	if (err)
		return err;
	/* last: all texts have their number now */
	profile.n_string_table = tables->strings.n;
	profile.string_table = arena_array(&tables->arena, tables->strings.n, sizeof(*profile.string_table));
	if (!profile.string_table)
		return -ENOMEM;
	for (uint32_t i = 0; i < tables->strings.n; i++)
		profile.string_table[i] = tables->strings.entries[i].data;
	return message_bytes(&profile.base, plain);
}

int encode_pprof(const struct window *window, const char *host, struct encoded *out)
{
	struct encoded plain = { NULL, 0 };
	struct tables tables;
	int err = tables_build(&tables, window);

	err = err ?: pprof_bytes(&tables, host, &plain);
	tables_release(&tables);
	err = err ?: gzip_bytes(&plain, out);
	free(plain.data);
	return err;
}
