// SPDX-License-Identifier: Apache-2.0
/* profile_details.json: what profile_results.json has no key for. docs/details-json.md describes it. */
#include "report/report.h"

#include <sys/wait.h>

#include "report/heap.h"
#include "report/json_write.h"
#include "report/merged.h"
#include "report/share.h"

void json_times(struct json *json, const struct times *times)
{
	json_number(json, "python_s", seconds(times->python_ns), 9);
	json_number(json, "native_s", seconds(times->native_ns), 9);
	json_number(json, "system_s", seconds(times->system_ns), 9);
	json_number(json, "waiting_s", seconds(times->waiting_ns), 9);
	json_number(json, "runnable_s", seconds(times->runnable_ns), 9);
}

static void write_measures(struct json *json, const struct measures *m)
{
	json_times(json, &m->times);
	json_unsigned(json, "samples", m->samples);
	json_unsigned(json, "waits", m->waits);
	json_unsigned(json, "rss_bytes", m->rss_bytes);
	json_array(json, "waits_for");
	for (size_t i = 0; i < m->n_waits_for; i++) {
		const struct wait_reason *reason = &m->waits_for[i];

		json_object(json, NULL);
		json_string(json, "call", reason->call ? reason->call : reason->what);
		json_string(json, "object", reason->object);
		json_number(json, "seconds", seconds(reason->ns), 9);
		json_unsigned(json, "count", reason->count);
		json_close(json);
	}
	json_close(json);
}

static void write_heap_measures(struct json *json, const struct measures *m)
{
	if (!m->heap)
		return;
	json_object(json, "heap");
	json_heap_measures(json, m->heap);
	json_close(json);
}

static void write_lineno(struct json *json, const struct profile_file *file, uint32_t lineno)
{
	const struct cell *cell = find_cell(file->cells, lineno);

	json_unsigned(json, "lineno", lineno);
	if (!cell)
		return;
	json_unsigned(json, "cell", cell->number);
	json_unsigned(json, "cell_line", lineno - cell->first_line + 1);
}

static void write_line(struct json *json, const struct profile_file *file, const struct profile_line *line)
{
	json_object(json, NULL);
	write_lineno(json, file, line->lineno);
	json_string(json, "function", line->function ? line->function->name : NULL);
	write_measures(json, &line->m);
	json_number(json, "core_utilization", line->m.core_utilization, 6);
	json_timeline(json, "rss_timeline", line->m.rss_timeline, line->m.n_rss_timeline);
	write_heap_measures(json, &line->m);
	json_close(json);
}

static void write_counts(struct json *json, uint64_t calls, uint64_t resumptions)
{
	json_unsigned(json, "calls", calls);
	json_unsigned(json, "resumptions", resumptions);
}

static void write_callers(struct json *json, const struct profile_callee *callee)
{
	json_array(json, "callers");
	for (size_t i = 0; i < callee->n_callers; i++) {
		const struct profile_caller *caller = &callee->callers[i];

		json_object(json, NULL);
		json_string(json, "path", caller->path);
		json_string(json, "function", caller->function);
		json_unsigned(json, "lineno", caller->firstlineno);
		write_counts(json, caller->calls, caller->resumptions);
		json_close(json);
	}
	json_close(json);
}

const char *report_calls_how(uint32_t how)
{
	static const char *const words[] = { "not started", "frame evaluation", "events", "unknown interpreter", "refused", "entries", "entries from C", "static probe", "no place" };

	return how < sizeof(words) / sizeof(*words) ? words[how] : NULL;
}

static void write_calls(struct json *json, const struct profile_calls *calls)
{
	json_object(json, "calls");
	write_counts(json, calls->calls, calls->resumptions);
	json_unsigned(json, "lost", calls->lost);
	json_bool(json, "estimated", calls_estimated(calls));
	json_string(json, "pattern", calls->pattern);
	json_array(json, "functions");
	for (size_t i = 0; i < calls->n_functions; i++) {
		const struct profile_callee *callee = &calls->functions[i];

		json_object(json, NULL);
		json_string(json, "path", callee->path);
		json_string(json, "function", callee->function);
		json_unsigned(json, "lineno", callee->firstlineno);
		json_bool(json, "reported", callee->reported);
		write_counts(json, callee->calls, callee->resumptions);
		write_callers(json, callee);
		json_close(json);
	}
	json_close(json);
	json_array(json, "processes");
	for (size_t i = 0; i < calls->n_processes; i++) {
		const struct profile_calls_process *p = &calls->processes[i];

		json_object(json, NULL);
		json_unsigned(json, "pid", p->pid);
		json_string(json, "how", report_calls_how(p->how));
		write_counts(json, p->calls, p->resumptions);
		json_number(json, "seen", p->seen, 6);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void write_function(struct json *json, const struct profile_file *file, const struct profile_function *function)
{
	json_object(json, NULL);
	json_string(json, "name", function->name);
	write_lineno(json, file, function->firstlineno);
	json_number(json, "inclusive_s", seconds(function->inclusive_ns), 9);
	write_measures(json, &function->m);
	json_number(json, "core_utilization", function->m.core_utilization, 6);
	json_timeline(json, "rss_timeline", function->m.rss_timeline, function->m.n_rss_timeline);
	if (function->calls) {
		write_counts(json, function->calls->calls, function->calls->resumptions);
		write_callers(json, function->calls);
	}
	write_heap_measures(json, &function->m);
	json_close(json);
}

static void write_files(struct json *json, const struct profile *profile)
{
	json_array(json, "files");
	for (size_t i = 0; i < profile->n_files; i++) {
		const struct profile_file *file = &profile->files[i];

		json_object(json, NULL);
		json_string(json, "path", file->path);
		json_string(json, "display", file->display ? file->display : file->path);
		json_string(json, "source_problem", file->source_problem);
		write_measures(json, &file->m);
		if (file->m.heap) {
			json_object(json, "heap");
			json_heap_sums(json, file->m.heap);
			json_close(json);
		}
		json_array(json, "functions");
		for (size_t k = 0; k < file->n_functions; k++)
			write_function(json, file, &file->functions[k]);
		json_close(json);
		json_array(json, "lines");
		for (size_t k = 0; k < file->n_lines; k++)
			write_line(json, file, &file->lines[k]);
		json_close(json);
		json_close(json);
	}
	json_close(json);
}

void json_status(struct json *json, int status, bool ended)
{
	if (ended && WIFEXITED(status))
		json_integer(json, "exit_status", WEXITSTATUS(status));
	else
		json_null(json, "exit_status");
	if (ended && WIFSIGNALED(status))
		json_integer(json, "signal", WTERMSIG(status));
	else
		json_null(json, "signal");
}

static void write_process(struct json *json, const struct profile *profile, const struct profile_process *process)
{
	json_object(json, NULL);
	if (profile->merge)
		json_merged_process(json, profile, process);
	json_unsigned(json, "pid", process->pid);
	json_unsigned(json, "parent_pid", process->parent_pid);
	json_string(json, "program", process->program);
	json_string(json, "interpreter", process->interpreter);
	json_string(json, "no_interpreter", process->no_interpreter);
	json_number(json, "start_s", seconds(process->start_ns), 9);
	if (process->end_ns)
		json_number(json, "end_s", seconds(process->end_ns), 9);
	else
		json_null(json, "end_s");
	json_times(json, &process->times);
	json_unsigned(json, "samples", process->samples);
	json_unsigned(json, "rss_bytes", process->rss_bytes);
	json_unsigned(json, "max_rss_bytes", process->max_rss_bytes);
	if (profile->heap)
		json_unsigned(json, "heap_peak_bytes", process->heap_peak_bytes);
	json_number(json, "utime_s", seconds(process->utime_ns), 9);
	json_number(json, "stime_s", seconds(process->stime_ns), 9);
	json_number(json, "run_s", seconds(process->run_ns), 9);
	json_status(json, process->status, process->end_ns != 0);
	json_bool(json, "killed_for_memory", process->out_of_memory);
	json_unsigned(json, "threads", process->threads);
	json_array(json, "top");
	for (size_t i = 0; i < process->n_top; i++) {
		json_object(json, NULL);
		json_string(json, "path", process->top[i].path);
		json_unsigned(json, "lineno", process->top[i].lineno);
		json_string(json, "function", process->top[i].function);
		json_times(json, &process->top[i].times);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void write_run(struct json *json, const struct profile *profile)
{
	json_string(json, "command_line", profile->command_line);
	json_string(json, "program", profile->program);
	json_array(json, "args");
	for (size_t i = 0; i < profile->n_args; i++)
		json_string(json, NULL, profile->args[i]);
	json_close(json);
	json_string(json, "root", profile->root);
	json_string(json, "host", profile->host);
	json_ranks(json, profile->ranks, profile->n_ranks);
	json_number(json, "start_epoch_s", profile->start_epoch_s, 6);
	json_number(json, "start_monotonic_s", profile->start_monotonic_s, 6);
	json_number(json, "elapsed_s", seconds(profile->elapsed_ns), 9);
	json_number(json, "wall_s", seconds(profile->wall_ns), 9);
	json_number(json, "utime_s", seconds(profile->utime_ns), 9);
	json_number(json, "stime_s", seconds(profile->stime_ns), 9);
	json_unsigned(json, "max_rss_bytes", profile->max_rss_bytes);
	json_status(json, profile->status, true);
	json_bool(json, "interrupted", profile->interrupted);
	if (profile->memory_limit)
		json_unsigned(json, "memory_limit_reached_bytes", profile->memory_limit);
	else
		json_null(json, "memory_limit_reached_bytes");
	json_string(json, "ended_how", profile->ended_how);
	json_unsigned(json, "rate_hz", profile->rate_hz);
	json_unsigned(json, "allowed_cpus", profile->allowed_cpus);
	json_object(json, "profiler");
	json_number(json, "cpu_s", seconds(profile->profiler_cpu_ns), 6);
	json_unsigned(json, "max_rss_bytes", profile->profiler_max_rss_bytes);
	json_close(json);
	json_string(json, "logs_path", profile->logs_path);
	json_unsigned(json, "warnings", profile->n_warnings);
	json_unsigned(json, "samples", profile->cpu_samples);
	json_number(json, "unsampled_s", seconds(profile->unsampled_ns), 9);
	json_number(json, "helpers_s", seconds(profile->helpers_ns), 9);
	json_unsigned(json, "waits", profile->waits);
}

int report_details(FILE *out, const struct profile *profile, const struct report_options *options)
{
	struct json json;

	json_begin(&json, out, 4);
	json_object(&json, NULL);
	json_string(&json, "schema", "fixingahole-details-1");
	write_run(&json, profile);
	json_object(&json, "whole");
	json_times(&json, &profile->whole);
	json_close(&json);
	json_object(&json, "outside");
	write_measures(&json, &profile->outside);
	write_heap_measures(&json, &profile->outside);
	json_close(&json);
	if (profile->heap)
		json_heap(&json, profile->heap);
	if (profile->calls)
		write_calls(&json, profile->calls);
	write_files(&json, profile);
	json_array(&json, "processes");
	for (size_t i = 0; i < profile->n_processes; i++)
		write_process(&json, profile, &profile->processes[i]);
	json_close(&json);
	if (profile->merge)
		json_merged(&json, profile);
	json_timeline(&json, "rss_timeline", profile->rss_timeline, profile->n_rss_timeline);
	json_object(&json, "losses");
	for (int i = 0; i < LOSS_COUNT; i++)
		json_unsigned(&json, loss_text((enum loss)i), profile->losses[i]);
	json_close(&json);
	json_unsigned(&json, "unknown_frames", profile->unknown_frames);
	json_unsigned(&json, "python_frames", profile->python_frames);
	json_array(&json, "notices");
	for (size_t i = 0; i < profile->n_notices; i++)
		json_string(&json, NULL, profile->notices[i]);
	json_close(&json);
	json_close(&json);
	return json_finish(&json);
}
