/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sudo hid: the environment that the user's shell gave it.
 */
#ifndef FIXINGAHOLE_SUDO_H
#define FIXINGAHOLE_SUDO_H

#include <stddef.h>

/*
 * The environment of the nearest sudo process among our ancestors, plus the NAME=VALUE words of its own command
 * line (sudo NAME=VALUE fixingahole …). Owned by the caller (strv__free); NULL where there is none or it cannot be read.
 */
char **sudo__environment_before(void);

/* The two parsers, on the raw bytes of /proc/PID/environ and /proc/PID/cmdline; anything may be in there. */
struct strv;
int sudo__parse_environ(struct strv *env, const char *data, size_t size);
int sudo__apply_cmdline(struct strv *env, const char *data, size_t size);

#endif
