// SPDX-License-Identifier: Apache-2.0
#include "profile/builder.h"

#include <stdlib.h>
#include <string.h>

#include "profile/model.h"
#include "profile/waits.h"

struct builder *builder__new(const struct builder_options *options, struct strings *strings, struct symbols *symbols)
{
	struct builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->options = options;
	b->strings = strings;
	b->symbols = symbols;
	return b;
}

void builder__free(struct builder *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->n_sites; i++)
		gauge_release(&b->sites[i].gauge);
	gauge_release(&b->outside);
	series_release(&b->rss);
	heap__free(b->heap);
	heap_index_release(&b->heap_index);
	calls_release(&b->calls);
	tree_release(&b->tree);
	map64_release(&b->site_index);
	map64_release(&b->blocks);
	map64_release(&b->process_of);
	map64_release(&b->process_sites);
	map64_release(&b->file_index);
	free(b->file_names);
	free(b->sites);
	free(b->processes);
	free(b->process_times);
	free(b->notices);
	free(b);
}

void builder__lose(struct builder *b, enum loss loss, uint64_t count)
{
	b->losses[loss] += count;
}

void builder__notice(struct builder *b, const char *text)
{
	const char *interned = strings__intern(b->strings, text);
	const char **notices;

	for (size_t i = 0; i < b->n_notices; i++) {
		if (b->notices[i] == interned)
			return;
	}
	notices = realloc(b->notices, (b->n_notices + 1) * sizeof(*notices));
	if (!notices || !interned)
		return;
	b->notices = notices;
	b->notices[b->n_notices++] = interned;
}

uint32_t builder__running(const struct builder *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n_processes; i++)
		n += !b->processes[i].end_ns;
	return n;
}

uint64_t builder__samples(const struct builder *b)
{
	return b->cpu_samples;
}

uint64_t builder__start_ns(const struct builder *b)
{
	return b->start_ns;
}

/* The process of a space; NULL when out of memory. */
static struct process *process_get(struct builder *b, const struct event_header *head)
{
	uint32_t index;

	if (map64_get(&b->process_of, head->space, &index))
		return &b->processes[index];
	if (!GROW(b->processes, b->n_processes, b->cap_processes))
		return NULL;
	b->processes[b->n_processes] = (struct process){ .pid = head->pid, .space = head->space, .start_ns = head->time_ns };
	if (map64_put(&b->process_of, head->space, b->n_processes))
		return NULL;
	return &b->processes[b->n_processes++];
}

static uint32_t site_get(struct builder *b, const struct symbol *symbol, uint32_t line)
{
	uint64_t key = (uint64_t)symbol->index << 32 | line;
	uint32_t index;

	if (map64_get(&b->site_index, key, &index))
		return index;
	if (!GROW(b->sites, b->n_sites, b->cap_sites) || map64_put(&b->site_index, key, b->n_sites))
		return NO_SITE;
	b->sites[b->n_sites] = (struct site){ .symbol = symbol, .line = line, .heap_line = HEAP_NONE, .heap_function = HEAP_NONE };
	return b->n_sites++;
}

/* The innermost frame of a reported file, from a node outwards. */
static uint32_t site_of(struct builder *b, uint32_t node)
{
	for (; node; node = b->tree.nodes[node].parent) {
		const struct node *n = &b->tree.nodes[node];

		if (n->symbol && builder_reports(b, n->symbol->file))
			return site_get(b, n->symbol, n->line);
	}
	return NO_SITE;
}

/* The leaf of a recorded stack. */
static struct leaf *stack_leaf(struct builder *b, const struct event_stack *stack)
{
	const struct raw_frame *frames = stack_frames(stack);
	uint32_t node = 0, line;
	struct leaf *leaf;
	bool fresh;

	for (uint32_t i = stack->n_frames; i-- > 0;) {
		const struct symbol *symbol = symbols__frame(b->symbols, stack->head.pid, stack->head.space, &frames[i], &line);

		if (!symbol) {
			b->losses[LOSS_UNNAMED_CODE]++;
			b->unknown_frames += i == 0 && stack->head.kind == EVENT_CPU;
		}
		if (!symbol || !symbol->internal)
			node = tree_child(&b->tree, node, symbol, line);
	}
	if (stack->head.flags & STACK_CUT)
		b->losses[LOSS_CUT_STACKS]++;
	if (stack->head.flags & STACK_UNREADABLE)
		b->losses[LOSS_UNREADABLE_FRAMES]++;
	leaf = tree_leaf(&b->tree, node, &fresh);
	if (leaf && fresh) {
		leaf->site = site_of(b, node);
		leaf->cut = stack->head.flags & STACK_CUT;
	}
	return leaf;
}

static struct gauge *leaf_gauge(struct builder *b, const struct leaf *leaf)
{
	return leaf && leaf->site != NO_SITE ? &b->sites[leaf->site].gauge : &b->outside;
}

/* Times of one site in one process, for the details. */
static struct times *process_site(struct builder *b, const struct process *process, uint32_t site)
{
	uint64_t key = (uint64_t)(process - b->processes) << 32 | site;
	uint32_t index;

	if (map64_get(&b->process_sites, key, &index))
		return &b->process_times[index];
	if (!GROW(b->process_times, b->n_process_times, b->cap_process_times) || map64_put(&b->process_sites, key, b->n_process_times))
		return NULL;
	b->process_times[b->n_process_times] = (struct times){};
	return &b->process_times[b->n_process_times++];
}

/* Every record that tells of the process's size. */
static void note_rss(struct builder *b, struct process *p, uint64_t time_ns, uint64_t bytes)
{
	if (bytes == p->rss_now)
		return;
	b->rss_now += bytes - p->rss_now;
	p->rss_now = bytes;
	if (b->start_ns)
		series_add(&b->rss, 2 * TIMELINE_MAX, time_ns, b->rss_now);
}

static void take_cpu(struct builder *b, const struct event_stack *stack)
{
	enum time_class class = symbols__class(b->symbols, stack);
	struct process *p = process_get(b, &stack->head);
	struct leaf *leaf = stack_leaf(b, stack);
	struct times *times;

	b->cpu_samples++;
	times_add(&b->whole, class, stack->weight);
	gauge_cpu(leaf_gauge(b, leaf), class, stack);
	if (stack->head.flags & STACK_NO_TSTATE && stack->head.tid != stack->head.pid)
		b->helpers_ns += stack->weight;
	b->python_frames += stack->n_frames || stack->head.flags & STACK_UNREADABLE;
	b->unknown_frames += !stack->n_frames && stack->head.flags & STACK_UNREADABLE;
	if (leaf) {
		times_add(&leaf->times, class, stack->weight);
		leaf->samples++;
		leaf->cpu_samples++;
	}
	if (!p)
		return;
	note_rss(b, p, stack->head.time_ns, stack->rss_bytes);
	times_add(&p->times, class, stack->weight);
	p->samples++;
	p->unseen_samples += !!(stack->head.flags & STACK_NO_LAYOUT);
	if (!p->interpreter)
		p->interpreter = symbols__interpreter(b->symbols, stack->head.space);
	times = leaf && leaf->site != NO_SITE ? process_site(b, p, leaf->site) : NULL;
	if (times)
		times_add(times, class, stack->weight);
}

static void take_block(struct builder *b, const struct event_stack *stack)
{
	struct leaf *leaf = stack_leaf(b, stack);

	/* 0 is what waits without a stack have */
	if (leaf && stack->weight)
		map64_put(&b->blocks, stack->weight, leaf - b->tree.leaves);
}

/*
 * The leaf to charge: where the thread that ended the wait had stopped. If that is no user's line (a
 * helper thread of some library: a timer, a pool), then where the main thread stands, if that is one.
 */
static struct leaf *waiting_leaf(struct builder *b, const struct event_wait *event)
{
	struct leaf *leaf = NULL, *main;
	uint32_t index;

	if (map64_get(&b->blocks, event->stack_id, &index))
		leaf = &b->tree.leaves[index];
	if ((leaf && leaf->site != NO_SITE) || !event->main_stack_id || !map64_get(&b->blocks, event->main_stack_id, &index))
		return leaf;
	main = &b->tree.leaves[index];
	return main->site != NO_SITE ? main : leaf;
}

static void take_wait(struct builder *b, const struct event_wait *event)
{
	struct process *p = process_get(b, &event->head);
	char buffer[32], object_text[512], what[600];
	const char *call, *object = NULL;
	struct leaf *leaf;
	struct times *times;

	call = strings__intern(b->strings, wait_call(event, buffer));
	if (wait_object_text(&event->object, object_text, sizeof(object_text)) && event->wait_kind != WAIT_RUNNABLE)
		object = strings__intern(b->strings, object_text);
	snprintf(what, sizeof(what), object ? "%s, %s" : "%s", call, object);
	leaf = waiting_leaf(b, event);
	b->waits += event->count;
	b->losses[LOSS_SKIPPED_WALKS] += event->estimated;
	times_add_wait(&b->whole, event);
	gauge_wait(leaf_gauge(b, leaf), event, strings__intern(b->strings, what), call, object);
	if (leaf) {
		times_add_wait(&leaf->times, event);
		leaf->samples++;
	}
	if (!p)
		return;
	times_add_wait(&p->times, event);
	times = leaf && leaf->site != NO_SITE ? process_site(b, p, leaf->site) : NULL;
	if (times)
		times_add_wait(times, event);
}

static void take_rss(struct builder *b, const struct event_stack *stack)
{
	struct process *p = process_get(b, &stack->head);

	gauge_rss(leaf_gauge(b, stack_leaf(b, stack)), stack);
	if (!p)
		return;
	p->rss_bytes += stack->weight;
	note_rss(b, p, stack->head.time_ns, stack->rss_bytes);
}

static void take_heap(struct builder *b, const struct event_header *record)
{
	if (!b->options->heap)
		return;
	process_get(b, record);
	if (record->kind == EVENT_HEAP)
		builder_heap_alloc(b, (const void *)record, stack_leaf(b, &((const struct event_heap *)record)->stack));
	else if (record->kind == EVENT_HEAP_COPY)
		builder_heap_copy(b, (const void *)record, stack_leaf(b, (const void *)record));
}

static void take_fork(struct builder *b, const struct event_fork *event)
{
	struct process *p = process_get(b, &event->head);

	if (p) {
		p->parent_pid = event->parent_pid;
		p->interpreter = symbols__interpreter(b->symbols, event->head.space);
	}
}

static void take_exec(struct builder *b, const struct event_exec *event)
{
	struct process *p;
	uint32_t index;

	if (!b->start_ns)
		b->start_ns = event->head.time_ns;
	/* the same process in a new space */
	if (event->old_space)
		symbols__end(b->symbols, event->old_space);
	if (event->old_space && map64_get(&b->process_of, event->old_space, &index))
		map64_put(&b->process_of, event->head.space, index);
	p = process_get(b, &event->head);
	if (!p)
		return;
	p->space = event->head.space;
	p->program = strings__intern(b->strings, event->path);
	p->interpreter = NULL;
	p->no_interpreter = NULL;
}

/* Told once more, when all is attached, it sets the start. */
static void take_attach(struct builder *b, const struct event_attach *event)
{
	struct process *p;

	if (!b->cpu_samples && !b->waits)
		b->start_ns = event->head.time_ns;
	p = process_get(b, &event->head);
	if (!p)
		return;
	p->program = strings__intern(b->strings, event->path);
	p->parent_pid = event->parent_pid;
	p->before_utime_ns = event->utime_ns;
	p->before_stime_ns = event->stime_ns;
}

static uint64_t since_before(uint64_t ns, uint64_t before)
{
	return ns > before ? ns - before : 0;
}

static void take_exit(struct builder *b, const struct event_exit *event)
{
	struct process *p = process_get(b, &event->head);

	b->end_ns = event->head.time_ns;
	if (!p)
		return;
	note_rss(b, p, event->head.time_ns, 0);
	p->end_ns = event->head.time_ns;
	p->status = event->status;
	p->utime_ns = since_before(event->utime_ns, p->before_utime_ns);
	p->stime_ns = since_before(event->stime_ns, p->before_stime_ns);
	p->max_rss_bytes = event->max_rss_bytes;
	p->out_of_memory = event->head.flags & EXIT_OOM;
	symbols__end(b->symbols, event->head.space);
}

void builder__record(struct builder *b, const struct event_header *record)
{
	struct process *p;

	if (b->options->heap)
		builder_heap_note(b, record);
	switch (record->kind) {
	case EVENT_CPU:
		take_cpu(b, (const void *)record);
		break;
	case EVENT_BLOCK:
		take_block(b, (const void *)record);
		break;
	case EVENT_WAIT:
		take_wait(b, (const void *)record);
		break;
	case EVENT_RSS:
		take_rss(b, (const void *)record);
		break;
	case EVENT_HEAP:
	case EVENT_HEAP_COPY:
		take_heap(b, record);
		break;
	case EVENT_CALLS_CODE:
	case EVENT_CALLS_PAIR:
	case EVENT_CALLS_PROCESS:
	case EVENT_CALLS_SEEN:
	case EVENT_CALLS_LOST:
		builder_calls(b, record);
		break;
	case EVENT_FORK:
		take_fork(b, (const void *)record);
		break;
	case EVENT_EXEC:
		take_exec(b, (const void *)record);
		break;
	case EVENT_ATTACH:
		take_attach(b, (const void *)record);
		break;
	case EVENT_EXIT:
		take_exit(b, (const void *)record);
		break;
	case EVENT_THREAD_EXIT:
		p = process_get(b, record);
		if (p) {
			p->threads++;
			p->run_ns += ((const struct event_thread_exit *)record)->run_ns;
			b->unsampled_ns += ((const struct event_thread_exit *)record)->unsampled_ns;
		}
		break;
	}
	if (b->start_ns && record->time_ns > b->end_ns)
		b->end_ns = record->time_ns;
}

void builder__no_interpreter(struct builder *b, uint32_t pid, const char *reason)
{
	for (uint32_t i = b->n_processes; i-- > 0;) {
		if (b->processes[i].pid == pid) {
			b->processes[i].no_interpreter = strings__intern(b->strings, reason);
			return;
		}
	}
}
