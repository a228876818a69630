/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The builder's own state, shared by the files of this room (see builder.h).
 */
#ifndef FIXINGAHOLE_MODEL_H
#define FIXINGAHOLE_MODEL_H

#include "profile/builder.h"
#include "profile/heap.h"
#include "profile/series.h"
#include "util/map64.h"

#define NO_SITE UINT32_MAX

/* Where measures of one kind of thing are added up while records come in. */
struct gauge {
	struct times times;
	uint64_t samples;      /* CPU */
	uint64_t waits;
	uint64_t rss_bytes;
	double running_ns;     /* sum of weight x threads running */
	struct series cpu;     /* times of CPU samples */
	struct series rss;     /* cumulative rss_bytes */
	struct reason {
		const char *what, *call, *object; /* interned */
		uint64_t ns, count;
	} *reasons;
	uint32_t n_reasons, cap_reasons;
};

void times_add(struct times *times, enum time_class class, uint64_t ns);
void times_add_wait(struct times *times, const struct event_wait *event);
void gauge_cpu(struct gauge *gauge, enum time_class class, const struct event_stack *stack);
void gauge_rss(struct gauge *gauge, const struct event_stack *stack);
void gauge_wait(struct gauge *gauge, const struct event_wait *event, const char *what, const char *call, const char *object);
void gauge_release(struct gauge *gauge);

/* A place in a reported file. */
struct site {
	const struct symbol *symbol;
	uint32_t line;
	uint32_t heap_line, heap_function; /* accounts, shared by the sites of one line or function; HEAP_NONE: no heap record yet */
	struct gauge gauge;
};

struct node {
	const struct symbol *symbol; /* NULL: a frame that could not be named */
	uint32_t parent;             /* node 0 is the root, parent of all outermost frames */
	uint32_t line;
	uint32_t leaf;               /* index + 1; 0: no stack ends here */
};

struct leaf {
	uint32_t node;
	uint32_t site; /* or NO_SITE */
	bool cut;
	struct times times;
	uint64_t samples, cpu_samples;
};

struct tree {
	struct node *nodes;
	uint32_t n_nodes, cap_nodes;
	uint32_t *slots; /* open addressing: node index + 1 */
	uint32_t n_slots;
	struct leaf *leaves;
	uint32_t n_leaves, cap_leaves;
};

/* The child of parent for this frame, made if need be; parent itself when out of memory. */
uint32_t tree_child(struct tree *tree, uint32_t parent, const struct symbol *symbol, uint32_t line);
/* The node's leaf, made if need be (then .site is NO_SITE and *fresh set); NULL when out of memory. */
struct leaf *tree_leaf(struct tree *tree, uint32_t node, bool *fresh);
void tree_release(struct tree *tree);

struct process {
	uint32_t pid, parent_pid;
	uint32_t space; /* its last one */
	const char *program, *interpreter, *no_interpreter; /* interned */
	uint64_t start_ns, end_ns;
	struct times times;
	uint64_t samples, unseen_samples; /* unseen: taken while no interpreter was known */
	uint64_t rss_bytes, max_rss_bytes, utime_ns, stime_ns, run_ns;
	uint64_t before_utime_ns, before_stime_ns; /* of utime_ns, stime_ns: before it was seen */
	uint64_t rss_now;
	int status;
	bool out_of_memory;
	uint32_t threads;
};

/* A file as code objects name it: where it is, and whether its code is charged. */
struct file_name {
	const char *path;
	bool reported;
};

/* Which accounts of the heap belong to which lines and functions. */
struct heap_index {
	struct map64 paths;     /* interned path's address -> number */
	struct map64 lines;     /* number of the path and line -> account */
	struct map64 functions; /* number of the path and first line -> index into entries, the head of a list */
	struct heap_function { const char *name; uint32_t account, next; } *entries;
	uint32_t n_entries, cap_entries;
};

/* Counts of calls (calls.c). */
struct calls {
	struct map64 ids;    /* of the file -> index into symbols */
	const struct symbol **symbols;
	uint32_t n_symbols, cap_symbols;
	struct map64 pairs;  /* indices of two symbols, the caller's plus 1 -> index into edges */
	struct calls_edge { const struct symbol *caller, *callee; uint64_t calls, resumptions; } *edges; /* caller NULL: none */
	uint32_t n_edges, cap_edges;
	struct profile_calls_process *processes;
	uint32_t n_processes, cap_processes;
	struct map64 spaces; /* of processes that probes count -> index into processes */
	struct map64 unwanted; /* symbol's index -> 1 if the pattern does not fit it, else 0 */
	uint64_t lost, lost_processes;
	uint64_t unnamed;    /* calls and resumptions of functions that could not be named */
	bool complete;       /* all records are there, which come after the target's end */
};

struct builder {
	const struct builder_options *options;
	struct strings *strings;
	struct symbols *symbols;
	struct tree tree;
	struct site *sites;
	uint32_t n_sites, cap_sites;
	struct map64 site_index;    /* symbol index and line -> site */
	struct gauge outside;
	struct map64 blocks;        /* stack id of EVENT_BLOCK -> leaf */
	struct process *processes;
	uint32_t n_processes, cap_processes;
	struct map64 process_of;    /* space -> process */
	struct map64 process_sites; /* process and site -> index into process_times */
	struct times *process_times;
	uint32_t n_process_times, cap_process_times;
	struct map64 file_index;    /* interned file name's address -> file_names */
	struct file_name *file_names;
	uint32_t n_file_names, cap_file_names;
	struct series rss;          /* of all processes together */
	uint64_t rss_now;
	struct heap *heap;          /* NULL: no record yet */
	struct heap_index heap_index;
	struct calls calls;
	uint64_t start_ns, end_ns;
	struct times whole;
	uint64_t cpu_samples, waits, unsampled_ns, helpers_ns;
	uint64_t losses[LOSS_COUNT];
	uint64_t unknown_frames, python_frames;
	const char **notices;
	size_t n_notices;
};

/* Heap records; .stack.n_frames of them belong to leaf, which may be NULL (heap_sites.c). */
void builder_heap_alloc(struct builder *builder, const struct event_heap *event, const struct leaf *leaf);
void builder_heap_copy(struct builder *builder, const struct event_stack *event, const struct leaf *leaf);
/* Frees, types, totals, forks, execs and exits, as far as they concern the heap. */
void builder_heap_note(struct builder *builder, const struct event_header *record);
void heap_index_release(struct heap_index *index);

/* Records of calls (calls.c). */
void builder_calls(struct builder *builder, const struct event_header *record);
void calls_release(struct calls *calls);

/* Is code of this file charged? (file is interned) */
bool builder_reports(struct builder *builder, const char *file);
/* The file's absolute path, interned; names such as "<string>" stay as they are. Links that lead to a file below the
 * root, or to the script, are resolved. */
const char *builder_path(struct builder *builder, const char *file);

/* Makes room for one more element; the array stays as it is when there is no memory. */
#define GROW(array, n, capacity)                                                              \
	({                                                                                    \
		bool _ok = (n) < (capacity);                                                  \
		if (!_ok) {                                                                   \
			uint32_t _c = (capacity) ? (capacity) * 2 : 64;                       \
			void *_p = realloc((array), (size_t)_c * sizeof(*(array)));           \
			if (_p) {                                                             \
				(array) = _p;                                                 \
				(capacity) = _c;                                              \
				_ok = true;                                                   \
			}                                                                     \
		}                                                                             \
		_ok;                                                                          \
	})

#endif
