/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code objects of one address space, by address and fingerprint, while their
 * parts arrive.
 */
#ifndef FIXINGAHOLE_CODES_H
#define FIXINGAHOLE_CODES_H

#include <stdbool.h>

#include "capture/sample.h"

struct symbol;

struct code_part {
	uint8_t *data;
	uint32_t total;    /* announced */
	uint32_t received; /* contiguous from the start */
	uint16_t char_size;
	bool announced;
};

struct code_entry {
	uint64_t code;
	uint32_t fingerprint;
	uint32_t firstlineno;
	struct code_part parts[BLOB_PARTS]; /* strings are freed once named */
	const struct symbol *symbol; /* named */
	bool failed;                 /* cannot be named */
	bool met;                    /* since the last codes__sweep() */
	uint32_t *lines;             /* by code unit, value + 1; 0: not looked up yet */
	uint32_t n_lines;
};

struct codes {
	struct code_entry **slots; /* open addressing */
	size_t capacity, count;
};

/* Found or made; NULL when out of memory. */
struct code_entry *codes__get(struct codes *codes, uint64_t code, uint32_t fingerprint);
/* Takes in a piece. Pieces out of order or of another size are left out. */
int code_entry__add(struct code_entry *entry, const struct event_blob *blob);
/* All parts are there, whole. */
bool code_entry__complete(const struct code_entry *entry);
/* Forgets those that were not met since the last time, if there are more than `most`. */
void codes__sweep(struct codes *codes, size_t most);
void codes__release(struct codes *codes);

#endif
