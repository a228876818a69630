/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a process's allocator is: the first image in the order of symbols that exports malloc (one that the user preloads, or
 * the program's own, before libc), the one whose mmap it uses, and where its Python begins to clear up.
 */
#ifndef FIXINGAHOLE_ALLOCATOR_H
#define FIXINGAHOLE_ALLOCATOR_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/heap_source.h"

#define ALLOCATOR_PLACES 24

/* Functions of one image. */
struct probed_image {
	int fd;               /* the file; -1: there is no such image */
	dev_t device;
	uint64_t inode;
	uint64_t start, end;  /* its code in the process */
	uint32_t n;
	uint64_t offset[ALLOCATOR_PLACES]; /* in the file */
	uint64_t cookie[ALLOCATOR_PLACES]; /* enum heap_call, and HEAP_CALL_STEPPED */
};

enum allocator_part { ALLOCATOR_BLOCKS, ALLOCATOR_MAPPINGS, ALLOCATOR_PYTHON, ALLOCATOR_PARTS };

struct allocator { struct probed_image part[ALLOCATOR_PARTS]; };

/*
 * Reads it from the process. 0, and the caller releases *out; -EAGAIN: the dynamic linker is still at work; -ENOENT: no
 * image exports malloc; -ESRCH: the process is gone; or -errno.
 */
int allocator__find(pid_t pid, struct allocator *out);
/* Another one of the same, for a forked child. 0 or -errno. */
int allocator__copy(const struct allocator *allocator, struct allocator *out);
void allocator__release(struct allocator *allocator);
/* The same functions of the same files? (wherever they are mapped) */
bool allocator__same(const struct allocator *a, const struct allocator *b, enum allocator_part part);

#endif
