/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a block of memory is to CPython: an object of which type, or the table or array of one. Read from the outside
 * while the program runs, so nothing that is read is believed unless all of it fits:
 *
 *   - an object begins with a reference count and the address of its type, behind a collector's header and a
 *     header for managed attributes exactly where the type's flags say that it has these;
 *   - a type is an object whose type is `type`, or whose chain of metatypes ends there; `type` is its own type. It is marked as
 *     complete, and its name is printable UTF-8;
 *   - the block is as large as the type says, with its items counted;
 *   - a dict's table has the size that its header's five fields come to; a set's table holds keys near where their hashes belong;
 *     a list's items all are objects.
 *
 * What is not certain is not known. GIL builds of 3.8 to 3.15 only.
 */
#ifndef FIXINGAHOLE_OBJECTS_H
#define FIXINGAHOLE_OBJECTS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/events.h"
#include "image/remote.h"

#define OBJECTS_WORDS 32 /* a block's first words, as many as are looked at */

struct object_block {
	uint64_t size;     /* as asked for */
	uint16_t kind;     /* enum heap_kind */
	bool dead;         /* its words are those at its free: the count of references is 0, and what it points to may be gone */
	uint32_t n_words;  /* known of it */
	uint64_t words[OBJECTS_WORDS];
};

struct object_name {
	char name[HEAP_TYPE_NAME_SIZE];
	uint32_t part; /* enum heap_part */
};

/* Reads all peeks, as remote__read_many(). */
typedef void (*object_reader)(void *context, struct peek *peeks, size_t n);

/* The types of one address space. */
struct objects;
struct objects *objects__new(uint32_t version, object_reader reader, void *context);
void objects__free(struct objects *objects);

/*
 * True, and *out: it is that for certain. now_ns: CLOCK_MONOTONIC, for classes that come and go are looked at again
 * from time to time; 0: the program clears up, and what is known of its classes is all that will be.
 */
bool objects__name(struct objects *objects, uint64_t now_ns, const struct object_block *block, struct object_name *out);

#endif
