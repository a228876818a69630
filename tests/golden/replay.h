/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorded event file, or records made by hand, through everything behind the ring buffer: symbols, builder,
 * profile, reports. No process is read: what the records do not tell stays unknown.
 */
#ifndef FIXINGAHOLE_GOLDEN_REPLAY_H
#define FIXINGAHOLE_GOLDEN_REPLAY_H

#include <stdio.h>
#include <stdlib.h>

#include "capture/sample.h"
#include "profile/builder.h"
#include "report/report.h"
#include "symbols/symbols.h"

struct replay {
	struct builder_options options; /* set before replay_init() */
	struct strings *strings;
	struct symbols *symbols;
	struct builder *builder;
	uint32_t period_ns;
};

static inline void replay_init(struct replay *r)
{
	r->strings = strings__new();
	r->symbols = symbols__new(r->strings, NULL);
	r->builder = builder__new(&r->options, r->strings, r->symbols);
	if (!r->builder)
		abort();
}

static inline void replay_release(struct replay *r)
{
	builder__free(r->builder);
	symbols__free(r->symbols);
	strings__free(r->strings);
}

/* A record_sink. */
static inline void replay_record(void *context, const struct event_header *record)
{
	struct replay *r = context;

	switch (record->kind) {
	case EVENT_INTERP:
		symbols__interp(r->symbols, (const void *)record);
		break;
	case EVENT_CODE:
		symbols__code(r->symbols, (const void *)record);
		break;
	case EVENT_BLOB:
		symbols__blob(r->symbols, (const void *)record);
		break;
	case EVENT_FORK:
		symbols__fork(r->symbols, (const void *)record);
		builder__record(r->builder, record);
		break;
	default:
		builder__record(r->builder, record);
	}
}

/* 0 or -errno of recording__read(). */
static inline int replay_file(struct replay *r, FILE *file)
{
	uint64_t bad = 0;
	int err = recording__read(file, &r->period_ns, replay_record, r, &bad);

	builder__lose(r->builder, LOSS_BAD_RECORDS, bad);
	return err;
}

/* The profile with the run's facts, which no record tells, at fixed values. */
static inline struct profile *replay_profile(struct replay *r, const char *command_line)
{
	struct profile *p = builder__profile(r->builder);

	if (!p)
		abort();
	p->command_line = command_line;
	p->program = r->options.script;
	p->entrypoint_dir = r->options.root;
	p->start_epoch_s = 1767225600;
	p->start_monotonic_s = builder__start_ns(r->builder) / 1e9;
	p->wall_ns = p->elapsed_ns;
	p->utime_ns = p->whole.python_ns + p->whole.native_ns;
	p->stime_ns = p->whole.system_ns;
	p->max_rss_bytes = 64 << 20;
	p->rate_hz = r->period_ns ? 1000000000U / r->period_ns : 1000;
	p->profiler_cpu_ns = 1000000;
	p->profiler_max_rss_bytes = 16 << 20;
	return p;
}

#endif
