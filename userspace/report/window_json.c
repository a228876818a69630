// SPDX-License-Identifier: Apache-2.0
#include "report/window_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/json_write.h"
#include "report/share.h"
#include "util/map64.h"
#include "util/strings.h"

static const char *const kinds[] = { [WINDOW_PYTHON] = "python", [WINDOW_NATIVE] = "native", [WINDOW_KERNEL] = "kernel" };

/* What is there. */
static void some(struct json *json, const char *key, uint64_t value)
{
	if (value)
		json_unsigned(json, key, value);
}

static void some_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_string(json, key, text);
}

static void write_times(struct json *json, const struct times *times)
{
	some(json, "python_ns", times->python_ns);
	some(json, "native_ns", times->native_ns);
	some(json, "system_ns", times->system_ns);
	some(json, "waiting_ns", times->waiting_ns);
	some(json, "runnable_ns", times->runnable_ns);
}

static void write_head(struct json *json, const struct window *w, const char *host)
{
	json_string(json, "format", "fixingahole window 1");
	json_string(json, "host", host);
	json_number(json, "start", w->start_epoch_s, 6);
	json_number(json, "seconds", w->end_ns > w->start_ns ? seconds(w->end_ns - w->start_ns) : 0, 9);
	json_unsigned(json, "start_ns", w->start_ns);
	json_unsigned(json, "end_ns", w->end_ns);
	json_unsigned(json, "rate_hz", w->rate_hz);
	json_bool(json, "heap", w->heap);
	json_unsigned(json, "cpu_samples", w->cpu_samples);
	json_unsigned(json, "waits", w->waits);
	json_unsigned(json, "python_samples", w->python_samples);
	json_unsigned(json, "named_samples", w->named_samples);
	json_unsigned(json, "frameless_samples", w->frameless_samples);
	json_unsigned(json, "unsampled_ns", w->unsampled_ns);
	if (w->machine_ns)
		json_unsigned(json, "machine_ns", w->machine_ns);
	json_object(json, "times");
	write_times(json, &w->whole);
	json_close(json);
	json_object(json, "losses");
	for (int i = 0; i < LOSS_COUNT; i++)
		json_unsigned(json, loss_text((enum loss)i), w->losses[i]);
	json_close(json);
	json_array(json, "notices");
	for (size_t i = 0; i < w->n_notices; i++)
		json_string(json, NULL, w->notices[i]);
	json_close(json);
}

static void write_process(struct json *json, const struct window_process *p)
{
	json_object(json, NULL);
	json_unsigned(json, "pid", p->pid);
	json_unsigned(json, "parent_pid", p->parent_pid);
	json_string(json, "name", p->facts.name);
	json_string(json, "user", p->facts.user);
	if (p->facts.user)
		json_unsigned(json, "uid", p->facts.uid);
	json_string(json, "command", p->facts.command);
	json_string(json, "cgroup", p->facts.cgroup);
	json_string(json, "container", p->facts.container);
	json_string(json, "program", p->program);
	json_string(json, "interpreter", p->interpreter);
	json_string(json, "no_interpreter", p->no_interpreter);
	json_unsigned(json, "start_ns", p->start_ns);
	if (p->end_ns) {
		json_unsigned(json, "end_ns", p->end_ns);
		json_integer(json, "status", p->status);
	}
	json_unsigned(json, "rss_bytes", p->rss_bytes);
	json_unsigned(json, "rss_before_bytes", p->rss_before_bytes);
	json_unsigned(json, "rss_grown_bytes", p->rss_grown_bytes);
	json_unsigned(json, "threads", p->threads);
	json_unsigned(json, "samples", p->samples);
	json_unsigned(json, "unseen_samples", p->unseen_samples);
	json_unsigned(json, "unsampled_ns", p->unsampled_ns);
	write_times(json, &p->times);
	json_close(json);
}

static void write_frame(struct json *json, const struct window_frame *frame)
{
	json_object(json, NULL);
	json_string(json, "kind", kinds[frame->kind]);
	some_text(json, "path", frame->path);
	some_text(json, "function", frame->function);
	some(json, "line", frame->lineno);
	some(json, "first_line", frame->firstlineno);
	if (frame->library)
		json_bool(json, "library", true);
	json_close(json);
}

/* Every frame once: its number, and whether it is a new one. */
struct frames { struct strings *keys; struct map64 numbers; };

static int frame_number(struct frames *f, const struct window_frame *frame, uint32_t *number, bool *fresh)
{
	const char *key;
	char *text;

	/* what may be NULL is told apart from the empty text */
	if (asprintf(&text, "%d %d %u %u %d%d\n%s\n%s", frame->kind, frame->library, frame->lineno, frame->firstlineno, !!frame->path, !!frame->function,
		     frame->path ? frame->path : "", frame->function ? frame->function : "") < 0)
		return -ENOMEM;
	key = strings__intern(f->keys, text);
	free(text);
	if (!key)
		return -ENOMEM;
	*fresh = !map64_get(&f->numbers, (uintptr_t)key, number);
	if (!*fresh)
		return 0;
	*number = f->numbers.count;
	return map64_put(&f->numbers, (uintptr_t)key, *number);
}

static int write_stacks(struct json *json, const struct window *w, struct frames *f)
{
	uint32_t number;
	bool fresh;
	int err = 0;

	json_array(json, "frames");
	for (uint32_t i = 0; i < w->n_stacks; i++) {
		for (uint32_t k = 0; k < w->stacks[i].n_frames && !err; k++) {
			err = frame_number(f, &w->stacks[i].frames[k], &number, &fresh);
			if (!err && fresh)
				write_frame(json, &w->stacks[i].frames[k]);
		}
	}
	json_close(json);
	json_array(json, "stacks");
	for (uint32_t i = 0; i < w->n_stacks && !err; i++) {
		const struct window_stack *stack = &w->stacks[i];

		json_object(json, NULL);
		json_array(json, "frames");
		for (uint32_t k = 0; k < stack->n_frames && !err; k++) {
			err = frame_number(f, &stack->frames[k], &number, &fresh);
			json_unsigned(json, NULL, number);
		}
		json_close(json);
		if (stack->site < stack->n_frames)
			json_unsigned(json, "site", stack->site);
		else
			json_null(json, "site");
		if (stack->cut)
			json_bool(json, "cut", true);
		json_close(json);
	}
	json_close(json);
	return err;
}

static void write_row(struct json *json, const struct window_row *row)
{
	json_object(json, NULL);
	json_unsigned(json, "process", row->process);
	json_unsigned(json, "stack", row->stack);
	some(json, "tid", row->tid);
	some_text(json, "reason", row->reason);
	write_times(json, &row->times);
	some(json, "samples", row->samples);
	some(json, "waits", row->waits);
	some(json, "rss_bytes", row->rss_bytes);
	some(json, "allocated_bytes", row->allocated_bytes);
	some(json, "allocations", row->allocations);
	some(json, "live_bytes", row->live_bytes);
	some(json, "live_blocks", row->live_blocks);
	json_close(json);
}

int report_window_json(FILE *out, const struct window *w, const char *host)
{
	struct frames frames = { .keys = strings__new() };
	struct json *json = malloc(sizeof(*json));
	int err = frames.keys && json ? 0 : -ENOMEM, written;

	if (!err) {
		json_begin(json, out, 2);
		json_object(json, NULL);
		write_head(json, w, host);
		json_array(json, "processes");
		for (uint32_t i = 0; i < w->n_processes; i++)
			write_process(json, &w->processes[i]);
		json_close(json);
		err = write_stacks(json, w, &frames);
		json_array(json, "rows");
		for (uint32_t i = 0; i < w->n_rows; i++)
			write_row(json, &w->rows[i]);
		json_close(json);
		json_close(json);
		written = json_finish(json);
		err = err ? err : written;
	}
	free(json);
	strings__free(frames.keys);
	map64_release(&frames.numbers);
	return err;
}
