/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The CPython walker: from a thread to its Python frames, by a layout (layout.h).
 *
 * It runs in the interrupted thread, so nothing moves while it reads; but what it
 * reads may be anything (a frame half made, a code object gone, hostile bytes), so
 * every value is only ever an address to read from or a number to pass on.
 *
 * This source is built twice: for the kernel (walk.bpf.c) and for the host, where
 * the tests run it over memory images. The difference is READ_USER, what walk_code_slot() and walk_known_slot()
 * remember, and what becomes of what walk_send_head(), walk_send_blob() and walk_doubt() tell.
 *
 * The work is cut into functions that the verifier checks one by one (global
 * functions, walk.bpf.c): walk_begin() finds the thread state, walk_step() takes one frame,
 * walk_send_code() tells of a code object seen for the first time. Their state is
 * struct walk, in a per-CPU map.
 */
#ifndef FIXINGAHOLE_WALKER_H
#define FIXINGAHOLE_WALKER_H

#include "events.h"

/* glibc, x86-64: struct pthread has 32 slots of 16 bytes (sequence, data), then pointers to more. */
#define GLIBC_TSS_FIRST_BLOCK 0x310
#define GLIBC_TSS_BLOCKS 0x510
#define GLIBC_TSS_PER_BLOCK 32
#define GLIBC_TSS_KEYS 1024

/* Threads looked at when a thread state must be found in the interpreter's list. */
#define WALK_SCAN_STEPS 16
#define WALK_THREADS_MAX (WALK_SCAN_STEPS * WALK_SCAN_STEPS)
/* Between two looks, doubled each time: a new thread gets its state within microseconds, one of a C library never. */
#define WALK_SCAN_PAUSE_NS 50000ULL
#define WALK_SCAN_PAUSE_MAX_NS 10000000ULL

#define WALK_HASH_START 0x2545f4914f6cdd1dULL

/*
 * Frames are read with what lies below them: a read of user memory costs the same for 8 bytes and for 1000, and from 3.11 on a
 * caller's frame mostly lies right there. A power of two.
 */
#define WALK_WINDOW 1024

/* Steps of a walk: the square of this. Shims and frames half made take a step too. */
#define WALK_STEPS 32

/*
 * Up to 3.11, nothing in a code object tells it from another one that lay at the same address before: what its name and its line table
 * consist of has to be read, too, at every frame, which is half of what a frame costs. A code object that was found to be the same so often, for so
 * long, is taken for granted thereafter, and looked at again every eighth time only. Functions that are made, run and dropped do not live that
 * long, unless they are slow; and should one have been dropped, and another one be in its place with all its parts where the first one's were, that
 * is found out KNOWN_TAKEN frames later at the latest: these are counted as doubtful. Once such a change was seen, nothing is taken for granted in the process.
 */
#define KNOWN_CHECKS 16
#define KNOWN_TAKEN 7
#define KNOWN_TICK_SHIFT 20 /* a tick is a millisecond or so, */
#define KNOWN_TICKS 100

/* A code object that was seen, by process, address and what else it says without more reads. */
struct known_code {
	__u64 tag;    /* of these, the upper half; the fingerprint, the lower half: in one word, for other CPUs are at it, too */
	__u32 since;  /* the tick when it was first seen */
	__u16 checks; /* how often it was the same again; up to KNOWN_CHECKS */
	__u16 taken;  /* how often it was taken for granted since the last time */
};

/* What is known of a process. */
struct walk_process {
	__u64 runtime;
	__u64 text_start, text_end;
	__u32 layout;    /* index + 1; 0: unknown */
	__u32 tss_key;   /* valid once tss_known */
	__u32 tss_known;
	__u32 changed;   /* one code object took the place of another: none is taken for granted any more */
};

/* What is remembered of a thread. */
struct thread_cache {
	__u64 tstate;       /* found last; checked before each use */
	__u64 next_scan_ns; /* not before then */
	__u64 scan_pause_ns;
};

struct walk {
	__u32 busy;
	__u32 n_frames;
	__u32 flags;  /* enum stack_flag */
	__u32 pad0;
	__u64 fsbase;
	__u64 now_ns;
	__u64 tstate;
	__u64 head;   /* of the thread state looked at last: its .tstate_frame */
	__u64 frame;  /* the next one */
	__u64 hash;   /* of the frames so far */
	__u64 instr;  /* address of the innermost frame's instruction; 0: not known */
	__u64 below;  /* with PY_CFRAME: the innermost frame of the activation below */
	__u32 entry_pending; /* with PY_CFRAME: the first entry frame is still to come; its previous one must be that */
	__u32 changed; /* struct walk_process's */
	__u64 window_start; /* what .window holds: .window_size bytes from there on */
	__u32 window_size;
	__u32 frame_at;     /* where in it the frame read last is */
	__u64 window[(WALK_WINDOW + 128) / 8]; /* more, so that a masked offset stays inside */
	__u64 code_bytes[PY_CODE_WINDOW_SIZE / 8];
	struct py_layout layout;
	struct event_code code;
	struct {
		struct event_blob head;
		__u8 data[BLOB_DATA_MAX];
	} blob;
	/* one record, of the heap with all of it, else from .stack on: */
	union {
		struct event_heap heap;
		struct {
			__u8 before[sizeof(struct event_heap) - sizeof(struct event_stack)];
			struct event_stack stack;
		};
	};
	struct raw_frame frames[PY_MAX_DEPTH];
};

/*
 * Finds the thread state and its innermost frame. w->layout, fsbase and now_ns are
 * set. Returns 0 with w->frame set (0: no frame), or the enum stack_flag that says why not.
 */
int walk_begin(struct walk *w, struct walk_process *p, struct thread_cache *cache);
/* From w->frame outwards, into w->frames. */
int walk_all(struct walk *w, struct walk_process *p);
/* One frame of these: w->frame becomes the next one. Nonzero: there is none, or it cannot be read. */
int walk_step(struct walk *w);

#define WALK_U64(words, offset) (*(__u64 *)((__u8 *)(words) + ((offset) & 0x78)))
#define WALK_U32(words, offset) (*(__u32 *)((__u8 *)(words) + ((offset) & 0x7c)))
#define WALK_U8(words, offset) (*((__u8 *)(words) + ((offset) & 0x7f)))

#define FRAME_U64(w, offset) WALK_U64((__u8 *)(w)->window + ((w)->frame_at & (WALK_WINDOW - 8)), offset)
#define FRAME_U32(w, offset) WALK_U32((__u8 *)(w)->window + ((w)->frame_at & (WALK_WINDOW - 8)), offset)
#define FRAME_U8(w, offset) WALK_U8((__u8 *)(w)->window + ((w)->frame_at & (WALK_WINDOW - 8)), offset)

/* The TSS slot of the thread, or 0. */
static __always_inline __u64 walk_tss(struct walk *w, struct walk_process *p)
{
	__u64 block, value = 0;
	__s32 key[2];

	if (!p->tss_known) {
		if (READ_USER(key, sizeof(key), p->runtime + w->layout.tss_key - 4))
			return 0;
		if (!key[0] || key[1] < 0 || key[1] >= GLIBC_TSS_KEYS)
			return 0;
		p->tss_key = key[1];
		p->tss_known = 1;
	}
	if (p->tss_key < GLIBC_TSS_PER_BLOCK) {
		block = w->fsbase + GLIBC_TSS_FIRST_BLOCK;
	} else if (READ_USER(&block, sizeof(block), w->fsbase + GLIBC_TSS_BLOCKS + (__u64)(p->tss_key / GLIBC_TSS_PER_BLOCK) * 8) || !block) {
		return 0;
	}
	if (READ_USER(&value, sizeof(value), block + (p->tss_key % GLIBC_TSS_PER_BLOCK) * 16 + 8))
		return 0;
	return value;
}

/*
 * A cheap mark of where a thread stands in its Python code: the innermost frame's address
 * and instruction, by the thread state found last. 0: not known. A wrong answer (the thread state is gone) is
 * a number like any other: it equals none that was seen before.
 */
static __always_inline __u64 walk_mark(const struct py_layout *l, const struct thread_cache *cache)
{
	__u64 frame = 0, instr = 0;

	if (!cache->tstate || READ_USER(&frame, sizeof(frame), cache->tstate + l->tstate_frame) || !frame)
		return 0;
	if ((l->flags & PY_CFRAME) && READ_USER(&frame, sizeof(frame), frame + l->cframe_frame))
		return 0;
	if (READ_USER(&instr, sizeof(instr), frame + l->frame_instr))
		return 0;
	if (l->flags & (PY_LASTI_BYTES | PY_LASTI_UNITS))
		instr = (__u32)instr;
	return py_mix64(frame, instr);
}

/* Fills the window so that it ends with `need` bytes at `frame`, and begins within the same page. 0 or -1. */
static __always_inline int walk_fill_window(struct walk *w, __u64 frame, __u32 need)
{
	__u64 start = frame & ~4095ULL;
	__u32 size;

	if (frame + need > start + WALK_WINDOW)
		start = frame + need - WALK_WINDOW;
	size = frame + need - start;
	barrier_var(size);
	if (size > WALK_WINDOW)
		return -1;
	if (READ_USER(w->window, size, start)) {
		start = frame;
		if (READ_USER(w->window, need, start)) {
			w->window_size = 0;
			return -1;
		}
		size = need;
	}
	w->window_start = start;
	w->window_size = size;
	return 0;
}

/* Reads the frame at w->frame. 0 or -1. */
static __always_inline int walk_read_frame(struct walk *w)
{
	/* an _PyInterpreterFrame is 80 bytes and more, a PyFrameObject, alone in the heap, much more */
	__u32 packed = w->layout.version >= 0x030b;
	__u32 need = packed ? 80 : 112;

	if (!packed) {
		w->frame_at = 0;
		return READ_USER(w->window, 112, w->frame) ? -1 : 0;
	}
	if (w->frame & 7)
		return -1;
	if (w->frame < w->window_start || w->frame + need > w->window_start + w->window_size) {
		if (walk_fill_window(w, w->frame, need))
			return -1;
	}
	w->frame_at = w->frame - w->window_start;
	return 0;
}

static __always_inline __u64 walk_frame_code(struct walk *w)
{
	__u64 code = FRAME_U64(w, w->layout.frame_code);

	if (w->layout.flags & PY_TAGGED) {
		if ((code & 3) == 3)
			return 0;
		code &= ~3ULL;
	}
	return code;
}

static __always_inline int walk_is_shim(struct walk *w)
{
	return w->layout.frame_owner && FRAME_U8(w, w->layout.frame_owner) >= w->layout.owner_shim_min;
}

/* Is this the frame with which an activation of the eval loop begins? (3.11, 3.12) */
static __always_inline int walk_is_entry(struct walk *w)
{
	/* 3.11 has a mark right before the owner; 3.12 puts a shim there */
	return w->layout.version == 0x030b ? FRAME_U8(w, w->layout.frame_owner - 1) != 0 : walk_is_shim(w);
}

/* Where in its code a frame stands, in bytes, and (innermost frame) the address of the instruction. */
static __always_inline __s32 walk_offset(struct walk *w, __u64 code)
{
	__u64 instr, first;
	__s32 lasti;

	if (w->layout.flags & (PY_LASTI_BYTES | PY_LASTI_UNITS)) {
		lasti = (__s32)FRAME_U32(w, w->layout.frame_instr);
		if (w->layout.flags & PY_LASTI_UNITS)
			lasti = lasti < 0 ? -1 : (__s32)((__u32)lasti * 2);
		if (!w->n_frames && lasti >= 0) {
			first = WALK_U64(w->code_bytes, w->layout.code_first_instr - PY_CODE_WINDOW_START);
			w->instr = first + w->layout.bytes_data + lasti;
		}
		return lasti;
	}
	instr = FRAME_U64(w, w->layout.frame_instr);
	first = code + w->layout.code_first_instr;
	if (!w->n_frames)
		w->instr = instr;
	if (instr < first)
		return -1;
	return instr - first > 0x7fffffff ? -1 : (__s32)(instr - first);
}

/* What a code object says of itself. Older versions number them by nothing: see walk_identity_content(). */
static __always_inline void walk_identity_here(const struct py_layout *l, const __u64 *code_bytes, struct py_code_identity *id)
{
	id->filename = WALK_U64(code_bytes, l->code_filename - PY_CODE_WINDOW_START);
	id->name = WALK_U64(code_bytes, l->code_name - PY_CODE_WINDOW_START);
	id->linetable = WALK_U64(code_bytes, l->code_linetable - PY_CODE_WINDOW_START);
	id->firstlineno = WALK_U32(code_bytes, l->code_firstlineno - PY_CODE_WINDOW_START);
	id->name_hash = 0;
	id->table_head[0] = id->table_head[1] = 0;
	id->version = 0;
	if (l->flags & PY_CODE_VERSION)
		id->version = WALK_U32(code_bytes, l->code_version - PY_CODE_WINDOW_START);
}

/* The rest of what tells code objects of these versions apart: part of what they consist of. */
static __always_inline void walk_identity_content(const struct py_layout *l, struct py_code_identity *id)
{
	__u64 table[3] = {};

	if (READ_USER(&id->name_hash, sizeof(id->name_hash), id->name + l->str_hash))
		id->name_hash = 0;
	/* ob_size, ob_shash, the first bytes */
	if (!READ_USER(table, sizeof(table), id->linetable + l->bytes_size)) {
		id->table_head[0] = table[0];
		id->table_head[1] = table[0] >= 8 ? table[2] : 0;
	}
}

static __always_inline void walk_identity(const struct py_layout *l, const __u64 *code_bytes, struct py_code_identity *id)
{
	walk_identity_here(l, code_bytes, id);
	if (!(l->flags & PY_CODE_VERSION))
		walk_identity_content(l, id);
}

#endif
