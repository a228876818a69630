// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "profile/model.h"

/* Different things that one line may be said to have waited for; the last stands for all that come later. */
#define REASONS_MAX 64
static const char other_reasons[] = "other calls";

void times_add(struct times *times, enum time_class class, uint64_t ns)
{
	switch (class) {
	case TIME_PYTHON:
		times->python_ns += ns;
		break;
	case TIME_NATIVE:
		times->native_ns += ns;
		break;
	case TIME_SYSTEM:
		times->system_ns += ns;
		break;
	}
}

void times_add_wait(struct times *times, const struct event_wait *event)
{
	if (event->wait_kind == WAIT_RUNNABLE)
		times->runnable_ns += event->wait_ns;
	else
		times->waiting_ns += event->wait_ns;
}

void gauge_cpu(struct gauge *g, enum time_class class, const struct event_stack *stack)
{
	times_add(&g->times, class, stack->weight);
	g->samples++;
	g->running_ns += (double)stack->weight * (stack->running ? stack->running : 1);
	series_add(&g->cpu, 2 * CPU_SAMPLES_MAX, stack->head.time_ns, 0);
}

void gauge_rss(struct gauge *g, const struct event_stack *stack)
{
	g->rss_bytes += stack->weight;
	series_add(&g->rss, 2 * TIMELINE_MAX, stack->head.time_ns, g->rss_bytes);
}

static bool reason_known(const struct gauge *g, const char *what)
{
	for (uint32_t i = 0; i < g->n_reasons; i++) {
		if (g->reasons[i].what == what)
			return true;
	}
	return false;
}

static struct reason *reason_get(struct gauge *g, const char *what, const char *call, const char *object)
{
	/* very many objects (the files of an import): their calls will do */
	if (g->n_reasons >= REASONS_MAX / 2 && !reason_known(g, what)) {
		what = call;
		object = NULL;
	}
	for (uint32_t i = 0; i < g->n_reasons; i++) {
		if (g->reasons[i].what == what || g->reasons[i].what == other_reasons)
			return &g->reasons[i];
	}
	if (!GROW(g->reasons, g->n_reasons, g->cap_reasons))
		return NULL;
	if (g->n_reasons == REASONS_MAX - 1)
		g->reasons[g->n_reasons] = (struct reason){ .what = other_reasons, .call = other_reasons };
	else
		g->reasons[g->n_reasons] = (struct reason){ .what = what, .call = call, .object = object };
	return &g->reasons[g->n_reasons++];
}

void gauge_wait(struct gauge *g, const struct event_wait *event, const char *what, const char *call, const char *object)
{
	struct reason *reason = reason_get(g, what, call, object);

	times_add_wait(&g->times, event);
	g->waits += event->count;
	if (reason) {
		reason->ns += event->wait_ns;
		reason->count += event->count;
	}
}

void gauge_release(struct gauge *g)
{
	series_release(&g->cpu);
	series_release(&g->rss);
	free(g->reasons);
}
