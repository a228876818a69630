/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of things: one command from its configuration to its exit status.
 */
#ifndef FIXINGAHOLE_SESSION_H
#define FIXINGAHOLE_SESSION_H

#include "cli/config.h"
#include "target/identity.h"
#include "target/launch.h"

/* Children waiting for their exec at the most; with more repeats the rest is forked later. */
#define LAUNCHES_MAX 64

/*
 * `fixingahole profile`. launches: one per repeat, prepared before anything grew (at most LAUNCHES_MAX);
 * the session uses them up, the caller frees them. Returns the exit status: the script's own, or 1 with a line
 * on stderr.
 */
int session__profile(const struct config *config, const struct identity *identity, struct launch **launches);

#endif
