// SPDX-License-Identifier: Apache-2.0
#include "preload/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/marks.h"

#define BOOT_SIZE (64u << 10)

static void *boot_malloc(size_t size);
static void *boot_calloc(size_t n, size_t size);
static void *boot_realloc(void *p, size_t size);
static void boot_free(void *p);
static void *boot_memalign(size_t align, size_t size);
static int boot_posix_memalign(void **p, size_t align, size_t size);
static void *boot_valloc(size_t size);
static size_t boot_usable_size(void *p);
static void *boot_mmap(void *p, size_t size, int prot, int flags, int fd, off_t offset);
static int boot_munmap(void *p, size_t size);
static void *boot_mremap(void *p, size_t old, size_t size, int flags, ...);

#define BOOT                                            \
	{                                               \
		.malloc = boot_malloc,                  \
		.calloc = boot_calloc,                  \
		.realloc = boot_realloc,                \
		.free = boot_free,                      \
		.memalign = boot_memalign,              \
		.aligned_alloc = boot_memalign,         \
		.posix_memalign = boot_posix_memalign,  \
		.valloc = boot_valloc,                  \
		.pvalloc = boot_valloc,                 \
		.usable_size = boot_usable_size,        \
		.mmap = boot_mmap,                      \
		.munmap = boot_munmap,                  \
		.mremap = boot_mremap,                  \
	}

struct real real = BOOT;
uintptr_t real_start, real_end;

static __thread bool looking;
static bool ready;
static size_t boot_used;
static char boot_area[BOOT_SIZE] __attribute__((aligned(4096)));

static void *boot_take(size_t align, size_t size)
{
	size_t old, begin, end;

	for (size_t i = 0; !boot_used && i < BOOT_SIZE; i += 4096)
		__atomic_store_n(marks_page(boot_area + i), MARKS_ALWAYS, __ATOMIC_RELAXED);
	old = __atomic_load_n(&boot_used, __ATOMIC_RELAXED);
	do {
		begin = (old + 16 + align - 1) & ~(align - 1);
		if (size > BOOT_SIZE || begin + size > BOOT_SIZE) {
			errno = ENOMEM;
			return NULL;
		}
		end = (begin + size + 15) & ~15UL;
	} while (!__atomic_compare_exchange_n(&boot_used, &old, end, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return boot_area + begin;
}

bool real_boot_own(const void *p, size_t *size)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)boot_area;

	if (offset >= BOOT_SIZE)
		return false;
	*size = BOOT_SIZE - offset;
	return true;
}

#define LOOK(into, name, instead)                                   \
	do {                                                        \
		*(void **)&found.into = dlsym(RTLD_NEXT, name);     \
		if (!found.into)                                    \
			found.into = (instead);                     \
	} while (0)

static int image_find(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t inside = *(uintptr_t *)data, start = UINTPTR_MAX, end = 0;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD)
			continue;
		uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		start = at < start ? at : start;
		end = at + info->dlpi_phdr[i].p_memsz > end ? at + info->dlpi_phdr[i].p_memsz : end;
	}
	if (inside < start || inside >= end)
		return 0;
	real_start = start;
	real_end = end;
	return 1;
}

void real_init(void)
{
	struct real found = BOOT;

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) || looking)
		return;
	looking = true;
	LOOK(malloc, "malloc", boot_malloc);
	LOOK(calloc, "calloc", boot_calloc);
	LOOK(realloc, "realloc", boot_realloc);
	LOOK(free, "free", boot_free);
	LOOK(memalign, "memalign", boot_memalign);
	LOOK(aligned_alloc, "aligned_alloc", found.memalign);
	LOOK(posix_memalign, "posix_memalign", boot_posix_memalign);
	LOOK(valloc, "valloc", boot_valloc);
	LOOK(pvalloc, "pvalloc", boot_valloc);
	LOOK(usable_size, "malloc_usable_size", boot_usable_size);
	LOOK(mmap, "mmap", boot_mmap);
	LOOK(munmap, "munmap", boot_munmap);
	LOOK(mremap, "mremap", boot_mremap);
	if (!__atomic_exchange_n(&ready, true, __ATOMIC_ACQ_REL)) {
		uintptr_t allocator = (uintptr_t)found.malloc, libc = (uintptr_t)dlsym(RTLD_NEXT, "getpid");

		dl_iterate_phdr(image_find, &allocator);
		if (libc >= real_start && libc < real_end)
			real_start = real_end = 0;
		real = found;
	}
	looking = false;
}

/* The first calls of a process, and those of the look-up itself. */

static void *boot_malloc(size_t size)
{
	real_init();
	return real.malloc == boot_malloc ? boot_take(16, size) : real.malloc(size);
}

static void *boot_calloc(size_t n, size_t size)
{
	real_init();
	if (real.calloc != boot_calloc)
		return real.calloc(n, size);
	/* the area is zero, and never used twice */
	return __builtin_mul_overflow(n, size, &size) ? NULL : boot_take(16, size);
}

static void *boot_realloc(void *p, size_t size)
{
	size_t old;
	void *to;

	real_init();
	if (real.realloc != boot_realloc)
		return real.realloc(p, size);
	to = boot_take(16, size);
	if (to && p && real_boot_own(p, &old))
		memcpy(to, p, old < size ? old : size);
	return to;
}

static void boot_free(void *p)
{
	size_t size;

	real_init();
	if (real.free != boot_free && !real_boot_own(p, &size))
		real.free(p);
}

static void *boot_memalign(size_t align, size_t size)
{
	real_init();
	if (!align || align & (align - 1) || align > 4096) {
		errno = EINVAL;
		return NULL;
	}
	return real.memalign == boot_memalign ? boot_take(align < 16 ? 16 : align, size) : real.memalign(align, size);
}

static int boot_posix_memalign(void **p, size_t align, size_t size)
{
	real_init();
	if (real.posix_memalign != boot_posix_memalign)
		return real.posix_memalign(p, align, size);
	*p = boot_memalign(align, size);
	return *p ? 0 : ENOMEM;
}

static void *boot_valloc(size_t size)
{
	return boot_memalign(4096, size);
}

static size_t boot_usable_size(void *p)
{
	real_init();
	return real.usable_size == boot_usable_size ? 0 : real.usable_size(p);
}

static void *boot_mmap(void *p, size_t size, int prot, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, p, size, prot, flags, fd, offset);
}

static int boot_munmap(void *p, size_t size)
{
	return syscall(SYS_munmap, p, size);
}

static void *boot_mremap(void *p, size_t old, size_t size, int flags, ...)
{
	__builtin_va_list args;
	void *to;

	__builtin_va_start(args, flags);
	to = flags & MREMAP_FIXED ? __builtin_va_arg(args, void *) : NULL;
	__builtin_va_end(args);
	return (void *)syscall(SYS_mremap, p, old, size, flags, to);
}
