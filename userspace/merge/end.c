// SPDX-License-Identifier: Apache-2.0
/* From the sums to the joined profile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/state.h"
#include "util/cleanup.h"

static int compare_processes(const void *a, const void *b)
{
	const struct profile_process *x = a, *y = b;

	if (x->input != y->input)
		return x->input < y->input ? -1 : 1;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static uint64_t from_start(uint64_t ns, int64_t start_ns)
{
	return (int64_t)ns > start_ns ? ns - (uint64_t)start_ns : 0;
}

/* From here on, times count from the earliest start. */
static void end_times(struct merge *merge)
{
	struct profile *p = &merge->profile;
	int64_t start_ns = merge->earliest.offset_ns;

	for (size_t i = 0; i < merge->made_of.n_inputs; i++)
		merge->made_of.inputs[i].start_ns = from_start(merge->made_of.inputs[i].start_ns, start_ns);
	for (size_t i = 0; i < p->n_processes; i++) {
		struct profile_process *process = &p->processes[i];

		process->start_ns = from_start(process->start_ns, start_ns);
		if (process->end_ns)
			process->end_ns = from_start(process->end_ns, start_ns) ?: 1;
	}
	if (p->n_processes)
		qsort(p->processes, p->n_processes, sizeof(*p->processes), compare_processes);
	p->wall_ns = (uint64_t)(merge->last_wall_ns - start_ns);
	for (size_t i = 0; i < merge->n_machines; i++)
		p->allowed_cpus += merge->machines[i].cpus;
}

static void end_names(struct merge *merge, const char *command_line)
{
	struct profile *p = &merge->profile;

	p->command_line = strings__intern(merge->strings, command_line);
	if (!merge->same_program)
		p->program = "(several)";
	if (!merge->same_args)
		p->n_args = 0;
	if (!merge->same_root)
		p->root = NULL;
	if (!merge->same_directory)
		p->entrypoint_dir = "";
	if (merge->n_runs > 1)
		p->logs_path = NULL;
}

/* How the inputs ended, in a sentence: "1 of 4 inputs did not run to an end with exit status 0: rank1: The script was ended by ...". */
static bool end_how(struct merge *merge)
{
	const struct profile_merge *made_of = &merge->made_of;
	const struct profile_input *first = NULL;
	_cleanup_free_ char *text = NULL;
	size_t n = 0;

	if (merge->n_runs < 2)
		return true;
	for (size_t i = 0; i < made_of->n_inputs; i++) {
		if (!made_of->inputs[i].ended_how)
			continue;
		if (!first)
			first = &made_of->inputs[i];
		n++;
	}
	merge->profile.ended_how = NULL;
	if (!first)
		return true;
	if (asprintf(&text, "%zu of %zu inputs did not run to an end with exit status 0%s%s: %s", n, made_of->n_inputs, n > 1 ? "; the first of them, " : ": ",
		     first->label, first->ended_how) < 0)
		text = NULL;
	merge->profile.ended_how = text ? strings__intern(merge->strings, text) : NULL;
	return merge->profile.ended_how;
}

static int end_notices(struct merge *merge)
{
	const struct profile_merge *made_of = &merge->made_of;
	uint32_t lowest = UINT32_MAX;
	char text[700];
	int err = 0;

	for (size_t i = 0; i < made_of->n_inputs; i++) {
		if (made_of->inputs[i].rate_hz < lowest)
			lowest = made_of->inputs[i].rate_hz;
	}
	if (lowest < merge->profile.rate_hz) {
		snprintf(text, sizeof(text), "the inputs were sampled at different rates, from %u to %u Hz", lowest, merge->profile.rate_hz);
		err = note_add(&merge->notes, text, NULL);
	}
	if (!err && merge->n_heaps && merge->n_heaps < merge->n_runs) {
		snprintf(text, sizeof(text), "the heap was measured in %zu of %zu inputs only: its figures leave the others out", merge->n_heaps, merge->n_runs);
		err = note_add(&merge->notes, text, NULL);
	}
	if (!err && merge->n_calls && merge->n_calls < merge->n_runs) {
		snprintf(text, sizeof(text), "calls were counted in %zu of %zu inputs only", merge->n_calls, merge->n_runs);
		err = note_add(&merge->notes, text, NULL);
	}
	if (!err && merge->calls.mixed)
		err = note_add(&merge->notes, "calls were counted of different functions in the inputs", NULL);
	for (size_t i = 0; i < merge->files.n && !err; i++) {
		const struct joined_file *file = &merge->files.files[i];

		if (file->version == 1)
			continue;
		snprintf(text, sizeof(text), "the inputs have different texts of '%.250s': kept apart is '%.250s', first seen in '%.100s'", file->source_path, file->path,
			 file->input_path);
		err = note_add(&merge->notes, text, NULL);
	}
	return err ? err : notes_end(&merge->notes, merge->n_runs, &merge->arena, &merge->profile);
}

const struct profile *merge__finish(struct merge *merge, const char *command_line)
{
	struct profile *p = &merge->profile;
	struct ending e = {
		.arena = &merge->arena, .start_ns = merge->earliest.offset_ns, .last_ns = merge->last_ns, .start_monotonic_s = p->start_monotonic_s,
	};

	end_times(merge);
	end_names(merge, command_line);
	whole_heap_end(&merge->heap, p, &e);
	measures_end(&merge->outside, &p->outside, &e);
	files_end(&merge->files, p, &e);
	stacks_end(&merge->stacks, p);
	joined_calls_end(&merge->calls, p);
	p->rss_timeline = curve_moments(&merge->rss, &merge->arena, e.start_ns, e.last_ns, true, &p->n_rss_timeline, &e.failed);
	merge->made_of.skipped = merge->skipped;
	merge->made_of.n_versions = merge->files.n_versions;
	p->merge = &merge->made_of;
	if (e.failed || !p->command_line || !end_how(merge) || end_notices(merge))
		return NULL;
	return p;
}
