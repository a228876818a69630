/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window as JSON, one object: docs/window-json.md.
 */
#ifndef FIXINGAHOLE_REPORT_WINDOW_JSON_H
#define FIXINGAHOLE_REPORT_WINDOW_JSON_H

#include <stdio.h>

#include "profile/window.h"

/* 0 or -errno. host: name of this machine. */
int report_window_json(FILE *out, const struct window *window, const char *host);

#endif
