// SPDX-License-Identifier: Apache-2.0
/*
 * Which processes and threads there are, and what they blocked with.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/window_model.h"
#include "util/cleanup.h"

/* A process that is silent is asked for after so long, and again. */
#define ASK_NS 60000000000ULL

/* ---- threads ---- */

static void thread_drop(struct windows *w, uint32_t index)
{
	struct seen_thread *t = &w->threads[index];
	uint32_t there;

	if (t->previous != NONE)
		w->threads[t->previous].next = t->next;
	else
		w->processes[t->process].first_thread = t->next;
	if (t->next != NONE)
		w->threads[t->next].previous = t->previous;
	map64_remove(&w->by_tid, t->tid, &there);
	free(t->stacks);
	*t = (struct seen_thread){ .process = NONE, .next = w->free_thread };
	w->free_thread = index;
}

static uint32_t thread_new(struct windows *w, uint32_t tid, uint32_t process)
{
	struct seen_process *p = &w->processes[process];
	uint32_t index = w->free_thread;

	if (index == NONE && !GROW(w->threads, w->n_threads, w->cap_threads))
		return NONE;
	if (map64_put(&w->by_tid, tid, index == NONE ? w->n_threads : index))
		return NONE;
	if (index == NONE)
		index = w->n_threads++;
	else
		w->free_thread = w->threads[index].next;
	w->threads[index] = (struct seen_thread){ .tid = tid, .process = process, .next = p->first_thread, .previous = NONE };
	if (p->first_thread != NONE)
		w->threads[p->first_thread].previous = index;
	p->first_thread = index;
	return index;
}

static bool has_ended(const struct windows *w, uint32_t tid)
{
	for (uint32_t i = 0; i < ENDED_TIDS; i++) {
		if (w->ended_tids[i] == tid)
			return true;
	}
	return false;
}

struct seen_thread *window_thread(struct windows *w, const struct event_header *head, uint32_t process)
{
	struct seen_thread *t;
	uint32_t index;

	if (!map64_get(&w->by_tid, head->tid, &index))
		index = NONE;
	/* the kernel has given the number to another one */
	if (index != NONE && w->threads[index].process != process) {
		thread_drop(w, index);
		index = NONE;
	}
	if (index == NONE)
		index = thread_new(w, head->tid, process);
	if (index == NONE)
		return NULL;
	t = &w->threads[index];
	if (t->window != w->number && !has_ended(w, head->tid))
		w->processes[process].threads++;
	t->window = w->number;
	return t;
}

void window_thread_end(struct windows *w, uint32_t tid)
{
	uint32_t index;

	w->ended_tids[w->next_ended++ % ENDED_TIDS] = tid;
	if (map64_get(&w->by_tid, tid, &index))
		thread_drop(w, index);
}

/* To the front; the ones before it move back by one. */
static void stack_to_front(struct seen_thread *t, uint32_t at, struct blocked_stack stack)
{
	memmove(t->stacks + 1, t->stacks, at * sizeof(*t->stacks));
	t->stacks[0] = stack;
}

static bool more_stacks(struct seen_thread *t)
{
	uint32_t capacity = t->cap_stacks ? t->cap_stacks * 2 : 4;
	struct blocked_stack *stacks;

	if (capacity > STACKS_OF_THREAD)
		capacity = STACKS_OF_THREAD;
	if (t->n_stacks < t->cap_stacks || capacity == t->cap_stacks)
		return t->n_stacks < t->cap_stacks;
	stacks = realloc(t->stacks, capacity * sizeof(*stacks));
	if (!stacks)
		return false;
	t->stacks = stacks;
	t->cap_stacks = capacity;
	return true;
}

void window_block(struct windows *w, struct seen_thread *t, uint64_t id, uint32_t leaf)
{
	uint32_t at = 0;

	while (at < t->n_stacks && t->stacks[at].id != id)
		at++;
	if (at == t->n_stacks && more_stacks(t))
		t->n_stacks++;
	else if (at == t->n_stacks && at)
		at--; /* the last one goes */
	if (at < t->n_stacks)
		stack_to_front(t, at, (struct blocked_stack){ id, leaf });
}

static uint32_t thread_blocked(struct seen_thread *t, uint64_t id)
{
	for (uint32_t i = 0; i < t->n_stacks; i++) {
		if (t->stacks[i].id == id) {
			stack_to_front(t, i, t->stacks[i]);
			return t->stacks[0].leaf;
		}
	}
	return NONE;
}

uint32_t window_blocked(struct windows *w, uint32_t process, uint32_t tid, uint64_t id)
{
	uint32_t leaf = NONE, index;
	int others = 64;

	if (map64_get(&w->by_tid, tid, &index) && w->threads[index].process == process)
		leaf = thread_blocked(&w->threads[index], id);
	for (index = w->processes[process].first_thread; index != NONE && leaf == NONE && others--; index = w->threads[index].next)
		leaf = thread_blocked(&w->threads[index], id);
	return leaf;
}

/* ---- facts ---- */

static void facts_drop(struct shared_facts *facts)
{
	if (facts && !--facts->references)
		free(facts);
}

/* One text behind the other; *at moves on. */
static const char *put_text(char **at, const char *text, size_t size)
{
	char *start = *at;

	if (!text)
		return NULL;
	*at += utf8_repair(start, size, text) + 1;
	return start;
}

static struct shared_facts *facts_new(const struct process_facts *from)
{
	const char *const texts[] = { from->user, from->name, from->command, from->cgroup, from->container };
	const char **to;
	struct shared_facts *facts;
	size_t size = 0;
	char *at;

	for (size_t i = 0; i < 5; i++)
		size += texts[i] ? 3 * strlen(texts[i]) + 1 : 0;
	facts = malloc(sizeof(*facts) + size);
	if (!facts)
		return NULL;
	*facts = (struct shared_facts){ .references = 1, .facts = { .uid = from->uid, .unsure = from->unsure } };
	at = (char *)(facts + 1);
	for (size_t i = 0; i < 5; i++) {
		to = (const char **[]){ &facts->facts.user, &facts->facts.name, &facts->facts.command, &facts->facts.cgroup, &facts->facts.container }[i];
		*to = put_text(&at, texts[i], texts[i] ? 3 * strlen(texts[i]) + 1 : 0);
	}
	return facts;
}

/* The last one that had the number; it may have ended. */
static uint32_t last_of_pid(const struct windows *w, uint32_t pid)
{
	uint32_t index;

	return map64_get(&w->by_pid, pid, &index) ? index : NONE;
}

/* The first that is heard of a process that was there before the window is what it was then. */
void window_rss(struct seen_process *p, uint64_t bytes, uint64_t grown)
{
	if (!bytes)
		return;
	if (p->before && !p->rss_before_bytes)
		p->rss_before_bytes = bytes > grown ? bytes - grown : 0;
	p->rss_bytes = bytes;
}

void windows__describe(struct windows *w, uint32_t pid, const struct process_facts *from)
{
	uint32_t index = last_of_pid(w, pid);
	struct shared_facts *facts = index != NONE ? facts_new(from) : NULL;

	if (!facts)
		return;
	facts_drop(w->processes[index].facts);
	w->processes[index].facts = facts;
	window_rss(&w->processes[index], from->rss_bytes, 0);
}

const struct process_facts *windows__facts(const struct windows *w, uint32_t pid)
{
	uint32_t index = last_of_pid(w, pid);

	return index != NONE && w->processes[index].facts ? &w->processes[index].facts->facts : NULL;
}

/* A copy of a text that may be anything. */
static void set_text(char **to, const char *text)
{
	size_t size = 3 * strlen(text) + 1;
	char *copy = malloc(size);

	if (!copy)
		return;
	utf8_repair(copy, size, text);
	free(*to);
	*to = copy;
}

void windows__no_interpreter(struct windows *w, uint32_t pid, const char *reason)
{
	uint32_t index = last_of_pid(w, pid);

	if (index != NONE)
		set_text(&w->processes[index].no_interpreter, reason);
}

/* ---- processes ---- */

/* Its space ends: nothing of it can be named, freed or waited for any more. */
static void space_end(struct windows *w, uint32_t index)
{
	struct seen_process *p = &w->processes[index];

	/* perhaps no sample came after it was known */
	if (!p->interpreter)
		p->interpreter = symbols__interpreter(w->symbols, p->space);
	symbols__end(w->symbols, p->space);
	window_heap_end(w, p);
	while (p->first_thread != NONE)
		thread_drop(w, p->first_thread);
}

static void process_end(struct windows *w, uint32_t index, uint64_t time_ns, int status)
{
	struct seen_process *p = &w->processes[index];

	if (p->ended)
		return;
	space_end(w, index);
	p->ended = true;
	p->window = w->number;
	p->end_ns = time_ns;
	p->status = status;
}

static uint32_t process_new(struct windows *w, const struct event_header *head)
{
	uint32_t index = w->free_process;

	if (index == NONE && !GROW(w->processes, w->n_processes, w->cap_processes))
		return NONE;
	if (index == NONE)
		index = w->n_processes;
	if (map64_put(&w->by_space, head->space, index))
		return NONE;
	if (map64_put(&w->by_pid, head->pid, index)) {
		map64_remove(&w->by_space, head->space, &index);
		return NONE;
	}
	if (index == w->n_processes)
		w->n_processes++;
	else
		w->free_process = w->processes[index].first_thread;
	w->processes[index] = (struct seen_process){
		.used = true, .pid = head->pid, .space = head->space, .first_thread = NONE, .start_ns = head->time_ns, .asked_ns = head->time_ns, .window = w->number,
	};
	return index;
}

/* The process is in another space now. */
static void move_space(struct windows *w, uint32_t index, uint32_t space)
{
	struct seen_process *p = &w->processes[index];
	uint32_t there;

	space_end(w, index);
	/* what was never a Python has no Python samples that were missed */
	if (!p->interpreter)
		p->unseen_samples = 0;
	/* the thread that goes on is met once more */
	p->threads -= p->threads > 0;
	map64_remove(&w->by_space, p->space, &there);
	p->space = space;
	map64_put(&w->by_space, space, index);
	p->interpreter = NULL;
	free(steal_ptr(p->no_interpreter));
}

/* Spaces are numbered as they come, so that what is late can be told from what was not heard of. */
uint32_t window_process(struct windows *w, const struct event_header *head, bool *current)
{
	uint32_t index;

	*current = true;
	if (map64_get(&w->by_space, head->space, &index))
		*current = !w->processes[index].ended;
	else if (index = last_of_pid(w, head->pid), index == NONE)
		index = process_new(w, head);
	else if (w->processes[index].space > head->space)
		*current = false;
	else if (w->processes[index].ended)
		index = process_new(w, head);
	else
		move_space(w, index, head->space); /* its exec was lost */
	if (index != NONE)
		w->processes[index].window = w->number;
	return index;
}

/* A process that begins: one of its number that is still there has ended unheard of. */
static uint32_t process_begin(struct windows *w, const struct event_header *head)
{
	uint32_t index, there;

	if (map64_get(&w->by_space, head->space, &index))
		return index;
	index = last_of_pid(w, head->pid);
	if (index != NONE && w->processes[index].space < head->space) {
		process_end(w, index, head->time_ns, 0);
		map64_remove(&w->by_pid, head->pid, &there);
	}
	return process_new(w, head);
}

void window_fork(struct windows *w, const struct event_fork *event)
{
	uint32_t index = process_begin(w, &event->head), parent;
	struct seen_process *p;
	const struct seen_process *from;

	if (index == NONE)
		return;
	p = &w->processes[index];
	p->parent_pid = event->parent_pid;
	p->interpreter = symbols__interpreter(w->symbols, event->head.space);
	if (!map64_get(&w->by_space, event->parent_space, &parent) || parent == index)
		return;
	from = &w->processes[parent];
	if (from->facts && !p->facts) {
		p->facts = from->facts;
		p->facts->references++;
	}
	if (from->program && !p->program)
		p->program = strdup(from->program);
}

void window_exec(struct windows *w, const struct event_exec *event)
{
	uint32_t index = last_of_pid(w, event->head.pid), there;

	if (map64_get(&w->by_space, event->old_space, &there))
		index = there;
	if (index == NONE || w->processes[index].ended || map64_get(&w->by_space, event->head.space, &there))
		index = process_begin(w, &event->head);
	else
		move_space(w, index, event->head.space);
	if (index == NONE)
		return;
	w->processes[index].window = w->number;
	set_text(&w->processes[index].program, event->path);
}

void window_attach(struct windows *w, const struct event_attach *event)
{
	uint32_t index = process_begin(w, &event->head);

	if (index == NONE)
		return;
	w->processes[index].parent_pid = event->parent_pid;
	w->processes[index].window = w->number;
	w->processes[index].before = true;
	set_text(&w->processes[index].program, event->path);
}

void window_exit(struct windows *w, const struct event_exit *event)
{
	bool current;
	uint32_t index = window_process(w, &event->head, &current);

	/* of a space that was replaced by an exec since: nothing has ended */
	if (index != NONE && w->processes[index].space == event->head.space)
		process_end(w, index, event->head.time_ns, event->status);
}

static void process_drop(struct windows *w, uint32_t index)
{
	struct seen_process *p = &w->processes[index];
	uint32_t there;

	/* of records that came late */
	while (p->first_thread != NONE)
		thread_drop(w, p->first_thread);
	map64_remove(&w->by_space, p->space, &there);
	if (map64_get(&w->by_pid, p->pid, &there) && there == index)
		map64_remove(&w->by_pid, p->pid, &there);
	facts_drop(p->facts);
	free(p->program);
	free(p->no_interpreter);
	*p = (struct seen_process){ .first_thread = w->free_process };
	w->free_process = index;
}

/* Has it gone without a word? */
static bool vanished(struct windows *w, struct seen_process *p, uint64_t now_ns)
{
	if (!w->options.alive || p->window == w->number || now_ns < p->asked_ns + ASK_NS)
		return false;
	p->asked_ns = now_ns;
	return !w->options.alive(w->options.alive_context, p->pid);
}

void window_processes_sweep(struct windows *w, uint64_t now_ns)
{
	for (uint32_t i = 0; i < w->n_processes; i++) {
		struct seen_process *p = &w->processes[i];

		if (!p->used)
			continue;
		if (!p->ended && vanished(w, p, now_ns))
			process_end(w, i, now_ns, 0);
		if (p->ended && p->window != w->number)
			process_drop(w, i);
	}
}

void window_processes_release(struct windows *w)
{
	for (uint32_t i = 0; i < w->n_processes; i++) {
		map64_release(&w->processes[i].blocks);
		facts_drop(w->processes[i].facts);
		free(w->processes[i].program);
		free(w->processes[i].no_interpreter);
	}
	for (uint32_t i = 0; i < w->n_threads; i++)
		free(w->threads[i].stacks);
	free(w->processes);
	free(w->threads);
	map64_release(&w->by_space);
	map64_release(&w->by_pid);
	map64_release(&w->by_tid);
}
