/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file in which the counts of calls are kept: made by the profiler, mapped by every process of the target. The counters are in
 * there and nowhere else, so that what ends a process (a signal, os._exit, SIGKILL) takes none of them along.
 *
 * The file is a row of chunks. The first holds struct calls_header, each other one belongs to one process: it was the
 * chunk's number that it took from .n_chunks, atomically. What a process writes becomes valid when .used of the chunk
 * says so. A forked child takes chunks of its own and goes on using what its parent wrote about code objects.
 *
 * Whoever reads it trusts nothing in there: any process of the target can write to it.
 */
#ifndef FIXINGAHOLE_CALLS_FILE_H
#define FIXINGAHOLE_CALLS_FILE_H

#include <linux/types.h>

#define CALLS_ENV_FILE "FIXINGAHOLE_CALLS"

#define CALLS_MAGIC 0x31534c4c41434846ULL /* "FHCALLS1" */
#define CALLS_CHUNK (64u << 10)
#define CALLS_CHUNKS_MAX (1u << 17) /* 8 GiB of file, of which only what is used takes memory */
#define CALLS_PROCESSES 2000
#define CALLS_PATTERN_MAX 256
#define CALLS_PATH_MAX 4096
#define CALLS_NAME_MAX 1024

/* How calls are seen. */
enum calls_how {
	CALLS_NOT_YET = 0,  /* the interpreter has not started */
	CALLS_FRAMES = 1,   /* at each frame's evaluation (PEP 523) */
	CALLS_EVENTS = 2,   /* by the interpreter's own events (PEP 669) */
	CALLS_UNKNOWN = 3,  /* not at all: an interpreter that we do not know */
	CALLS_REFUSED = 4,  /* not at all: the interpreter would not have it */
	/* from outside, of a process that ran already (bpf/calls_source.h) */
	CALLS_ENTRIES = 5,  /* by a probe where the evaluation of a frame begins, up to 3.10: all */
	CALLS_ENTRIES_FROM_C = 6, /* the same from 3.11 on: not those from Python to Python */
	CALLS_STATIC_PROBE = 7, /* by the interpreter's own place for a probe, function__entry */
	CALLS_NO_PLACE = 8, /* not at all: no probe could be put on */
};

enum calls_flag {
	CALLS_DEEP = 1,     /* some calls were let pass uncounted, so deep was the C stack */
	CALLS_REPLACED = 2, /* something else took our place */
	CALLS_FORKED = 4,   /* begins with a fork */
	CALLS_SLICED = 8,   /* counted for a part of the time, and scaled up: estimates */
	CALLS_DENSE = 16,   /* while they were, that took most of the time: the estimates are too low */
};

struct calls_process {
	__u32 pid;     /* as it sees itself */
	__u16 version; /* 0x030b is 3.11; 0: not known */
	__u8 how;      /* enum calls_how */
	__u8 flags;    /* enum calls_flag */
};

/* How often one function was called by another. There may be more than one of the same pair. */
struct calls_pair {
	__u32 caller; /* id; 0: none, it was called from outside of Python */
	__u32 callee;
	__u64 calls;
	__u64 resumptions;
};

struct calls_header {
	__u64 magic;
	__u32 chunk_size;
	__u32 n_chunks;    /* taken, this one included; may exceed .max_chunks */
	__u32 max_chunks;
	__u32 n_processes; /* taken; may exceed CALLS_PROCESSES */
	struct calls_pair lost; /* calls for which there was no room, roughly */
	char pattern[CALLS_PATTERN_MAX]; /* shell pattern, or empty: all */
	struct calls_process processes[CALLS_PROCESSES];
};

enum calls_kind { CALLS_CODES = 1, CALLS_PAIRS = 2 };

struct calls_chunk {
	__u32 kind;    /* enum calls_kind */
	__u32 process; /* index into .processes */
	__u32 used;    /* bytes, this head included */
	__u32 pad;
};

/* A function. Its id is its place in the file divided by 8, the same in all processes. */
struct calls_code {
	__u32 size; /* of the record, a multiple of 8 */
	__u32 firstlineno;
	__u16 file_size;
	__u16 name_size; /* qualified where the version knows it */
	__u32 pad;
	/* the file's name and the function's, in UTF-8, without NUL */
};

_Static_assert(sizeof(struct calls_header) <= CALLS_CHUNK, "calls_header");
_Static_assert(sizeof(struct calls_chunk) == 16, "calls_chunk");
_Static_assert(sizeof(struct calls_code) == 16, "calls_code");
_Static_assert(sizeof(struct calls_pair) == 24, "calls_pair");

#endif
