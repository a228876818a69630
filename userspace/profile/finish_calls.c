// SPDX-License-Identifier: Apache-2.0
/* The counts of calls, as reports read them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/calls_file.h"
#include "profile/finish.h"
#include "util/cleanup.h"

struct placed_edge {
	const char *path, *caller_path; /* NULL: there is no caller */
	const struct calls_edge *edge;
};

static int by_name(const char *path, const char *function, uint32_t lineno, const char *path2, const char *function2, uint32_t lineno2)
{
	int order = strcmp(path, path2);

	if (!order)
		order = strcmp(function, function2);
	return order ? order : (lineno > lineno2) - (lineno < lineno2);
}

static int by_callee(const void *a, const void *b)
{
	const struct placed_edge *x = a, *y = b;
	const struct symbol *s = x->edge->callee, *t = y->edge->callee;

	return by_name(x->path, s->function, s->firstlineno, y->path, t->function, t->firstlineno);
}

static int by_caller(const struct placed_edge *x, const struct placed_edge *y)
{
	const struct symbol *s = x->edge->caller, *t = y->edge->caller;

	if (!s || !t)
		return !s - !t;
	return by_name(x->caller_path, s->function, s->firstlineno, y->caller_path, t->function, t->firstlineno);
}

static int by_callee_caller(const void *a, const void *b)
{
	int order = by_callee(a, b);

	return order ? order : by_caller(a, b);
}

static int by_calls(const void *a, const void *b)
{
	const struct profile_caller *x = a, *y = b;
	uint64_t n = x->calls + x->resumptions, m = y->calls + y->resumptions;

	if (n != m)
		return n < m ? 1 : -1;
	if (!x->path || !y->path)
		return !x->path - !y->path;
	return by_name(x->path, x->function, x->firstlineno, y->path, y->function, y->firstlineno);
}

/* A file may be named in two ways: such callers are one. */
static void add_edge(struct profile_callee *callee, const struct placed_edge *placed, bool same_caller)
{
	const struct symbol *s = placed->edge->caller;
	struct profile_caller *caller = &callee->callers[callee->n_callers - same_caller];

	if (!same_caller) {
		callee->n_callers++;
		*caller = (struct profile_caller){ .path = placed->caller_path, .function = s ? s->function : NULL, .firstlineno = s ? s->firstlineno : 0 };
	}
	caller->calls += placed->edge->calls;
	caller->resumptions += placed->edge->resumptions;
	callee->calls += placed->edge->calls;
	callee->resumptions += placed->edge->resumptions;
}

static void fill_functions(struct owned *o, struct builder *b, struct profile_calls *calls)
{
	const struct calls *c = &b->calls;
	_cleanup_free_ struct placed_edge *placed = calloc(c->n_edges + 1, sizeof(*placed));
	struct profile_caller *callers = profile_take(o, c->n_edges, sizeof(*callers));

	calls->functions = profile_take(o, c->n_edges, sizeof(*calls->functions));
	o->failed |= !placed;
	if (o->failed)
		return;
	for (uint32_t i = 0; i < c->n_edges; i++)
		placed[i] = (struct placed_edge){ builder_path(b, c->edges[i].callee->file), c->edges[i].caller ? builder_path(b, c->edges[i].caller->file) : NULL, &c->edges[i] };
	qsort(placed, c->n_edges, sizeof(*placed), by_callee_caller);
	for (uint32_t start = 0, end; start < c->n_edges; start = end) {
		const struct symbol *s = placed[start].edge->callee;
		struct profile_callee *callee = &calls->functions[calls->n_functions++];

		*callee = (struct profile_callee){
			.path = placed[start].path,
			.function = s->function,
			.firstlineno = s->firstlineno,
			.reported = builder_reports(b, s->file),
			.callers = callers + start,
		};
		for (end = start; end < c->n_edges && !by_callee(&placed[start], &placed[end]); end++)
			add_edge(callee, &placed[end], end > start && !by_caller(&placed[end - 1], &placed[end]));
		qsort(callee->callers, callee->n_callers, sizeof(*callee->callers), by_calls);
		calls->calls += callee->calls;
		calls->resumptions += callee->resumptions;
	}
}

static int callee_order(const void *key, const void *element)
{
	const struct profile_callee *x = key, *y = element;

	return by_name(x->path, x->function, x->firstlineno, y->path, y->function, y->firstlineno);
}

const struct profile_callee *calls_find_callee(const struct profile_calls *calls, const char *path, const char *function, uint32_t firstlineno)
{
	const struct profile_callee key = { .path = path, .function = function, .firstlineno = firstlineno };

	return calls->n_functions ? bsearch(&key, calls->functions, calls->n_functions, sizeof(key), callee_order) : NULL;
}

uint64_t calls_by(const struct profile_callee *callee, const char *path, const char *function, uint32_t lineno)
{
	const struct profile_caller *best = NULL;

	for (size_t i = 0; i < callee->n_callers; i++) {
		const struct profile_caller *c = &callee->callers[i];

		if (!path != !c->path || (path && (strcmp(c->path, path) || strcmp(c->function, function))))
			continue;
		/* of functions with one name, the one that begins last before the line */
		if (!best || (c->firstlineno <= lineno && (best->firstlineno > lineno || best->firstlineno < c->firstlineno)))
			best = c;
	}
	return best ? best->calls : 0;
}

/* --- how complete they are --- */

static enum calls_part part_of(const struct profile_calls *calls, bool (*is)(const struct profile_calls_process *p))
{
	size_t counted = 0, n = 0;

	for (size_t i = 0; i < calls->n_processes; i++) {
		if (!calls->processes[i].calls && !calls->processes[i].resumptions)
			continue;
		counted++;
		n += is(&calls->processes[i]);
	}
	return !n ? CALLS_PART_NONE : n < counted ? CALLS_PART_SOME : CALLS_PART_ALL;
}

static bool is_from_c(const struct profile_calls_process *p)
{
	return p->how == CALLS_ENTRIES_FROM_C;
}

static bool is_estimated(const struct profile_calls_process *p)
{
	return p->flags & CALLS_SLICED;
}

static bool is_dense(const struct profile_calls_process *p)
{
	return p->flags & CALLS_DENSE;
}

enum calls_part calls_from_c(const struct profile_calls *calls)
{
	return part_of(calls, is_from_c);
}

enum calls_part calls_estimated(const struct profile_calls *calls)
{
	return part_of(calls, is_estimated);
}

static void link_functions(struct profile *p)
{
	for (size_t i = 0; i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_functions; k++) {
			struct profile_function *f = &p->files[i].functions[k];

			f->calls = calls_find_callee(p->calls, p->files[i].path, f->name, f->firstlineno);
		}
	}
}

void fill_calls(struct owned *o, struct builder *b)
{
	const struct calls *c = &b->calls;
	struct profile_calls *calls = c->complete ? profile_take(o, 1, sizeof(*calls)) : NULL;

	if (!calls)
		return;
	calls->lost = c->lost;
	calls->pattern = b->options->calls_pattern;
	calls->processes = profile_take(o, c->n_processes, sizeof(*calls->processes));
	fill_functions(o, b, calls);
	if (o->failed)
		return;
	if (c->n_processes)
		memcpy(calls->processes, c->processes, c->n_processes * sizeof(*calls->processes));
	calls->n_processes = c->n_processes;
	o->profile.calls = calls;
	link_functions(&o->profile);
}

/* --- what is to be said --- */

static void process_notice(struct builder *b, const struct profile_calls_process *p)
{
	unsigned major = p->version >> 8 & 0xff, minor = p->version & 0xff;
	char text[256];

	if (p->how == CALLS_NO_PLACE)
		snprintf(text, sizeof(text), "calls are not counted in process %u: no probe could be put where its CPython %u.%u evaluates frames", p->pid, major, minor);
	else if (p->how == CALLS_UNKNOWN)
		snprintf(text, sizeof(text), "calls are not counted in CPython %u.%u, which process %u runs: 3.8 to 3.15 with a GIL are supported", major, minor, p->pid);
	else if (p->how == CALLS_REFUSED)
		snprintf(text, sizeof(text), "calls are not counted in process %u: its CPython %u.%u has no place for it, other tools may have taken them all", p->pid, major, minor);
	else if (p->flags & CALLS_REPLACED)
		snprintf(text, sizeof(text), "calls are counted in process %u only until something else there set its own evaluation of frames", p->pid);
	else if (p->flags & CALLS_DEEP)
		snprintf(text, sizeof(text), "calls are counted in process %u but for those made while a recursion took more than half of its thread's C stack", p->pid);
	else
		return;
	builder__notice(b, text);
}

/* What a fork counted is not what the program counts that it executed then. */
static bool was_heard(const struct calls *c, uint32_t pid)
{
	for (uint32_t i = 0; i < c->n_processes; i++)
		if (c->processes[i].pid == pid && !(c->processes[i].flags & CALLS_FORKED))
			return true;
	return false;
}

/* Interpreters that did not load the library. In a namespace of its own a process has another number there: then only their count tells. */
static void silent_notices(struct builder *b)
{
	const struct calls *c = &b->calls;
	uint32_t executed = 0, heard = c->lost_processes;

	for (uint32_t i = 0; i < b->n_processes; i++)
		executed += b->processes[i].interpreter && b->processes[i].program;
	for (uint32_t i = 0; i < c->n_processes; i++)
		heard += !(c->processes[i].flags & CALLS_FORKED);
	for (uint32_t i = 0; i < b->n_processes && heard < executed; i++) {
		const struct process *p = &b->processes[i];
		char text[512];

		if (!p->interpreter || !p->program || was_heard(c, p->pid))
			continue;
		snprintf(text, sizeof(text), "no calls of '%.300s': it did not load the library that counts them, as a static program, in another root, or with rights that its file gives", p->program);
		builder__notice(b, text);
	}
}

/* The first process of a kind, and how many more there are. */
static const struct profile_calls_process *first_of(const struct calls *c, bool (*is)(const struct profile_calls_process *p), char more[64])
{
	const struct profile_calls_process *first = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n_processes; i++) {
		if (!is(&c->processes[i]))
			continue;
		first = first ? first : &c->processes[i];
		n++;
	}
	more[0] = 0;
	if (n > 1)
		snprintf(more, 64, " and %u more", n - 1);
	return first;
}

/* What probes see, and what they do not. */
static void probes_notices(struct builder *b)
{
	const struct calls *c = &b->calls;
	const struct profile_calls_process *p;
	char text[512], more[64];

	p = first_of(c, is_from_c, more);
	if (p) {
		snprintf(text, sizeof(text), "calls of process %u%s (CPython %u.%u) are entries from C code only, such as callbacks of C functions: Python 3.11 and later make calls from Python to Python "
			 "without a new evaluation, which no probe on a running interpreter sees; of a script that is started with --calls all are counted", p->pid, more, p->version >> 8 & 0xff, p->version & 0xff);
		builder__notice(b, text);
	}
	p = first_of(c, is_dense, more);
	if (p) {
		snprintf(text, sizeof(text), "process %u%s makes so many calls that to look at them took most of its time while that was done: the true figures may be twice as high as the estimates, or more, whose "
			 "proportions hold; with --heap-budget 0 all calls are counted, at that price", p->pid, more);
		builder__notice(b, text);
	}
	p = first_of(c, is_estimated, more);
	if (p) {
		snprintf(text, sizeof(text), "calls of process %u%s are estimates, scaled up: to look at each would have cost more than --heap-budget allows, so they were looked at for %.1f %% of the time, in slices",
			 p->pid, more, p->seen * 100);
		builder__notice(b, text);
	}
	if (c->lost_processes) {
		snprintf(text, sizeof(text), "calls of %llu processes are not counted: they were too many at once", (unsigned long long)c->lost_processes);
		builder__notice(b, text);
	}
	if (c->unnamed) {
		snprintf(text, sizeof(text), "%llu calls and resumptions are left out, of functions that could not be named", (unsigned long long)c->unnamed);
		builder__notice(b, text);
	}
}

void calls_notices(struct builder *b)
{
	const struct calls *c = &b->calls;
	char text[256];

	if (!c->complete)
		return;
	for (uint32_t i = 0; i < c->n_processes; i++)
		process_notice(b, &c->processes[i]);
	if (b->options->calls_probes)
		probes_notices(b);
	else
		silent_notices(b);
	if (c->lost) {
		snprintf(text, sizeof(text), "about %llu calls are not counted: %s", (unsigned long long)c->lost,
			 b->options->calls_probes ? "what was called could not be read, or there was no room for more counters" : "there was no room for their counters in the memory for temporary files");
		builder__notice(b, text);
	}
}
