/* SPDX-License-Identifier: Apache-2.0 */
/*
 * argv -> struct invocation, by the table in options.h.
 */
#ifndef FIXINGAHOLE_CLI_ARGS_H
#define FIXINGAHOLE_CLI_ARGS_H

#include "cli/options.h"

/*
 * 0: *invocation holds defaults and what was typed; everything in it is borrowed from argv but the array ignore, which the
 * caller frees. -EINVAL: one line (for no command at all: the help's overview) went to stderr. -ENOMEM.
 */
int args_parse(struct invocation *invocation, int argc, char **argv);

#endif
