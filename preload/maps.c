// SPDX-License-Identifier: Apache-2.0
/*
 * Anonymous, writable mappings that the program makes itself, but no reservations (MAP_NORESERVE). Always told exactly: a
 * system call costs more than a sample. Mappings of an allocator are not the program's: libc's
 * does not come by here, that of a preloaded one is known by its caller's address, and pymalloc's
 * arenas by the hook around them.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/heap.h"
#include "preload/lock.h"
#include "preload/real.h"
#include "preload/slots.h"

#define RANGES_FIRST 256u

struct range {
	uintptr_t start, end;
};

/* Sorted, disjoint. Under the lock. */
static struct range *ranges;
static size_t n_ranges, room_ranges;

void maps_init(void)
{
	ranges = real.mmap(NULL, RANGES_FIRST * sizeof(*ranges), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	room_ranges = ranges == MAP_FAILED ? 0 : RANGES_FIRST;
}

static bool ranges_grow(void)
{
	struct range *larger;

	if (!room_ranges)
		return false;
	larger = real.mremap(ranges, room_ranges * sizeof(*ranges), 2 * room_ranges * sizeof(*ranges), MREMAP_MAYMOVE);
	if (larger == MAP_FAILED)
		return false;
	ranges = larger;
	room_ranges *= 2;
	return true;
}

/* Index of the first range that ends after p. */
static size_t ranges_find(uintptr_t p)
{
	size_t low = 0, high = n_ranges;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges[middle].end <= p)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool range_insert(uintptr_t start, uintptr_t end)
{
	size_t i = ranges_find(start);

	if (n_ranges == room_ranges && !ranges_grow())
		return false;
	memmove(ranges + i + 1, ranges + i, (n_ranges - i) * sizeof(*ranges));
	ranges[i] = (struct range){ start, end };
	n_ranges++;
	return true;
}

static void range_delete(size_t i)
{
	n_ranges--;
	memmove(ranges + i, ranges + i + 1, (n_ranges - i) * sizeof(*ranges));
}

static void tell_moved(uintptr_t from, uintptr_t to, size_t size, uint64_t flags)
{
	fixingahole_heap_moved(from, to, size, size, HEAP_MAPPING | flags);
}

/* [start, end) is unmapped: what it takes of known mappings is told. */
static void range_cut(struct heap_thread *t, uintptr_t start, uintptr_t end)
{
	size_t i = ranges_find(start);

	while (i < n_ranges && ranges[i].start < end) {
		struct range r = ranges[i];

		if (r.start >= start && r.end <= end) {
			heap_tell_free(t, (void *)r.start, HEAP_MAPPING);
			range_delete(i);
			continue;
		}
		if (r.start < start) {
			ranges[i].end = start;
			tell_moved(r.start, r.start, start - r.start, 0);
			if (r.end > end && range_insert(end, r.end))
				tell_moved(r.start, end, r.end - end, HEAP_SPLIT);
		} else {
			ranges[i].start = end;
			tell_moved(r.start, end, r.end - end, 0);
		}
		i++;
	}
}

static uintptr_t page_end(uintptr_t p)
{
	return (p + 4095) & ~4095UL;
}

static void *mapped(void *p, size_t size, int prot, int flags, uintptr_t caller)
{
	struct heap_thread *t = &heap_thread;
	bool told = flags & MAP_ANONYMOUS && !(flags & MAP_NORESERVE) && prot & PROT_WRITE && !(caller >= real_start && caller < real_end);
	int error = errno;

	if ((!told && !(flags & MAP_FIXED)) || t->shut || !heap_enter(t))
		return p;
	if (p == MAP_FAILED) {
		if (told)
			heap_tell_failed(size, HEAP_MAPPING);
	} else if (lock_enter()) {
		uintptr_t start = (uintptr_t)p, end = page_end(start + size);

		if (flags & MAP_FIXED)
			range_cut(t, start, end);
		told = told && range_insert(start, end);
		lock_leave();
		if (told) {
			struct sample sample = { .weight = size, .count_q8 = SAMPLER_COUNT_ONE };

			__atomic_fetch_add(&heap_totals.bytes[HEAP_SOURCE_MAPPING], size, __ATOMIC_RELAXED);
			__atomic_fetch_add(&heap_totals.count[HEAP_SOURCE_MAPPING], 1, __ATOMIC_RELAXED);
			heap_tell_alloc(t, p, true, size, &sample, HEAP_MAPPING);
		}
	}
	heap_leave(t);
	errno = error;
	return p;
}

EXPORT void *mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return mapped(real.mmap(at, size, prot, flags, fd, offset), size, prot, flags, (uintptr_t)__builtin_return_address(0));
}

EXPORT void *mmap64(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return mapped(real.mmap(at, size, prot, flags, fd, offset), size, prot, flags, (uintptr_t)__builtin_return_address(0));
}

EXPORT int munmap(void *p, size_t size)
{
	struct heap_thread *t = &heap_thread;
	bool inside = __atomic_load_n(&n_ranges, __ATOMIC_RELAXED) && !t->shut && heap_enter(t);
	int result;

	/* before it is gone, as another thread may get it next; what cannot be unmapped is told all the same */
	if (inside && lock_enter()) {
		range_cut(t, (uintptr_t)p, page_end((uintptr_t)p + size));
		lock_leave();
	}
	result = real.munmap(p, size);
	if (inside)
		heap_leave(t);
	return result;
}

/* A known mapping is told to have moved; to: its new place. */
static void remapped(uintptr_t from, uintptr_t to, size_t old, size_t size)
{
	size_t i = ranges_find(from);

	if (i >= n_ranges || ranges[i].start != from || ranges[i].end != page_end(from + old))
		return;
	range_delete(i);
	if (range_insert(to, page_end(to + size)))
		tell_moved(from, to, size, 0);
}

EXPORT void *mremap(void *from, size_t old, size_t size, int flags, ...)
{
	struct heap_thread *t = &heap_thread;
	va_list args;
	void *to = NULL;
	bool inside;

	va_start(args, flags);
	if (flags & MREMAP_FIXED)
		to = va_arg(args, void *);
	va_end(args);
	inside = __atomic_load_n(&n_ranges, __ATOMIC_RELAXED) && !t->shut && heap_enter(t);
	to = real.mremap(from, old, size, flags, to);
	if (inside && to != MAP_FAILED && old && lock_enter()) {
		remapped((uintptr_t)from, (uintptr_t)to, old, size);
		lock_leave();
	}
	if (inside)
		heap_leave(t);
	return to;
}

/* A program that limits its own addresses does not mean ours. */
static int limited(pid_t pid, int resource, const struct rlimit *new, struct rlimit *old)
{
	if (resource == RLIMIT_AS && new && new->rlim_cur != RLIM_INFINITY && (!pid || pid == getpid()))
		slots_trim();
	return syscall(SYS_prlimit64, pid, resource, new, old);
}

EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *new)
{
	return limited(0, resource, new, NULL);
}

EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *new)
{
	return limited(0, resource, (const struct rlimit *)new, NULL);
}

EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *new, struct rlimit *old)
{
	return limited(pid, resource, new, old);
}

EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *new, struct rlimit64 *old)
{
	return limited(pid, resource, (const struct rlimit *)new, (struct rlimit *)old);
}
