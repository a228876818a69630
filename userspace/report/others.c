// SPDX-License-Identifier: Apache-2.0
/* "Other programs": whose CPU time it is that no Python code can be charged with. */
#include "report/losses.h"

#include <stdlib.h>
#include <string.h>

#include "report/share.h"
#include "report/text.h"
#include "util/cleanup.h"

#define PROGRAMS_SHOWN 4
#define FORKS_MAX 32 /* generations that are gone up for a name */

struct other {
	const char *name;
	uint64_t ns;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct other *)a)->name, ((const struct other *)b)->name);
}

static int by_time(const void *a, const void *b)
{
	const struct other *x = a, *y = b;

	return x->ns > y->ns ? -1 : x->ns < y->ns ? 1 : strcmp(x->name, y->name);
}

/* What it executes; a fork that executed nothing runs its parent's program. */
static const char *program_of(const struct profile *profile, size_t i)
{
	for (int depth = 0; depth < FORKS_MAX && !profile->processes[i].program; depth++) {
		size_t k = i;

		while (k && (profile->processes[k - 1].pid != profile->processes[i].parent_pid || profile->processes[k - 1].input != profile->processes[i].input))
			k--;
		if (!k)
			break;
		i = k - 1;
	}
	return profile->processes[i].program ? path_base(profile->processes[i].program) : "(unknown)";
}

/* Joins what has the same name; the largest come first. */
static size_t join(struct other *others, size_t n)
{
	size_t names = 0;

	qsort(others, n, sizeof(*others), by_name);
	for (size_t i = 0; i < n; i++) {
		if (names && !strcmp(others[names - 1].name, others[i].name))
			others[names - 1].ns += others[i].ns;
		else
			others[names++] = others[i];
	}
	qsort(others, names, sizeof(*others), by_time);
	return names;
}

void print_other_programs(FILE *out, const struct profile *profile)
{
	_cleanup_free_ struct other *others = calloc(profile->n_processes + 1, sizeof(*others));
	uint64_t sum = 0, shown = 0;
	size_t n = 0;

	for (size_t i = 0; others && i < profile->n_processes; i++) {
		uint64_t ns = times_cpu(&profile->processes[i].times);

		if (profile->processes[i].interpreter || !ns)
			continue;
		others[n++] = (struct other){program_of(profile, i), ns};
		sum += ns;
	}
	if (!n || share_of(sum, profile) < 0.01)
		return;
	n = join(others, n);
	fprintf(out, "Other programs: %.3f seconds of CPU time (%.1f%%), outside root: ", seconds(sum), share_of(sum, profile) * 100);
	for (size_t i = 0; i < n && i < PROGRAMS_SHOWN; i++) {
		fputs(i ? ", " : "", out);
		text_print(out, others[i].name, strlen(others[i].name), 0, TEXT_NAME);
		fprintf(out, " %.3f s", seconds(others[i].ns));
		shown += others[i].ns;
	}
	if (n > PROGRAMS_SHOWN)
		fprintf(out, ", %zu more %.3f s", n - PROGRAMS_SHOWN, seconds(sum - shown));
	putc('\n', out);
}
