// SPDX-License-Identifier: Apache-2.0
#include "report/stored_run.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "report/stored.h"
#include "report/stored_lines.h"
#include "report/stored_read.h"

#define SCHEMA "fixingahole-details-1"
#define EPOCH_MAX 4e9 /* seconds: the year 2096 */

/* As wait(2) would have it. */
static int read_status(struct json_reader *r, const cJSON *object)
{
	const cJSON *signal = cJSON_GetObjectItemCaseSensitive(object, "signal");

	if (cJSON_IsNumber(signal))
		return (int)read_number(r, object, "signal", 126);
	return (int)read_optional_count(r, object, "exit_status") % 256 << 8;
}

static void read_top(struct json_reader *r, const cJSON *object, struct profile_process *p)
{
	const cJSON *list = read_list(r, object, "top"), *item;
	size_t i = 0;

	p->top = read_array(r, list, sizeof(*p->top), &p->n_top);
	cJSON_ArrayForEach(item, (p->top ? list : NULL)) {
		p->top[i].path = read_text(r, item, "path");
		p->top[i].lineno = read_small(r, item, "lineno");
		p->top[i].function = read_text(r, item, "function");
		read_times(r, item, &p->top[i++].times);
	}
}

/* What a process and an input have both. counts: samples, bytes touched, the most RSS, the heap's peak. */
static void read_sums(struct json_reader *r, const cJSON *item, struct times *times, uint64_t *const counts[4])
{
	read_times(r, item, times);
	*counts[0] = read_count(r, item, "samples");
	*counts[1] = read_count(r, item, "rss_bytes");
	*counts[2] = read_count(r, item, "max_rss_bytes");
	*counts[3] = read_optional_count(r, item, "heap_peak_bytes");
}

static void read_process(struct json_reader *r, const cJSON *item, struct profile_process *p)
{
	reader_at(r, "a process");
	p->pid = read_small(r, item, "pid");
	reader_at(r, "process %u", p->pid);
	p->parent_pid = read_small(r, item, "parent_pid");
	p->program = read_optional_text(r, item, "program");
	p->interpreter = read_optional_text(r, item, "interpreter");
	p->no_interpreter = read_optional_text(r, item, "no_interpreter");
	p->start_ns = read_seconds(r, item, "start_s");
	p->end_ns = read_optional_seconds(r, item, "end_s");
	if (!p->end_ns && cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(item, "end_s")))
		p->end_ns = 1; /* 0 is for those that still ran */
	read_sums(r, item, &p->times, (uint64_t *[]){ &p->samples, &p->rss_bytes, &p->max_rss_bytes, &p->heap_peak_bytes });
	p->utime_ns = read_seconds(r, item, "utime_s");
	p->stime_ns = read_seconds(r, item, "stime_s");
	p->run_ns = read_seconds(r, item, "run_s");
	p->status = read_status(r, item);
	p->out_of_memory = read_bool(r, item, "killed_for_memory");
	p->threads = read_small(r, item, "threads");
	p->input = (uint32_t)read_optional_count(r, item, "input");
	read_top(r, item, p);
}

static const struct profile_rank *read_ranks(struct json_reader *r, const cJSON *object, size_t *n)
{
	const cJSON *ranks = read_optional_object(r, object, "ranks"), *item;
	struct profile_rank *made;
	size_t i = 0;

	*n = 0;
	cJSON_ArrayForEach(item, ranks)
		i++;
	made = i ? read_new(r, i * sizeof(*made)) : NULL;
	cJSON_ArrayForEach(item, (made ? ranks : NULL)) {
		made[*n].name = strings__intern(r->strings, item->string) ?: "";
		made[(*n)++].value = read_text_of(r, item, "ranks");
	}
	return made;
}

static void read_input(struct json_reader *r, const cJSON *item, struct profile_input *input)
{
	reader_at(r, "an input");
	input->label = read_text(r, item, "label");
	input->path = read_text(r, item, "path");
	input->host = read_optional_text(r, item, "host");
	input->ranks = read_ranks(r, item, &input->n_ranks);
	input->command_line = read_optional_text(r, item, "command_line");
	input->program = read_optional_text(r, item, "program");
	input->start_epoch_s = read_number(r, item, "start_epoch_s", EPOCH_MAX);
	input->elapsed_ns = read_seconds(r, item, "elapsed_s");
	input->wall_ns = read_seconds(r, item, "wall_s");
	read_sums(r, item, &input->whole, (uint64_t *[]){ &input->samples, &input->rss_bytes, &input->max_rss_bytes, &input->heap_peak_bytes });
	input->rate_hz = read_small(r, item, "rate_hz");
	input->allowed_cpus = read_small(r, item, "allowed_cpus");
	input->status = read_status(r, item);
	input->interrupted = read_bool(r, item, "interrupted");
	input->ended_how = read_optional_text(r, item, "ended_how");
}

/* What a merged report was made of. */
static void read_merge(struct json_reader *r, const cJSON *json, struct profile *p)
{
	const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(json, "inputs"), *skipped, *item;
	struct profile_merge *merge = inputs ? read_new(r, sizeof(*merge)) : NULL;
	struct profile_skipped *left;
	size_t i = 0;

	if (!merge)
		return;
	inputs = read_list(r, json, "inputs");
	merge->inputs = read_array(r, inputs, sizeof(*merge->inputs), &merge->n_inputs);
	cJSON_ArrayForEach(item, (merge->inputs ? inputs : NULL))
		read_input(r, item, &merge->inputs[i++]);
	i = 0;
	reader_at(r, "the profile");
	skipped = read_list(r, json, "skipped_inputs");
	left = read_array(r, skipped, sizeof(*left), &merge->n_skipped);
	merge->skipped = left;
	cJSON_ArrayForEach(item, (left ? skipped : NULL)) {
		left[i].path = read_text(r, item, "path");
		left[i++].problem = read_text(r, item, "problem");
	}
	p->merge = merge;
}

static const char **read_texts(struct json_reader *r, const cJSON *object, const char *key, size_t *n)
{
	const cJSON *list = read_list(r, object, key), *item;
	const char **texts = read_array(r, list, sizeof(*texts), n);
	size_t i = 0;

	cJSON_ArrayForEach(item, (texts ? list : NULL))
		texts[i++] = read_text_of(r, item, key);
	return texts;
}

static void read_facts(struct json_reader *r, const cJSON *json, struct profile *p)
{
	reader_at(r, "the profile");
	p->command_line = read_optional_text(r, json, "command_line");
	p->program = read_optional_text(r, json, "program");
	p->args = read_texts(r, json, "args", &p->n_args);
	p->root = read_optional_text(r, json, "root");
	p->host = read_optional_text(r, json, "host");
	p->ranks = read_ranks(r, json, &p->n_ranks);
	p->start_epoch_s = read_number(r, json, "start_epoch_s", EPOCH_MAX);
	p->start_monotonic_s = read_number(r, json, "start_monotonic_s", EPOCH_MAX);
	p->elapsed_ns = read_seconds(r, json, "elapsed_s");
	p->wall_ns = read_seconds(r, json, "wall_s");
	p->utime_ns = read_seconds(r, json, "utime_s");
	p->stime_ns = read_seconds(r, json, "stime_s");
	p->max_rss_bytes = read_count(r, json, "max_rss_bytes");
	p->status = read_status(r, json);
	p->interrupted = read_bool(r, json, "interrupted");
	p->memory_limit = read_optional_count(r, json, "memory_limit_reached_bytes");
	p->ended_how = read_optional_text(r, json, "ended_how");
	p->rate_hz = read_small(r, json, "rate_hz");
	p->allowed_cpus = read_small(r, json, "allowed_cpus");
	p->profiler_cpu_ns = read_seconds(r, read_object(r, json, "profiler"), "cpu_s");
	p->profiler_max_rss_bytes = read_count(r, read_object(r, json, "profiler"), "max_rss_bytes");
	p->logs_path = read_optional_text(r, json, "logs_path");
	p->n_warnings = read_count(r, json, "warnings");
	p->cpu_samples = read_count(r, json, "samples");
	p->unsampled_ns = read_seconds(r, json, "unsampled_s");
	p->helpers_ns = read_optional_seconds(r, json, "helpers_s"); /* younger than the format */
	p->waits = read_count(r, json, "waits");
	read_times(r, read_object(r, json, "whole"), &p->whole);
	p->unknown_frames = read_count(r, json, "unknown_frames");
	p->python_frames = read_count(r, json, "python_frames");
	p->notices = read_texts(r, json, "notices", &p->n_notices);
}

static void read_details(struct json_reader *r, const cJSON *json, struct stored_run *run)
{
	struct profile *p = &run->profile;
	const cJSON *list, *item;
	size_t i = 0;

	read_facts(r, json, p);
	for (int loss = 0; loss < LOSS_COUNT; loss++)
		p->losses[loss] = read_optional_count(r, read_object(r, json, "losses"), loss_text((enum loss)loss));
	p->rss_timeline = read_moments(r, json, "rss_timeline", &p->n_rss_timeline);
	read_merge(r, json, p);
	reader_at(r, "the profile");
	list = read_list(r, json, "processes");
	p->processes = read_array(r, list, sizeof(*p->processes), &p->n_processes);
	cJSON_ArrayForEach(item, (p->processes ? list : NULL))
		read_process(r, item, &p->processes[i++]);
	reader_at(r, "what is outside root");
	read_measures(r, read_object(r, json, "outside"), &p->outside);
	read_files(r, json, run);
	p->heap = read_heap(r, json);
	p->calls = read_calls(r, json);
	for (i = 0; i < p->n_processes && !r->err; i++) {
		if (p->processes[i].input < (p->merge ? p->merge->n_inputs : 1))
			continue;
		set_problem(r->problem, "cannot use the profile: 'input' of process %u is out of range", p->processes[i].pid);
		r->err = -EINVAL;
	}
}

/* Shares come from adding up: what exceeds the whole would make them nonsense. A rounding per line is none. */
static int check_sums(const struct profile *p, char problem[512])
{
	double whole = (double)times_total(&p->whole), sum = (double)times_total(&p->outside.times);

	for (size_t i = 0; i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_lines; k++)
			sum += (double)times_total(&p->files[i].lines[k].m.times);
	}
	if (sum <= whole * 1.001 + 1e6)
		return 0;
	set_problem(problem, "cannot use the profile: its lines take %.3f s, which exceeds the whole of %.3f s", sum / 1e9, whole / 1e9);
	return -EINVAL;
}

static int load_details(struct stored_run *run, struct json_reader *r, const char *path)
{
	cJSON *json;
	int err = stored_read_json(path, &json, r->problem);
	const cJSON *schema;

	if (err)
		return err;
	schema = cJSON_GetObjectItemCaseSensitive(json, "schema");
	if (!cJSON_IsString(schema) || strcmp(schema->valuestring, SCHEMA)) {
		set_problem(r->problem, "cannot use '%s': its schema is not " SCHEMA, path);
		r->err = -EINVAL;
	} else {
		read_details(r, json, run);
	}
	cJSON_Delete(json);
	if (!r->err)
		r->err = check_sums(&run->profile, r->problem);
	if (r->err)
		name_problem(r->problem, path);
	return r->err;
}

static int load_results(struct stored_run *run, struct json_reader *r, const char *path)
{
	struct stored stored;
	int err = stored__load(&stored, path, r->problem);

	if (!err) {
		err = stored__read_stacks(&stored, r->problem);
		if (!err && fabs(stored.start_epoch_s - run->profile.start_epoch_s) > 1e-3) {
			set_problem(r->problem, "cannot use '%s': it is of another run than the details beside it", path);
			err = -EINVAL;
		}
		if (!err)
			err = read_results(r, &stored, run);
		stored__release(&stored);
	}
	if (err)
		name_problem(r->problem, path);
	return err == -ENOMEM ? err : err ? -EINVAL : 0;
}

int stored_run__load(struct stored_run *run, struct strings *strings, const char *results_path, const char *details_path, char problem[512])
{
	struct json_reader r = {.arena = &run->arena, .strings = strings, .problem = problem};
	int err;

	*run = (struct stored_run){0};
	*problem = '\0';
	err = load_details(run, &r, details_path);
	if (!err)
		err = load_results(run, &r, results_path);
	if (!err)
		return 0;
	stored_run__release(run);
	if (err == -ENOMEM)
		set_problem(problem, "out of memory for '%s'", details_path);
	return err;
}

void stored_run__release(struct stored_run *run)
{
	arena_release(&run->arena);
	*run = (struct stored_run){0};
}
