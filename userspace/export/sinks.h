/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where windows go: folders with rotation, and servers over HTTP, with a bounded spool on disk.
 */
#ifndef FIXINGAHOLE_EXPORT_SINKS_H
#define FIXINGAHOLE_EXPORT_SINKS_H

#include "cli/config.h"
#include "profile/window.h"

/* What became of the windows so far, over all sinks. */
struct sinks_state {
	uint64_t written, pushed;   /* files; requests that a server took */
	uint64_t waiting, waiting_bytes; /* spooled */
	uint64_t dropped;           /* for which the spool had no room, or that a server refused for good */
	uint64_t retries;
	char last_error[256];       /* empty: the last attempt of each went well */
};

struct sinks;
/* The places of config->outputs. 0; -EINVAL (usage) or another -errno and one line in problem. */
int sinks__new(struct sinks **out, const struct config *config, char problem[512]);
/* Never blocks on a server. */
void sinks__window(struct sinks *sinks, const struct window *window);
/* The settings again (credentials, limits), on SIGHUP. 0, or -errno and one line; then the old ones stay. */
int sinks__reload(struct sinks *sinks, const struct config *config, char problem[512]);
void sinks__state(struct sinks *sinks, struct sinks_state *state);
/* Tries for at most so long to send what waits; what is left stays in the spool. */
void sinks__free(struct sinks *sinks, uint64_t grace_ns);

#endif
