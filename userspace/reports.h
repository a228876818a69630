/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile's reports: the files of a run, or of a merge, and the summary on stdout.
 */
#ifndef FIXINGAHOLE_REPORTS_H
#define FIXINGAHOLE_REPORTS_H

#include "report/report.h"
#include "target/outputs.h"

/*
 * All files, plain, however wide the terminal is. results: what to call them in place of "profile_results", or NULL. run: of several
 * of one script, from 0 on; the names of the later ones end in its number. A failure is told once per file, and the others are still written; 0 or -errno.
 */
int reports_write(struct outputs *outputs, const struct profile *profile, const struct report_options *options, const char *results, int run);
/* The summary, as fits the terminal. 0; -EPIPE: nobody reads it; another -errno is told. */
int reports_show(const struct profile *profile, const struct report_options *options);

#endif
