// SPDX-License-Identifier: Apache-2.0
#include "symbols/codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t code_hash(uint64_t code, uint32_t fingerprint)
{
	return py_mix64(py_mix64(0, code), fingerprint);
}

static void entry_free(struct code_entry *entry)
{
	for (int part = 0; part < BLOB_PARTS; part++)
		free(entry->parts[part].data);
	free(entry->lines);
	free(entry);
}

/* The same entries in a table of another capacity; with `sweep` only those that were met. */
static int codes_rehash(struct codes *codes, size_t capacity, bool sweep)
{
	struct code_entry **slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < codes->capacity; i++) {
		struct code_entry *entry = codes->slots[i];
		size_t at;

		if (!entry)
			continue;
		if (sweep && !entry->met) {
			entry_free(entry);
			codes->count--;
			continue;
		}
		at = code_hash(entry->code, entry->fingerprint) & (capacity - 1);
		while (slots[at])
			at = (at + 1) & (capacity - 1);
		slots[at] = entry;
	}
	free(codes->slots);
	codes->slots = slots;
	codes->capacity = capacity;
	return 0;
}

struct code_entry *codes__get(struct codes *codes, uint64_t code, uint32_t fingerprint)
{
	struct code_entry *entry;
	size_t at;

	if (codes->count * 2 >= codes->capacity && codes_rehash(codes, codes->capacity ? codes->capacity * 2 : 64, false))
		return NULL;
	at = code_hash(code, fingerprint) & (codes->capacity - 1);
	for (; codes->slots[at]; at = (at + 1) & (codes->capacity - 1)) {
		entry = codes->slots[at];
		if (entry->code == code && entry->fingerprint == fingerprint) {
			entry->met = true;
			return entry;
		}
	}
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->code = code;
	entry->fingerprint = fingerprint;
	entry->met = true;
	codes->slots[at] = entry;
	codes->count++;
	return entry;
}

int code_entry__add(struct code_entry *entry, const struct event_blob *blob)
{
	struct code_part *part = &entry->parts[blob->part];
	uint8_t *data;

	if (entry->symbol)
		return 0;
	entry->failed = false; /* worth another try */
	if (!blob->start) {
		if (part->announced && part->received == part->total)
			return 0; /* the same again */
		part->announced = true;
		part->total = blob->total;
		part->char_size = blob->char_size;
		part->received = 0;
	}
	if (blob->start != part->received || blob->total != part->total || !blob->length)
		return 0;
	data = realloc(part->data, (size_t)part->received + blob->length);
	if (!data)
		return -ENOMEM;
	part->data = data;
	memcpy(data + part->received, blob_data(blob), blob->length);
	part->received += blob->length;
	return 0;
}

bool code_entry__complete(const struct code_entry *entry)
{
	for (int i = 0; i < BLOB_PARTS; i++) {
		if (!entry->parts[i].announced || entry->parts[i].received != entry->parts[i].total)
			return false;
	}
	return true;
}

void codes__sweep(struct codes *codes, size_t most)
{
	size_t capacity = 64;

	if (codes->count > most && !codes_rehash(codes, codes->capacity, true)) {
		while (capacity <= codes->count * 2)
			capacity *= 2;
		if (capacity < codes->capacity)
			codes_rehash(codes, capacity, false);
	}
	for (size_t i = 0; i < codes->capacity; i++) {
		if (codes->slots[i])
			codes->slots[i]->met = false;
	}
}

void codes__release(struct codes *codes)
{
	for (size_t i = 0; i < codes->capacity; i++) {
		if (codes->slots[i])
			entry_free(codes->slots[i]);
	}
	free(codes->slots);
	memset(codes, 0, sizeof(*codes));
}
