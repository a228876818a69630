/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that hot.S and the structures in C agree on. */
#ifndef FIXINGAHOLE_PRELOAD_HOT_H
#define FIXINGAHOLE_PRELOAD_HOT_H

#define PYMALLOC_MAX 512

/* in struct heap_thread */
#define HOT_COPY 8

/* its .shut, which is its first word, while a domain's function runs */
#define HOT_SHUT 176

/* in struct allocator, and its size */
#define HOT_BELOW_MALLOC 8
#define HOT_BELOW_REALLOC 24
#define HOT_BELOW_SIZE 40

/* in struct pool, and the distance of the table's entries */
#define POOL_FREE 8
#define POOL_NEXT 16
#define POOLS_STEP 16

#endif
