/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Where one CPython version keeps what the walker reads. Byte offsets, x86-64.
 * Shared by bpf/ (which walks with it) and userspace/python/ (which fills it in:
 * from a table up to 3.12, from _Py_DebugOffsets from 3.13 on).
 *
 * Include after vmlinux.h (BPF) or <linux/types.h> (userspace).
 */
#ifndef FIXINGAHOLE_LAYOUT_H
#define FIXINGAHOLE_LAYOUT_H

/* Frames kept of one stack, innermost first; deeper ones are cut and counted. */
#define PY_MAX_DEPTH 512

/* Distinct layouts that one run can use (one per interpreter binary). */
#define PY_MAX_LAYOUTS 64

enum py_layout_flag {
	PY_LASTI_BYTES = 1 << 0,   /* <= 3.9: f_lasti is a byte offset into co_code */
	PY_LASTI_UNITS = 1 << 1,   /* 3.10: f_lasti counts code units of 2 bytes */
	PY_TAGGED = 1 << 2,        /* 3.14+: frame->f_executable is a tagged reference */
	PY_CFRAME = 1 << 3,        /* 3.11, 3.12: tstate->cframe->current_frame */
	PY_CODE_VERSION = 1 << 4,  /* 3.12+: co_version differs between any two code objects */
	PY_FREE_THREADED = 1 << 5, /* no GIL: not supported */
};

struct py_layout {
	__u32 version; /* 0x030b is 3.11 */
	__u32 flags;   /* enum py_layout_flag */

	/* in _PyRuntime */
	__u32 tss_key;           /* int, Py_tss_t._key of autoTSSkey; 0: not known. The int before it is _is_initialized */
	__u32 interpreters_head; /* PyInterpreterState * */

	/* in PyInterpreterState and PyThreadState */
	__u32 interp_next;
	__u32 interp_threads_head; /* PyThreadState * */
	__u32 tstate_next;
	__u32 tstate_frame;     /* the frame, or with PY_CFRAME the cframe */
	__u32 tstate_thread_id; /* unsigned long, pthread_self() */
	__u32 cframe_frame;     /* with PY_CFRAME: current_frame in _PyCFrame */

	/* in PyFrameObject (<= 3.10) or _PyInterpreterFrame */
	__u32 frame_code;
	__u32 frame_prev;
	__u32 frame_instr;      /* int f_lasti, or a pointer to the instruction */
	__u32 frame_owner;      /* char; 0: this version has none */
	__u32 owner_shim_min;   /* owners from this value on are not Python frames */

	/* in PyCodeObject. All of these lie within [32, 160). */
	__u32 code_firstlineno; /* int */
	__u32 code_filename;
	__u32 code_name;
	__u32 code_qualname;    /* 0: this version has none */
	__u32 code_linetable;   /* bytes object: co_lnotab (<= 3.9) or co_linetable */
	__u32 code_version;     /* u32, with PY_CODE_VERSION */
	__u32 code_first_instr; /* the instructions themselves; <= 3.10: the pointer to the co_code bytes object */

	/* in str and bytes objects */
	__u32 str_hash;
	__u32 str_length;
	__u32 str_state;
	__u32 str_ascii;   /* data of a compact ASCII string */
	__u32 str_compact; /* data of any other compact string */
	__u32 bytes_size;  /* ob_size */
	__u32 bytes_data;
	__u32 pad;
};

/* The part of a code object that is read at every frame. */
#define PY_CODE_WINDOW_START 32
#define PY_CODE_WINDOW_SIZE 128

/* What tells two code objects apart that lived at the same address. */
struct py_code_identity {
	__u64 filename, name, linetable; /* addresses of the objects */
	__u64 name_hash;                 /* str hash of the name; 0 with PY_CODE_VERSION */
	__u64 table_head[2];             /* size and first 8 bytes of the line table; 0 with PY_CODE_VERSION */
	__u32 firstlineno;
	__u32 version;                   /* co_version or 0 */
};

static inline __attribute__((always_inline)) __u64 py_mix64(__u64 h, __u64 v)
{
	h ^= v;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

/* Never 0, so that 0 can mean "no code object". */
static inline __attribute__((always_inline)) __u32 py_code_fingerprint(const struct py_code_identity *id)
{
	__u64 h = 0x51afd7ed558ccd1bULL;

	h = py_mix64(h, id->filename);
	h = py_mix64(h, id->name);
	h = py_mix64(h, id->linetable);
	h = py_mix64(h, id->name_hash);
	h = py_mix64(h, id->table_head[0]);
	h = py_mix64(h, id->table_head[1]);
	h = py_mix64(h, ((__u64)id->version << 32) | id->firstlineno);
	h ^= h >> 32;
	return (__u32)h ? (__u32)h : 1;
}

#endif
