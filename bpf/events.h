/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The wire records: what bpf/ writes into the ring buffer and userspace/capture/
 * reads. Also the format of a recorded event file (a struct event_file_header
 * followed by records, each padded to 8 bytes), on which the golden tests run.
 *
 * Fixed widths, explicit padding, no pointer that userspace may follow.
 * Times are CLOCK_MONOTONIC nanoseconds. Every record starts with struct
 * event_header, whose size is the size of the whole record in bytes.
 *
 * Include after vmlinux.h (BPF) or <linux/types.h> (userspace).
 */
#ifndef FIXINGAHOLE_EVENTS_H
#define FIXINGAHOLE_EVENTS_H

#include "layout.h"

#define EVENT_FILE_MAGIC 0x3130454c4f484e49ULL /* "INHOLE01" */

enum event_kind {
	EVENT_CPU = 1,    /* struct event_stack: a timer tick on a running thread */
	EVENT_BLOCK = 2,  /* struct event_stack: where a thread stopped running; EVENT_WAITs refer to it */
	EVENT_WAIT = 3,   /* struct event_wait: its process ran nowhere, and this thread ended that */
	EVENT_RSS = 4,    /* struct event_stack: a thread made the process grow by .weight bytes */
	EVENT_CODE = 5,   /* struct event_code: a code object seen for the first time; its blobs follow */
	EVENT_BLOB = 6,   /* struct event_blob: a piece of a name or line table */
	EVENT_FORK = 7,   /* struct event_fork: a new process */
	EVENT_EXEC = 8,   /* struct event_exec: a process replaced its program */
	EVENT_EXIT = 9,   /* struct event_exit: a process ended (its last thread) */
	EVENT_THREAD_EXIT = 10, /* struct event_thread_exit: a thread ended */
	EVENT_INTERP = 11, /* struct event_interp: never sent by bpf/; userspace notes in a recording which interpreter runs */
	EVENT_HEAP = 12,      /* struct event_heap: an allocation that a sampling point hit, or that is counted exactly */
	EVENT_HEAP_FREE = 13, /* struct event_heap_free: the end of a block that an EVENT_HEAP told of */
	EVENT_HEAP_COPY = 14, /* struct event_stack: .weight bytes were copied (memcpy, memmove) */
	EVENT_HEAP_TOTALS = 15, /* struct event_heap_totals: what was counted exactly, of one space so far */
	EVENT_HEAP_MOVED = 16,  /* struct event_heap_moved: a block of an EVENT_HEAP has another address or size */
	EVENT_LIBRARY = 17,     /* struct event_library: the interpreter of a program that has it in a library is loaded */
	EVENT_HEAP_TYPE = 24,   /* struct event_heap_type: never sent by bpf/; userspace notes which Python type a live block of an EVENT_HEAP is */
	EVENT_ATTACH = 32, /* struct event_attach: never sent by bpf/; userspace notes a process that ran before it was seen */
	/* never sent by bpf/; userspace makes them of the file that the counts of calls are in (preload/calls_file.h) */
	EVENT_CALLS_CODE = 40,    /* struct event_calls_code: a function */
	EVENT_CALLS_PAIR = 41,    /* struct event_calls_pair: how often one was called by another */
	EVENT_CALLS_PROCESS = 42, /* struct event_calls_process: what was counted of a process */
	EVENT_CALLS_LOST = 43,    /* struct event_calls_lost: what was not */
	/* likewise, of the counters that probes on a running interpreter keep (calls_source.h); after its process's EVENT_CALLS_PROCESS */
	EVENT_CALLS_SEEN = 44,    /* struct event_calls_seen: as EVENT_CALLS_PAIR, by code objects */
};

struct event_file_header {
	__u64 magic;
	__u32 version; /* of this format: 1 */
	__u32 period_ns; /* of CPU samples */
};

struct event_header {
	__u16 kind; /* enum event_kind */
	__u16 flags;
	__u32 size;
	__u64 time_ns;
	__u32 pid;   /* process (tgid) as the PID namespace of userspace numbers it; 0: not in there */
	__u32 tid;   /* as well */
	__u32 space; /* address space: changes with fork and exec, never used twice in a run; > 0 */
	__u32 pad;
};

/* One Python frame. code == 0: a frame that could not be read. */
struct raw_frame {
	__u64 code;        /* address of the code object */
	__u32 fingerprint; /* py_code_fingerprint() */
	__s32 offset;      /* current instruction, bytes from the first; negative: before it */
};

enum stack_flag {
	STACK_KERNEL = 1 << 0,     /* the thread was in kernel mode */
	STACK_CUT = 1 << 1,        /* deeper than PY_MAX_DEPTH */
	STACK_UNREADABLE = 1 << 2, /* the walk ended at memory that could not be read */
	STACK_NO_LAYOUT = 1 << 3,  /* the interpreter is not known (yet) */
	STACK_NO_TSTATE = 1 << 4,  /* the thread has no Python thread state (yet) */
	STACK_OPCODE = 1 << 5,     /* .opcode is valid */
	STACK_FROM_INTERP = 1 << 6, /* user_ip is outside the interpreter, but was called by it directly */
};

/* EVENT_CPU, EVENT_BLOCK, EVENT_RSS, EVENT_HEAP_COPY; a part of EVENT_HEAP. Frames innermost first. */
struct event_stack {
	struct event_header head; /* flags: enum stack_flag */
	__u64 weight;       /* CPU: ns on CPU since the thread's last sample (a period, as a rule); RSS, HEAP, HEAP_COPY: bytes; BLOCK: the stack's id, to which waits refer */
	__u64 user_ip;      /* user-mode instruction pointer */
	__u64 rss_bytes;    /* of the process, as far as known; else 0 */
	__u16 n_frames;
	__u8 opcode;        /* of the innermost frame's current instruction, as it is in memory (maybe specialised) */
	__u8 pad1;
	__u16 running;      /* threads of the process that are running now (CPU: this one included) */
	__u16 pad2;
	/* struct raw_frame [n_frames] follow */
};

enum wait_kind { WAIT_BLOCKED = 0, WAIT_RUNNABLE = 1, WAIT_PAGE_IN = 2 };

enum fd_kind { FD_NONE = 0, FD_FILE = 1, FD_PIPE = 2, FD_SOCKET_INET = 3, FD_SOCKET_INET6 = 4, FD_SOCKET_UNIX = 5, FD_SOCKET_OTHER = 6, FD_OTHER = 7 };

#define FD_NAME_SIZE 112

/* What a waiting call was about. */
struct wait_object {
	__u32 kind;      /* enum fd_kind */
	__s32 fd;        /* -1: none */
	__u16 peer_port; /* host byte order; inet only */
	union {
		__u16 local_port; /* inet only */
		__u16 whole;      /* FD_FILE: the name reaches up to the root */
	};
	__u32 inode;     /* pipes: the number in "pipe:[N]" */
	__u8 peer[16];   /* inet: first 4 bytes; inet6: all 16; network order */
	/* FD_FILE: path components innermost first, each ended by NUL, as far as they fit;
	 * FD_SOCKET_UNIX: sun_path of either end ('@' first if abstract); FD_OTHER: the inode's name */
	char name[FD_NAME_SIZE];
};

/* Waiting of a process that ended with this thread, charged to the stack where the
 * thread had stopped. One record may stand for many short waits. */
struct event_wait {
	struct event_header head;
	__u64 stack_id;  /* .weight of an earlier EVENT_BLOCK of this space; 0: no stack */
	__u64 main_stack_id; /* the same of the process's main thread, if this is another */
	__u64 wait_ns;   /* sum over .count intervals */
	__u32 count;
	__u32 wait_kind; /* enum wait_kind */
	__s32 syscall;   /* x86-64 number; -1: not in a system call */
	__u32 estimated; /* waits of the thread since its last record whose stack was not looked at, but taken from before or after */
	struct wait_object object;
};

enum code_flag { CODE_UNREADABLE = 1 << 0, CODE_PARTIAL = 1 << 1 };

/* A code object at first sight. Blobs carry the same space, code and fingerprint. */
struct event_code {
	struct event_header head; /* flags: enum code_flag */
	__u64 code;
	__u32 fingerprint;
	__u32 firstlineno;
};

enum blob_part { BLOB_NAME = 0, BLOB_FILENAME = 1, BLOB_LINETABLE = 2, BLOB_PARTS = 3 };

#define BLOB_DATA_MAX 4096
/* A line table or name longer than this is completed by userspace. */
#define BLOB_TOTAL_MAX (16 * BLOB_DATA_MAX)

struct event_blob {
	struct event_header head;
	__u64 code;
	__u32 fingerprint;
	__u16 part;       /* enum blob_part; BLOB_NAME is the qualified name where the version has one */
	__u16 char_size;  /* strings: bytes per character, 1 (Latin-1 or ASCII), 2, 4; line table: 1 */
	__u32 total;      /* bytes of the whole part */
	__u32 start;      /* of this piece */
	__u32 length;     /* of this piece, <= BLOB_DATA_MAX */
	__u32 pad;
	/* the bytes follow */
};

struct event_fork {
	struct event_header head; /* pid, space: the child's */
	__u32 parent_pid;
	__u32 parent_space;
};

#define EXEC_PATH_SIZE 256
#define EXEC_ARGS_SIZE 512

/* A program's file, by what tells it from any other and from what it was before: as its inode has it. .inode 0: not known. */
struct program_file {
	__u64 device, inode, size;
	__s64 mtime_s;
	__u32 mtime_ns;
	__u32 pad;
};

enum exec_flag {
	EXEC_KNOWN = 1 << 0, /* its interpreter was known at once, by the file; if that is a library, an EVENT_LIBRARY is to come */
	EXEC_TOLD = 1 << 1,  /* .comm, .uid and .args are all that there is to know: the cgroup is the one that the process, or its parent, was told with */
};

struct event_exec {
	struct event_header head; /* space: the new one. .flags: enum exec_flag */
	__u32 old_space;
	__u32 uid; /* effective */
	struct program_file file;
	__u64 code_start; /* where the program's code begins: the lowest executable segment */
	__u64 args_size;  /* of .args; 0: too long, or not readable */
	char comm[16];
	char path[EXEC_PATH_SIZE]; /* as given to execve, cut to fit */
	char args[EXEC_ARGS_SIZE]; /* each with its NUL */
};

struct event_library {
	struct event_header head;
	__u64 bias; /* address in the process = ELF virtual address + bias */
};

/* A process as it was when it became a target. What the kernel adds up over its life begins from these. */
struct event_attach {
	struct event_header head;
	__u32 parent_pid; /* 0: none that is a target */
	__u32 pad;
	__u64 utime_ns, stime_ns;
	char path[EXEC_PATH_SIZE]; /* of its program, cut to fit */
};

enum exit_flag { EXIT_OOM = 1 << 0 /* the kernel chose the process to be killed, for lack of memory */ };

struct event_exit {
	struct event_header head; /* flags: enum exit_flag */
	__s32 status;     /* as wait(2) encodes it */
	__u32 pad;
	__u64 utime_ns;   /* the whole process, by the kernel's own accounting */
	__u64 stime_ns;
	__u64 max_rss_bytes;
};

struct event_thread_exit {
	struct event_header head;
	__u64 run_ns; /* time on CPU, exact */
	__u64 unsampled_ns; /* of it, what no sample stands for */
};

/* Which interpreter an address space runs; addresses as in the process. */
#define INTERP_EVAL_RANGES 4
#define INTERP_RUNTIME_RANGES 6

struct event_interp {
	struct event_header head;
	__u32 version; /* 0x030b; 0: no interpreter found */
	__u32 n_eval;
	__u64 text_start, text_end; /* the interpreter's executable mapping(s) */
	struct { __u64 start, end; } eval[INTERP_EVAL_RANGES]; /* _PyEval_EvalFrameDefault's parts */
	__u32 n_runtime;
	__u32 pad;
	struct { __u64 start, end; } runtime[INTERP_RUNTIME_RANGES]; /* code of the C runtime: libc, ld.so, libm, libpthread */
	struct py_layout layout;
};

/*
 * The heap. Sampling is stratified by bytes: each thread's allocated bytes, in order and apart by classes of sizes (.stratum), are
 * cut into strides, and one point is placed uniformly in each. The allocation that holds the point is told of by EVENT_HEAP and stands for the
 * stride's bytes (.stack.weight; for k of them if k points fell into it) and for weight / size allocations (.count).
 * Blocks of a stride or more take no part in that: each is told of and stands for itself (HEAP_EXACT). The stride
 * may differ from one record to the next.
 *
 * An address is in use from its EVENT_HEAP to its EVENT_HEAP_FREE in the same space, whichever thread sends either.
 * realloc (mremap) is a free with HEAP_FREE_RESIZED and, if the new block is sampled, an EVENT_HEAP, even at the same
 * address. Each allocation is told of by one layer only: neither the arena behind a block that pymalloc hands
 * out nor the malloc that CPython passes a large request on to counts again.
 *
 * preload/heap_probe.h says what the preload library tells its probes; these records carry the same.
 */
enum heap_kind { /* as enum heap_domain there */
	HEAP_KIND_C = 0,       /* the C allocator: malloc and its kin, C++ new, CPython's raw domain */
	HEAP_KIND_MEM = 1,     /* PyMem_Malloc */
	HEAP_KIND_OBJECT = 2,  /* PyObject_Malloc */
	HEAP_KIND_MAPPING = 3, /* mmap by the program itself */
	HEAP_KIND_COUNT = 4,
};

enum heap_alloc_flag {
	HEAP_EXACT = 1 << 0,  /* blocks like this one are all told of: weight == size, count == HEAP_COUNT_ONE */
	HEAP_FAILED = 1 << 1, /* the allocator had no memory: .size bytes were asked for, nothing was got; weight and count say nothing */
	HEAP_LIMIT_ADDRESSES = 1 << 2, /* failed, and would have exceeded RLIMIT_AS, which is in .address */
	HEAP_LIMIT_DATA = 1 << 3,      /* likewise RLIMIT_DATA */
};

#define HEAP_COUNT_ONE 256          /* .count has 8 fractional bits */
#define HEAP_BYTES_MAX (1ULL << 47) /* no size or weight is larger, nor is .count */

struct event_heap {
	struct event_header head;
	__u64 address;
	__u64 size;      /* as asked for */
	__u64 count;     /* allocations that it stands for, times HEAP_COUNT_ONE */
	__u64 mark;      /* allocations that the thread has made so far, this one included, sampled or not; the preload library's: and other threads' small ones of Python's */
	__u16 kind;      /* enum heap_kind */
	__u16 stratum;   /* which line of strides the block lies on: heap_stratum() of preload/heap_probe.h, or sampler_class(); 0 where there is but one */
	__u32 heap_flags; /* enum heap_alloc_flag */
	struct event_stack stack; /* its head too is filled in: kind, pid, tid, space as above, .size without what stands before it */
	/* struct raw_frame [stack.n_frames] follow */
};

enum heap_free_flag {
	HEAP_FREE_RESIZED = 1 << 0,    /* by realloc or mremap: the contents live on */
	HEAP_FREE_FINALIZING = 1 << 1, /* the interpreter is clearing up to end (Py_IsFinalizing) */
};

#define HEAP_FREE_WORDS 8

struct event_heap_free {
	struct event_header head; /* flags: enum heap_free_flag */
	__u64 address; /* as in EVENT_HEAP; others are ignored */
	__u64 mark;    /* the freeing thread's, as in event_heap */
	/* __u64 [HEAP_FREE_WORDS], the block's first words, may follow: what it was shows there */
};

enum heap_part { HEAP_PART_OBJECT = 0, HEAP_PART_BUFFER = 1 /* not the object itself, but a table or array of one of that type */ };

#define HEAP_TYPE_NAME_SIZE 64

/* What a block is. At most one for each; the block lives, or lived when its next record was sent. */
struct event_heap_type {
	struct event_header head;
	__u64 address; /* as in EVENT_HEAP */
	__u32 part;    /* enum heap_part */
	__u32 pad;
	char name[HEAP_TYPE_NAME_SIZE]; /* tp_name, cut to fit */
};

enum heap_moved_flag { HEAP_MOVED_SPLIT = 1 << 0 /* the block at .address stays, and another one of its line lives at .new_address */ };

/* A block lives on with another address or size, charged to the line that made it. address == new_address and no such block: its free was
 * taken back (a realloc failed). */
struct event_heap_moved {
	struct event_header head; /* flags: enum heap_moved_flag */
	__u64 address;
	__u64 new_address;
	__u64 size;   /* now */
	__u64 weight; /* now */
};

enum heap_origin { HEAP_FROM_C = 0, HEAP_FROM_PYTHON = 1, HEAP_FROM_MAPPING = 2, HEAP_FROM_COUNT = 3 };

/* Everything since the space began (exec; a forked child begins with zeros). A later record of the space replaces the one before.
 * From .version on as struct heap_totals of preload/heap_probe.h. */
struct event_heap_totals {
	struct event_header head;
	__u32 version;
	__u32 pid_inside;
	__u64 bytes[HEAP_FROM_COUNT]; /* allocated, sampled or not */
	__u64 count[HEAP_FROM_COUNT];
	__u64 sampled;
	__u64 freed;
	__u64 untracked; /* samples that were not taken, and what they would have stood for */
	__u64 untracked_bytes;
	__u64 missed_frees; /* of sampled blocks */
	__u64 stride;
	__u32 python;
	__u32 final;
};

struct event_calls_code {
	struct event_header head;
	__u32 id;          /* > 0 */
	__u32 firstlineno;
	__u16 file_size;
	__u16 name_size;
	__u32 pad;
	/* the file's name and the function's, in UTF-8, follow */
};

/* There may be several of one pair; both ids were told of before. */
struct event_calls_pair {
	struct event_header head;
	__u32 caller; /* id; 0: none */
	__u32 callee;
	__u64 calls;
	__u64 resumptions; /* of generators and coroutines, no calls */
};

struct event_calls_process {
	struct event_header head; /* pid: as the process sees itself */
	__u32 version; /* 0x030b is 3.11; 0: not known */
	__u32 how;     /* enum calls_how of preload/calls_file.h */
	__u32 flags;   /* enum calls_flag */
	__u32 seen;    /* with CALLS_SLICED: for how much of its time calls were looked at, in 1/CALLS_SEEN_ONE */
	__u64 calls;   /* 0 where EVENT_CALLS_SEENs follow, of which they are the sums */
	__u64 resumptions;
};

#define CALLS_SEEN_ONE 1000000

/* head: .pid and .space, in which the code objects are. */
struct event_calls_seen {
	struct event_header head;
	__u64 code;
	__u64 caller;      /* 0: none */
	__u32 fingerprint; /* py_code_fingerprint() */
	__u32 caller_fingerprint;
	__u64 calls;
	__u64 resumptions;
};

struct event_calls_lost {
	struct event_header head;
	__u64 calls;     /* for which there was no room */
	__u64 processes; /* of which there is no EVENT_CALLS_PROCESS */
	__u64 bad;       /* parts of the file that made no sense */
};

_Static_assert(sizeof(struct event_header) == 32, "event_header");
_Static_assert(sizeof(struct raw_frame) == 16, "raw_frame");
_Static_assert(sizeof(struct event_stack) == 64, "event_stack");
_Static_assert(sizeof(struct wait_object) == 144, "wait_object");
_Static_assert(sizeof(struct event_wait) == 216, "event_wait");
_Static_assert(sizeof(struct event_blob) == 64, "event_blob");
_Static_assert(sizeof(struct event_heap) == 136, "event_heap");
_Static_assert(sizeof(struct event_heap_free) == 48, "event_heap_free");
_Static_assert(sizeof(struct event_heap_moved) == 64, "event_heap_moved");
_Static_assert(sizeof(struct event_heap_totals) == 144, "event_heap_totals");
_Static_assert(sizeof(struct event_heap_type) == 112, "event_heap_type");
_Static_assert(sizeof(struct event_calls_code) == 48, "event_calls_code");
_Static_assert(sizeof(struct event_calls_pair) == 56, "event_calls_pair");
_Static_assert(sizeof(struct event_calls_process) == 64, "event_calls_process");
_Static_assert(sizeof(struct event_calls_lost) == 56, "event_calls_lost");
_Static_assert(sizeof(struct event_calls_seen) == 72, "event_calls_seen");

#endif
