/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that is settled before the script runs: the output folder, the copy of the code, the
 * interpreter, the command to execute and its environment.
 */
#ifndef FIXINGAHOLE_PREPARE_H
#define FIXINGAHOLE_PREPARE_H

#include "capture/heap_probes.h"
#include "cli/config.h"
#include "profile/builder.h"
#include "target/attached.h"
#include "target/launch.h"
#include "target/outputs.h"
#include "target/script.h"

struct preparation {
	bool bench_empty;       /* FIXINGAHOLE_BENCH_EMPTY: only the timer, no reports */
	char *command_line;     /* as typed, quoted for a shell */
	char *entrypoint_dir;
	char *directory;        /* working directory */
	char *python;
	const char *python_why;
	struct outputs *outputs;
	bool is_notebook;
	struct notebook notebook;
	char *source;           /* the script's text at the start, NUL-terminated; NULL: a module, or unreadable */
	size_t source_size;
	char *copy_path;        /* of the saved copy; NULL: none */
	char *logs_path;
	char *heap_library;           /* NULL: without --memory, or with probes in its place */
	bool heap_probes;
	struct heap_probes_options heap_probes_options;
	struct attached attached;     /* processes that run already, in place of a script */
	char *program;                /* NULL: the script or module of the configuration */
	char *calls_library;          /* NULL: without --calls */
	struct builder_options builder_options;
	/* of one run */
	struct calls_file *calls_file; /* NULL: without --calls */
	char *hook_directory;
	char **argv, **envp;
	struct launch_spec spec;
};

/* 0, or -errno after one line on stderr. Release in either case. */
int prepare(struct preparation *prep, const struct config *config, const struct identity *identity, uint32_t allowed_cpus);
void preparation_release(struct preparation *prep, const struct identity *identity);

/* A command line for a shell, owned by the caller; NULL: no memory. */
char *prepare_quoted(int argc, char **argv);

/* The same, for processes that run already (prepare_attach.c). */
int prepare_attach(struct preparation *prep, const struct config *config, const struct identity *identity);

/* What a script and processes that run already have in common. */
void prepare_builder_options(struct preparation *prep, const struct config *config, uint32_t allowed_cpus);
/* The heap by probes, as the configuration wants them. */
void prepare_heap_probes(struct preparation *prep, const struct config *config);

/* What each run needs anew: the start-up hook removes itself. */
int prepare_run(struct preparation *prep, const struct config *config, const struct identity *identity);
void prepare_run_release(struct preparation *prep, const struct identity *identity);

/* Nothing ran: takes the copy of the code back, so that the output folder goes with it. */
void prepare_discard(const struct preparation *prep, const struct identity *identity);

/* Lines for the report: which interpreter, what was skipped in a notebook. */
void prepare_notices(const struct preparation *prep, struct builder *builder);
/* The log's path and number of records, into the profile. Call with the user's rights. */
void prepare_logs(const struct preparation *prep, struct profile *profile);

#endif
