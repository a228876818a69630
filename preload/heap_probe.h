/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) OR Apache-2.0 */
/*
 * What the preload library tells whoever puts uprobes on it. Included by the
 * library, by bpf/ and by userspace; needs __u64 and __u32 (<linux/types.h> or
 * vmlinux.h).
 *
 * Six exported functions of libfixingahole-heap.so begin with the 1-byte nop (90), which
 * every kernel emulates, so that a uprobe at their first byte is never single-stepped. Not with the
 * 5-byte nop: Linux 6.18 replaces that by a call to a page that forked children do not get, and they crash.
 * They do nothing else: without a probe they cost a call. Arguments are u64s in
 * the order of the C ABI (rdi, rsi, rdx, rcx, r8, r9), and the interrupted thread
 * is the one that allocates, with its Python stack as it was at the call.
 *
 *   fixingahole_heap_alloc(address, size, weight, count_q8, info, mark, late)
 *     A sampled block lives at address from now on. size: bytes asked for.
 *     weight: bytes that it stands for. count_q8: allocations that it stands for,
 *     times 256. Summed over the samples of any line, weight is an unbiased
 *     estimate of the bytes that the line asked for, count_q8 / 256 of how often.
 *     weight == size and count_q8 == 256 say that blocks like this one are all reported.
 *     mark: the thread's count of allocations so far; small blocks of Python's count whichever thread makes them (blocks.h).
 *     late, the first argument on the stack, if info has HEAP_WITH_FREES: a struct heap_late, of blocks that this thread freed before.
 *   fixingahole_heap_free(address, 0, 0, 0, info, mark)
 *     A sampled block dies. Sent before the address can be given out again, so the
 *     events of one address are in order even between threads. With HEAP_WITH_FREES, address is that of a struct heap_late.
 *     To be told costs the program far more than the call: each time the kernel is entered, caches and predictors forget. So blocks that a
 *     thread frees soon after it made them are told of with its next allocation that is sampled, as long as they are few and count as live with no
 *     more than HEAP_LIVE_AT_ONCE in all; until then they stay as they are.
 *   fixingahole_heap_moved(old, new, size, weight, info)
 *     A sampled block lives on under another address or size, charged to the line
 *     that made it: part of a mapping was unmapped, or a realloc failed after its
 *     block had been reported as freed (then old == new: take the free back).
 *     A mapping that was cut in two is reported as moved, then once more with
 *     HEAP_SPLIT for its second part: the block at old stays, and another block of its line lives at new.
 *   fixingahole_heap_failed(size, info)
 *     The allocator had no memory. Only for requests that a sample would have been taken of,
 *     and of CPython's arenas: a small object that cannot be had is told of by its arena's size.
 *   fixingahole_heap_totals(struct heap_totals *)
 *     Once a second at most (at an allocation), and when the process exits normally. The
 *     pointer is valid during the call, and the struct lives as long as the library.
 *   fixingahole_heap_copy(bytes)
 *     The thread copies, and this copy stands for so many bytes; summed over the copies of a line, an unbiased
 *     estimate of what it copied by memcpy and memmove (copy.h says what is seen of them).
 *
 * How to sum live memory. weight is right for what was *allocated*. While the program
 * allocates fast, the stride of such sizes grows, and one block of a loop may stand for many MB
 * that never lived at the same time. So: let a block with weight > size and
 * weight > HEAP_LIVE_AT_ONCE count as live with .size only, until its thread has sent two more samples of the same class of sizes
 * (sampler_class() in preload/sampler.h), that is, has allocated a whole stride; from then on with
 * .weight. (Small blocks of Python: of the same size, heap_stratum(); their lines are the process's, where a
 * thread's samples take at least as long.) A block that dies earlier never was more than its own size. What is
 * left out is at most the last two strides of each thread and class.
 *
 * Temporary blocks: the thread that frees passes its own mark. If it is the thread that
 * allocated, the difference of the marks is the number of allocations between the two, exactly, and more only where another thread
 * had the GIL in between.
 */
#ifndef FIXINGAHOLE_HEAP_PROBE_H
#define FIXINGAHOLE_HEAP_PROBE_H

/* info: bits 0-3 the domain, then flags */
enum heap_domain {
	HEAP_C = 0,      /* malloc and its family, C++ new; CPython's raw domain */
	HEAP_PY_MEM = 1, /* PyMem_Malloc: buffers of lists, dicts, arrays */
	HEAP_PY_OBJ = 2, /* PyObject_Malloc: the block is an object, or begins with a GC header */
	HEAP_MAPPING = 3, /* mmap by the program itself */
	HEAP_DOMAINS = 4,
};

#define HEAP_DOMAIN_MASK 0xfULL
#define HEAP_ALIGNED 0x10ULL  /* by an aligned_alloc, so perhaps not the line's own choice of size */
#define HEAP_ZEROED 0x20ULL   /* by a calloc: not touched yet, as a rule */
#define HEAP_RESIZED 0x40ULL  /* by a realloc; a free with it is followed by the alloc */
#define HEAP_SPLIT 0x80ULL    /* moved: the old one stays as well */
#define HEAP_FINALIZING 0x100ULL /* freed while the interpreter clears up to end */
#define HEAP_WITH_FREES 0x200ULL /* a struct heap_late comes with it */

#define HEAP_LATE_MAX 4

/* The arguments of fixingahole_heap_free() for blocks whose end has not been told; their info is 0. */
struct heap_late {
	__u64 n;
	struct { __u64 address, mark; } free[HEAP_LATE_MAX];
};

/* Exact sums, but for blocks since each running thread's last look (a stride at most). */
enum heap_source { HEAP_SOURCE_C = 0, HEAP_SOURCE_PYTHON = 1, HEAP_SOURCE_MAPPING = 2, HEAP_SOURCES = 3 };

struct heap_totals {
	__u32 version;   /* HEAP_TOTALS_VERSION */
	__u32 pid;       /* as the process sees it; changes with fork, and the sums restart at 0 */
	__u64 bytes[HEAP_SOURCES];
	__u64 count[HEAP_SOURCES]; /* allocations, reallocations included */
	__u64 sampled;   /* alloc events */
	__u64 freed;     /* free events */
	__u64 untracked; /* samples not taken: inside a signal handler that interrupted us, or no room */
	__u64 untracked_bytes; /* the weight of those */
	__u64 missed_frees; /* frees of sampled blocks that could not be reported: inside such a handler */
	__u64 stride;    /* now; the largest, if sizes differ */
	__u32 python;    /* enum heap_python */
	__u32 final;     /* 1: the process exits */
};

/* How CPython's own allocator is seen. */
enum heap_python {
	HEAP_PYTHON_NONE = 0,    /* no interpreter seen (yet) */
	HEAP_PYTHON_PYMALLOC = 1, /* both domains, cheaply: frees are not hooked */
	HEAP_PYTHON_GENERIC = 2, /* both domains, all calls hooked (debug hooks, mimalloc, free-threaded) */
	HEAP_PYTHON_MALLOC = 3,  /* PYTHONMALLOC=malloc: everything comes through malloc, domain HEAP_C */
};

/* The position of the highest bit; bpf has no instruction for it. */
static inline __attribute__((always_inline)) unsigned heap_log2(__u64 x)
{
#ifdef __bpf__
	unsigned n = 0;

	for (unsigned step = 32; step; step /= 2) {
		if (x >> step) {
			x >>= step;
			n += step;
		}
	}
	return n;
#else
	return 63 - __builtin_clzll(x);
#endif
}

#define SAMPLER_SMALL 512u
#define SAMPLER_CLASSES 176u

/*
 * The line for blocks of a size: steps of 4 bytes up to 512 (a float has 24, an integer 28), then 4 per doubling
 * up to 128 KiB, then powers of two.
 */
static inline __attribute__((always_inline)) unsigned sampler_class(__u64 size)
{
	unsigned log;

	if (__builtin_expect(size < SAMPLER_SMALL, 1))
		return size / 4;
	log = heap_log2(size);
	if (log < 17)
		return 128 + (log - 9) * 4 + (size >> (log - 2) & 3);
	return log < 32 ? 160 + log - 17 : SAMPLER_CLASSES - 1;
}

/* Where a block's line is told from others: its class, or its size for Python's small ones, which may have lines of their own. */
static inline __attribute__((always_inline)) unsigned heap_stratum(enum heap_domain domain, __u64 size)
{
	if (size <= SAMPLER_SMALL && (domain == HEAP_PY_MEM || domain == HEAP_PY_OBJ))
		return SAMPLER_CLASSES + size;
	return sampler_class(size);
}

#define HEAP_TOTALS_VERSION 1

#define HEAP_LIVE_AT_ONCE (1 << 20) /* a smaller weight is live at once: it cannot distort a peak much */

/* Environment: bytes per sample (a power of two, default 131072), samples per second at most
 * (default 500, and more while the process grows; 0: no limit). */
#define HEAP_ENV_STRIDE "FIXINGAHOLE_HEAP_STRIDE"
#define HEAP_ENV_RATE "FIXINGAHOLE_HEAP_RATE"

#endif
