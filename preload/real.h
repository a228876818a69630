/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator behind us: the next one in the order of libraries, so libc's, or the one that
 * the user preloads after us. Its functions are looked up at the first call, whoever makes
 * it; what the look-up itself allocates comes from a small static area, which
 * is marked (see marks.h) and never freed.
 */
#ifndef FIXINGAHOLE_PRELOAD_REAL_H
#define FIXINGAHOLE_PRELOAD_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct real {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void (*free)(void *);
	void *(*memalign)(size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	size_t (*usable_size)(void *);
	void *(*mmap)(void *, size_t, int, int, int, off_t);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
};

extern struct real real;

/* The allocator's own image, when it is not libc's: [start, end); else 0. Mappings that it makes are not the program's. */
extern uintptr_t real_start, real_end;

/* Looks everything up, if not done yet. */
void real_init(void);

/* Whether p lies in the static area; size: bytes from p to its end. */
bool real_boot_own(const void *p, size_t *size);

#endif
