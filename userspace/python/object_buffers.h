/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and arrays that CPython's own types keep apart from the object. For objects.c.
 */
#ifndef FIXINGAHOLE_OBJECT_BUFFERS_H
#define FIXINGAHOLE_OBJECT_BUFFERS_H

#include "python/objects.h"

/* Of what a program can have mapped. */
static inline bool address_plausible(uint64_t address)
{
	return address >= 1 << 16 && address < 1ULL << 47;
}

/* How many of these addresses are those of objects, from the first on. */
typedef uint32_t (*object_counter)(void *context, uint64_t now_ns, const uint64_t *addresses, uint32_t n);

/* "dict", "set", "list", OBJECT_ATTRIBUTES: whose it is, or NULL. */
#define OBJECT_ATTRIBUTES "(attributes of instances)"

const char *buffer_name(uint32_t version, uint64_t now_ns, const struct object_block *block, object_counter count, void *context);

#endif
