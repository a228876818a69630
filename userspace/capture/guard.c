// SPDX-License-Identifier: Apache-2.0
#include "capture/guard.h"

#define SECOND_NS 1e9
/* Below this part of the budget, the probes may stay again. */
#define CALM 0.7
/* The program always gets something done: a slice counts with at least this part of it. */
#define LEFT_MIN 0.1

static double random_part(struct guard *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return (double)(g->random >> 11) / (double)(1ULL << 53);
}

void guard_init(struct guard *g, double budget, uint64_t now_ns, uint64_t seed)
{
	*g = (struct guard){ .budget = budget, .state_ns = now_ns, .next_ns = now_ns + GUARD_LOOK_NS, .saved_ns = budget * GUARD_SAVED_NS, .busy = 1, .random = seed | 1 };
}

/* The time from the last look until now, and what it cost. */
static void measure(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, double *cpu, double *cost)
{
	double elapsed = now_ns > g->state_ns ? (double)(now_ns - g->state_ns) : 1;

	*cpu = cpu_ns > g->cpu_ns ? (double)(cpu_ns - g->cpu_ns) : 0;
	*cost = cost_ns > g->cost_ns ? (double)(cost_ns - g->cost_ns) : 0;
	if (*cost > *cpu)
		*cost = *cpu;
	g->busy = *cpu / elapsed;
	g->cpu_ns = cpu_ns;
	g->cost_ns = cost_ns;
}

/* So long on average that slice and gap together keep to the budget. */
static double gap_wanted(const struct guard *g)
{
	double busy = g->busy > 0.05 ? g->busy : 0.05;
	double cost = g->rate * busy * GUARD_SLICE_NS + GUARD_CHANGE_NS;

	return cost / (g->budget * busy) - GUARD_SLICE_NS;
}

static double gap_choose(struct guard *g)
{
	double gap = gap_wanted(g);

	if (gap < GUARD_GAP_MIN_NS)
		gap = GUARD_GAP_MIN_NS;
	if (gap > GUARD_GAP_MAX_NS)
		gap = GUARD_GAP_MAX_NS;
	return gap * (0.5 + random_part(g));
}

static enum guard_step look_always(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns)
{
	double cpu, cost;

	g->watched_ns += now_ns - g->state_ns;
	measure(g, now_ns, cpu_ns, cost_ns, &cpu, &cost);
	g->state_ns = now_ns;
	g->next_ns = now_ns + GUARD_LOOK_NS;
	if (cpu > 0)
		g->rate = g->rate * 0.8 + cost / cpu * 0.2;
	g->saved_ns += g->budget * cpu - cost;
	if (g->saved_ns > g->budget * GUARD_SAVED_NS)
		g->saved_ns = g->budget * GUARD_SAVED_NS;
	if (g->saved_ns >= 0)
		return GUARD_KEEP;
	if (cpu > 0)
		g->rate = cost / cpu;
	g->gap_ns = gap_choose(g);
	g->credited_ns = 0;
	return GUARD_CLOSE;
}

static enum guard_step look_slice(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns)
{
	double cpu, cost;

	g->watched_ns += now_ns - g->state_ns;
	measure(g, now_ns, cpu_ns, cost_ns, &cpu, &cost);
	g->state_ns = now_ns;
	if (cpu > 0)
		g->rate = g->rate * 0.5 + cost / cpu * 0.5;
	if (!g->last)
		return GUARD_CLOSE;
	if (g->rate > g->budget) {
		g->gap_ns = gap_choose(g);
		return GUARD_CLOSE;
	}
	g->state = GUARD_ALWAYS;
	g->next_ns = now_ns + GUARD_LOOK_NS;
	g->saved_ns = g->budget * SECOND_NS;
	return GUARD_STAY;
}

enum guard_step guard_look(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns)
{
	if (g->budget <= 0) {
		g->next_ns = now_ns + (uint64_t)SECOND_NS;
		return GUARD_KEEP;
	}
	if (now_ns < g->next_ns)
		return GUARD_KEEP;
	if (g->state == GUARD_GAP)
		return GUARD_OPEN;
	return g->state == GUARD_SLICE ? look_slice(g, now_ns, cpu_ns, cost_ns) : look_always(g, now_ns, cpu_ns, cost_ns);
}

void guard_closed(struct guard *g, uint64_t now_ns)
{
	g->state = GUARD_GAP;
	g->sliced = true;
	g->watched_ns += now_ns - g->state_ns;
	g->state_ns = now_ns;
	g->next_ns = now_ns + (uint64_t)g->gap_ns;
}

void guard_opened(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, struct guard_slice *slice)
{
	double gap = (double)(now_ns - g->state_ns), before = gap > g->credited_ns ? gap - g->credited_ns : 0;
	double lost = g->rate * (g->busy < 1 ? g->busy : 1), left = GUARD_SLICE_NS * (lost < 1 - LEFT_MIN ? 1 - lost : LEFT_MIN);

	g->unwatched_ns += now_ns - g->state_ns;
	g->state = GUARD_SLICE;
	g->state_ns = now_ns;
	g->cpu_ns = cpu_ns;
	g->cost_ns = cost_ns;
	g->last = g->rate < CALM * g->budget;
	g->gap_ns = g->last ? 0 : gap_choose(g);
	g->credited_ns = g->gap_ns / 2;
	g->next_ns = now_ns + GUARD_SLICE_NS;
	*slice = (struct guard_slice){ now_ns, g->next_ns, (before + left + g->credited_ns) / left };
}

double guard_seen(const struct guard *g, uint64_t now_ns)
{
	double since = now_ns > g->state_ns ? (double)(now_ns - g->state_ns) : 0;
	double watched = (double)g->watched_ns + (g->state == GUARD_GAP ? 0 : since), all = (double)(g->watched_ns + g->unwatched_ns) + since;

	return all > 0 ? watched / all : 1;
}
