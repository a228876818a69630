// SPDX-License-Identifier: Apache-2.0
#include "intake.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"

/* One large burst must not stay in memory. */
#define QUEUE_KEPT (4U << 20)

struct intake {
	struct intake_options options;
	struct heap_types *heap_types;   /* NULL: none */
	struct heap_probes *heap_probes; /* NULL: none */
	struct calls_probes *calls_probes; /* NULL: none */
	char *queue;
	size_t used, capacity;
	uint64_t drain_ns; /* this drain's beginning */
	uint64_t lost;
};

static void enqueue(struct intake *in, const struct event_header *record)
{
	size_t size = (record->size + 7) & ~(size_t)7;

	if (in->used + size > in->capacity) {
		size_t capacity = (in->capacity ? in->capacity * 2 : 1 << 16) + size;
		char *queue = realloc(in->queue, capacity);

		if (!queue) {
			in->lost++;
			return;
		}
		in->queue = queue;
		in->capacity = capacity;
	}
	memcpy(in->queue + in->used, record, record->size);
	in->used += size;
}

/* A record of our own. */
static void on_own(void *context, const struct event_header *record)
{
	struct intake *in = context;

	if (in->options.recording)
		recording__append(in->options.recording, record);
	enqueue(in, record);
}

struct intake *intake__new(const struct intake_options *options)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->options = *options;
	in->heap_probes = capture__heap_probes(options->capture);
	in->calls_probes = capture__calls_probes(options->capture);
	if (options->heap) {
		in->heap_types = heap_types__new(options->symbols, on_own, in);
		if (!in->heap_types) {
			intake__free(in);
			return NULL;
		}
	}
	return in;
}

void intake__free(struct intake *in)
{
	if (!in)
		return;
	heap_types__free(in->heap_types);
	free(in->queue);
	free(in);
}

uint64_t intake__lost(const struct intake *in)
{
	return in->lost;
}

static void tell_probes(struct heap_probes *probes, const struct event_header *record)
{
	switch (record->kind) {
	case EVENT_FORK:
		heap_probes__forked(probes, ((const struct event_fork *)record)->parent_pid, record->pid, clock_ns(CLOCK_MONOTONIC));
		break;
	case EVENT_EXEC:
		heap_probes__executed(probes, record->pid, ((const struct event_exec *)record)->old_space, clock_ns(CLOCK_MONOTONIC));
		break;
	case EVENT_EXIT:
		heap_probes__ended(probes, record->pid, record->space);
		break;
	case EVENT_CPU:
		heap_probes__sample(probes, record->pid, record->time_ns, record->flags & STACK_KERNEL);
		break;
	}
}

/* What a space has counted goes before its end: then its code objects are forgotten. */
static void tell_calls(struct intake *in, const struct event_header *record)
{
	switch (record->kind) {
	case EVENT_FORK:
		calls_probes__forked(in->calls_probes, ((const struct event_fork *)record)->parent_pid, record->pid, record->space);
		break;
	case EVENT_EXEC:
		calls_probes__ended(in->calls_probes, record->pid, ((const struct event_exec *)record)->old_space, on_own, in);
		break;
	case EVENT_EXIT:
		calls_probes__ended(in->calls_probes, record->pid, record->space, on_own, in);
		break;
	case EVENT_CPU:
		calls_probes__sample(in->calls_probes, record->pid, record->time_ns, record->flags & STACK_KERNEL, ((const struct event_stack *)record)->user_ip);
		break;
	}
}

static void on_record(void *context, const struct event_header *record)
{
	struct intake *in = context;
	const struct intake_options *o = &in->options;
	int err = 0;

	if (in->heap_types)
		heap_types__record(in->heap_types, record, in->drain_ns);
	if (o->recording)
		recording__append(o->recording, record);
	if (in->heap_probes)
		tell_probes(in->heap_probes, record);
	if (in->calls_probes)
		tell_calls(in, record);
	if (o->at_once)
		o->at_once(o->context, record);
	switch (record->kind) {
	case EVENT_CODE:
		err = symbols__code(o->symbols, (const void *)record);
		break;
	case EVENT_BLOB:
		err = symbols__blob(o->symbols, (const void *)record);
		break;
	case EVENT_FORK:
		err = symbols__fork(o->symbols, (const void *)record);
		enqueue(in, record);
		break;
	case EVENT_EXEC:
		interps__exec(o->interps, (const void *)record);
		enqueue(in, record);
		break;
	case EVENT_LIBRARY:
		interps__library(o->interps, (const void *)record);
		break;
	case EVENT_EXIT:
		interps__exit(o->interps, record->pid);
		enqueue(in, record);
		break;
	default:
		enqueue(in, record);
	}
	in->lost += err != 0;
}

bool intake__drain(struct intake *in)
{
	bool some;

	in->drain_ns = clock_ns(CLOCK_MONOTONIC);
	some = capture__drain(in->options.capture, on_record, in) != 0;
	if (in->heap_types)
		heap_types__poll(in->heap_types, clock_ns(CLOCK_MONOTONIC));
	for (size_t at = 0; at < in->used;) {
		const struct event_header *record = (const void *)(in->queue + at);

		in->options.sink(in->options.context, record);
		at += (record->size + 7) & ~(size_t)7;
	}
	in->used = 0;
	if (in->capacity > QUEUE_KEPT) {
		free(steal_ptr(in->queue));
		in->capacity = 0;
	}
	return some;
}
