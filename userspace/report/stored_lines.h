/* SPDX-License-Identifier: Apache-2.0 */
/* Files, lines and functions of a stored run; for stored_run.c. */
#ifndef FIXINGAHOLE_STORED_LINES_H
#define FIXINGAHOLE_STORED_LINES_H

#include "report/stored.h"
#include "report/stored_read.h"
#include "report/stored_run.h"

/* Of a line, a function, a file or what is outside; without the heap of a file, which is another. */
void read_measures(struct json_reader *r, const cJSON *object, struct measures *m);
/* "files" of the details. */
void read_files(struct json_reader *r, const cJSON *details, struct stored_run *run);
/* From profile_results.json, after read_files(): stacks (their texts are interned), moments of samples, texts of lines. */
int read_results(struct json_reader *r, const struct stored *stored, struct stored_run *run);

#endif
