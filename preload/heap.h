/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the library share: the state of a thread and of the process, and the
 * steps that every slow path is made of.
 *
 *   heap.c    state, start and end of process and thread, samples taken and told
 *   malloc.c  the C allocator's functions
 *   python.c  CPython's mem and object domains
 *   blocks.c  the lines of its small blocks
 *   maps.c    mmap and its kin
 *   copy.c    memcpy and memmove
 *   hot.S     what runs at every call of CPython's malloc, memcpy and memmove
 *   environment.c  the program's environment, and what its children get
 *
 * A slow path runs between heap_enter() and heap_leave(). In between, this thread's
 * other calls (of a signal handler, or our own ones by way of somebody's library) go
 * straight to the real allocator.
 */
#ifndef FIXINGAHOLE_PRELOAD_HEAP_H
#define FIXINGAHOLE_PRELOAD_HEAP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/copy.h"
#include "preload/heap_probe.h"
#include "preload/sampler.h"

#define EXPORT __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define HEAP_RECENT 16u

struct heap_thread {
	uint32_t shut;     /* SAMPLER_CLASSES: calls come from inside a domain, which counts them itself; else 0 */
	bool busy;         /* in a slow path */
	int64_t copy_left; /* bytes to copy until copy_look() is called */
	uint64_t random;   /* 0: thread not seen yet */
	uint64_t count;    /* allocations so far, but for those that .c_hot and .py_hot have counted since */
	/* the lines of malloc's blocks; the places behind SAMPLER_CLASSES stay zero, so that no fast path takes them */
	union sampler_hot c_hot[2 * SAMPLER_CLASSES];
	/* the lines of Python's blocks, whoever provides their memory, but for those on the process's lines (blocks.h) */
	union sampler_hot py_hot[SAMPLER_CLASSES];
	struct sampler c[SAMPLER_CLASSES];
	struct sampler py[SAMPLER_CLASSES];
	struct copy_line copies;
	/* slots told of lately, and those of them that are freed and not told of */
	struct { void *p; uint64_t live; } recent[HEAP_RECENT];
	uint32_t next_recent;
	uint64_t late_live; /* what they count as live with */
	struct heap_late late;
};

/* Whether a block of malloc's or of Python's passes without more ado. */
static inline bool heap_pass_c(struct heap_thread *t, size_t size)
{
	return sampler_pass(&t->c_hot[sampler_class(size) + t->shut], size);
}

static inline bool heap_pass_py(struct heap_thread *t, size_t size)
{
	return sampler_pass(&t->py_hot[sampler_class(size)], size);
}

extern __thread struct heap_thread heap_thread;
extern struct sampler_rate heap_rate;
extern struct heap_totals heap_totals;
extern uint64_t heap_arenas; /* bytes that pymalloc has from the system */

/* False: already inside. */
bool heap_enter(struct heap_thread *t);
void heap_leave(struct heap_thread *t);

/* The monotonic clock, to some milliseconds. */
uint64_t heap_clock_ns(void);

/* Puts a block on its line of t, Python's or malloc's, and keeps the totals. Inside only. */
struct sample heap_take(struct heap_thread *t, bool python, size_t size);

/* The same with a block on the process's line of its size. */
struct sample heap_take_block(struct heap_thread *t, size_t size);

/*
 * Memory for a sampled block: a slot, or else the real allocator's. *slot says which.
 * NULL: there is none, and fixingahole_heap_failed() was told.
 */
void *heap_memory(size_t size, bool zero, bool *slot, uint64_t info);

/* Marks p unless it is a slot, and tells of it. info: domain and flags. */
void heap_tell_alloc(struct heap_thread *t, void *p, bool slot, size_t size, const struct sample *sample, uint64_t info);
void heap_tell_free(struct heap_thread *t, void *p, uint64_t info);
void heap_tell_failed(size_t size, uint64_t info);

/* Both in one: what a sampled call without an old block does. */
void *heap_sampled(struct heap_thread *t, size_t size, bool zero, const struct sample *sample, uint64_t info);

/* Frees what may be a slot or marked. */
void heap_free_slow(void *p);

/*
 * realloc of any p that is not NULL. sample: taken for the new size, its weight 0 if it is none.
 * plain provides the memory if neither p nor the new block is special.
 */
void *heap_realloc_slow(struct heap_thread *t, void *p, size_t size, const struct sample *sample, uint64_t info, void *(*plain)(size_t));

/* A pointer that was freed twice or never given out: the end, as libc does it. */
void heap_invalid(const char *function) __attribute__((noreturn));

/* Hooks the interpreter's domains, as soon as there is one and as long as it is not certain that they stay hooked. */
extern bool python_settled;
void python_look(void);
/* The interpreter has started, and clears up to end. */
bool python_finalizing(void);

void maps_init(void);

/* Takes what makes the library load out of the environment; exec and its kin put it back for the child. After the settings were read. */
void environment_take(void);

/* The probes; see heap_probe.h. */
void fixingahole_heap_alloc(uint64_t address, uint64_t size, uint64_t weight, uint64_t count_q8, uint64_t info, uint64_t mark,
	const struct heap_late *late);
void fixingahole_heap_free(uint64_t address, uint64_t zero1, uint64_t zero2, uint64_t zero3, uint64_t info, uint64_t mark);
void fixingahole_heap_moved(uint64_t from, uint64_t to, uint64_t size, uint64_t weight, uint64_t info);
void fixingahole_heap_failed(uint64_t size, uint64_t info);
void fixingahole_heap_totals(const struct heap_totals *totals);
void fixingahole_heap_copy(uint64_t bytes);

#endif
