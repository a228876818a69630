/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running the script as it would run alone: prepare -> start -> (wait) or cancel.
 *
 * launch__prepare() forks EARLY (before the profiler grows, since a child's
 * ru_maxrss starts at its parent's size) a child that already has the user's
 * standard streams, terminal and process group and then waits on a socket.
 * launch__start() sends it identity, directory and environment and lets it exec. launch__free() cancels a child that never started.
 *
 * If the profiler dies before start, the child exits; after exec nothing ties the two together any more.
 * The script gets the signal dispositions, signal mask and limits (open files, locked memory) with which the profiler itself was
 * started, and every descriptor that is not close-on-exec: so the profiler opens all of its own with O_CLOEXEC.
 */
#ifndef FIXINGAHOLE_LAUNCH_H
#define FIXINGAHOLE_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "target/identity.h"

struct launch;

/* What to run. All strings are copied. */
struct launch_spec {
	const struct identity *identity;
	const char *program;     /* absolute path of the interpreter */
	char *const *argv;       /* NULL-terminated, argv[0] first */
	char *const *envp;       /* NULL-terminated */
	const char *directory;   /* working directory; NULL: ours */
};

/* Forks the waiting child: call first thing, with what is known by then. */
int launch__prepare(struct launch **out);
pid_t launch__pid(const struct launch *launch);
/*
 * Sends the spec over and lets the child exec. Returns 0 once exec has succeeded (the
 * close-on-exec end was closed), or the child's -errno (ENOENT, EACCES …) of the step that failed, named in *step:
 * "start" (-ECHILD: the child was killed while it waited), "become the user", "change to its directory", "execute".
 * May be called once.
 */
int launch__start(struct launch *launch, const struct launch_spec *spec, const char **step);
/* Reaps without blocking: 1 and fills when it ended, 0 while it runs, -errno. */
int launch__poll(struct launch *launch, int *status, struct rusage *usage);
/* Kills a child that was not started, reaps, frees. NULL is fine. A started child is left alone. */
void launch__free(struct launch *launch);

#endif
