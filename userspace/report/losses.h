/* SPDX-License-Identifier: Apache-2.0 */
/* How far the figures can be trusted, as text: samples, unknown frames, every loss (zero too), notices. */
#ifndef FIXINGAHOLE_REPORT_LOSSES_H
#define FIXINGAHOLE_REPORT_LOSSES_H

#include "report/report.h"

void print_losses(FILE *out, const struct profile *profile);

#endif
