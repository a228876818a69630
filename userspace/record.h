/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `fixingahole record`: watches processes, for a while or for ever, and hands each window on.
 */
#ifndef FIXINGAHOLE_RECORD_H
#define FIXINGAHOLE_RECORD_H

#include "cli/config.h"
#include "target/identity.h"

/* Exit status. */
int record_run(const struct config *config, const struct identity *identity);

#endif
