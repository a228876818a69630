/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfixingahole-calls.so: counts the calls of Python functions, by caller, in a program that it is preloaded into. A library of
 * its own, so that a run without --memory has nothing before malloc. The counters are in a file (preload/calls_file.h).
 *
 *   python.c  finds the interpreter, gets told of calls by it, and who called; events.c: from 3.12 on
 *   count.c   from two code objects to their counter
 *   file.c    chunks of the file
 *   map.c     hash tables that ask nobody for memory but the kernel
 *
 * A call takes this way: the pair of code objects is looked up in a small cache of the thread, without a lock. Found, as nearly
 * always, its counter is incremented. Else the two get their ids (by what they are: file, name, first line), and the
 * thread its counter for the two ids.
 *
 * Code objects die and others get their addresses. The death of one that was counted makes all entries of all caches void.
 */
#ifndef FIXINGAHOLE_PRELOAD_CALLS_H
#define FIXINGAHOLE_PRELOAD_CALLS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/layout.h"
#include "preload/calls_file.h"

#define NOINLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* --- map.c: 64-bit keys, none of them 0 --- */

struct map {
	struct map_slot { uint64_t key, value; } *slots;
	size_t capacity, count;
};

bool map_get(const struct map *map, uint64_t key, uint64_t *value);
/* Adds or replaces. False: there is no memory. */
bool map_put(struct map *map, uint64_t key, uint64_t value);
bool map_remove(struct map *map, uint64_t key);
void map_release(struct map *map);
/* Zeroed memory from the kernel, past whatever stands before mmap; NULL. */
void *pages_alloc(size_t size);
void pages_free(void *p, size_t size);

/* --- file.c --- */

struct chunk {
	struct calls_chunk *head; /* NULL: none yet */
	uint32_t number;
	uint32_t used;
	uint32_t ready; /* bytes that can be written to */
};

extern struct calls_header *file_header; /* NULL: there is no file */
/* Maps the file of that name. */
bool file_open(const char *path);
/* Place for a record of that size, in this chunk or a new one; NULL: there is none. *id: the record's. Valid after chunk_commit(). */
void *chunk_reserve(struct chunk *chunk, enum calls_kind kind, uint32_t process, uint32_t size, uint32_t *id);
void chunk_commit(struct chunk *chunk, uint32_t size);
/* Its index among the processes. */
uint32_t process_register(uint16_t version, enum calls_how how, uint8_t flags);
void process_note(uint32_t index, enum calls_how how);
void process_flag(uint32_t index, uint8_t flag);

/* --- count.c --- */

#define CACHE_SLOTS_LOG 11 /* two for each place of the hash */
#define CACHE_SLOTS (1u << CACHE_SLOTS_LOG)

struct cached {
	uint64_t caller, callee; /* code objects */
	struct calls_pair *pair; /* where to count */
	uint32_t epoch;
	uint16_t generator; /* the callee is a generator or a coroutine */
	uint16_t left_out;  /* its calls are not counted, as the pattern has it */
};

/* A cache before that one, by callee alone, for events.c. A cache line each. */
#define NEAR_SLOTS_LOG 10
#define NEAR_CALLERS 3u
#define NEAR_TURNS 64 /* what is not found there gets a place this often */

struct calls_near {
	uint64_t callee;
	uint64_t epoch;
	struct calls_near_caller { uint64_t code; struct calls_pair *pair; } callers[NEAR_CALLERS];
};

struct calls_thread {
	struct cached cache[CACHE_SLOTS];
	struct calls_near near[1u << NEAR_SLOTS_LOG];
	unsigned turn; /* counts what was not found there */
	bool state_sought;
	void *const *state; /* where the interpreter has this thread's state; NULL: not known */
	struct map pairs; /* ids of caller and callee -> struct calls_pair * */
	struct chunk chunk;
	uintptr_t stack_limit; /* the C stack must not grow below it; 0: no matter */
	struct calls_thread *next; /* among those whose threads have ended */
};

extern __thread struct calls_thread *calls_thread;
extern uint32_t calls_epoch;
extern uint64_t calls_shim; /* code object of the frame that a class's call puts below __init__; 0: not seen */
extern struct py_layout calls_layout;

/* This process: its index in the file. A forked child has one of its own. */
uint32_t calls_process(void);

/* The first of the two entries where the pair may be. */
static inline struct cached *calls_slot(struct calls_thread *t, uint64_t caller, uint64_t callee)
{
	uint64_t h = callee * 0x9e3779b97f4a7c15ULL + caller * 0xc2b2ae3d27d4eb4fULL;

	return &t->cache[h >> (64 - CACHE_SLOTS_LOG) & ~1ULL];
}

static inline struct calls_near *calls_near(struct calls_thread *t, uint64_t callee)
{
	return &t->near[callee * 0x9e3779b97f4a7c15ULL >> (64 - NEAR_SLOTS_LOG)];
}

static inline bool calls_is(const struct cached *c, uint64_t caller, uint64_t callee)
{
	return c->callee == callee && c->caller == caller && c->epoch == calls_epoch;
}

/* Not in the cache. NULL: `caller` is calls_shim; look further out. */
struct cached *calls_miss(uint64_t caller, uint64_t callee);

/* The entry of a pair of code objects; caller may be 0. NULL as above. */
static inline struct cached *calls_find(uint64_t caller, uint64_t callee)
{
	struct calls_thread *t = calls_thread;
	struct cached *c;

	if (unlikely(!t))
		return calls_miss(caller, callee);
	c = calls_slot(t, caller, callee);
	if (likely(calls_is(c, caller, callee)))
		return c;
	if (calls_is(c + 1, caller, callee))
		return c + 1;
	return calls_miss(caller, callee);
}

/* Starts it all; the interpreter has not run yet. */
bool calls_begin(uint32_t process);
/* How this process is seen from now on. */
void calls_how(enum calls_how how);
/* A code object is about to go. */
void calls_forget(uint64_t code);

/* --- python.c --- */

/* From the interpreter, by name; NULL. */
struct python_string {
	ssize_t (*length)(const void *);
	uint32_t (*character)(const void *, ssize_t);
};
extern struct python_string python_string;
/* Whether it is a code object; the first one asked about must be. From then on their deaths are told to calls_forget(). */
bool python_is_code(uint64_t object);
/* Whether frames of the code object are resumed. */
bool python_is_generator(uint64_t code);
/* The stack_limit of this thread. */
uintptr_t python_stack_limit(void);

/* Takes the library out of the environment (preload/environment.c). */
void environment_take(void);

#endif
