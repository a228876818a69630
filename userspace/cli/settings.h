/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root, output, ignore, duration: command line > environment > pyproject.toml > default.
 */
#ifndef FIXINGAHOLE_CLI_SETTINGS_H
#define FIXINGAHOLE_CLI_SETTINGS_H

#include "cli/options.h"

/*
 * Fills root, output_dir, ignore, duration, their sources, and settings_path of invocation->config. directory is the absolute working
 * directory, environment a vector of NAME=VALUE. 0; -EINVAL with the line said; -ENOMEM. What was filled before a
 * failure is released with config__release().
 *
 * Relative paths: root from the working directory (environment) or the file's folder (pyproject.toml); output and ignore
 * from root, on the command line from the working directory.
 */
int settings_resolve(struct invocation *invocation, const char *directory, char *const *environment);

#endif
