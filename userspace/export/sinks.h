/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where windows go: folders with rotation, and servers over HTTP, with a bounded spool on disk.
 *
 * A window is encoded once per format, in the caller's thread. Files are written at once, with the rights of the user who called sudo. What is
 * for a server goes into its spool on disk and from there, by a thread per server, out: so memory does not grow with what waits, and a
 * restart goes on where the last run ended. The spool is the process's own, not that user's.
 */
#ifndef FIXINGAHOLE_EXPORT_SINKS_H
#define FIXINGAHOLE_EXPORT_SINKS_H

#include "cli/config.h"
#include "profile/window.h"

/* What became of the windows so far, over all sinks. */
struct sinks_state {
	uint64_t written, pushed;   /* files; requests that a server took */
	uint64_t waiting, waiting_bytes; /* spooled */
	uint64_t dropped;           /* lost for a place: the sum of these five */
	uint64_t dropped_full;      /* for which the spool had no room: the oldest */
	uint64_t refused;           /* by a server, for good */
	uint64_t corrupt;           /* spool files that were damaged */
	uint64_t failed;            /* files, also of the spool, that could not be written */
	uint64_t not_encoded;       /* for want of memory, or too large */
	uint64_t removed;           /* written before, and removed to keep a folder's limits */
	uint64_t retries;
	char last_error[256];       /* empty: the last attempt of each went well */
};

struct sinks;
/* The places of config->outputs, which must not be empty. 0; -EINVAL (usage) or another -errno and one line in problem. */
int sinks__new(struct sinks **out, const struct config *config, char problem[512]);
/* Never blocks on a server. */
void sinks__window(struct sinks *sinks, const struct window *window);
/*
 * The settings again (credentials, limits, timeout), on SIGHUP. 0, or -errno and one line; then the old ones stay. The places themselves and the
 * spool's folder do not change while it runs: -EINVAL for others.
 */
int sinks__reload(struct sinks *sinks, const struct config *config, char problem[512]);
void sinks__state(struct sinks *sinks, struct sinks_state *state);
/*
 * Says on stderr what changed since the last call: a place that fails (once, until it works again), or works again; profiles that were
 * refused or dropped (at the first, and each time that the number doubled). Call it after each window, say.
 */
void sinks__log_changes(struct sinks *sinks);
/* One line for the end, "12 profiles written, 7 sent, 3 wait in the spool": what was zero is left out, except that losses are always said. */
void sinks__summary(struct sinks *sinks, char line[256]);
/* The last window was given: tries for at most so long to send what waits, and returns then; the state is there still. What is left stays in the spool. */
void sinks__finish(struct sinks *sinks, uint64_t grace_ns);
/* At once, but for a request that is under way: up to a second. */
void sinks__free(struct sinks *sinks);

#endif
