/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The heap by probes: what bpf/heap_probes.bpf.c and userspace/capture/heap_probes.c share.
 *
 * Probes sit on the entries of the allocator's functions in a process; the cookie of each says which (enum heap_call). A process is
 * watched while it has an entry in `heap_controls`, by its pid.
 *
 * Include after events.h.
 */
#ifndef FIXINGAHOLE_HEAP_SOURCE_H
#define FIXINGAHOLE_HEAP_SOURCE_H

#include "bpf/events.h"
#include "preload/heap_probe.h"

/* Which function a probe is on: the low bits of its cookie. */
enum heap_call {
	HEAP_CALL_OTHER = 0,        /* nothing to do: what a probe costs is measured with it */
	HEAP_CALL_MALLOC = 1,       /* (size): malloc, valloc, pvalloc, operator new */
	HEAP_CALL_CALLOC = 2,       /* (n, size) */
	HEAP_CALL_REALLOC = 3,      /* (old, size) */
	HEAP_CALL_REALLOCARRAY = 4, /* (old, n, size) */
	HEAP_CALL_MEMALIGN = 5,     /* (alignment, size): aligned_alloc too */
	HEAP_CALL_POSIX_MEMALIGN = 6, /* (result, alignment, size) */
	HEAP_CALL_FREE = 7,         /* (block): operator delete too */
	HEAP_CALL_MMAP = 8,
	HEAP_CALL_MUNMAP = 9,
	HEAP_CALL_MREMAP = 10,
	HEAP_CALL_FINALIZE = 11,    /* the interpreter begins to clear up */
	HEAP_CALL_RETURN = 12,      /* as OTHER, but looked at again when it returns */
};
#define HEAP_CALL_MASK 0xffULL
#define HEAP_CALL_STEPPED 0x100ULL /* the kernel single-steps the instruction under the probe */

/* Code that is the allocator's own: mappings that it makes are not the program's. */
#define HEAP_OWN_RANGES 2

/* Map `heap_controls`: what userspace says about a process. */
struct heap_control {
	struct { __u64 start, end; } own[HEAP_OWN_RANGES];
	/* A time slice. Calls outside of it are not looked at, but for those about mappings; end_ns 0: all are. */
	__u64 begin_ns, end_ns;
	__u64 scale_q16; /* what a block in it stands for, times 65536 */
	__u32 sliced;    /* there has been a slice: sums are no longer exact */
	__u32 pad;
};
#define HEAP_SCALE_ONE 65536ULL

/* What the probes of a process have cost. Only ever grow; a thread's last 63 calls may be missing. */
struct heap_cost {
	__u64 calls;    /* looked at or not */
	__u64 stepped;  /* of these, on an instruction that is single-stepped */
	__u64 returns;  /* looked at again when they returned */
	__u64 work_ns;  /* on samples */
};

/* Blocks told of and not freed yet. */
struct heap_key {
	__u64 address;
	__u32 space;
	__u32 pad;
};

/*
 * Sampling: the method and its reasons are those of preload/sampler.h. A line is cut into strata of one stride each with one uniformly
 * placed point; blocks larger than the stride stand for themselves and take no room on it. Strides adapt to the rate of
 * events, at places that do not depend on the point.
 */
#define HEAP_CHECKPOINT (256ULL << 10)
#define HEAP_NO_POINT (~0ULL)
#define HEAP_STRIDE_LIMIT (1ULL << 32)
#define HEAP_RATE_WINDOW_NS 50000000ULL

struct heap_stratum {
	__u64 pos;    /* in the stratum */
	__u64 stop;   /* the next place where something is to be done: point, border or checkpoint; 0: no stratum begun */
	__u64 point;  /* HEAP_NO_POINT: passed */
	__u64 stride;
};

struct heap_rate {
	__u64 floor;  /* the finest stride */
	__u64 budget; /* events per second */
	__u64 start_ns; /* of the window */
	__u64 last_ns;  /* the latest event */
	__u64 events; /* in it */
	__u64 saved;  /* not spent in earlier ones */
	__u64 stride[SAMPLER_CLASSES];
	__u64 class_events[SAMPLER_CLASSES];
};

/* Those whose blocks a process may have by fork, the nearest first. */
#define HEAP_ANCESTORS 4
struct heap_ancestor { __u64 fork_ns; __u32 space; __u32 pad; };

/* Map `heap_states`: what the kernel's side knows of a process. Userspace reads it, and fills in the first one's rate. */
struct heap_state {
	struct heap_cost cost;
	__u64 bytes[HEAP_FROM_COUNT], count[HEAP_FROM_COUNT]; /* of the space */
	__u64 sampled, freed, untracked, untracked_bytes;
	__u32 space;
	__u32 finalizing;
	__u32 forked;  /* it has children that may have its blocks */
	__u32 ancestors;
	struct heap_ancestor ancestor[HEAP_ANCESTORS]; /* the nearest first */
	struct heap_rate rate;
};

struct heap_sample {
	__u64 weight; /* 0: not sampled */
	__u64 count;  /* times HEAP_COUNT_ONE */
};

#ifdef HEAP_RANDOM /* what follows: a random number of 32 bits */

static __always_inline void heap_stop_set(struct heap_stratum *s)
{
	__u64 stop = (s->pos / HEAP_CHECKPOINT + 1) * HEAP_CHECKPOINT;

	if (stop > s->stride)
		stop = s->stride;
	if (stop > s->point)
		stop = s->point;
	s->stop = stop;
}

static __always_inline void heap_stratum_begin(struct heap_stratum *s, __u64 stride)
{
	s->stride = stride;
	s->point = HEAP_RANDOM() & (stride - 1);
	s->pos = 0;
}

/* One pass over the classes; a loop in place would be checked by the kernel as often as it runs. */
enum heap_pass_what { HEAP_PASS_MOST, HEAP_PASS_RAISE, HEAP_PASS_LARGEST, HEAP_PASS_LOWER, HEAP_PASS_CLEAR };
struct heap_pass {
	struct heap_rate *rate;
	__u64 what;
	__u64 most;           /* events of a class */
	__u64 largest, events; /* stride, and events of the classes that have it */
};

static long heap_pass_step(__u32 i, struct heap_pass *pass)
{
	struct heap_rate *r = pass->rate;

	if (i >= SAMPLER_CLASSES)
		return 1;
	switch (pass->what) {
	case HEAP_PASS_MOST:
		if (r->class_events[i] > pass->most)
			pass->most = r->class_events[i];
		break;
	case HEAP_PASS_RAISE:
		if (r->class_events[i] * 2 > pass->most && r->stride[i] < HEAP_STRIDE_LIMIT)
			r->stride[i] *= 2;
		break;
	case HEAP_PASS_LARGEST:
		if (r->stride[i] > pass->largest) {
			pass->largest = r->stride[i];
			pass->events = 0;
		}
		if (r->stride[i] == pass->largest)
			pass->events += r->class_events[i];
		break;
	case HEAP_PASS_LOWER:
		if (r->stride[i] == pass->largest)
			r->stride[i] /= 2;
		break;
	default:
		r->class_events[i] = 0;
	}
	return 0;
}

static __always_inline void heap_each_class(struct heap_pass *pass, enum heap_pass_what what)
{
	pass->what = what;
#ifdef __bpf__
	bpf_loop(SAMPLER_CLASSES, heap_pass_step, pass, 0);
#else
	for (__u32 i = 0; i < SAMPLER_CLASSES; i++)
		heap_pass_step(i, pass);
#endif
}

/* Too many events: the sizes that make the most of them get twice the stride. */
static __always_inline void heap_rate_raise(struct heap_rate *r)
{
	struct heap_pass pass = { .rate = r };

	heap_each_class(&pass, HEAP_PASS_MOST);
	heap_each_class(&pass, HEAP_PASS_RAISE);
}

/* Room for some more: the sizes with the largest stride get half of it. */
static __always_inline void heap_rate_lower(struct heap_rate *r, __u64 room)
{
	struct heap_pass pass = { .rate = r, .largest = r->floor };

	heap_each_class(&pass, HEAP_PASS_LARGEST);
	if (pass.largest > r->floor && pass.events <= room)
		heap_each_class(&pass, HEAP_PASS_LOWER);
}

/* Time before a slice, in which nothing was looked at, is no time in which events were saved. */
static __always_inline void heap_rate_resume(struct heap_rate *r, __u64 begin_ns)
{
	if (r->last_ns < begin_ns && r->start_ns <= r->last_ns)
		r->start_ns += begin_ns - r->last_ns;
}

/* Notes n events of a class, and adapts the strides at the end of a window. */
static __always_inline void heap_rate_note(struct heap_rate *r, __u32 class, __u64 n, __u64 now_ns)
{
	__u64 elapsed = now_ns > r->start_ns ? now_ns - r->start_ns : 0, allowed;

	if (class >= SAMPLER_CLASSES)
		return;
	if (elapsed > 3600000000000ULL)
		elapsed = 3600000000000ULL;
	r->last_ns = now_ns;
	r->events += n;
	r->class_events[class] += n;
	allowed = r->budget * (elapsed > HEAP_RATE_WINDOW_NS ? elapsed : HEAP_RATE_WINDOW_NS) / 1000000000ULL + 1;
	if (r->events <= allowed + r->saved && elapsed <= HEAP_RATE_WINDOW_NS)
		return;
	if (r->events > allowed + r->saved) {
		r->saved = 0;
		heap_rate_raise(r);
	} else {
		r->saved += allowed - r->events;
		if (r->saved > r->budget)
			r->saved = r->budget;
		/* stay clear of the limit */
		if (r->events < allowed * 4 / 5)
			heap_rate_lower(r, allowed * 4 / 5 - r->events);
	}
	r->start_ns = now_ns;
	r->events = 0;
	heap_each_class(&(struct heap_pass){ .rate = r }, HEAP_PASS_CLEAR);
}

/* True: not sampled, and that is all. False: call heap_take(). */
static __always_inline int heap_passes(struct heap_stratum *s, __u64 size)
{
	__u64 pos = s->pos + size;

	if (size > s->stride || pos >= s->stop)
		return 0;
	s->pos = pos;
	return 1;
}

/* Puts a block on the line of its class. */
static __always_inline void heap_take(struct heap_stratum *s, struct heap_rate *r, __u32 class, __u64 size, __u64 now_ns, struct heap_sample *out)
{
	__u64 begin, events = 0;

	out->weight = out->count = 0;
	if (class >= SAMPLER_CLASSES)
		return;
	if (!s->stride)
		heap_stratum_begin(s, r->stride[class]);
	begin = s->pos;
	if (size > s->stride) {
		out->weight = size;
		out->count = HEAP_COUNT_ONE;
		heap_rate_note(r, class, 1, now_ns);
		if (r->stride[class] != s->stride)
			heap_stratum_begin(s, r->stride[class]);
		heap_stop_set(s);
		return;
	}
	s->pos += size;
	/* a stride may have become smaller meanwhile, so that a block fills several; more than these are not looked for */
	for (int i = 0; i < 16; i++) {
		__u64 over;

		if (s->point < s->pos) {
			out->weight += s->stride;
			s->point = HEAP_NO_POINT;
		}
		if (s->pos < s->stride)
			break;
		over = s->pos - s->stride;
		events++;
		heap_stratum_begin(s, r->stride[class]);
		s->pos = over;
	}
	if (events || begin / HEAP_CHECKPOINT != s->pos / HEAP_CHECKPOINT) {
		heap_rate_note(r, class, events, now_ns);
		if (r->stride[class] != s->stride)
			heap_stratum_begin(s, r->stride[class]);
	}
	heap_stop_set(s);
	if (out->weight && size)
		out->count = (out->weight << 8) / size;
}

#endif
#endif
