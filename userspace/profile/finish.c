// SPDX-License-Identifier: Apache-2.0
/*
 * From the builder's state to the profile that reports read: sites become lines,
 * lines become functions and files, leaves become stacks. All of it is copied into the
 * profile's own arena, so the builder can go on.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/finish.h"
#include "profile/source.h"
#include "util/cleanup.h"

#define PROCESS_TOP 20

void *profile_take(struct owned *o, size_t n, size_t size)
{
	void *p = arena_array(&o->arena, n ? n : 1, size);

	o->failed |= !p;
	return p;
}

void profile__free(struct profile *profile)
{
	struct owned *o = (struct owned *)profile;

	if (!o)
		return;
	arena_release(&o->arena);
	free(o);
}

struct placed { const char *path; const struct site *site; };

static int by_path_line(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	if (x->site->line != y->site->line)
		return x->site->line < y->site->line ? -1 : 1;
	return (x->site->symbol->index > y->site->symbol->index) - (x->site->symbol->index < y->site->symbol->index);
}

static int by_path_function(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	const struct symbol *s = x->site->symbol, *t = y->site->symbol;
	int order = strcmp(x->path, y->path);

	if (order)
		return order;
	if (s->firstlineno != t->firstlineno)
		return s->firstlineno < t->firstlineno ? -1 : 1;
	order = strcmp(s->function, t->function);
	if (!order) /* one symbol's sites must not be parted: fill_functions() */
		order = (s->index > t->index) - (s->index < t->index);
	return order ? order : (x->site->line > y->site->line) - (x->site->line < y->site->line);
}

static bool same_function(const struct symbol *s, const struct symbol *t)
{
	/* the same file may be named in two ways (relative, absolute) */
	return s->function == t->function && s->firstlineno == t->firstlineno;
}

/* The functions of one file: `placed` is the file's part, in order of functions. */
static void fill_functions(struct owned *o, const struct builder *b, struct profile_file *file, const struct placed *placed, size_t n, const uint64_t *inclusive)
{
	struct profile_function *function = NULL;
	const struct symbol *last = NULL;

	file->functions = profile_take(o, n, sizeof(*file->functions));
	for (size_t i = 0; file->functions && i < n; i++) {
		const struct symbol *symbol = placed[i].site->symbol;

		if (!function || !same_function(symbol, last)) {
			function = &file->functions[file->n_functions++];
			function->name = symbol->function;
			function->firstlineno = symbol->firstlineno;
		}
		if (symbol != last)
			function->inclusive_ns += inclusive[symbol->index];
		measures_add(o, b, &function->m, &placed[i].site->gauge);
		if (!function->m.heap)
			function->m.heap = heap_measures_of(o, b, placed[i].site->heap_function);
		last = symbol;
	}
}

static int by_function(const void *a, const void *b)
{
	const struct symbol *s = a;
	const struct profile_function *f = b;

	if (s->firstlineno != f->firstlineno)
		return s->firstlineno < f->firstlineno ? -1 : 1;
	return strcmp(s->function, f->name);
}

static const struct profile_function *function_of(const struct profile_file *file, const struct symbol *symbol)
{
	return file->n_functions ? bsearch(symbol, file->functions, file->n_functions, sizeof(*file->functions), by_function) : NULL;
}

static void fill_lines(struct owned *o, const struct builder *b, struct profile_file *file, const struct placed *placed, size_t n)
{
	struct profile_line *line = NULL;

	file->lines = profile_take(o, n, sizeof(*file->lines));
	for (size_t i = 0; file->lines && i < n; i++) {
		if (!line || line->lineno != placed[i].site->line) {
			line = &file->lines[file->n_lines++];
			line->lineno = placed[i].site->line;
			line->function = function_of(file, placed[i].site->symbol);
		}
		measures_add(o, b, &line->m, &placed[i].site->gauge);
		file_measures_add(o, &file->m, &placed[i].site->gauge);
		if (line->m.heap)
			continue;
		line->m.heap = heap_measures_of(o, b, placed[i].site->heap_line);
		if (line->m.heap)
			file_heap_add(o, &file->m, line->m.heap);
	}
}

static void fill_source(struct owned *o, const struct builder *b, struct profile_file *file)
{
	const struct builder_options *options = b->options;

	file->display = file->path;
	if (options->script && !strcmp(file->path, options->script)) {
		file->cells = options->cells;
		if (options->script_display)
			file->display = options->script_display;
		if (options->script_source) {
			file->source = options->script_source;
			file->source_size = options->script_size;
			return;
		}
	}
	source_read(&o->arena, options->opener, file->path, &file->source, &file->source_size, &file->source_problem);
}

static int by_file_time(const void *a, const void *b)
{
	const struct profile_file *x = a, *y = b;
	uint64_t s = times_total(&x->m.times), t = times_total(&y->m.times);

	if (s != t)
		return s < t ? 1 : -1;
	return strcmp(x->path, y->path);
}

/* A place where a thread stopped, but nobody waited for it, has nothing to report. */
static bool is_measured(const struct site *site)
{
	const struct gauge *g = &site->gauge;

	return g->samples || g->waits || g->rss_bytes || times_total(&g->times) || site->heap_line != HEAP_NONE;
}

static void fill_files(struct owned *o, struct builder *b, const uint64_t *inclusive)
{
	struct profile *p = &o->profile;
	struct placed *lines = profile_take(o, b->n_sites, sizeof(*lines)), *functions = profile_take(o, b->n_sites, sizeof(*functions));
	size_t n = 0;

	p->files = profile_take(o, b->n_sites, sizeof(*p->files));
	if (o->failed)
		return;
	for (uint32_t i = 0; i < b->n_sites; i++) {
		if (!is_measured(&b->sites[i]))
			continue;
		lines[n] = functions[n] = (struct placed){ builder_path(b, b->sites[i].symbol->file), &b->sites[i] };
		n++;
	}
	qsort(lines, n, sizeof(*lines), by_path_line);
	qsort(functions, n, sizeof(*functions), by_path_function);
	for (size_t start = 0, end; start < n; start = end) {
		struct profile_file *file = &p->files[p->n_files++];

		for (end = start + 1; end < n && !strcmp(lines[end].path, lines[start].path);)
			end++;
		file->path = lines[start].path;
		fill_functions(o, b, file, functions + start, end - start, inclusive);
		fill_lines(o, b, file, lines + start, end - start);
		fill_source(o, b, file);
	}
	qsort(p->files, p->n_files, sizeof(*p->files), by_file_time);
}

/* Time with each function anywhere on the stack, by symbol index. */
static uint64_t *inclusive_times(struct owned *o, const struct builder *b)
{
	size_t n = symbols__count(b->symbols);
	uint64_t *inclusive = profile_take(o, n, sizeof(*inclusive));
	uint32_t *seen = profile_take(o, n, sizeof(*seen)); /* leaf + 1 that counted the function last */

	for (uint32_t i = 0; !o->failed && i < b->tree.n_leaves; i++) {
		const struct leaf *leaf = &b->tree.leaves[i];
		uint64_t ns = times_total(&leaf->times);

		for (uint32_t node = leaf->node; ns && node; node = b->tree.nodes[node].parent) {
			const struct symbol *symbol = b->tree.nodes[node].symbol;

			if (!symbol || seen[symbol->index] == i + 1)
				continue;
			seen[symbol->index] = i + 1;
			inclusive[symbol->index] += ns;
		}
	}
	return inclusive;
}

/* Of equal ones, the one seen first; both lie in one array. */
static int by_leaf_time(const void *a, const void *b)
{
	const struct leaf *x = *(const struct leaf *const *)a, *y = *(const struct leaf *const *)b;
	uint64_t s = times_total(&x->times), t = times_total(&y->times);

	return s < t ? 1 : s > t ? -1 : (x > y) - (x < y);
}

struct profile_frame *node_frames(struct owned *o, struct builder *b, const char **paths, uint32_t innermost, size_t *n_frames)
{
	struct profile_frame *frames;
	size_t depth = 0;

	for (uint32_t node = innermost; node; node = b->tree.nodes[node].parent)
		depth++;
	frames = profile_take(o, depth, sizeof(*frames));
	if (!frames)
		return NULL;
	*n_frames = depth;
	for (uint32_t node = innermost; node; node = b->tree.nodes[node].parent) {
		const struct node *n = &b->tree.nodes[node];
		const struct symbol *symbol = n->symbol;

		if (!symbol) {
			frames[--depth] = (struct profile_frame){ "<unknown>", "<unknown>", 0 };
			continue;
		}
		if (!paths[symbol->index])
			paths[symbol->index] = builder_path(b, symbol->file);
		frames[--depth] = (struct profile_frame){ paths[symbol->index], symbol->function, n->line };
	}
	return frames;
}

static void fill_stack(struct owned *o, struct builder *b, const char **paths, struct profile_stack *stack, const struct leaf *leaf)
{
	stack->frames = node_frames(o, b, paths, leaf->node, &stack->n_frames);
	stack->times = leaf->times;
	stack->samples = leaf->samples;
	stack->cpu_samples = leaf->cpu_samples;
	stack->cut = leaf->cut;
}

static void fill_stacks(struct owned *o, struct builder *b)
{
	struct profile *p = &o->profile;
	_cleanup_free_ const struct leaf **leaves = calloc(b->tree.n_leaves + 1, sizeof(*leaves));
	_cleanup_free_ const char **paths = calloc(symbols__count(b->symbols) + 1, sizeof(*paths));
	size_t n = 0;

	p->stacks = profile_take(o, b->tree.n_leaves, sizeof(*p->stacks));
	o->failed |= !leaves || !paths;
	if (o->failed)
		return;
	for (uint32_t i = 0; i < b->tree.n_leaves; i++) {
		if (b->tree.leaves[i].samples && b->tree.leaves[i].node)
			leaves[n++] = &b->tree.leaves[i];
	}
	qsort(leaves, n, sizeof(*leaves), by_leaf_time);
	for (size_t i = 0; i < n; i++)
		fill_stack(o, b, paths, &p->stacks[p->n_stacks++], leaves[i]);
}

struct heavy { uint32_t process, site; const struct times *times; };

static int by_process_time(const void *a, const void *b)
{
	const struct heavy *x = a, *y = b;
	uint64_t s = times_total(x->times), t = times_total(y->times);

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (s != t)
		return s < t ? 1 : -1;
	return (x->site > y->site) - (x->site < y->site);
}

static void fill_tops(struct owned *o, struct builder *b)
{
	_cleanup_free_ struct heavy *all = calloc(b->process_sites.count + 1, sizeof(*all));
	size_t n = 0;

	if (!all)
		return;
	for (size_t i = 0; i < b->process_sites.capacity; i++) {
		const struct map64_slot *slot = &b->process_sites.slots[i];

		if (slot->used)
			all[n++] = (struct heavy){ slot->key >> 32, (uint32_t)slot->key, &b->process_times[slot->value] };
	}
	qsort(all, n, sizeof(*all), by_process_time);
	for (size_t start = 0, end; start < n; start = end) {
		struct profile_process *p = &o->profile.processes[all[start].process];
		size_t keep;

		for (end = start + 1; end < n && all[end].process == all[start].process;)
			end++;
		keep = end - start < PROCESS_TOP ? end - start : PROCESS_TOP;
		p->top = profile_take(o, keep, sizeof(*p->top));
		for (size_t i = 0; p->top && i < keep; i++) {
			const struct site *site = &b->sites[all[start + i].site];

			p->top[i].path = builder_path(b, site->symbol->file);
			p->top[i].lineno = site->line;
			p->top[i].function = site->symbol->function;
			p->top[i].times = *all[start + i].times;
			p->n_top++;
		}
	}
}

/* Why there are no Python frames. A fork that told nothing runs what its parent ran. */
static const char *no_interpreter(const struct builder *b, const struct process *p)
{
	for (int depth = 0; depth < 32 && !p->no_interpreter; depth++) {
		uint32_t i = p - b->processes;

		while (i && b->processes[i - 1].pid != p->parent_pid)
			i--;
		if (!i || p->program)
			return "it ended before its interpreter was known";
		p = &b->processes[i - 1];
	}
	return p->no_interpreter ? p->no_interpreter : "not known";
}

static void fill_processes(struct owned *o, struct builder *b)
{
	struct profile *p = &o->profile;

	p->processes = profile_take(o, b->n_processes, sizeof(*p->processes));
	for (uint32_t i = 0; !o->failed && i < b->n_processes; i++) {
		const struct process *from = &b->processes[i];

		p->processes[p->n_processes++] = (struct profile_process){
			.pid = from->pid,
			.parent_pid = from->parent_pid,
			.program = from->program,
			.interpreter = from->interpreter,
			.no_interpreter = from->interpreter ? NULL : no_interpreter(b, from),
			.start_ns = since_start(b, from->start_ns),
			.end_ns = from->end_ns ? since_start(b, from->end_ns) : 0,
			.times = from->times,
			.samples = from->samples,
			.rss_bytes = from->rss_bytes,
			.max_rss_bytes = from->max_rss_bytes,
			.out_of_memory = from->out_of_memory,
			.utime_ns = from->utime_ns,
			.stime_ns = from->stime_ns,
			.run_ns = from->run_ns,
			.status = from->status,
			.threads = from->threads,
		};
		if (!from->interpreter)
			p->losses[LOSS_NO_INTERPRETER] += from->unseen_samples;
	}
	if (!o->failed)
		fill_tops(o, b);
}

struct profile *builder__profile(struct builder *b)
{
	struct owned *o = calloc(1, sizeof(*o));
	struct profile *p;
	uint64_t *inclusive;

	if (!o)
		return NULL;
	p = &o->profile;
	if (b->options->heap)
		heap_notices(b);
	if (b->options->calls)
		calls_notices(b);
	p->root = b->options->root;
	p->allowed_cpus = b->options->allowed_cpus;
	p->elapsed_ns = since_start(b, b->end_ns);
	p->whole = b->whole;
	p->cpu_samples = b->cpu_samples;
	p->unsampled_ns = b->unsampled_ns;
	p->helpers_ns = b->helpers_ns;
	p->waits = b->waits;
	memcpy(p->losses, b->losses, sizeof(p->losses));
	p->unknown_frames = b->unknown_frames;
	p->python_frames = b->python_frames;
	p->notices = profile_take(o, b->n_notices, sizeof(*p->notices));
	if (p->notices && b->n_notices)
		memcpy(p->notices, b->notices, b->n_notices * sizeof(*p->notices));
	p->n_notices = b->n_notices;
	inclusive = inclusive_times(o, b);
	if (!o->failed)
		fill_files(o, b, inclusive);
	measures_add(o, b, &p->outside, &b->outside);
	fill_stacks(o, b);
	fill_processes(o, b);
	if (b->options->heap && !o->failed)
		fill_heap(o, b);
	if (b->options->calls && !o->failed)
		fill_calls(o, b);
	p->rss_timeline = moments(o, b, &b->rss, TIMELINE_MAX, &p->n_rss_timeline);
	if (o->failed) {
		profile__free(p);
		return NULL;
	}
	return p;
}
