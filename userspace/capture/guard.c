// SPDX-License-Identifier: Apache-2.0
#include "capture/guard.h"

#define SECOND_NS 1e9
/* Below this part of the budget, the probes may stay again. */
#define CALM 0.7
/* The program always gets something done: a slice counts with at least this part of it. */
#define LEFT_MIN 0.05
#define SCALE_MAX 10000.0
/* So many CPU samples weigh as much as the number of calls. */
#define SAMPLES_TRUSTED 200.0
/* What lies longer ago counts half: the program does something else by now. */
#define MEMORY_NS 20e9

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

static void span_begin(struct guard *g, uint64_t from_ns, uint64_t to_ns, bool watched)
{
	g->span = (g->span + 1) % GUARD_SPANS;
	g->spans[g->span] = (struct guard_span){ from_ns, to_ns, watched };
}

void guard_sample(struct guard *g, uint64_t time_ns, bool kernel)
{
	for (int i = 0; i < GUARD_SPANS; i++) {
		const struct guard_span *s = &g->spans[i];

		if (time_ns >= s->from_ns && time_ns < s->to_ns)
			g->samples[s->watched][kernel]++;
	}
}

double guard_taken(const struct guard *g)
{
	double watched = g->samples[1][0] + g->samples[1][1], gaps = g->samples[0][0] + g->samples[0][1];
	double n = watched < gaps ? watched : gaps, by_calls = g->rate + (1 - g->rate) * GUARD_CHANGE_NS / GUARD_SLICE_NS, by_samples, taken;

	if (n < 1 || g->samples[0][0] < 1)
		return by_calls < 1 - LEFT_MIN ? by_calls : 1 - LEFT_MIN;
	by_samples = 1 - g->samples[1][0] / watched / (g->samples[0][0] / gaps);
	if (by_samples < 0)
		by_samples = 0;
	taken = (by_samples * n + by_calls * SAMPLES_TRUSTED) / (n + SAMPLES_TRUSTED);
	return taken < 1 - LEFT_MIN ? taken : 1 - LEFT_MIN;
}

/* The time from the last look until now: CPU time and what it cost. */
static void measure(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, double *cpu, double *cost)
{
	double elapsed = now_ns > g->state_ns ? (double)(now_ns - g->state_ns) : 1;

	*cpu = cpu_ns > g->cpu_ns ? (double)(cpu_ns - g->cpu_ns) : 0;
	*cost = cost_ns > g->cost_ns ? (double)(cost_ns - g->cost_ns) : 0;
	if (*cost > *cpu)
		*cost = *cpu;
	g->busy = g->busy * 0.7 + *cpu / elapsed * 0.3;
	g->watched_ns += now_ns - g->state_ns;
	g->state_ns = now_ns;
	g->cpu_ns = cpu_ns;
	g->cost_ns = cost_ns;
}

/* When so much CPU time may be used, at the earliest. */
static uint64_t when(const struct guard *g, uint64_t now_ns, double left_ns)
{
	double wait = left_ns / (g->busy > 1 ? g->busy : 1);

	return now_ns + (uint64_t)(wait > GUARD_PAUSE_NS ? wait : GUARD_PAUSE_NS);
}

/* So long on average that slice and gap together keep to the budget. */
static double gap_choose(struct guard *g)
{
	double gap = guard_taken(g) * GUARD_SLICE_NS / g->budget - GUARD_SLICE_NS;

	if (gap < GUARD_GAP_MIN_NS)
		gap = GUARD_GAP_MIN_NS;
	if (gap > GUARD_GAP_MAX_NS)
		gap = GUARD_GAP_MAX_NS;
	return gap * (0.5 + random_part(g));
}

static enum guard_step look_always(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns)
{
	double cpu, cost;

	measure(g, now_ns, cpu_ns, cost_ns, &cpu, &cost);
	g->whole.always += cpu;
	g->next_ns = now_ns + GUARD_LOOK_NS;
	if (cpu > 0)
		g->rate = g->rate * 0.8 + cost / cpu * 0.2;
	g->saved_ns += g->budget * cpu - cost;
	if (g->saved_ns > g->budget * GUARD_SAVED_NS)
		g->saved_ns = g->budget * GUARD_SAVED_NS;
	if (g->saved_ns >= 0)
		return GUARD_KEEP;
	g->gap_ns = gap_choose(g);
	return GUARD_CLOSE;
}

static enum guard_step look_slice(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns)
{
	double cpu, cost;

	measure(g, now_ns, cpu_ns, cost_ns, &cpu, &cost);
	g->slice_cpu += cpu;
	g->scaled_cpu += cpu * g->scale;
	g->whole.slices += cpu;
	g->whole.scaled += cpu * g->scale;
	g->used_ns += cpu;
	g->slice_cost += cost;
	if (g->used_ns + GUARD_PAUSE_NS / 2 < GUARD_SLICE_NS) {
		g->next_ns = when(g, now_ns, GUARD_SLICE_NS - g->used_ns);
		return GUARD_KEEP;
	}
	g->spans[g->span].to_ns = now_ns;
	g->rate = g->rate * 0.7 + g->slice_cost / g->used_ns * 0.3;
	if (!g->last)
		return GUARD_CLOSE;
	if (guard_taken(g) > g->budget) {
		g->gap_ns = gap_choose(g);
		return GUARD_CLOSE;
	}
	g->state = GUARD_ALWAYS;
	g->next_ns = now_ns + GUARD_LOOK_NS;
	g->saved_ns = g->budget * SECOND_NS;
	g->gap_cpu = g->slice_cpu = g->scaled_cpu = 0;
	return GUARD_STAY;
}

static enum guard_step look_gap(struct guard *g, uint64_t now_ns, uint64_t cpu_ns)
{
	double cpu = cpu_ns > g->cpu_ns ? (double)(cpu_ns - g->cpu_ns) : 0, elapsed = now_ns > g->state_ns ? (double)(now_ns - g->state_ns) : 1;

	g->gap_cpu += cpu;
	g->whole.gaps += cpu;
	g->used_ns += cpu;
	g->busy = g->busy * 0.7 + cpu / elapsed * 0.3;
	g->unwatched_ns += now_ns - g->state_ns;
	g->state_ns = now_ns;
	g->cpu_ns = cpu_ns;
	if (g->used_ns + GUARD_PAUSE_NS / 2 < g->gap_ns) {
		g->next_ns = when(g, now_ns, g->gap_ns - g->used_ns);
		return GUARD_KEEP;
	}
	g->spans[g->span].to_ns = now_ns;
	return GUARD_OPEN;
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
		return look_gap(g, now_ns, cpu_ns);
	return g->state == GUARD_SLICE ? look_slice(g, now_ns, cpu_ns, cost_ns) : look_always(g, now_ns, cpu_ns, cost_ns);
}

void guard_closed(struct guard *g, uint64_t now_ns, uint64_t cpu_ns)
{
	g->state = GUARD_GAP;
	g->sliced = true;
	g->watched_ns += now_ns - g->state_ns;
	g->state_ns = now_ns;
	g->cpu_ns = cpu_ns;
	g->used_ns = 0;
	g->next_ns = when(g, now_ns, g->gap_ns);
	span_begin(g, now_ns + GUARD_SETTLE_NS, UINT64_MAX, false);
}

static void forget(struct guard *g)
{
	double all = g->gap_cpu + g->slice_cpu;

	if (all < MEMORY_NS)
		return;
	g->gap_cpu /= 2;
	g->slice_cpu /= 2;
	g->scaled_cpu /= 2;
	for (int i = 0; i < 2; i++) {
		g->samples[i][0] /= 2;
		g->samples[i][1] /= 2;
	}
}

/* What the slice that begins stands for. */
static double scale_of(const struct guard *g)
{
	double left = 1 - guard_taken(g), own = GUARD_SLICE_NS * left;
	double missing = g->gap_cpu + left * (g->slice_cpu - g->scaled_cpu);
	double scale = (missing + own + g->gap_ns / 2) / own;

	return scale < 1 ? 1 : scale > SCALE_MAX ? SCALE_MAX : scale;
}

void guard_opened(struct guard *g, uint64_t now_ns, uint64_t cpu_ns, uint64_t cost_ns, struct guard_slice *slice)
{
	/* while the probes were put on */
	double cpu = cpu_ns > g->cpu_ns ? (double)(cpu_ns - g->cpu_ns) : 0;

	g->unwatched_ns += now_ns - g->state_ns;
	g->gap_cpu += cpu;
	g->whole.gaps += cpu;
	g->state = GUARD_SLICE;
	g->state_ns = now_ns;
	g->cpu_ns = cpu_ns;
	g->cost_ns = cost_ns;
	g->last = guard_taken(g) < CALM * g->budget;
	g->gap_ns = g->last ? 0 : gap_choose(g);
	g->used_ns = g->slice_cost = 0;
	g->next_ns = when(g, now_ns, GUARD_SLICE_NS);
	g->scale = scale_of(g);
	span_begin(g, now_ns, UINT64_MAX, true);
	forget(g);
	*slice = (struct guard_slice){ now_ns, now_ns + GUARD_SLICE_MOST_NS, g->scale };
}

double guard_seen(const struct guard *g, uint64_t now_ns)
{
	double since = now_ns > g->state_ns ? (double)(now_ns - g->state_ns) : 0;
	double watched = (double)g->watched_ns + (g->state == GUARD_GAP ? 0 : since), all = (double)(g->watched_ns + g->unwatched_ns) + since;

	return all > 0 ? watched / all : 1;
}

double guard_correction(const struct guard *g, uint64_t cpu_ns)
{
	double since = cpu_ns > g->cpu_ns ? (double)(cpu_ns - g->cpu_ns) : 0, left = 1 - guard_taken(g);
	double always = g->whole.always + (g->state == GUARD_ALWAYS ? since : 0);
	double slices = g->whole.slices + (g->state == GUARD_SLICE ? since : 0);
	double scaled = g->whole.scaled + (g->state == GUARD_SLICE ? since * g->scale : 0);
	double gaps = g->whole.gaps + (g->state == GUARD_GAP ? since : 0);

	if (!g->sliced || always + scaled <= 0)
		return 1;
	return (gaps + left * (always + slices)) / (left * (always + scaled));
}
