/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once.
 */
#ifndef FIXINGAHOLE_ARENA_H
#define FIXINGAHOLE_ARENA_H

#include <stddef.h>

struct arena { struct arena_block *blocks; };

/* Zeroed, aligned to 16; NULL when out of memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* n elements; NULL also when n * size overflows. */
void *arena_array(struct arena *arena, size_t n, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
void arena_release(struct arena *arena);

#endif
