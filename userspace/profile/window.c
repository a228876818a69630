// SPDX-License-Identifier: Apache-2.0
#include "profile/window.h"

#include <stdlib.h>
#include <string.h>

#include "profile/window_model.h"

/* Notices that are remembered so as not to be told again. */
#define TOLD_MAX 4096

struct windows *windows__new(const struct window_options *options, struct strings *strings, struct symbols *symbols, uint64_t start_ns)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->options = *options;
	w->strings = strings;
	w->symbols = symbols;
	w->number = 1;
	w->start_ns = start_ns;
	w->free_process = w->free_thread = w->free_block = NONE;
	w->kernel = strings__intern(strings, "[kernel]");
	w->texts = strings__new();
	if (!w->kernel || !w->texts || !window_stacks_begin(w)) {
		windows__free(w);
		return NULL;
	}
	return w;
}

static void made_free(struct made_window *made)
{
	if (!made)
		return;
	arena_release(&made->arena);
	strings__free(made->texts);
	strings__free(made->reasons);
	free(made);
}

void windows__free(struct windows *w)
{
	if (!w)
		return;
	made_free(w->made);
	window_processes_release(w);
	window_stacks_release(w);
	free(w->blocks);
	free(w->rows);
	free(w->slots);
	strings__free(w->texts);
	map64_release(&w->told);
	free(w);
}

void windows__lose(struct windows *w, enum loss loss, uint64_t count)
{
	w->losses[loss] += count;
}

void windows__notice(struct windows *w, const char *text)
{
	uint64_t hash = hash_bytes(text, strlen(text));
	char clean[1024];
	const char *kept;
	uint32_t there;

	if (w->n_notices == NOTICES_OF_WINDOW || map64_get(&w->told, hash, &there))
		return;
	utf8_repair(clean, sizeof(clean), text);
	kept = w->n_notices == NOTICES_OF_WINDOW - 1 ? "further notices were left out" : strings__intern(w->texts, clean);
	if (!kept)
		return;
	w->notices[w->n_notices++] = kept;
	if (w->told.count >= TOLD_MAX)
		map64_release(&w->told);
	map64_put(&w->told, hash, 1);
}

/* Is the sample's innermost frame named, of those that should be? */
static void note_named(struct windows *w, const struct seen_process *p, const struct event_stack *stack, bool named)
{
	/* those that were taken before we knew the interpreter are added at the end */
	if (!p->interpreter || stack->head.flags & STACK_NO_LAYOUT)
		return;
	w->python_samples++;
	if (named)
		w->named_samples++;
	else if (!stack->n_frames && !(stack->head.flags & STACK_UNREADABLE))
		w->frameless_samples++;
}

static void take_cpu(struct windows *w, const struct event_stack *stack)
{
	enum time_class class = symbols__class(w->symbols, stack);
	bool current, named = false;
	uint32_t process = window_process(w, &stack->head, &current), leaf;
	struct seen_process *p;
	struct seen_row *row;

	w->cpu_samples++;
	times_add(&w->whole, class, stack->weight);
	if (process == NONE)
		return;
	window_thread(w, &stack->head, process);
	p = &w->processes[process];
	if (!p->interpreter && current)
		p->interpreter = symbols__interpreter(w->symbols, stack->head.space);
	if (p->interpreter || stack->n_frames)
		leaf = window_leaf(w, stack, current, &named);
	else
		leaf = window_native_leaf(w, stack);
	window_rss(p, stack->rss_bytes, 0);
	note_named(w, p, stack, named);
	p->samples++;
	p->unseen_samples += !!(stack->head.flags & STACK_NO_LAYOUT);
	row = window_row(w, process, stack->head.tid, leaf, NULL);
	if (!row)
		return;
	times_add(&row->times, class, stack->weight);
	times_add(&p->times, class, stack->weight);
	row->samples++;
}

static void take_block(struct windows *w, const struct event_stack *stack)
{
	bool current, named;
	uint32_t process = window_process(w, &stack->head, &current), leaf;
	struct seen_thread *thread;

	if (process == NONE || !current)
		return;
	leaf = window_leaf(w, stack, current, &named);
	thread = window_thread(w, &stack->head, process);
	if (thread && stack->weight)
		window_block(w, thread, stack->weight, leaf);
}

/* Where the thread had stopped; if that is nobody's own code (a timer, a pool), then where the main thread stands, if that is some. */
static uint32_t waiting_leaf(struct windows *w, uint32_t process, const struct event_wait *event)
{
	uint32_t leaf = event->stack_id ? window_blocked(w, process, event->head.tid, event->stack_id) : NONE, main;

	if ((leaf != NONE && w->tree.leaves[leaf].site != NO_SITE) || !event->main_stack_id)
		return leaf != NONE ? leaf : 0;
	main = window_blocked(w, process, event->head.pid, event->main_stack_id);
	if (main != NONE && w->tree.leaves[main].site != NO_SITE)
		return main;
	return leaf != NONE ? leaf : 0;
}

static void take_wait(struct windows *w, const struct event_wait *event)
{
	bool current;
	uint32_t process = window_process(w, &event->head, &current);
	struct seen_row *row;

	w->waits += event->count;
	times_add_wait(&w->whole, event);
	if (process == NONE)
		return;
	/* of others nobody looks for a stack */
	if (symbols__interpreter(w->symbols, event->head.space))
		w->losses[LOSS_SKIPPED_WALKS] += event->estimated;
	window_thread(w, &event->head, process);
	row = window_row(w, process, event->head.tid, waiting_leaf(w, process, event), window_reason(w, event));
	if (!row)
		return;
	times_add_wait(&row->times, event);
	times_add_wait(&w->processes[process].times, event);
	row->waits += event->count;
}

static void take_rss(struct windows *w, const struct event_stack *stack)
{
	bool current, named;
	uint32_t process = window_process(w, &stack->head, &current);
	struct seen_row *row;

	if (process == NONE)
		return;
	window_thread(w, &stack->head, process);
	window_rss(&w->processes[process], stack->rss_bytes, stack->weight);
	w->processes[process].rss_grown_bytes += stack->weight;
	row = window_row(w, process, stack->head.tid, window_leaf(w, stack, current, &named), NULL);
	if (row)
		row->rss_bytes += stack->weight;
}

static void take_thread_exit(struct windows *w, const struct event_thread_exit *event)
{
	bool current;
	uint32_t process = window_process(w, &event->head, &current);

	w->unsampled_ns += event->unsampled_ns;
	if (process == NONE)
		return;
	window_thread(w, &event->head, process);
	w->processes[process].unsampled_ns += event->unsampled_ns;
	window_thread_end(w, event->head.tid);
}

void windows__record(struct windows *w, const struct event_header *record)
{
	switch (record->kind) {
	case EVENT_CPU:
		take_cpu(w, (const void *)record);
		break;
	case EVENT_BLOCK:
		take_block(w, (const void *)record);
		break;
	case EVENT_WAIT:
		take_wait(w, (const void *)record);
		break;
	case EVENT_RSS:
		take_rss(w, (const void *)record);
		break;
	case EVENT_HEAP:
	case EVENT_HEAP_FREE:
	case EVENT_HEAP_MOVED:
		if (w->options.heap)
			window_heap(w, record);
		break;
	case EVENT_FORK:
		window_fork(w, (const void *)record);
		break;
	case EVENT_EXEC:
		window_exec(w, (const void *)record);
		break;
	case EVENT_ATTACH:
		window_attach(w, (const void *)record);
		break;
	case EVENT_EXIT:
		window_exit(w, (const void *)record);
		break;
	case EVENT_THREAD_EXIT:
		take_thread_exit(w, (const void *)record);
		break;
	}
}

/* ---- the cut ---- */

/* A copy that belongs to the window; "" and NULL stay what they are. */
static const char *text_of(struct made_window *made, const char *text, bool *failed)
{
	const char *kept = text ? strings__intern(made->texts, text) : NULL;

	*failed |= text && !kept;
	return kept;
}

static void make_process(struct windows *w, struct made_window *made, struct seen_process *p, bool *failed)
{
	struct window_process *out = &made->window.processes[made->window.n_processes];
	const struct process_facts *facts = p->facts ? &p->facts->facts : NULL;

	if (!p->interpreter && !p->ended)
		p->interpreter = symbols__interpreter(w->symbols, p->space);
	*out = (struct window_process){
		.pid = p->pid,
		.parent_pid = p->parent_pid,
		.program = text_of(made, p->program, failed),
		.interpreter = p->interpreter,
		.no_interpreter = p->interpreter ? NULL : text_of(made, p->no_interpreter, failed),
		.python = p->interpreter,
		.start_ns = p->start_ns,
		.end_ns = p->ended ? p->end_ns : 0,
		.status = p->status,
		.rss_bytes = p->ended ? 0 : p->rss_bytes,
		.rss_before_bytes = p->before ? p->rss_before_bytes : 0,
		.threads = p->threads,
		.times = p->times,
		.samples = p->samples,
		.rss_grown_bytes = p->rss_grown_bytes,
		.unseen_samples = p->unseen_samples,
		.unsampled_ns = p->unsampled_ns,
	};
	if (facts) {
		out->facts = (struct process_facts){
			.uid = facts->uid,
			.user = text_of(made, facts->user, failed),
			.name = text_of(made, facts->name, failed),
			.command = text_of(made, facts->command, failed),
			.cgroup = text_of(made, facts->cgroup, failed),
			.container = text_of(made, facts->container, failed),
		};
	}
	/* what was seen of it before its interpreter was known had Python frames, too */
	if (p->interpreter)
		made->window.python_samples += p->unseen_samples;
	else if (p->no_interpreter)
		made->window.losses[LOSS_NO_INTERPRETER] += p->unseen_samples;
	p->out = made->window.n_processes++;
}

static bool make_processes(struct windows *w, struct made_window *made)
{
	bool failed = false;

	made->window.processes = arena_array(&made->arena, w->n_processes + 1, sizeof(*made->window.processes));
	if (!made->window.processes)
		return false;
	for (uint32_t i = 0; i < w->n_processes && !failed; i++) {
		if (w->processes[i].used)
			make_process(w, made, &w->processes[i], &failed);
	}
	return !failed;
}

static uint64_t whole_number(uint64_t count)
{
	return (count + HEAP_COUNT_ONE / 2) / HEAP_COUNT_ONE;
}

static bool make_rows(struct windows *w, struct made_window *made)
{
	uint32_t *stack_of = calloc(w->tree.n_leaves, sizeof(*stack_of)); /* index + 1 */
	struct window *out = &made->window;
	bool ok = stack_of;

	out->rows = arena_array(&made->arena, w->n_rows + 1, sizeof(*out->rows));
	out->stacks = arena_array(&made->arena, (w->n_rows < w->tree.n_leaves ? w->n_rows : w->tree.n_leaves) + 1, sizeof(*out->stacks));
	ok = ok && out->rows && out->stacks;
	for (uint32_t i = 0; i < w->n_rows && ok; i++) {
		const struct seen_row *row = &w->rows[i];

		if (!stack_of[row->leaf]) {
			ok = window_frames(w, &made->arena, row->leaf, &out->stacks[out->n_stacks]);
			stack_of[row->leaf] = ++out->n_stacks;
		}
		out->rows[out->n_rows++] = (struct window_row){
			.process = w->processes[row->process].out,
			.stack = stack_of[row->leaf] - 1,
			.tid = row->tid,
			.reason = row->reason,
			.times = row->times,
			.samples = row->samples,
			.waits = row->waits,
			.rss_bytes = row->rss_bytes,
			.allocated_bytes = row->allocated_bytes,
			.allocations = whole_number(row->allocations),
			.live_bytes = row->live_bytes,
			.live_blocks = whole_number(row->live_blocks),
		};
	}
	free(stack_of);
	return ok;
}

static struct made_window *make(struct windows *w, uint64_t now_ns, double now_epoch_s)
{
	struct made_window *made = calloc(1, sizeof(*made));
	const char **notices;

	if (!made)
		return NULL;
	made->window = (struct window){
		.start_ns = w->start_ns,
		.end_ns = now_ns,
		.start_epoch_s = now_epoch_s - (now_ns > w->start_ns ? (double)(now_ns - w->start_ns) / 1e9 : 0),
		.rate_hz = w->options.rate_hz,
		.heap = w->options.heap,
		.whole = w->whole,
		.cpu_samples = w->cpu_samples,
		.waits = w->waits,
		.python_samples = w->python_samples,
		.named_samples = w->named_samples,
		.frameless_samples = w->frameless_samples,
		.unsampled_ns = w->unsampled_ns,
		.machine_ns = w->machine_ns,
		.n_notices = w->n_notices,
	};
	memcpy(made->window.losses, w->losses, sizeof(w->losses));
	notices = arena_array(&made->arena, w->n_notices + 1, sizeof(*notices));
	made->texts = strings__new();
	if (!made->texts || !notices || !make_processes(w, made) || !make_rows(w, made)) {
		made_free(made);
		return NULL;
	}
	memcpy(notices, w->notices, w->n_notices * sizeof(*notices));
	made->window.notices = notices;
	return made;
}

static void begin_next(struct windows *w, uint64_t now_ns)
{
	for (uint32_t i = 0; i < w->n_processes; i++) {
		struct seen_process *p = &w->processes[i];

		p->before = p->used && !p->ended;
		p->rss_before_bytes = p->rss_bytes;
		p->times = (struct times){};
		p->samples = p->unseen_samples = p->unsampled_ns = p->rss_grown_bytes = 0;
		p->threads = 0;
	}
	window_rows_clear(w);
	w->whole = (struct times){};
	w->cpu_samples = w->waits = w->unsampled_ns = w->machine_ns = 0;
	w->python_samples = w->named_samples = w->frameless_samples = 0;
	memset(w->losses, 0, sizeof(w->losses));
	w->n_notices = 0;
	w->number++;
	w->start_ns = now_ns;
}

void windows__begin(struct windows *w, uint64_t now_ns)
{
	w->start_ns = now_ns;
}

void windows__machine(struct windows *w, uint64_t machine_ns)
{
	w->machine_ns = machine_ns;
}

const struct window *windows__cut(struct windows *w, uint64_t now_ns, double now_epoch_s)
{
	struct strings *texts = strings__new();
	struct made_window *made = NULL;

	made_free(w->made);
	w->made = NULL;
	window_processes_sweep(w, now_ns);
	if (texts && window_heap_rows(w)) {
		window_stacks_sweep(w);
		made = make(w, now_ns, now_epoch_s);
	}
	if (!made) {
		strings__free(texts);
		return NULL;
	}
	made->reasons = w->texts;
	w->texts = texts;
	w->made = made;
	begin_next(w, now_ns);
	return &made->window;
}
