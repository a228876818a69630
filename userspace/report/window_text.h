/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `record` prints of a window: who used the machine, and in which lines. Ranked by CPU time; waiting stands beside it, and in a list
 * of its own, so that hundreds of idle processes do not hide the busy ones.
 */
#ifndef FIXINGAHOLE_REPORT_WINDOW_TEXT_H
#define FIXINGAHOLE_REPORT_WINDOW_TEXT_H

#include "profile/window.h"
#include "report/report.h"

/*
 * 0 or -errno. CPU time of processes in % of one core, of lines in % of the CPU time of all Python processes; with
 * options->absolute both in seconds. options->width 0: 100 columns. Each table lists at most options->top_n rows, of
 * at least options->threshold_percent of its CPU time, and says what the others come to.
 */
int report_window(FILE *out, const struct window *window, const struct report_options *options);

#endif
