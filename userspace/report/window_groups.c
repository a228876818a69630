// SPDX-License-Identifier: Apache-2.0
#include "report/window_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "util/map64.h"
#include "util/strings.h"

#define NO_GROUP UINT32_MAX

struct grouping {
	const struct window *window;
	enum window_by by;
	struct window_group *groups;
	uint32_t n, capacity;
	struct strings *texts;
	struct map64 index;   /* address of a group's key in texts -> group */
	uint32_t *of_stack;   /* groups; NO_GROUP: not looked for yet */
	struct map64 reasons; /* group and number of a reason -> index into ns */
	struct map64 reason_numbers;
	uint64_t *ns;
	uint32_t n_ns, cap_ns;
};

static uint32_t group_of(struct grouping *g, const char *key, const struct window_group *description)
{
	const char *interned = strings__intern(g->texts, key);
	uint32_t index;

	if (!interned)
		return NO_GROUP;
	if (map64_get(&g->index, (uintptr_t)interned, &index))
		return index;
	if (g->n == g->capacity) {
		uint32_t capacity = g->capacity ? g->capacity * 2 : 64;
		struct window_group *groups = realloc(g->groups, capacity * sizeof(*groups));

		if (!groups)
			return NO_GROUP;
		g->groups = groups;
		g->capacity = capacity;
	}
	if (map64_put(&g->index, (uintptr_t)interned, g->n))
		return NO_GROUP;
	g->groups[g->n] = *description;
	return g->n++;
}

/* By what the processes are. */
static int group_processes(struct grouping *g)
{
	for (uint32_t i = 0; i < g->window->n_processes; i++) {
		const struct window_process *p = &g->window->processes[i];
		struct window_group description = { .process = g->by == BY_PROCESS ? p : NULL }, *group;
		char key[32];
		uint32_t index;

		snprintf(key, sizeof(key), "%u", i);
		if (g->by != BY_PROCESS)
			description.name = g->by == BY_CONTAINER ? p->facts.container : p->facts.user;
		/* no name begins with a NUL; the empty one is of those without */
		index = group_of(g, g->by == BY_PROCESS ? key : description.name ? description.name : "", &description);
		if (index == NO_GROUP)
			return -ENOMEM;
		group = &g->groups[index];
		group->processes++;
		group->rss_bytes += p->rss_bytes;
		group->rss_before_bytes += p->rss_before_bytes;
		group->rss_grown_bytes += p->rss_grown_bytes;
		times_sum(&group->times, &p->times);
	}
	return 0;
}

/* The group of a stack, made if need be. */
static int stack_group(struct grouping *g, uint32_t index, uint32_t *out)
{
	const struct window_stack *stack = &g->window->stacks[index];
	uint32_t at = g->by == BY_LINE ? stack->site : 0;
	const struct window_frame *frame = at < stack->n_frames ? &stack->frames[at] : NULL;
	struct window_group description = { .name = frame ? "(unnamed code)" : "(no Python code)" };
	char *key = NULL;
	int length;

	if (g->of_stack[index] == NO_GROUP) {
		if (frame && frame->path) {
			description.path = frame->path;
			description.function = frame->function;
			description.lineno = frame->lineno;
		}
		length = asprintf(&key, "%u\n%s\n%s", description.lineno, description.function ? description.function : "", description.path ? description.path : description.name);
		if (length < 0)
			return -ENOMEM;
		g->of_stack[index] = group_of(g, key, &description);
		free(key);
	}
	*out = g->of_stack[index];
	return *out == NO_GROUP ? -ENOMEM : 0;
}

static int add_reason(struct grouping *g, uint32_t group, const char *reason, uint64_t ns)
{
	const char *interned = strings__intern(g->texts, reason);
	uint32_t number, at;

	if (!interned)
		return -ENOMEM;
	if (!map64_get(&g->reason_numbers, (uintptr_t)interned, &number)) {
		number = g->reason_numbers.count;
		if (map64_put(&g->reason_numbers, (uintptr_t)interned, number))
			return -ENOMEM;
	}
	if (!map64_get(&g->reasons, (uint64_t)group << 32 | number, &at)) {
		if (g->n_ns == g->cap_ns) {
			uint32_t capacity = g->cap_ns ? g->cap_ns * 2 : 64;
			uint64_t *sums = realloc(g->ns, capacity * sizeof(*sums));

			if (!sums)
				return -ENOMEM;
			g->ns = sums;
			g->cap_ns = capacity;
		}
		at = g->n_ns;
		if (map64_put(&g->reasons, (uint64_t)group << 32 | number, at))
			return -ENOMEM;
		g->ns[g->n_ns++] = 0;
	}
	g->ns[at] += ns;
	if (g->ns[at] > g->groups[group].reason_ns) {
		g->groups[group].reason = reason;
		g->groups[group].reason_ns = g->ns[at];
	}
	return 0;
}

/* Of a process that is a Python, or was one before it executed something else. */
static bool row_is_python(const struct window *w, const struct window_row *row)
{
	const struct window_stack *stack = &w->stacks[row->stack];

	return w->processes[row->process].python || (stack->n_frames && stack->frames[stack->n_frames - 1].kind == WINDOW_PYTHON);
}

/* By where their rows are. */
static int group_rows(struct grouping *g)
{
	const struct window *w = g->window;
	int err = 0;

	g->of_stack = malloc((w->n_stacks + 1) * sizeof(*g->of_stack));
	if (!g->of_stack)
		return -ENOMEM;
	memset(g->of_stack, 0xff, (w->n_stacks + 1) * sizeof(*g->of_stack));
	for (uint32_t i = 0; i < w->n_rows && !err; i++) {
		const struct window_row *row = &w->rows[i];
		uint32_t index;

		if (row_is_python(w, row) != (g->by == BY_LINE))
			continue;
		err = stack_group(g, row->stack, &index);
		if (err)
			break;
		times_sum(&g->groups[index].times, &row->times);
		g->groups[index].rss_grown_bytes += row->rss_bytes;
		g->groups[index].allocated_bytes += row->allocated_bytes;
		g->groups[index].live_bytes += row->live_bytes;
		if (row->reason && times_wait(&row->times))
			err = add_reason(g, index, row->reason, times_wait(&row->times));
	}
	return err;
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Most CPU first; equal ones always in the same order. */
static int by_cpu(const void *a, const void *b)
{
	const struct window_group *x = a, *y = b;
	uint64_t cpu_x = times_cpu(&x->times), cpu_y = times_cpu(&y->times);
	int order;

	if (cpu_x != cpu_y)
		return cpu_x > cpu_y ? -1 : 1;
	if (x->rss_grown_bytes != y->rss_grown_bytes)
		return x->rss_grown_bytes > y->rss_grown_bytes ? -1 : 1;
	if (x->process && y->process)
		return (x->process->pid > y->process->pid) - (x->process->pid < y->process->pid);
	order = compare_text(x->name, y->name);
	if (!order)
		order = compare_text(x->path, y->path);
	if (!order)
		order = (x->lineno > y->lineno) - (x->lineno < y->lineno);
	return order ? order : compare_text(x->function, y->function);
}

int window_groups__make(struct window_groups *out, const struct window *window, enum window_by by)
{
	struct grouping g = { .window = window, .by = by, .texts = strings__new() };
	int err = g.texts ? 0 : -ENOMEM;

	if (!err)
		err = by == BY_LINE || by == BY_FUNCTION ? group_rows(&g) : group_processes(&g);
	if (!err) {
		if (g.n)
			qsort(g.groups, g.n, sizeof(*g.groups), by_cpu);
		*out = (struct window_groups){ g.groups, g.n };
	} else {
		free(g.groups);
	}
	strings__free(g.texts);
	map64_release(&g.index);
	map64_release(&g.reasons);
	map64_release(&g.reason_numbers);
	free(g.of_stack);
	free(g.ns);
	return err;
}

void window_groups__release(struct window_groups *groups)
{
	free(groups->groups);
	*groups = (struct window_groups){};
}

int64_t window_group_growth(const struct window_group *group)
{
	if (!group->rss_bytes && !group->rss_before_bytes)
		return (int64_t)group->rss_grown_bytes;
	return (int64_t)(group->rss_bytes - group->rss_before_bytes);
}

const char *window_process_name(const struct window_process *process)
{
	if (process->facts.name && process->facts.name[0])
		return process->facts.name;
	return process->program ? path_base(process->program) : "(not known)";
}
