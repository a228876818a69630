/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the ring buffer to the model, record by record: names are taken in at once, all else waits until the buffer is empty, so that whatever
 * a record names is known by then. What concerns interpreters and probes is passed on on the way.
 */
#ifndef FIXINGAHOLE_INTAKE_H
#define FIXINGAHOLE_INTAKE_H

#include <stdio.h>

#include "capture/capture.h"
#include "heap_types.h"
#include "interps.h"
#include "symbols/symbols.h"

struct intake_options {
	struct capture *capture;
	struct symbols *symbols;
	struct interps *interps;
	FILE *recording;      /* NULL: none */
	bool heap;            /* look at the types of its blocks */
	record_sink sink;     /* the model */
	record_sink at_once;  /* every record, as soon as it is read; NULL: nobody asks */
	void *context;        /* of both */
};

struct intake;
/* NULL: no memory. */
struct intake *intake__new(const struct intake_options *options);
void intake__free(struct intake *intake);
/* All that is there now. True: there was something. */
bool intake__drain(struct intake *intake);
/* Records for which there was no memory. */
uint64_t intake__lost(const struct intake *intake);

#endif
