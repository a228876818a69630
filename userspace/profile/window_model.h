/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state behind windows (profile/window.h), shared by the files of this model. It is made to run for years:
 *
 * - Rows and texts of a window belong to it and go with it.
 * - A process goes with the first cut after the window in which it ended, its blocked stacks and its heap blocks when its space ends.
 * - The kernel side sends a blocked stack once per thread and refers to it later, but it only remembers the last 8 + PLACE_SLOTS of them; so a
 *   thread here keeps somewhat more than that, and forgets what was not used for longest.
 * - The call tree holds what was ever seen; when it has grown beyond a limit, a cut rebuilds it with what rows, blocked
 *   stacks and heap blocks still refer to. Then the symbols that are in no tree and no space go, too.
 */
#ifndef FIXINGAHOLE_WINDOW_MODEL_H
#define FIXINGAHOLE_WINDOW_MODEL_H

#include "profile/model.h"
#include "profile/window.h"
#include "util/arena.h"

#define NONE UINT32_MAX

/* Blocked stacks that a thread keeps; more than the kernel side may refer to. */
#define STACKS_OF_THREAD 48
/* Nodes of the call tree above which it is rebuilt, unless the options say otherwise. */
#define NODES_MAX (1U << 17)
/* Rows of one window; what comes then goes to its process without thread and stack. */
#define ROWS_MAX (1U << 18)
/* Different reasons of one window; what comes then is told by the call alone. */
#define REASONS_OF_WINDOW 4096
#define NOTICES_OF_WINDOW 100
/* Live blocks of the heap that are kept, of all processes. */
#define HEAP_BLOCKS_MAX (1U << 20)

/* Facts are shared by a process and the children that it forked. */
struct shared_facts {
	uint32_t references;
	struct process_facts facts; /* texts follow the struct */
};

/* Blocks that a sampled allocation stands for. */
struct held_block {
	uint64_t bytes;
	uint64_t count; /* times HEAP_COUNT_ONE */
	uint32_t leaf, tid;
	uint32_t next; /* of the free list */
};

struct seen_thread {
	uint32_t tid, process;
	uint32_t next, previous; /* of its process; next: of the free list */
	uint32_t window;         /* number of the last window that it ran in */
	uint32_t n_stacks, cap_stacks;
	struct blocked_stack { uint64_t id; uint32_t leaf; } *stacks; /* last used first */
	uint64_t freed_address;  /* by a realloc, which may be taken back; 0: none */
	struct held_block freed;
};

struct seen_process {
	bool used, ended;
	uint32_t pid, parent_pid, space;
	uint32_t first_thread;
	uint32_t window;      /* number of the last window with a record of it */
	uint32_t out;         /* index in the window that is being made */
	struct shared_facts *facts;
	char *program, *no_interpreter;
	const char *interpreter; /* interned */
	uint64_t start_ns, end_ns, asked_ns;
	uint64_t rss_bytes, rss_before_bytes;
	int status;
	struct map64 blocks;  /* address -> heap block */
	/* in this window */
	struct times times;
	uint64_t samples, unseen_samples, unsampled_ns, rss_grown_bytes;
	uint32_t threads;
	bool before;          /* it ran when the window began */
};

struct seen_row {
	uint32_t process, tid, leaf;
	const char *reason;   /* of windows.texts */
	struct times times;
	uint64_t samples, waits, rss_bytes;
	uint64_t allocated_bytes, allocations, live_bytes, live_blocks; /* numbers: times HEAP_COUNT_ONE */
};

/* What a window hands out; goes with it. */
struct made_window {
	struct window window;
	struct arena arena;
	struct strings *texts;   /* of processes */
	struct strings *reasons; /* and notices: windows.texts of then */
};

#define ENDED_TIDS 64

struct windows {
	struct window_options options;
	struct strings *strings;
	struct symbols *symbols;
	uint32_t number;            /* of this window */
	uint64_t start_ns;
	struct tree tree;           /* leaf 0: of the empty stack. leaf.site: how far out the charged frame is, or NO_SITE: none is the program's own */
	uint32_t nodes_now, nodes_most; /* it is rebuilt above the first, and takes nothing in above the second */
	struct map64 file_ranks;    /* address of a file's name -> enum file_rank */
	size_t swept_symbols, swept_codes; /* what was left of them last time */
	const char *kernel;         /* "[kernel]", interned */

	struct seen_process *processes;
	uint32_t n_processes, cap_processes;
	uint32_t free_process;      /* list by .first_thread */
	struct map64 by_space, by_pid;
	struct seen_thread *threads;
	uint32_t n_threads, cap_threads, free_thread;
	uint32_t ended_tids[ENDED_TIDS], next_ended; /* the last ones: some of what they did is told after their end */
	struct map64 by_tid;
	struct held_block *blocks;
	uint32_t n_blocks, cap_blocks, free_block, live_blocks;

	/* this window */
	struct seen_row *rows;
	uint32_t n_rows, cap_rows;
	uint32_t *slots;            /* open addressing: row index + 1 */
	uint32_t n_slots;
	struct strings *texts;      /* reasons, notices */
	uint32_t n_reasons;
	struct times whole;
	uint64_t cpu_samples, waits, unsampled_ns, machine_ns;
	uint64_t python_samples, named_samples, frameless_samples;
	uint64_t losses[LOSS_COUNT];
	const char *notices[NOTICES_OF_WINDOW];
	size_t n_notices;
	struct map64 told;          /* hashes of notices, so that none is told twice */

	struct made_window *made;   /* the last one that was cut */
};

/* Whose code a file is; the greatest of a stack is charged. */
enum file_rank {
	FILE_LIBRARY = 0, /* the interpreter's, or an installed package */
	FILE_MADE_UP = 1, /* "<string>": the program's, if it has no file in the stack */
	FILE_OWN = 2,
};

/* ---- window_process.c ---- */

/* Whose record it is; *current: of the space that the process has now, whose code can be named. NONE when out of memory. */
uint32_t window_process(struct windows *w, const struct event_header *head, bool *current);
/* The thread of a record, which ran in this window; NULL when out of memory. Pointers hold until the next. */
struct seen_thread *window_thread(struct windows *w, const struct event_header *head, uint32_t process);
void window_thread_end(struct windows *w, uint32_t tid);
void window_fork(struct windows *w, const struct event_fork *event);
void window_exec(struct windows *w, const struct event_exec *event);
void window_attach(struct windows *w, const struct event_attach *event);
void window_exit(struct windows *w, const struct event_exit *event);
/* Processes go that ended before this window, or that the caller knows to be gone. */
void window_processes_sweep(struct windows *w, uint64_t now_ns);
void window_processes_release(struct windows *w);

/* How large it is now, having grown by so much just before; 0: not known. */
void window_rss(struct seen_process *process, uint64_t bytes, uint64_t grown);

/* A blocked stack's leaf. */
void window_block(struct windows *w, struct seen_thread *thread, uint64_t id, uint32_t leaf);
/* The leaf that this thread blocked with, or another one of the process; NONE: not known. */
uint32_t window_blocked(struct windows *w, uint32_t process, uint32_t tid, uint64_t id);

/* ---- window_stack.c ---- */

/* The leaf of a recorded stack; of the empty one if there is no room. *named: its innermost Python frame has a name. */
uint32_t window_leaf(struct windows *w, const struct event_stack *stack, bool current, bool *named);
/* The same of a process without Python: the function that runs, and "[kernel]". */
uint32_t window_native_leaf(struct windows *w, const struct event_stack *stack);
/* The frames of a leaf, innermost first; false: out of memory. */
bool window_frames(struct windows *w, struct arena *arena, uint32_t leaf, struct window_stack *out);
/* In a cut: makes room in the tree and among the symbols if need be. */
void window_stacks_sweep(struct windows *w);
bool window_stacks_begin(struct windows *w);
void window_stacks_release(struct windows *w);

/* ---- window_rows.c ---- */

/* Never NULL but when out of memory; holds until the next call. */
struct seen_row *window_row(struct windows *w, uint32_t process, uint32_t tid, uint32_t leaf, const char *reason);
/* What a wait was for, in words. */
const char *window_reason(struct windows *w, const struct event_wait *event);
void window_rows_clear(struct windows *w);

/* ---- window_heap.c ---- */
void window_heap(struct windows *w, const struct event_header *record);
/* Rows for what is held now; false: out of memory. */
bool window_heap_rows(struct windows *w);
/* All blocks of a process, whose space ends. */
void window_heap_end(struct windows *w, struct seen_process *process);

#endif
