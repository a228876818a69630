// SPDX-License-Identifier: Apache-2.0
/* The C allocator's functions. Each has a fast path of a compare or two, then the real function as a tail call. */
#include <errno.h>
#include <string.h>

#include "preload/heap.h"
#include "preload/marks.h"
#include "preload/real.h"
#include "preload/slots.h"

static bool special(const void *p)
{
	return slots_own(p) || marks_maybe(p);
}

static void untracked(const struct heap_thread *t)
{
	if (!t->shut)
		__atomic_fetch_add(&heap_totals.untracked, 1, __ATOMIC_RELAXED);
}

/* Calls from inside a domain are its own business; calls from inside ourselves nobody's. */
static bool enter(struct heap_thread *t)
{
	if (!t->shut && heap_enter(t))
		return true;
	untracked(t);
	return false;
}

static NOINLINE void *malloc_slow(size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct sample sample;
	void *p;

	if (!enter(t))
		return real.malloc(size);
	sample = heap_take(t, false, size);
	p = sample.weight ? heap_sampled(t, size, false, &sample, HEAP_C) : real.malloc(size);
	heap_leave(t);
	return p;
}

EXPORT void *malloc(size_t size)
{
	if (likely(heap_pass_c(&heap_thread, size)))
		return real.malloc(size);
	return malloc_slow(size);
}

EXPORT void free(void *p)
{
	if (likely(!special(p)))
		real.free(p);
	else
		heap_free_slow(p);
}

static NOINLINE void *calloc_slow(size_t n, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct sample sample;
	size_t whole;
	void *p;

	if (__builtin_mul_overflow(n, size, &whole) || !enter(t))
		return real.calloc(n, size);
	sample = heap_take(t, false, whole);
	p = sample.weight ? heap_sampled(t, whole, true, &sample, HEAP_C | HEAP_ZEROED) : real.calloc(n, size);
	heap_leave(t);
	return p;
}

EXPORT void *calloc(size_t n, size_t size)
{
	size_t whole;

	if (likely(!__builtin_mul_overflow(n, size, &whole) && heap_pass_c(&heap_thread, whole)))
		return real.calloc(n, size);
	return calloc_slow(n, size);
}

static void *realloc_boot(void *p, size_t size, size_t room)
{
	void *to = malloc(size);

	if (to)
		memcpy(to, p, room < size ? room : size);
	return to;
}

static NOINLINE void *realloc_slow(void *p, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct sample sample = { 0 };
	bool inside;
	size_t room;

	if (!p)
		return malloc_slow(size);
	if (real_boot_own(p, &room))
		return realloc_boot(p, size, room);
	if (!size && slots_own(p)) {
		heap_free_slow(p);
		return NULL;
	}
	inside = enter(t);
	if (inside)
		sample = heap_take(t, false, size);
	p = heap_realloc_slow(t, p, size, &sample, HEAP_C, real.malloc);
	if (inside)
		heap_leave(t);
	return p;
}

EXPORT void *realloc(void *p, size_t size)
{
	if (likely(!special(p) && heap_pass_c(&heap_thread, size)))
		return real.realloc(p, size);
	return realloc_slow(p, size);
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	size_t whole;

	if (__builtin_mul_overflow(n, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, whole);
}

/* Around the aligned ones: whether to tell of the block that comes. */
static bool aligned_begin(struct heap_thread *t, size_t size, struct sample *sample)
{
	*sample = (struct sample){ 0 };
	if (likely(heap_pass_c(t, size)) || !enter(t))
		return false;
	*sample = heap_take(t, false, size);
	return true;
}

static void *aligned_end(struct heap_thread *t, void *p, size_t size, const struct sample *sample)
{
	int error = errno;

	if (sample->weight && p)
		heap_tell_alloc(t, p, false, size, sample, HEAP_C | HEAP_ALIGNED);
	else if (sample->weight)
		heap_tell_failed(size, HEAP_C | HEAP_ALIGNED);
	heap_leave(t);
	errno = error;
	return p;
}

#define ALIGNED(call)                                                    \
	struct heap_thread *t = &heap_thread;                            \
	struct sample sample;                                            \
	bool inside = aligned_begin(t, size, &sample);                   \
	void *p = call;                                                  \
                                                                         \
	return inside ? aligned_end(t, p, size, &sample) : p

EXPORT void *memalign(size_t align, size_t size)
{
	ALIGNED(real.memalign(align, size));
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	ALIGNED(real.aligned_alloc(align, size));
}

EXPORT void *valloc(size_t size)
{
	ALIGNED(real.valloc(size));
}

EXPORT void *pvalloc(size_t size)
{
	ALIGNED(real.pvalloc(size));
}

EXPORT int posix_memalign(void **to, size_t align, size_t size)
{
	struct heap_thread *t = &heap_thread;
	struct sample sample;
	bool inside = aligned_begin(t, size, &sample);
	int error = real.posix_memalign(to, align, size);

	if (inside)
		aligned_end(t, error ? NULL : *to, size, &sample);
	return error;
}

EXPORT size_t malloc_usable_size(void *p)
{
	return slots_own(p) ? slots_size(p) : real.usable_size(p);
}
