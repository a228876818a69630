// SPDX-License-Identifier: Apache-2.0
#include "view/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/map64.h"
#include "util/strings.h"

struct text { const char *copy; uint64_t key; };

/* What one copy needs to know while it is made. */
struct copying {
	struct kept_window *kept;
	struct map64 copies;  /* address of a text there -> index into texts */
	struct text *texts;
	uint32_t n_texts, cap_texts;
	bool failed;          /* out of memory */
};

static uint64_t text_key(const char *text)
{
	return text ? hash_bytes(text, strlen(text)) : 1;
}

/* Any key but 0. */
static uint64_t join_keys(uint64_t a, uint64_t b)
{
	uint64_t key = (a ^ (b + 0x9e3779b97f4a7c15ULL + (a << 6) + (a >> 2))) * 0xff51afd7ed558ccdULL;

	key ^= key >> 32;
	return key ? key : 1;
}

static uint64_t function_key(const struct window_frame *frame, uint64_t path, uint64_t function)
{
	return join_keys(join_keys(path, function), (uint64_t)frame->kind << 32 | frame->firstlineno);
}

static void *take(struct copying *c, size_t n, size_t size)
{
	void *p = arena_array(&c->kept->arena, n, size);

	c->kept->bytes += n * size;
	c->failed |= !p;
	return p;
}

/* Many frames share few texts, and most of them at one address: each is copied, and its key found, once. */
static struct text take_text(struct copying *c, const char *text)
{
	struct text taken = { .key = 1 };
	uint32_t at;

	if (!text)
		return taken;
	if (map64_get(&c->copies, (uintptr_t)text, &at))
		return c->texts[at];
	if (c->n_texts == c->cap_texts) {
		uint32_t capacity = c->cap_texts ? c->cap_texts * 2 : 256;
		struct text *texts = reallocarray(c->texts, capacity, sizeof(*texts));

		if (!texts) {
			c->failed = true;
			return taken;
		}
		c->texts = texts;
		c->cap_texts = capacity;
	}
	taken = (struct text){ .copy = arena_strdup(&c->kept->arena, text), .key = text_key(text) };
	if (!taken.copy || map64_put(&c->copies, (uintptr_t)text, c->n_texts)) {
		c->failed = true;
		return taken;
	}
	c->kept->bytes += strlen(text) + 1;
	c->texts[c->n_texts++] = taken;
	return taken;
}

static const char *copy_text(struct copying *c, const char *text)
{
	return take_text(c, text).copy;
}

static void copy_stack(struct copying *c, struct kept_stack *stack, const struct window_stack *from)
{
	static const struct window_frame unknown = { .kind = WINDOW_NATIVE };
	struct window_frame *frames = take(c, from->n_frames, sizeof(*frames));
	uint64_t key = join_keys(from->cut, from->n_frames), none = function_key(&unknown, 1, 1);
	uint32_t site = from->site < from->n_frames ? from->site : from->n_frames;

	if (!frames)
		return;
	*stack = (struct kept_stack){ .frames = frames, .n_frames = from->n_frames, .cut = from->cut };
	stack->charged[CHARGE_OWN] = (struct charged){ .frame = site, .function = none, .line = none };
	stack->charged[CHARGE_INNERMOST] = (struct charged){ .function = none, .line = none };
	for (uint32_t i = 0; i < from->n_frames; i++) {
		struct text path = take_text(c, from->frames[i].path), name = take_text(c, from->frames[i].function);
		uint64_t function = function_key(&from->frames[i], path.key, name.key), line = join_keys(function, from->frames[i].lineno);

		frames[i] = from->frames[i];
		frames[i].path = path.copy;
		frames[i].function = name.copy;
		key = join_keys(key, line);
		for (int how = 0; how < CHARGES; how++)
			if (stack->charged[how].frame == i)
				stack->charged[how] = (struct charged){ .frame = i, .function = function, .line = line };
	}
	stack->key = key;
}

static void copy_process(struct copying *c, struct kept_process *kept, const struct window_process *from)
{
	struct window_process *p = &kept->process;

	*p = *from;
	p->facts.user = copy_text(c, from->facts.user);
	p->facts.name = copy_text(c, from->facts.name);
	p->facts.command = copy_text(c, from->facts.command);
	p->facts.cgroup = copy_text(c, from->facts.cgroup);
	p->facts.container = copy_text(c, from->facts.container);
	p->program = copy_text(c, from->program);
	p->interpreter = copy_text(c, from->interpreter);
	p->no_interpreter = copy_text(c, from->no_interpreter);
	kept->key = join_keys(from->pid, from->start_ns);
}

static bool copy_row(struct copying *c, struct kept_row *row, const struct window_row *from)
{
	struct text reason = take_text(c, from->reason);

	if (from->process >= c->kept->n_processes || from->stack >= c->kept->n_stacks)
		return false;
	*row = (struct kept_row){
		.process = from->process, .stack = from->stack, .reason = reason.copy,
		.times = from->times, .samples = from->samples, .rss_bytes = from->rss_bytes,
	};
	row->key = join_keys(c->kept->stacks[from->stack].key, reason.key);
	return true;
}

static int copy_all(struct copying *c, const struct window *window)
{
	struct kept_window *kept = c->kept;

	kept->processes = take(c, window->n_processes, sizeof(*kept->processes));
	kept->stacks = take(c, window->n_stacks, sizeof(*kept->stacks));
	kept->rows = take(c, window->n_rows, sizeof(*kept->rows));
	if (c->failed)
		return -ENOMEM;
	kept->n_processes = window->n_processes;
	kept->n_stacks = window->n_stacks;
	for (uint32_t i = 0; i < window->n_processes && !c->failed; i++)
		copy_process(c, &kept->processes[i], &window->processes[i]);
	for (uint32_t i = 0; i < window->n_stacks && !c->failed; i++)
		copy_stack(c, &kept->stacks[i], &window->stacks[i]);
	for (; kept->n_rows < window->n_rows && !c->failed; kept->n_rows++)
		if (!copy_row(c, &kept->rows[kept->n_rows], &window->rows[kept->n_rows]))
			return -EINVAL;
	return c->failed ? -ENOMEM : 0;
}

static void kept_free(struct kept_window *kept)
{
	if (kept)
		arena_release(&kept->arena);
	free(kept);
}

static struct kept_window *keep(const struct window *window, int *err)
{
	struct copying c = { .kept = calloc(1, sizeof(*c.kept)) };

	*err = -ENOMEM;
	if (!c.kept)
		return NULL;
	c.kept->start_ns = window->start_ns;
	c.kept->end_ns = window->end_ns > window->start_ns ? window->end_ns : window->start_ns + 1;
	c.kept->end_epoch_s = window->start_epoch_s + (double)(c.kept->end_ns - c.kept->start_ns) / 1e9;
	c.kept->whole = window->whole;
	c.kept->cpu_samples = window->cpu_samples;
	memcpy(c.kept->losses, window->losses, sizeof(c.kept->losses));
	*err = copy_all(&c, window);
	map64_release(&c.copies);
	free(c.texts);
	if (!*err)
		return c.kept;
	kept_free(c.kept);
	return NULL;
}

static bool too_old(const struct history *history, uint64_t now_ns)
{
	return history->windows[0]->end_ns + HISTORY_NS <= now_ns || history->bytes > HISTORY_BYTES;
}

int history_take(struct history *history, const struct window *window)
{
	int err;
	struct kept_window *kept = keep(window, &err), **grown;

	if (!kept)
		return err;
	grown = reallocarray(history->windows, history->n + 1, sizeof(*grown));
	if (!grown) {
		kept_free(kept);
		return -ENOMEM;
	}
	history->windows = grown;
	grown[history->n++] = kept;
	history->bytes += kept->bytes;
	while (history->n > 1 && too_old(history, kept->end_ns)) {
		history->bytes -= history->windows[0]->bytes;
		kept_free(history->windows[0]);
		memmove(history->windows, history->windows + 1, --history->n * sizeof(*history->windows));
	}
	return 0;
}

void history_release(struct history *history)
{
	for (size_t i = 0; i < history->n; i++)
		kept_free(history->windows[i]);
	free(history->windows);
	*history = (struct history){};
}

size_t history_since(const struct history *history, uint64_t span_ns)
{
	size_t at = history->n ? history->n - 1 : 0;

	while (at > 0) {
		const struct kept_window *before = history->windows[at - 1];
		uint64_t middle = before->start_ns + (before->end_ns - before->start_ns) / 2;

		if (middle + span_ns < history->windows[history->n - 1]->end_ns)
			break;
		at--;
	}
	return at;
}
