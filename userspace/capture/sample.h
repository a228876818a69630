/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as the rest of userspace sees them: bpf/events.h, checked. Also the
 * recorded event file: the same records, so that everything behind the ring
 * buffer can run without a kernel.
 */
#ifndef FIXINGAHOLE_SAMPLE_H
#define FIXINGAHOLE_SAMPLE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bpf/events.h"

/*
 * Is this a whole record of a known kind, with sizes and counts that fit? Text
 * fields are ended by a NUL within bounds. `data` is 8-byte aligned.
 */
bool record_valid(const void *data, size_t size);

static inline const struct raw_frame *stack_frames(const struct event_stack *stack) { return (const struct raw_frame *)(stack + 1); }
static inline const uint8_t *blob_data(const struct event_blob *blob) { return (const uint8_t *)(blob + 1); }

/* Takes records in order. Valid for the duration of the call only. */
typedef void (*record_sink)(void *context, const struct event_header *record);

/* Writing and reading event files. 0 or -errno; -EPROTO: not an event file of this version. */
int recording__begin(FILE *file, uint32_t period_ns);
int recording__append(FILE *file, const struct event_header *record);
/* Calls sink for every valid record; *bad counts the others. */
int recording__read(FILE *file, uint32_t *period_ns, record_sink sink, void *context, uint64_t *bad);

#endif
