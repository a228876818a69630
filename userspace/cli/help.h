/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --help and --version print, from the same table that the parser reads.
 */
#ifndef FIXINGAHOLE_CLI_HELP_H
#define FIXINGAHOLE_CLI_HELP_H

#include <stdio.h>

#include "cli/config.h"

/* The help of a command, or with NULL the overview. 0; -EINVAL for no such topic; -errno when out cannot be written. */
int help_print(FILE *out, const char *topic);

/* Version, then each resolved setting with its source. 0, or -errno when out cannot be written. */
int config_print_version(FILE *out, const struct config *config);

#endif
