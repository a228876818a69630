/* SPDX-License-Identifier: Apache-2.0 */
/* What the writers have to say about a merged profile; only where profile->merge is set. */
#ifndef FIXINGAHOLE_REPORT_MERGED_H
#define FIXINGAHOLE_REPORT_MERGED_H

#include "report/json_write.h"
#include "report/report.h"

/* "Finished in", memory and wall time of all inputs together. */
void print_merged_head(FILE *out, const struct profile *profile);
/* One row per process, and how even the inputs were. -ENOMEM or 0. */
int print_merged_processes(FILE *out, const struct profile *profile, const struct report_options *options);
/* What could not be read. */
void print_merged_losses(FILE *out, const struct profile *profile);

/* Keys of profile_details.json, into the open object; the first two are details.c's own. */
void json_times(struct json *json, const struct times *times);
void json_status(struct json *json, int status, bool ended);
void json_ranks(struct json *json, const struct profile_rank *ranks, size_t n);
void json_merged(struct json *json, const struct profile *profile);
/* Where a process belongs. */
void json_merged_process(struct json *json, const struct profile *profile, const struct profile_process *process);

#endif
