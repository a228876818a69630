// SPDX-License-Identifier: Apache-2.0
/*
 * From the builder's state to the profile that reports read: sites become lines,
 * lines become functions and files, leaves become stacks. All of it is copied into the
 * profile's own arena, so the builder can go on.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/model.h"
#include "profile/source.h"
#include "util/arena.h"
#include "util/cleanup.h"

#define PROCESS_TOP 20

struct owned {
	struct profile profile; /* first: profile__free() relies on it */
	struct arena arena;
	bool failed;
};

static void *take(struct owned *o, size_t n, size_t size)
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

static uint64_t since_start(const struct builder *b, uint64_t ns)
{
	return ns > b->start_ns ? ns - b->start_ns : 0;
}

static void times_sum(struct times *to, const struct times *from)
{
	to->python_ns += from->python_ns;
	to->native_ns += from->native_ns;
	to->system_ns += from->system_ns;
	to->waiting_ns += from->waiting_ns;
	to->runnable_ns += from->runnable_ns;
}

/* At most `limit` points, evenly picked, the last one among them. */
static struct moment *moments(struct owned *o, const struct builder *b, const struct series *s, size_t limit, size_t *n)
{
	size_t count = s->count < limit ? s->count : limit;
	struct moment *out = take(o, count, sizeof(*out));

	*n = out ? count : 0;
	for (size_t i = 0; i < *n; i++) {
		const struct point *p = &s->points[(i + 1) * s->count / count - 1];

		out[i] = (struct moment){ since_start(b, p->ns), p->value };
	}
	return out;
}

static int by_reason_ns(const void *a, const void *b)
{
	const struct wait_reason *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : strcmp(x->what, y->what);
}

static void reasons_add(struct owned *o, struct measures *m, const struct gauge *g)
{
	struct wait_reason *all = take(o, m->n_waits_for + g->n_reasons, sizeof(*all));

	if (!all)
		return;
	if (m->n_waits_for)
		memcpy(all, m->waits_for, m->n_waits_for * sizeof(*all));
	m->waits_for = all;
	for (uint32_t i = 0; i < g->n_reasons; i++) {
		const struct reason *r = &g->reasons[i];
		size_t at = 0;

		while (at < m->n_waits_for && all[at].what != r->what)
			at++;
		if (at == m->n_waits_for)
			all[m->n_waits_for++] = (struct wait_reason){ .what = r->what, .call = r->call, .object = r->object };
		all[at].ns += r->ns;
		all[at].count += r->count;
	}
	qsort(all, m->n_waits_for, sizeof(*all), by_reason_ns);
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int by_moment(const void *a, const void *b)
{
	uint64_t x = ((const struct moment *)a)->since_start_ns, y = ((const struct moment *)b)->since_start_ns;

	return x < y ? -1 : x > y;
}

static void cpu_samples_add(struct owned *o, struct measures *m, const struct series *s)
{
	double *all = take(o, m->n_cpu_samples + s->count, sizeof(*all));
	size_t n = m->n_cpu_samples;

	if (!all)
		return;
	if (n)
		memcpy(all, m->cpu_samples_s, n * sizeof(*all));
	for (uint32_t i = 0; i < s->count; i++)
		all[n++] = s->points[i].ns / 1e9;
	if (m->n_cpu_samples)
		qsort(all, n, sizeof(*all), by_double);
	if (n > CPU_SAMPLES_MAX) {
		for (size_t i = 0; i < CPU_SAMPLES_MAX; i++)
			all[i] = all[i * n / CPU_SAMPLES_MAX];
		n = CPU_SAMPLES_MAX;
	}
	m->cpu_samples_s = all;
	m->n_cpu_samples = n;
}

/* Curves of the parts are put one after the other and added up again. */
static void rss_timeline_add(struct owned *o, const struct builder *b, struct measures *m, const struct gauge *g)
{
	size_t n, total = m->n_rss_timeline;
	struct moment *part = moments(o, b, &g->rss, TIMELINE_MAX, &n), *all;

	if (!total) {
		m->rss_timeline = part;
		m->n_rss_timeline = n;
		return;
	}
	all = take(o, total + n, sizeof(*all));
	if (!all || !n)
		return;
	/* as increments, sorted, then cumulated */
	for (size_t i = 0; i < total; i++)
		all[i] = (struct moment){ m->rss_timeline[i].since_start_ns, m->rss_timeline[i].bytes - (i ? m->rss_timeline[i - 1].bytes : 0) };
	for (size_t i = 0; i < n; i++)
		all[total + i] = (struct moment){ part[i].since_start_ns, part[i].bytes - (i ? part[i - 1].bytes : 0) };
	total += n;
	qsort(all, total, sizeof(*all), by_moment);
	for (size_t i = 1; i < total; i++)
		all[i].bytes += all[i - 1].bytes;
	if (total > TIMELINE_MAX) {
		for (size_t i = 0; i < TIMELINE_MAX; i++)
			all[i] = all[(i + 1) * total / TIMELINE_MAX - 1];
		total = TIMELINE_MAX;
	}
	m->rss_timeline = all;
	m->n_rss_timeline = total;
}

static void measures_add(struct owned *o, const struct builder *b, struct measures *m, const struct gauge *g)
{
	double before = m->core_utilization * times_total(&m->times), cpus = b->options->allowed_cpus ? b->options->allowed_cpus : 1;

	times_sum(&m->times, &g->times);
	m->samples += g->samples;
	m->waits += g->waits;
	m->rss_bytes += g->rss_bytes;
	if (times_total(&m->times))
		m->core_utilization = (before + g->running_ns / cpus) / times_total(&m->times);
	if (m->core_utilization > 1)
		m->core_utilization = 1;
	if (g->cpu.count)
		cpu_samples_add(o, m, &g->cpu);
	if (g->rss.count)
		rss_timeline_add(o, b, m, g);
	if (g->n_reasons)
		reasons_add(o, m, g);
}

/* Only what profile.h says a file's measures hold. */
static void file_measures_add(struct owned *o, struct measures *m, const struct gauge *g)
{
	times_sum(&m->times, &g->times);
	m->samples += g->samples;
	m->waits += g->waits;
	m->rss_bytes += g->rss_bytes;
	if (g->n_reasons)
		reasons_add(o, m, g);
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

	file->functions = take(o, n, sizeof(*file->functions));
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

	file->lines = take(o, n, sizeof(*file->lines));
	for (size_t i = 0; file->lines && i < n; i++) {
		if (!line || line->lineno != placed[i].site->line) {
			line = &file->lines[file->n_lines++];
			line->lineno = placed[i].site->line;
			line->function = function_of(file, placed[i].site->symbol);
		}
		measures_add(o, b, &line->m, &placed[i].site->gauge);
		file_measures_add(o, &file->m, &placed[i].site->gauge);
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
	source_read(&o->arena, file->path, &file->source, &file->source_size, &file->source_problem);
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
static bool is_measured(const struct gauge *g)
{
	return g->samples || g->waits || g->rss_bytes || times_total(&g->times);
}

static void fill_files(struct owned *o, struct builder *b, const uint64_t *inclusive)
{
	struct profile *p = &o->profile;
	struct placed *lines = take(o, b->n_sites, sizeof(*lines)), *functions = take(o, b->n_sites, sizeof(*functions));
	size_t n = 0;

	p->files = take(o, b->n_sites, sizeof(*p->files));
	if (o->failed)
		return;
	for (uint32_t i = 0; i < b->n_sites; i++) {
		if (!is_measured(&b->sites[i].gauge))
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
	uint64_t *inclusive = take(o, n, sizeof(*inclusive));
	uint32_t *seen = take(o, n, sizeof(*seen)); /* leaf + 1 that counted the function last */

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

/* paths: by symbol index; NULL: not asked for yet. */
static void fill_stack(struct owned *o, struct builder *b, const char **paths, struct profile_stack *stack, const struct leaf *leaf)
{
	struct profile_frame *frames;
	size_t depth = 0;

	for (uint32_t node = leaf->node; node; node = b->tree.nodes[node].parent)
		depth++;
	frames = take(o, depth, sizeof(*frames));
	if (!frames)
		return;
	stack->frames = frames;
	stack->n_frames = depth;
	stack->times = leaf->times;
	stack->samples = leaf->samples;
	stack->cpu_samples = leaf->cpu_samples;
	stack->cut = leaf->cut;
	for (uint32_t node = leaf->node; node; node = b->tree.nodes[node].parent) {
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
}

static void fill_stacks(struct owned *o, struct builder *b)
{
	struct profile *p = &o->profile;
	_cleanup_free_ const struct leaf **leaves = calloc(b->tree.n_leaves + 1, sizeof(*leaves));
	_cleanup_free_ const char **paths = calloc(symbols__count(b->symbols) + 1, sizeof(*paths));
	size_t n = 0;

	p->stacks = take(o, b->tree.n_leaves, sizeof(*p->stacks));
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
		p->top = take(o, keep, sizeof(*p->top));
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

	p->processes = take(o, b->n_processes, sizeof(*p->processes));
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
	p->root = b->options->root;
	p->allowed_cpus = b->options->allowed_cpus;
	p->elapsed_ns = since_start(b, b->end_ns);
	p->whole = b->whole;
	p->cpu_samples = b->cpu_samples;
	p->waits = b->waits;
	memcpy(p->losses, b->losses, sizeof(p->losses));
	p->unknown_frames = b->unknown_frames;
	p->python_frames = b->python_frames;
	p->notices = take(o, b->n_notices, sizeof(*p->notices));
	if (p->notices && b->n_notices)
		memcpy(p->notices, b->notices, b->n_notices * sizeof(*p->notices));
	p->n_notices = b->n_notices;
	inclusive = inclusive_times(o, b);
	if (!o->failed)
		fill_files(o, b, inclusive);
	measures_add(o, b, &p->outside, &b->outside);
	fill_stacks(o, b);
	fill_processes(o, b);
	p->rss_timeline = moments(o, b, &b->rss, TIMELINE_MAX, &p->n_rss_timeline);
	if (o->failed) {
		profile__free(p);
		return NULL;
	}
	return p;
}
