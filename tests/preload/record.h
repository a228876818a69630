/* SPDX-License-Identifier: Apache-2.0 */
/* What the test build of the preload library writes in place of the probes: one record per call, to a file. */
#ifndef FIXINGAHOLE_TEST_RECORD_H
#define FIXINGAHOLE_TEST_RECORD_H

#include <stdint.h>

#define RECORD_ENV "FIXINGAHOLE_HEAP_RECORD" /* a file's name */

enum record_kind {
	RECORD_ALLOC = 1,
	RECORD_FREE = 2,
	RECORD_MOVED = 3,
	RECORD_FAILED = 4,
	RECORD_TOTALS = 5, /* struct heap_totals follows in place of the arguments */
	RECORD_COPY = 6,
	RECORD_MARKER = 100, /* written by a test's own program: args[0] is its number */
};

#define RECORD_ARGS 16

struct record {
	uint32_t kind;
	uint32_t pid;
	uint64_t tid;
	uint64_t args[RECORD_ARGS];
};

#endif
