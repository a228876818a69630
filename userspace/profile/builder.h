/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the profile (profile.h) while records come in.
 *
 * A call tree holds every stack once: node = (parent, function, line). A stack's
 * innermost node has a leaf with what was measured there, and the leaf names its site: the
 * innermost (function, line) of a reported file, which is charged.
 */
#ifndef FIXINGAHOLE_BUILDER_H
#define FIXINGAHOLE_BUILDER_H

#include "capture/sample.h"
#include "profile/profile.h"
#include "profile/source.h"
#include "symbols/symbols.h"

struct builder_options {
	const char *root;             /* absolute */
	char *const *ignore;          /* absolute directories */
	size_t n_ignore;
	const char *output_dir;       /* not reported either */
	bool detailed;                /* every file is reported */
	const char *script;           /* absolute; always reported: the script, or a notebook's saved copy */
	const char *script_source;    /* its text as it ran, NUL-terminated; NULL: read at the end */
	size_t script_size;
	const char *script_display;   /* how reports name it; NULL: its path */
	const struct cell_map *cells; /* of a notebook; else NULL */
	const char *directory;        /* working directory of the target: relative file names start there */
	uint32_t allowed_cpus;
	bool calls;                   /* calls are counted; without it their records are passed over */
	bool calls_probes;            /* by probes on interpreters that ran before */
	const char *calls_pattern;    /* of which functions; NULL: of all */
	/* of processes that were attached to: */
	char *const *roots;           /* absolute directories, reported as root is, which need not be */
	size_t n_roots;
	bool commanded;               /* one of them runs no file and no module: its code was given by -c or through its standard input */
	const struct source_opener *opener; /* files are those of another root; NULL: ours */
	bool heap;                    /* the heap is measured; without it its records are passed over */
	bool heap_probes;             /* by probes, not by the library */
};

struct builder;
/* options, strings and symbols must outlive the builder; so must what options points to. */
struct builder *builder__new(const struct builder_options *options, struct strings *strings, struct symbols *symbols);
void builder__free(struct builder *builder);

/* Records in order. Names and line tables (EVENT_CODE, EVENT_BLOB) of a record must have been taken in before. */
void builder__record(struct builder *builder, const struct event_header *record);
/* Something was lost outside of the records. */
void builder__lose(struct builder *builder, enum loss loss, uint64_t count);
/* Why a process has no interpreter: once per process. */
void builder__no_interpreter(struct builder *builder, uint32_t pid, const char *reason);
/* A line for the report. Copied; the same text is kept once. */
void builder__notice(struct builder *builder, const char *text);

/* Processes that have not ended. */
uint32_t builder__running(const struct builder *builder);
uint64_t builder__samples(const struct builder *builder);
/* The run's start: the first exec, CLOCK_MONOTONIC; 0: not yet. */
uint64_t builder__start_ns(const struct builder *builder);

/*
 * A profile of what is known now; the builder goes on unchanged. The caller then fills in the
 * run's facts (command line, rusage, status …). NULL: out of memory. Strings belong to `strings` and the profile.
 */
struct profile *builder__profile(struct builder *builder);
void profile__free(struct profile *profile);

#endif
