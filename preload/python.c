// SPDX-License-Identifier: Apache-2.0
/*
 * CPython's domains for buffers (mem) and objects (obj).
 *
 * With pymalloc, the normal case, only malloc, calloc and realloc are wrapped, and free
 * stays the interpreter's own: a sampled block is a slot, which pymalloc does not know
 * (it looks the address up among its arenas, as for any block above 512 bytes), so
 * it passes it to libc's free, which is ours. That halves the cost of hooking. Blocks
 * above 512 bytes come from malloc, which would count them as its own: they are taken
 * off its count in advance.
 *
 * With anything else below (debug hooks, mimalloc, the free-threaded builds, whose collector finds objects
 * only in its own heaps) blocks stay where they are and are marked, and free is wrapped too.
 *
 * The raw domain is malloc's, and seen there. pymalloc's arenas are not the program's
 * mappings, and are kept out of them.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/blocks.h"
#include "preload/heap.h"
#include "preload/hot.h"
#include "preload/marks.h"
#include "preload/pools.h"
#include "preload/real.h"
#include "preload/slots.h"

#define DOMAINS 2u

/* PyMemAllocatorEx and PyObjectArenaAllocator: part of the stable, documented interface since 3.5 */
struct allocator {
	void *ctx;
	void *(*malloc)(void *ctx, size_t size);
	void *(*calloc)(void *ctx, size_t n, size_t size);
	void *(*realloc)(void *ctx, void *p, size_t size);
	void (*free)(void *ctx, void *p);
};

struct arena_allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
};

bool python_settled;

static struct {
	void (*get)(int domain, struct allocator *);
	void (*set)(int domain, struct allocator *);
	void (*get_arena)(struct arena_allocator *);
	void (*set_arena)(struct arena_allocator *);
	int (*initialized)(void);
	int (*have_gil)(void);
	void *(*raw_malloc)(size_t);
	void (*raw_free)(void *);
	const char *(*version)(void);
	const unsigned char *runtime;
} py;

/* What was there before us. Constant once a domain is hooked, but for the rare second hooking. */
struct allocator python_below[DOMAINS];
_Static_assert(sizeof(struct allocator) == HOT_BELOW_SIZE && offsetof(struct allocator, malloc) == HOT_BELOW_MALLOC &&
	offsetof(struct allocator, realloc) == HOT_BELOW_REALLOC, "hot.S");
static struct arena_allocator arena_below;
static size_t arena_size;

/* What pools_find() found. */
uintptr_t python_pools;

/* --- pymalloc below --- */

/* In hot.S: a block of 1 to PYMALLOC_MAX bytes that passes goes on to python_below[domain].malloc, others to the functions that follow. */
void *python_mem_malloc(void *ctx, size_t size);
void *python_obj_malloc(void *ctx, size_t size);
void *python_mem_malloc_pools(void *ctx, size_t size);
void *python_obj_malloc_pools(void *ctx, size_t size);
void *python_malloc_slow(int domain, size_t size, bool zero);
void *python_large_malloc(int domain, size_t size);
void *python_mem_realloc(void *ctx, void *p, size_t size);
void *python_obj_realloc(void *ctx, void *p, size_t size);
void *python_mem_realloc_pools(void *ctx, void *p, size_t size);
void *python_obj_realloc_pools(void *ctx, void *p, size_t size);
void *python_realloc(int domain, void *p, size_t size);
void *python_realloc_slow(int domain, void *p, size_t size);

/* Calls from below that reach malloc are not counted there. */
#define NESTED(t, call)                     \
	({                                  \
		uint32_t shut_ = (t)->shut; \
		(t)->shut = SAMPLER_CLASSES; \
		void *p_ = call;            \
		(t)->shut = shut_;          \
		p_;                         \
	})

static void try_pools(struct heap_thread *t);

/* Counts a block; false: it is to be taken. */
static inline bool pass(struct heap_thread *t, size_t size)
{
	return likely(blocks_have(size)) ? blocks_pass(size) : heap_pass_py(t, size);
}

static struct sample take(struct heap_thread *t, size_t size)
{
	return blocks_have(size) ? heap_take_block(t, size) : heap_take(t, true, size);
}

void *python_malloc_slow(int domain, size_t size, bool zero)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	struct sample sample;
	void *p;

	if (!t->shut && heap_enter(t)) {
		try_pools(t);
		sample = take(t, size);
		p = sample.weight ? heap_sampled(t, size, zero, &sample, (HEAP_PY_MEM + domain) | (zero ? HEAP_ZEROED : 0)) : NULL;
		heap_leave(t);
		if (sample.weight)
			return p;
	}
	if (zero)
		return NESTED(t, a->calloc(a->ctx, 1, size));
	return NESTED(t, a->malloc(a->ctx, size));
}

void *python_large_malloc(int domain, size_t size)
{
	struct allocator *a = &python_below[domain];

	if (unlikely(!heap_pass_py(&heap_thread, size)))
		return python_malloc_slow(domain, size, false);
	return NESTED(&heap_thread, a->malloc(a->ctx, size));
}

static inline void *fast_calloc(int domain, size_t n, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	size_t whole = n * size; /* the caller has ruled an overflow out */

	if (unlikely(!pass(t, whole)))
		return python_malloc_slow(domain, whole, true);
	if (unlikely(whole > PYMALLOC_MAX))
		return NESTED(t, a->calloc(a->ctx, n, size));
	return a->calloc(a->ctx, n, size);
}

static void *mem_plain(size_t size)
{
	return NESTED(&heap_thread, python_below[0].malloc(python_below[0].ctx, size));
}

static void *obj_plain(size_t size)
{
	return NESTED(&heap_thread, python_below[1].malloc(python_below[1].ctx, size));
}

/* A block that was not sampled, grew or shrank, and is sampled now. p is as large as it shall be. */
static void *sampled_now(struct heap_thread *t, struct allocator *a, void *p, size_t size, const struct sample *sample, uint64_t info)
{
	void *to = slots_alloc(size);

	if (to) {
		memcpy(to, p, size);
		NESTED(t, (a->free(a->ctx, p), NULL));
	} else if (size <= PYMALLOC_MAX) {
		__atomic_fetch_add(&heap_totals.untracked, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&heap_totals.untracked_bytes, sample->weight, __ATOMIC_RELAXED);
		return p;
	}
	heap_tell_alloc(t, to ? to : p, to != NULL, size, sample, info | HEAP_RESIZED);
	return to ? to : p;
}

/* A block that was counted, if it is a small one. */
void *python_realloc_slow(int domain, void *p, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	struct sample sample = { 0 };
	uint64_t info = HEAP_PY_MEM + domain;
	bool inside = !t->shut && heap_enter(t);

	if (inside)
		sample = take(t, size);
	if (slots_own(p)) {
		p = heap_realloc_slow(t, p, size ? size : 1, &sample, info, domain ? obj_plain : mem_plain);
	} else {
		p = NESTED(t, a->realloc(a->ctx, p, size));
		if (p && sample.weight)
			p = sampled_now(t, a, p, size, &sample, info);
		else if (!p && inside)
			heap_tell_failed(size, info);
	}
	if (inside)
		heap_leave(t);
	return p;
}

void *python_realloc(int domain, void *p, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	bool slot = slots_own(p);

	/* what is taken anyway is counted there, but for small ones */
	if (unlikely((slot && !blocks_have(size)) || !pass(t, size) || slot))
		return python_realloc_slow(domain, p, size);
	return NESTED(t, a->realloc(a->ctx, p, size));
}

/* --- anything else below --- */

static inline void *any_new(int domain, size_t n, size_t size, bool zero)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	size_t whole = n * size;
	struct sample sample = { 0 };
	bool inside = false;
	void *p;

	if (unlikely(!heap_pass_py(t, whole)) && !t->shut && heap_enter(t)) {
		inside = true;
		sample = heap_take(t, true, whole);
	}
	p = zero ? NESTED(t, a->calloc(a->ctx, n, size)) : NESTED(t, a->malloc(a->ctx, size));
	if (p && sample.weight)
		heap_tell_alloc(t, p, false, whole, &sample, (HEAP_PY_MEM + domain) | (zero ? HEAP_ZEROED : 0));
	else if (!p && inside)
		heap_tell_failed(whole, HEAP_PY_MEM + domain);
	if (inside)
		heap_leave(t);
	return p;
}

static void any_free(int domain, void *p)
{
	struct heap_thread *t = &heap_thread;
	struct mark mark;

	if (unlikely(p && marks_have(p)) && marks_take(p, &mark) == MARKS_TAKEN)
		heap_tell_free(t, p, mark.info & HEAP_DOMAIN_MASK);
	python_below[domain].free(python_below[domain].ctx, p);
}

static void *any_realloc(int domain, void *p, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct allocator *a = &python_below[domain];
	uint64_t info = (HEAP_PY_MEM + domain) | HEAP_RESIZED;
	struct sample sample = { 0 };
	bool inside = false, marked;
	struct mark mark;
	void *to;

	if (!p)
		return any_new(domain, 1, size, false);
	if (!heap_pass_py(t, size) && !t->shut && heap_enter(t)) {
		inside = true;
		sample = heap_take(t, true, size);
	}
	marked = marks_have(p) && marks_take(p, &mark) == MARKS_TAKEN;
	if (marked)
		heap_tell_free(t, p, info);
	to = NESTED(t, a->realloc(a->ctx, p, size));
	if (!to && marked && marks_insert(p, &mark))
		fixingahole_heap_moved((uintptr_t)p, (uintptr_t)p, mark.size, mark.weight, mark.info);
	if (to && sample.weight)
		heap_tell_alloc(t, to, false, size, &sample, info);
	else if (!to && inside)
		heap_tell_failed(size, info);
	if (inside)
		heap_leave(t);
	return to;
}

/* --- the functions that CPython calls --- */

#define HOOKS(name, domain)                                                                                                        \
	static void *name##_fast_calloc(void *ctx, size_t n, size_t size) { return fast_calloc(domain, n, size); }                 \
	static void *name##_any_malloc(void *ctx, size_t size) { return any_new(domain, 1, size, false); }                         \
	static void *name##_any_calloc(void *ctx, size_t n, size_t size) { return any_new(domain, n, size, true); }                \
	static void *name##_any_realloc(void *ctx, void *p, size_t size) { return any_realloc(domain, p, size); }                  \
	static void name##_any_free(void *ctx, void *p) { any_free(domain, p); }                                                   \
	static const struct allocator name##_fast = { NULL, python_##name##_malloc, name##_fast_calloc, python_##name##_realloc, NULL };   \
	static const struct allocator name##_any = { NULL, name##_any_malloc, name##_any_calloc, name##_any_realloc, name##_any_free };

HOOKS(mem, 0)
HOOKS(obj, 1)

static const struct allocator *const fast[DOMAINS] = { &mem_fast, &obj_fast };
static const struct allocator *const any[DOMAINS] = { &mem_any, &obj_any };

static void *arena_alloc(void *ctx, size_t size)
{
	static bool failed;
	struct heap_thread *t = &heap_thread;
	void *p;

	if (unlikely(!python_settled) && heap_enter(t)) {
		python_look();
		heap_leave(t);
	}
	p = NESTED(t, arena_below.alloc(arena_below.ctx, size));
	if (p) {
		/* 3.11 has its frames from here, too */
		if (unlikely(!arena_size && size >= POOLS_ARENA_MIN))
			arena_size = size;
		__atomic_fetch_add(&heap_arenas, size, __ATOMIC_RELAXED);
	}
	/* no small block will be had any more: told once, for each asks for an arena again */
	if (unlikely(!p) && !__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED))
		heap_tell_failed(size, HEAP_MAPPING);
	else if (unlikely(p && __atomic_load_n(&failed, __ATOMIC_RELAXED)))
		__atomic_store_n(&failed, false, __ATOMIC_RELAXED);
	return p;
}

static void arena_free(void *ctx, void *p, size_t size)
{
	__atomic_fetch_sub(&heap_arenas, size, __ATOMIC_RELAXED);
	NESTED(&heap_thread, (arena_below.free(arena_below.ctx, p, size), NULL));
}

/* --- hooking --- */

/* Fails only where there is no interpreter, or not all of one. */
static bool find(void)
{
	static const struct {
		void *to;
		const char *name;
		bool needed;
	} symbols[] = {
		{ &py.get, "PyMem_GetAllocator", true },
		{ &py.set, "PyMem_SetAllocator", true },
		{ &py.get_arena, "PyObject_GetArenaAllocator", true },
		{ &py.set_arena, "PyObject_SetArenaAllocator", true },
		{ &py.initialized, "Py_IsInitialized", true },
		{ &py.have_gil, "PyGILState_Check", true },
		{ &py.raw_malloc, "PyMem_RawMalloc", true },
		{ &py.raw_free, "PyMem_RawFree", true },
		{ &py.version, "Py_GetVersion", true },
		{ &py.runtime, "_PyRuntime", false },
	};

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *p = dlsym(RTLD_DEFAULT, symbols[i].name);

		if (!p && symbols[i].needed)
			return false;
		memcpy(symbols[i].to, &p, sizeof(p));
	}
	return true;
}

/* 3.13 and later say it at the start of _PyRuntime: a cookie, a version, then a flag. */
static bool free_threaded(void)
{
	uint64_t flag;

	if (!py.runtime || memcmp(py.runtime, "xdebugpy", 8))
		return false;
	memcpy(&flag, py.runtime + 16, sizeof(flag));
	return flag != 0;
}

/* Whether the raw domain ends in our malloc and free: not in an interpreter that has an allocator linked in. */
static bool raw_is_ours(void)
{
	const size_t size = 64;
	union sampler_hot *h = &heap_thread.c_hot[sampler_class(size)];
	uint64_t seen = heap_totals.untracked, left = h->left;
	void *p;

	/* we are inside, and nothing passes the fast path: malloc counts the call as untracked */
	h->left = 0;
	p = py.raw_malloc(size);
	h->left = left;
	py.raw_free(p);
	if (heap_totals.untracked == seen)
		return false;
	heap_totals.untracked = seen;
	return true;
}

/*
 * What lies below, told by the functions themselves: pymalloc is one set for both domains, without a
 * context. mimalloc has one per domain, debug hooks and tracemalloc have a context. (There is a
 * function that returns the name, but 3.12's crashes before the interpreter has started.)
 */
static enum heap_python kind(void)
{
	struct allocator raw, mem, obj;

	py.get(0, &raw);
	py.get(1, &mem);
	py.get(2, &obj);
	if (mem.malloc == raw.malloc && obj.malloc == raw.malloc && !free_threaded())
		return HEAP_PYTHON_MALLOC;
	if (mem.malloc == obj.malloc && mem.free == obj.free && !mem.ctx && !obj.ctx && !free_threaded() && slots_range.size && raw_is_ours())
		return HEAP_PYTHON_PYMALLOC;
	return HEAP_PYTHON_GENERIC;
}

static bool ours(unsigned domain, const void *function)
{
	return function == (const void *)fast[domain]->malloc || function == (const void *)any[domain]->malloc;
}

/*
 * Whether the domain's blocks still come by us, perhaps by way of something that was put before us, such as
 * tracemalloc: then its context, a static structure in CPython, holds what it calls. Asking by a call would
 * not do: we are inside somebody's malloc, who may hold a lock.
 */
static bool hooked(unsigned domain)
{
	const void *words[8];
	struct allocator now;

	py.get(domain + 1, &now);
	if (ours(domain, (const void *)now.malloc))
		return true;
	if (!now.ctx)
		return false;
	memcpy(words, now.ctx, sizeof(words));
	for (unsigned i = 0; i < 8; i++)
		if (ours(domain, words[i]))
			return true;
	return false;
}

static void hook(void)
{
	enum heap_python how = kind();
	struct arena_allocator arena;
	struct allocator now;

	heap_totals.python = how;
	py.get_arena(&arena);
	if (arena.alloc != arena_alloc) {
		arena_below = arena;
		py.set_arena(&(struct arena_allocator){ NULL, arena_alloc, arena_free });
	}
	for (unsigned d = 0; how != HEAP_PYTHON_MALLOC && d < DOMAINS; d++) {
		py.get(d + 1, &python_below[d]);
		now = how == HEAP_PYTHON_PYMALLOC ? *fast[d] : *any[d];
		if (how == HEAP_PYTHON_PYMALLOC) {
			/* free is called with the context that it came with */
			now.ctx = python_below[d].ctx;
			now.free = python_below[d].free;
		}
		py.set(d + 1, &now);
	}
}

/* 3.8's pymalloc counts each block somewhere else as well, and from 3.12 on each interpreter has a table of its own. */
static bool one_table(void)
{
	unsigned minor;

	return sscanf(py.version(), "3.%u", &minor) == 1 && minor >= 9 && minor <= 11;
}

/*
 * Once, as soon as it is certain that we stay where we are. From the domains' own functions only: from malloc we might be inside
 * pymalloc. Who has put himself before us meanwhile goes on to call what he found.
 */
static void try_pools(struct heap_thread *t)
{
	static bool tried;
	struct pools_owner owner = { python_below[0].malloc, python_below[0].free, python_below[0].ctx, arena_size };
	struct allocator now;

	if (likely(tried || !python_settled || heap_totals.python != HEAP_PYTHON_PYMALLOC))
		return;
	tried = true;
	if (!one_table() || python_below[1].malloc != owner.malloc || !py.have_gil())
		return;
	NESTED(t, (python_pools = pools_find(&owner), NULL));
	for (unsigned d = 0; python_pools && d < DOMAINS; d++) {
		py.get(d + 1, &now);
		if (now.malloc != fast[d]->malloc)
			continue;
		now.malloc = d ? python_obj_malloc_pools : python_mem_malloc_pools;
		now.realloc = d ? python_obj_realloc_pools : python_mem_realloc_pools;
		py.set(d + 1, &now);
	}
}

bool python_finalizing(void)
{
	return python_settled && py.initialized && !py.initialized();
}

void python_look(void)
{
	static bool looking, hooked_once;
	static uint64_t seen = UINT64_MAX;
	struct heap_thread *t = &heap_thread;
	uint64_t count = heap_totals.count[HEAP_SOURCE_PYTHON], untracked = heap_totals.untracked;

	if (looking)
		return;
	looking = true;
	if (!py.get && !find()) {
		/* the linker's words about a name that is missing are no block of the program's */
		heap_totals.untracked = untracked;
		memset(&py, 0, sizeof(py));
		python_settled = true;
	} else if (!hooked_once) {
		/* before the interpreter's first block: none is there that we do not know how to free */
		if (!py.initialized() || py.have_gil()) {
			hook();
			hooked_once = true;
		}
	} else if (py.initialized() && py.have_gil()) {
		/* PYTHONMALLOC and -X dev set allocators of their own while it starts. Hooking ourselves twice
		 * would be the end, so be sure that no block comes by: none since the last look. */
		if (hooked(0) || hooked(1) || heap_totals.python == HEAP_PYTHON_MALLOC) {
			python_settled = true;
		} else {
			for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
				count += t->py_hot[i].count;
			count += blocks_count();
			if (seen == count) {
				hook();
				python_settled = true;
			}
			seen = count;
		}
	}
	looking = false;
}
