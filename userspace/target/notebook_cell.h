/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One notebook cell -> Python, line for line.
 */
#ifndef FIXINGAHOLE_NOTEBOOK_CELL_H
#define FIXINGAHOLE_NOTEBOOK_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "target/strv.h"

struct cell_writer {
	FILE *out;            /* the source so far */
	FILE *future;         /* names from `from __future__ import …` lines that stood behind other code, ", " between */
	struct strv notices;
	uint32_t lines;       /* written to out */
	bool code_seen;       /* some statement precedes, so a future import would be too late */
	char *problem;        /* 512 bytes */
};

/*
 * Writes the cell's lines, as many as it has; text has no '\r' and needs no newline at its end. 0; -EINVAL and one line
 * in problem for what cannot run as Python; -ENOMEM.
 */
int cell_write(struct cell_writer *w, uint32_t number, const char *text, size_t size);

#endif
