/* SPDX-License-Identifier: Apache-2.0 */
/* How far the figures can be trusted, as text: samples, unknown frames, every loss (zero too), notices. */
#ifndef FIXINGAHOLE_REPORT_LOSSES_H
#define FIXINGAHOLE_REPORT_LOSSES_H

#include "report/report.h"

/* "Lost: 0 dropped records, 3 cut stacks, …", wrapped. */
void print_loss_counts(FILE *out, const uint64_t losses[LOSS_COUNT]);
void print_losses(FILE *out, const struct profile *profile);
/* Which programs without Python code took 1 % or more of the whole together, if they did. */
void print_other_programs(FILE *out, const struct profile *profile);

#endif
