/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Python type each sampled block is, found out while the program runs: what the heap's model cannot see from its records. A block has no
 * type yet when it is allocated, so its memory is read some milliseconds later; of one that is freed earlier, its free
 * brings the first words along. What was read is told only when the records up to the time of reading have shown
 * that the block was still there.
 *
 * Costs a bounded part of our time (2 ms per second, and some milliseconds in advance): what this does not suffice for has to wait, and is without
 * a type if it comes to nothing.
 */
#ifndef FIXINGAHOLE_HEAP_TYPES_H
#define FIXINGAHOLE_HEAP_TYPES_H

#include "capture/sample.h"
#include "symbols/symbols.h"

struct heap_types;

/* sink gets an EVENT_HEAP_TYPE for each block whose type is known. symbols says which interpreter a space has. */
struct heap_types *heap_types__new(const struct symbols *symbols, record_sink sink, void *context);
void heap_types__free(struct heap_types *types);
/* Every record, before anybody else sees it. now_ns: CLOCK_MONOTONIC. */
void heap_types__record(struct heap_types *types, const struct event_header *record, uint64_t now_ns);
/* After each emptying of the ring buffer, the last one too. */
void heap_types__poll(struct heap_types *types, uint64_t now_ns);

#endif
