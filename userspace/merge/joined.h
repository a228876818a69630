/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef FIXINGAHOLE_JOINED_H
#define FIXINGAHOLE_JOINED_H

#include "merge/merge.h"
#include "util/map64.h"

/* Sums stop at the top rather than turn around: hostile numbers must not look small. */
static inline void add_up(uint64_t *sum, uint64_t value)
{
	*sum = *sum > UINT64_MAX - value ? UINT64_MAX : *sum + value;
}
void add_times(struct times *sum, const struct times *times);

/* A level over time, as its changes; times from the first input's start, so maybe negative. Beyond a limit, neighbours become one. */
#define CURVE_STEPS 512        /* of one line: there may be very many of them */
#define CURVE_STEPS_WHOLE 16384
struct curve {
	size_t limit; /* 0: CURVE_STEPS */
	struct curve_step { int64_t ns, change; uint64_t serial; bool end; } *steps; /* end: of the input */
	size_t n, room;
	uint64_t serial;
};
/* 0 or -ENOMEM. ends: the level is gone at end_ns (a footprint); else it stays (what was touched so far). */
int curve_add(struct curve *curve, const struct moment *moments, size_t n, int64_t offset_ns, bool ends, int64_t end_ns);
/* Moments from start_ns on, at most TIMELINE_MAX, in the arena; an input's end at last_ns or later is none. NULL: none, or no memory (*failed). */
struct moment *curve_moments(struct curve *curve, struct arena *arena, int64_t start_ns, int64_t last_ns, bool highest, size_t *n, bool *failed);

/* Moments of samples: beyond a limit each second one, then each fourth. */
struct sample_times { double *seconds; size_t n, room, stride, phase; };
int sample_times_add(struct sample_times *times, const double *seconds, size_t n, double shift);
double *sample_times_take(struct sample_times *times, struct arena *arena, double shift, size_t *n, bool *failed);

/* The heap of a place. In sum, the errors are squared until the end. */
struct joined_heap {
	struct heap_measures sum;
	double byte_ns, error_byte_ns;   /* average times time */
	uint64_t highest;                /* of the peaks, for peak_ns */
	int64_t highest_ns;
	struct curve curve;
};

struct joined_measures {
	struct times times;
	uint64_t samples, waits, rss_bytes;
	double busy;                     /* core utilization times time */
	struct sample_times moments;
	struct curve rss;
	struct wait_reason *reasons;
	size_t n_reasons, room_reasons;
	struct map64 reason_of;          /* by text */
	struct joined_heap *heap;        /* owned */
};

/* Where one input stands among the others. */
struct place_in_time {
	int64_t offset_ns;               /* its start, after that of the first input */
	double shift_s;                  /* from its monotonic clock to seconds after the first input's start */
	uint64_t elapsed_ns;             /* to its end */
};

int measures_join(struct joined_measures *joined, const struct measures *m, const struct place_in_time *at);
/* What is the same for all places at the end. */
struct ending {
	struct arena *arena;
	int64_t start_ns, last_ns;       /* earliest start and latest end, after the first input's start */
	double start_monotonic_s;
	uint64_t allocated_bytes;        /* of the whole heap */
	bool failed;                     /* out of memory */
};
void measures_end(struct joined_measures *joined, struct measures *m, struct ending *e);
void measures_release(struct joined_measures *joined);

int heap_join(struct joined_heap *joined, const struct heap_measures *m, const struct place_in_time *at);
void heap_end(struct joined_heap *joined, struct heap_measures *m, struct ending *e);

struct joined_line { uint32_t lineno; const char *text, *function; struct joined_measures m; };
struct joined_function { uint32_t firstlineno, next; const char *name; uint64_t inclusive_ns; struct joined_measures m; };

/* One version of a file. */
struct joined_file {
	const char *path, *display;
	const char *source_path;         /* where its text was; and the folder of the first input that has it, where a copy may be */
	const char *input_path;
	uint32_t version;                /* from 1 on */
	uint32_t next;                   /* version; NONE */
	struct joined_measures m;
	struct joined_line *lines;
	size_t n_lines, room_lines;
	struct joined_function *functions;
	size_t n_functions, room_functions;
	struct map64 line_of, function_of; /* by number; by first line: head of a list */
	struct map64 cell_of;              /* by number of the cell: index into cells */
	struct cell *cells;
	size_t n_cells, room_cells;
	const char **imports;
	size_t n_imports, room_imports;
	struct map64 import_of;
};

#define NONE UINT32_MAX

struct joined_files {
	struct strings *strings;
	struct joined_file *files;
	size_t n, room;
	struct map64 heads;              /* interned name -> its first version */
	size_t n_versions;               /* beyond the first of each */
};

/* Joins all files of a run; fills names, from the run's paths to those of the versions (indices into files). 0 or -ENOMEM. */
int files_join(struct joined_files *files, const struct stored_run *run, const char *input_path, const struct place_in_time *at, struct map64 *names);
/* The path that a run's path has in the joined profile. */
const char *files_path(const struct joined_files *files, const struct map64 *names, const char *path);
/* Into profile->files, with sources. */
void files_end(struct joined_files *files, struct profile *profile, struct ending *e);
void files_release(struct joined_files *files);
/* The source that fits the lines' texts, or what of it is known (sources.c). */
void file_source(const struct joined_file *joined, struct profile_file *file, struct ending *e);

/* Stacks, by frames: of samples, and of the heap at the peak. */
struct joined_stacks {
	struct profile_stack *stacks;
	struct heap_stack *heap;
	size_t n, room, n_heap, room_heap;
	uint32_t *slots, *heap_slots;    /* open addressing: index + 1 */
	size_t n_slots, n_heap_slots;
};
int stacks_join(struct joined_stacks *stacks, const struct profile *p, const struct joined_files *files, const struct map64 *names, struct arena *arena);
void stacks_end(struct joined_stacks *stacks, struct profile *profile);
void stacks_release(struct joined_stacks *stacks);

/* The heap of the run, but for its stacks. */
struct whole_heap {
	bool measured;
	struct joined_heap all;
	struct profile_heap sum;
	double growth_by_peak, python_by_peak, seen_by_cpu, seen_cpu;
	uint64_t highest;                /* peak of the input that sum.peak_where is from */
	struct heap_type_row *types;
	size_t n_types, room_types;
	struct map64 type_of;
};
/* highest: the peak of the input that heap.peak_where is from, which may be one of many already. */
int whole_heap_join(struct whole_heap *whole, const struct profile_heap *heap, uint64_t highest, const struct joined_files *files, const struct map64 *names, const struct place_in_time *at);
void whole_heap_end(struct whole_heap *whole, struct profile *profile, struct ending *e);
void whole_heap_release(struct whole_heap *whole);

struct joined_calls {
	bool counted;
	bool mixed;                      /* of other functions in one input than in another */
	struct profile_calls sum;
	size_t room_functions, room_processes;
	struct joined_callee { size_t room; uint32_t next; } *more; /* beside sum.functions, whose callers are owned here */
	size_t room_more;
	struct map64 heads, caller_of;
};
int joined_calls_add(struct joined_calls *joined, const struct profile_calls *calls, const struct joined_files *files, const struct map64 *names);
void joined_calls_end(struct joined_calls *joined, struct profile *profile);
void joined_calls_release(struct joined_calls *joined);

/* Makes room for one more element. */
#define ROOM(array, n, room)                                                          \
	({                                                                            \
		bool _ok = (n) < (room);                                              \
		if (!_ok) {                                                           \
			size_t _room = (room) ? (room) * 2 : 8;                       \
			void *_p = reallocarray((array), _room, sizeof(*(array)));    \
			if (_p) {                                                     \
				(array) = _p;                                         \
				(room) = _room;                                       \
				_ok = true;                                           \
			}                                                             \
		}                                                                     \
		_ok;                                                                  \
	})

#endif
