/* SPDX-License-Identifier: Apache-2.0 */
/* `fixingahole merge DIR…`: from the folders to the reports of all that is in them. */
#ifndef FIXINGAHOLE_MERGE_RUN_H
#define FIXINGAHOLE_MERGE_RUN_H

#include "cli/config.h"
#include "target/identity.h"

/* Acts as the user from here on, for good. Exit status: 1 if nothing could be read, or not all could be written. */
int merge_run(const struct config *config, const struct identity *identity);

#endif
