/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `fixingahole top`: what watch.h tells of, on a terminal, or with --once one screen of it as text.
 */
#ifndef FIXINGAHOLE_TOP_H
#define FIXINGAHOLE_TOP_H

#include "cli/config.h"
#include "target/identity.h"

/* The exit status. */
int top_run(const struct config *config, const struct identity *identity);

#endif
