// SPDX-License-Identifier: Apache-2.0
#include "merge/merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/state.h"
#include "report/share.h"
#include "report/stored.h"
#include "util/cleanup.h"

#define WHOLE_MAX (UINT64_MAX / 4) /* nanoseconds of all inputs */

struct merge *merge__new(struct strings *strings)
{
	struct merge *merge = calloc(1, sizeof(*merge));

	if (!merge)
		return NULL;
	merge->rss.limit = merge->heap.all.curve.limit = CURVE_STEPS_WHOLE;
	merge->strings = merge->files.strings = merge->notes.strings = strings;
	return merge;
}

void merge__free(struct merge *merge)
{
	if (!merge)
		return;
	measures_release(&merge->outside);
	files_release(&merge->files);
	stacks_release(&merge->stacks);
	whole_heap_release(&merge->heap);
	joined_calls_release(&merge->calls);
	notes_release(&merge->notes);
	map64_release(&merge->seen);
	free(merge->rss.steps);
	free(merge->made_of.inputs);
	free(merge->skipped);
	free(merge->machines);
	free(merge->profile.processes);
	arena_release(&merge->arena);
	free(merge);
}

int merge__skip(struct merge *merge, const char *path, const char *problem)
{
	struct profile_skipped *entry;

	if (!ROOM(merge->skipped, merge->made_of.n_skipped, merge->room_skipped))
		return -ENOMEM;
	entry = &merge->skipped[merge->made_of.n_skipped];
	entry->path = strings__intern(merge->strings, path);
	entry->problem = strings__intern(merge->strings, problem);
	if (!entry->path || !entry->problem)
		return -ENOMEM;
	merge->made_of.n_skipped++;
	return 0;
}

/* --- one more run --- */

static const char *joined_label(struct merge *merge, const char *label, const char *inner)
{
	_cleanup_free_ char *text = NULL;

	if (!inner)
		return strings__intern(merge->strings, label);
	if (asprintf(&text, "%s%s%s", label, *label ? "/" : "", inner) < 0)
		text = NULL;
	return text ? strings__intern(merge->strings, text) : NULL;
}

static int copy_ranks(struct merge *merge, struct profile_input *input)
{
	struct profile_rank *ranks = input->n_ranks ? arena_array(&merge->arena, input->n_ranks, sizeof(*ranks)) : NULL;

	if (input->n_ranks && !ranks)
		return -ENOMEM;
	if (ranks)
		memcpy(ranks, input->ranks, input->n_ranks * sizeof(*ranks));
	input->ranks = ranks;
	return 0;
}

/* An input's place among the others: until the end .start_ns is after the first run's start, as a signed number. */
static int add_input(struct merge *merge, const struct profile_input *input, const char *label, const char *path, int64_t start_ns)
{
	struct profile_input *made;

	if (!ROOM(merge->made_of.inputs, merge->made_of.n_inputs, merge->room_inputs))
		return -ENOMEM;
	made = &merge->made_of.inputs[merge->made_of.n_inputs];
	*made = *input;
	made->label = label;
	made->path = path;
	made->start_ns = (uint64_t)start_ns;
	made->n_processes = 0;
	if (!label || !path || copy_ranks(merge, made))
		return -ENOMEM;
	merge->made_of.n_inputs++;
	return 0;
}

static int64_t after(double epoch_s, double first_s)
{
	return (int64_t)((epoch_s - first_s) * 1e9 + (epoch_s < first_s ? -0.5 : 0.5));
}

static int add_inputs(struct merge *merge, const struct profile *p, const char *label, const char *path, int64_t start_ns)
{
	const struct profile_input one = {
		.host = p->host, .ranks = p->ranks, .n_ranks = p->n_ranks, .command_line = p->command_line, .program = p->program,
		.start_epoch_s = p->start_epoch_s, .elapsed_ns = p->elapsed_ns, .wall_ns = p->wall_ns, .whole = p->whole, .samples = p->cpu_samples,
		.rss_bytes = all_rss_bytes(p), .max_rss_bytes = p->max_rss_bytes, .heap_peak_bytes = p->heap ? p->heap->all.peak_bytes : 0,
		.rate_hz = p->rate_hz, .allowed_cpus = p->allowed_cpus, .status = p->status, .interrupted = p->interrupted, .ended_how = p->ended_how,
	};
	int err = 0;

	if (!p->merge)
		return add_input(merge, &one, joined_label(merge, label, NULL), strings__intern(merge->strings, path), start_ns);
	for (size_t i = 0; i < p->merge->n_inputs && !err; i++) {
		const struct profile_input *inner = &p->merge->inputs[i];

		err = add_input(merge, inner, joined_label(merge, label, inner->label), inner->path, after(inner->start_epoch_s, merge->first_epoch_s));
	}
	for (size_t i = 0; i < p->merge->n_skipped && !err; i++)
		err = merge__skip(merge, p->merge->skipped[i].path, p->merge->skipped[i].problem);
	return err;
}

static uint64_t highest_peak(const struct profile_input *inputs, size_t n)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < n; i++) {
		if (inputs[i].heap_peak_bytes > highest)
			highest = inputs[i].heap_peak_bytes;
	}
	return highest;
}

static int add_processes(struct merge *merge, const struct profile *p, const struct map64 *names, size_t first_input, const struct place_in_time *at)
{
	struct profile *sum = &merge->profile;

	for (size_t i = 0; i < p->n_processes; i++) {
		struct profile_process *made;

		if (!ROOM(sum->processes, sum->n_processes, merge->room_processes))
			return -ENOMEM;
		made = &sum->processes[sum->n_processes];
		*made = p->processes[i];
		made->input += (uint32_t)first_input;
		made->start_ns += (uint64_t)at->offset_ns;
		if (made->end_ns)
			made->end_ns += (uint64_t)at->offset_ns;
		made->top = made->n_top ? arena_array(&merge->arena, made->n_top, sizeof(*made->top)) : NULL;
		if (made->n_top && !made->top)
			return -ENOMEM;
		for (size_t k = 0; k < made->n_top; k++) {
			made->top[k] = p->processes[i].top[k];
			made->top[k].path = files_path(&merge->files, names, made->top[k].path);
		}
		merge->made_of.inputs[made->input].n_processes++;
		sum->n_processes++;
	}
	return 0;
}

static int add_machine(struct merge *merge, const char *host, uint32_t cpus)
{
	size_t at = 0;

	while (at < merge->n_machines && merge->machines[at].host != host)
		at++;
	if (at == merge->n_machines) {
		if (!ROOM(merge->machines, merge->n_machines, merge->room_machines))
			return -ENOMEM;
		merge->machines[merge->n_machines++] = (struct machine){host, 0};
	}
	if (merge->machines[at].cpus < cpus)
		merge->machines[at].cpus = cpus;
	return 0;
}

static void keep_highest(uint64_t *highest, uint64_t value)
{
	if (*highest < value)
		*highest = value;
}

/* What adds up, and what is the largest. */
static void add_run(struct merge *merge, const struct profile *p)
{
	struct profile *sum = &merge->profile;

	add_times(&sum->whole, &p->whole);
	add_up(&sum->cpu_samples, p->cpu_samples);
	add_up(&sum->waits, p->waits);
	add_up(&sum->unsampled_ns, p->unsampled_ns);
	add_up(&sum->helpers_ns, p->helpers_ns);
	add_up(&sum->utime_ns, p->utime_ns);
	add_up(&sum->stime_ns, p->stime_ns);
	add_up(&sum->profiler_cpu_ns, p->profiler_cpu_ns);
	add_up(&sum->n_warnings, p->n_warnings);
	add_up(&sum->unknown_frames, p->unknown_frames);
	add_up(&sum->python_frames, p->python_frames);
	for (int i = 0; i < LOSS_COUNT; i++)
		add_up(&sum->losses[i], p->losses[i]);
	keep_highest(&sum->elapsed_ns, p->elapsed_ns);
	keep_highest(&sum->max_rss_bytes, p->max_rss_bytes);
	keep_highest(&sum->profiler_max_rss_bytes, p->profiler_max_rss_bytes);
	keep_highest(&sum->memory_limit, p->memory_limit);
	sum->interrupted |= p->interrupted;
	if (!sum->status)
		sum->status = p->status;
	if (sum->rate_hz < p->rate_hz)
		sum->rate_hz = p->rate_hz;
}

static bool same_texts(const char *const *a, size_t n, const char *const *b, size_t m)
{
	for (size_t i = 0; n == m && i < n; i++) {
		if (a[i] != b[i])
			return false;
	}
	return n == m;
}

/* What the inputs have in common. */
static int compare_run(struct merge *merge, const struct profile *p)
{
	struct profile *sum = &merge->profile;

	if (merge->n_runs) {
		merge->same_program &= sum->program == p->program;
		merge->same_args &= same_texts(sum->args, sum->n_args, p->args, p->n_args);
		merge->same_root &= sum->root == p->root;
		merge->same_directory &= sum->entrypoint_dir == p->entrypoint_dir;
		return 0;
	}
	merge->same_program = merge->same_args = merge->same_root = merge->same_directory = true;
	sum->program = p->program;
	sum->root = p->root;
	sum->entrypoint_dir = p->entrypoint_dir;
	sum->ended_how = p->ended_how;
	sum->logs_path = p->logs_path;
	sum->args = p->n_args ? arena_array(&merge->arena, p->n_args, sizeof(*sum->args)) : NULL;
	if (p->n_args && !sum->args)
		return -ENOMEM;
	if (p->n_args)
		memcpy(sum->args, p->args, p->n_args * sizeof(*sum->args));
	sum->n_args = p->n_args;
	return 0;
}

/* From the start to the end of what was profiled; of a merged run, to the latest end. */
static uint64_t span_of(const struct profile *p)
{
	uint64_t span = 0;

	if (!p->merge)
		return p->elapsed_ns;
	for (size_t i = 0; i < p->merge->n_inputs; i++) {
		int64_t end = after(p->merge->inputs[i].start_epoch_s, p->start_epoch_s) + (int64_t)p->merge->inputs[i].elapsed_ns;

		if (end > 0)
			keep_highest(&span, (uint64_t)end);
	}
	return span;
}

static struct place_in_time place_run(struct merge *merge, const struct profile *p)
{
	struct place_in_time at = {.elapsed_ns = span_of(p)};
	int64_t end, wall_end;

	if (!merge->n_runs)
		merge->first_epoch_s = p->start_epoch_s;
	at.offset_ns = after(p->start_epoch_s, merge->first_epoch_s);
	at.shift_s = (double)at.offset_ns / 1e9 - p->start_monotonic_s;
	end = at.offset_ns + (int64_t)at.elapsed_ns;
	wall_end = at.offset_ns + (int64_t)p->wall_ns;
	if (!merge->n_runs || at.offset_ns < merge->earliest.offset_ns) {
		merge->earliest = at;
		merge->profile.start_epoch_s = p->start_epoch_s;
		merge->profile.start_monotonic_s = p->start_monotonic_s;
	}
	if (!merge->n_runs || end > merge->last_ns)
		merge->last_ns = end;
	if (!merge->n_runs || wall_end > merge->last_wall_ns)
		merge->last_wall_ns = wall_end;
	return at;
}

static int add_parts(struct merge *merge, const struct stored_run *run, const char *label, const char *path, struct map64 *names)
{
	const struct profile *p = &run->profile;
	struct place_in_time at = place_run(merge, p);
	size_t first_input = merge->made_of.n_inputs;
	int err = add_inputs(merge, p, label, path, at.offset_ns);

	if (!err)
		err = files_join(&merge->files, run, strings__intern(merge->strings, path), &at, names);
	if (!err)
		err = measures_join(&merge->outside, &p->outside, &at);
	if (!err)
		err = stacks_join(&merge->stacks, p, &merge->files, names, &merge->arena);
	if (!err)
		err = add_processes(merge, p, names, first_input, &at);
	if (!err && p->heap)
		err = whole_heap_join(&merge->heap, p->heap, highest_peak(&merge->made_of.inputs[first_input], merge->made_of.n_inputs - first_input), &merge->files, names, &at);
	if (!err && p->calls)
		err = joined_calls_add(&merge->calls, p->calls, &merge->files, names);
	if (!err)
		err = curve_add(&merge->rss, p->rss_timeline, p->n_rss_timeline, at.offset_ns, true, at.offset_ns + (int64_t)at.elapsed_ns);
	for (size_t i = 0; i < p->n_notices && !err; i++)
		err = note_add(&merge->notes, p->notices[i], label);
	for (size_t i = first_input; i < merge->made_of.n_inputs && !err; i++)
		err = add_machine(merge, merge->made_of.inputs[i].host, merge->made_of.inputs[i].allowed_cpus);
	return err;
}

/* What a script's log holds is not joined. */
static int note_logs(struct merge *merge, const struct profile *p, const char *label)
{
	char text[700];

	if (!p->logs_path || !p->n_warnings)
		return 0;
	snprintf(text, sizeof(text), "%llu warning%s in '%.600s'", (unsigned long long)p->n_warnings, p->n_warnings == 1 ? "" : "s", p->logs_path);
	return note_add_with_others(&merge->notes, text, label);
}

/* Tells one run from all others. */
static uint64_t identity_of(double start_epoch_s, uint64_t elapsed_ns, uint64_t wall_ns)
{
	uint64_t key[3] = {0, elapsed_ns, wall_ns};

	memcpy(&key[0], &start_epoch_s, sizeof(start_epoch_s));
	return hash_bytes(key, sizeof(key));
}

static uint64_t identity_at(const struct profile *p, size_t i)
{
	const struct profile_input *inner = p->merge ? &p->merge->inputs[i] : NULL;

	return inner ? identity_of(inner->start_epoch_s, inner->elapsed_ns, inner->wall_ns) : identity_of(p->start_epoch_s, p->elapsed_ns, p->wall_ns);
}

static size_t count_runs(const struct profile *p)
{
	return p->merge ? p->merge->n_inputs : 1;
}

bool merge__has(const struct merge *merge, const struct stored_run *run)
{
	uint32_t at;

	for (size_t i = 0; i < count_runs(&run->profile); i++) {
		if (map64_get(&merge->seen, identity_at(&run->profile, i), &at))
			return true;
	}
	return false;
}

/* A folder that was copied, or a merged report and what it was made of. Only the user knows whether that was meant. */
static int check_copy(struct merge *merge, const struct stored_run *run, const char *label)
{
	int err = merge__has(merge, run) ? note_add(&merge->notes, "has runs that other inputs have, too, and which count each time", label) : 0;

	for (size_t i = 0; i < count_runs(&run->profile) && !err; i++)
		err = map64_put(&merge->seen, identity_at(&run->profile, i), 0);
	return err;
}

int merge__add(struct merge *merge, const struct stored_run *run, const char *label, const char *path, char problem[512])
{
	const struct profile *p = &run->profile;
	struct map64 names = {};
	int err;

	if (times_total(&p->whole) > WHOLE_MAX - times_total(&merge->profile.whole)) {
		set_problem(problem, "cannot add '%s': its times are too large", path);
		return -EINVAL;
	}
	err = compare_run(merge, p);
	if (!err)
		err = add_parts(merge, run, label, path, &names);
	if (!err)
		err = check_copy(merge, run, label);
	if (!err)
		err = note_logs(merge, p, label);
	map64_release(&names);
	if (err)
		return err;
	add_run(merge, p);
	merge->n_runs++;
	merge->n_heaps += p->heap != NULL;
	merge->n_calls += p->calls != NULL;
	return 0;
}
