// SPDX-License-Identifier: Apache-2.0
/* Counts of calls: equal functions, one function, and the same for its callers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"

static bool is_caller(const struct profile_caller *caller, const struct profile_caller *from, const char *path)
{
	return caller->path == path && caller->function == from->function && caller->firstlineno == from->firstlineno;
}

static int join_caller(struct joined_calls *joined, uint32_t index, const struct profile_caller *from, const char *path)
{
	const uint64_t key[4] = {index, (uintptr_t)path, (uintptr_t)from->function, from->firstlineno};
	struct profile_callee *callee = &joined->sum.functions[index];
	uint64_t hash = hash_bytes(key, sizeof(key));
	uint32_t at;

	if (!map64_get(&joined->caller_of, hash, &at) || at >= callee->n_callers || !is_caller(&callee->callers[at], from, path)) {
		at = (uint32_t)callee->n_callers;
		if (!ROOM(callee->callers, callee->n_callers, joined->more[index].room) || map64_put(&joined->caller_of, hash, at))
			return -ENOMEM;
		callee->callers[callee->n_callers++] = (struct profile_caller){path, from->function, from->firstlineno, 0, 0};
	}
	add_up(&callee->callers[at].calls, from->calls);
	add_up(&callee->callers[at].resumptions, from->resumptions);
	return 0;
}

/* Index of the function, made if need be; NONE: no memory. */
static uint32_t callee_get(struct joined_calls *joined, const char *path, const char *function, uint32_t firstlineno)
{
	const uint64_t key[3] = {(uintptr_t)path, (uintptr_t)function, firstlineno};
	uint64_t hash = hash_bytes(key, sizeof(key));
	uint32_t head = NONE, at;

	map64_get(&joined->heads, hash, &head);
	for (at = head; at != NONE; at = joined->more[at].next) {
		const struct profile_callee *callee = &joined->sum.functions[at];

		if (callee->path == path && callee->function == function && callee->firstlineno == firstlineno)
			return at;
	}
	at = (uint32_t)joined->sum.n_functions;
	if (!ROOM(joined->sum.functions, at, joined->room_functions) || !ROOM(joined->more, at, joined->room_more) || map64_put(&joined->heads, hash, at))
		return NONE;
	joined->sum.functions[at] = (struct profile_callee){.path = path, .function = function, .firstlineno = firstlineno};
	joined->more[at] = (struct joined_callee){.next = head};
	joined->sum.n_functions++;
	return at;
}

static int join_callee(struct joined_calls *joined, const struct profile_callee *from, const struct joined_files *files, const struct map64 *names)
{
	uint32_t at = callee_get(joined, files_path(files, names, from->path), from->function, from->firstlineno);
	struct profile_callee *to;
	int err = 0;

	if (at == NONE)
		return -ENOMEM;
	to = &joined->sum.functions[at];
	to->reported |= from->reported;
	add_up(&to->calls, from->calls);
	add_up(&to->resumptions, from->resumptions);
	for (size_t i = 0; i < from->n_callers && !err; i++)
		err = join_caller(joined, at, &from->callers[i], files_path(files, names, from->callers[i].path));
	return err;
}

int joined_calls_add(struct joined_calls *joined, const struct profile_calls *calls, const struct joined_files *files, const struct map64 *names)
{
	int err = 0;

	if (!joined->counted)
		joined->sum.pattern = calls->pattern;
	joined->mixed |= joined->sum.pattern != calls->pattern;
	joined->counted = true;
	add_up(&joined->sum.calls, calls->calls);
	add_up(&joined->sum.resumptions, calls->resumptions);
	add_up(&joined->sum.lost, calls->lost);
	for (size_t i = 0; i < calls->n_functions && !err; i++)
		err = join_callee(joined, &calls->functions[i], files, names);
	for (size_t i = 0; i < calls->n_processes && !err; i++) {
		if (!ROOM(joined->sum.processes, joined->sum.n_processes, joined->room_processes))
			return -ENOMEM;
		joined->sum.processes[joined->sum.n_processes++] = calls->processes[i];
	}
	return err;
}

static int by_calls(const void *a, const void *b)
{
	const struct profile_caller *x = a, *y = b;
	int order;

	if (x->calls != y->calls)
		return x->calls > y->calls ? -1 : 1;
	order = strcmp(x->path ?: "", y->path ?: "");
	order = order ? order : strcmp(x->function ?: "", y->function ?: "");
	return order ? order : x->firstlineno < y->firstlineno ? -1 : x->firstlineno > y->firstlineno;
}

static int by_name(const void *a, const void *b)
{
	const struct profile_callee *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	order = order ? order : strcmp(x->function, y->function);
	return order ? order : x->firstlineno < y->firstlineno ? -1 : x->firstlineno > y->firstlineno;
}

void joined_calls_end(struct joined_calls *joined, struct profile *profile)
{
	struct profile_calls *sum = &joined->sum;

	if (!joined->counted)
		return;
	if (joined->mixed)
		sum->pattern = NULL;
	for (size_t i = 0; i < sum->n_functions; i++) {
		if (sum->functions[i].n_callers)
			qsort(sum->functions[i].callers, sum->functions[i].n_callers, sizeof(*sum->functions[i].callers), by_calls);
	}
	if (sum->n_functions)
		qsort(sum->functions, sum->n_functions, sizeof(*sum->functions), by_name);
	profile->calls = sum;
	for (size_t i = 0; i < profile->n_files; i++) {
		for (size_t k = 0; k < profile->files[i].n_functions; k++) {
			struct profile_function *f = &profile->files[i].functions[k];

			f->calls = calls_find_callee(sum, profile->files[i].path, f->name, f->firstlineno);
		}
	}
}

void joined_calls_release(struct joined_calls *joined)
{
	for (size_t i = 0; i < joined->sum.n_functions; i++)
		free(joined->sum.functions[i].callers);
	free(joined->sum.functions);
	free(joined->sum.processes);
	free(joined->more);
	map64_release(&joined->heads);
	map64_release(&joined->caller_of);
}
