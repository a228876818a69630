/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of the target: from attaching to the last record.
 */
#ifndef FIXINGAHOLE_RUN_H
#define FIXINGAHOLE_RUN_H

#include <stdbool.h>
#include <sys/resource.h>

#include "attach.h"
#include "capture/capture.h"
#include "cli/config.h"
#include "profile/builder.h"
#include "target/launch.h"

struct run_result {
	int status;           /* of the script, as wait(2); valid if ended */
	bool ended;           /* false: we were told to stop before it did */
	bool interrupted;     /* Ctrl-C or SIGTERM */
	struct rusage usage;
	uint64_t memory_limit; /* of its control group, if that was reached; bytes, else 0 */
	uint64_t wall_ns;
	double start_epoch_s;
	double start_monotonic_s;
	struct capture_losses losses;
	struct attach *attach; /* what was attached to, to be freed; NULL: nothing */
	struct heap_watch heap_watch; /* if there are probes on the heap */
};

struct run_options {
	const struct config *config;
	const struct attached *attached; /* processes that run already; NULL: a script is started, with: */
	struct launch *launch;
	const struct launch_spec *spec;
	struct capture *capture;
	struct symbols *symbols;
	struct builder *builder;
	FILE *recording;      /* NULL: none */
	void (*live)(void *context, uint64_t elapsed_ns); /* every config->live_s seconds */
	void *live_context;
};

/* 0 and the result; -errno with one line in problem when the script could not be started, or the processes not attached to. */
int run_target(const struct run_options *options, struct run_result *result, char problem[512]);

/* Ctrl-C and termination are noted from here on; run_target() acts on them. Call once. */
void run_catch_signals(void);

#endif
