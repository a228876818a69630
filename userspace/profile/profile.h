/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: what was seen, as the reports need it. Built by profile_build.h's
 * functions while events come in; finished once by profile__finish(); const for
 * the report room. All strings are UTF-8, owned by the profile, and may contain any character but NUL
 * (newlines and quotes too): a writer escapes what its format needs.
 *
 * Units: times in nanoseconds, memory in bytes, unless the name says otherwise.
 * THE WHOLE = on-CPU time of all threads + waiting time of each process; the
 * lines of all files plus .outside add up to it (DESIGN: Time).
 */
#ifndef FIXINGAHOLE_PROFILE_H
#define FIXINGAHOLE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_SAMPLES_MAX 500
#define TIMELINE_MAX 100

/* Time split as DESIGN "Time" defines it. */
struct times {
	uint64_t python_ns;
	uint64_t native_ns;
	uint64_t system_ns;   /* on-CPU in kernel mode */
	uint64_t waiting_ns;  /* blocked */
	uint64_t runnable_ns; /* preempted: the machine was busy */
};

static inline uint64_t times_cpu(const struct times *t) { return t->python_ns + t->native_ns + t->system_ns; }
static inline uint64_t times_wait(const struct times *t) { return t->waiting_ns + t->runnable_ns; }
static inline uint64_t times_total(const struct times *t) { return times_cpu(t) + times_wait(t); }
/* Adds up. */
static inline void times_sum(struct times *sum, const struct times *t)
{
	sum->python_ns += t->python_ns;
	sum->native_ns += t->native_ns;
	sum->system_ns += t->system_ns;
	sum->waiting_ns += t->waiting_ns;
	sum->runnable_ns += t->runnable_ns;
}

/* What a line waited for: "sleep", "recvfrom, 10.0.0.5:5432", "read, pipe:[123]", "page-in". */
struct wait_reason {
	const char *what;    /* call, and object if there is one, joined by ", " */
	const char *call;    /* "recvfrom" */
	const char *object;  /* "10.0.0.5:5432", or NULL */
	uint64_t ns;
	uint64_t count;
};

struct moment { uint64_t since_start_ns; uint64_t bytes; };

#define HEAP_KINDS 4   /* of allocators: enum heap_kind */
#define HEAP_SOURCES 3 /* of exact sums: enum heap_origin */
#define LEAK_LIKELY 0.95 /* reports speak of a leak from this likelihood on */

/*
 * What a place did with the heap. Sums are estimates from samples, but for the exactly counted large blocks; errors are standard
 * errors, in bytes (profile/heap.h has the formulas).
 */
struct heap_measures {
	uint64_t allocated_bytes, live_bytes, peak_bytes, at_peak_bytes, average_bytes; /* live: held to the end; at_peak: when the whole footprint was highest; average: over the run's time */
	double allocated_error, live_error, peak_error, at_peak_error, average_error;
	double allocations, allocations_error; /* number */
	uint64_t exact_bytes;               /* of allocated: large blocks, without error */
	uint64_t allocated_of[HEAP_KINDS];  /* by enum heap_kind */
	uint64_t temporary_bytes;           /* of allocated: freed before HEAP_TEMPORARY further allocations of the thread */
	double temporary_allocations;
	uint64_t copied_bytes;
	uint64_t samples;
	uint64_t peak_ns;                   /* since the start */
	double usage;                       /* 0..1: of all bytes allocated */
	double python;                      /* 0..1: of its bytes, what Python's own allocators were asked for */
	double copied_per_s;                /* bytes per second of the run */
	struct moment *timeline;            /* what it held, at most TIMELINE_MAX */
	size_t n_timeline;
	/* Growth to the end (profile/heap.h: LEAKS); likelihood 0: none. */
	double likelihood;                  /* 0..1: that it is a leak */
	double velocity;                    /* bytes per second */
	uint64_t left_bytes;                /* what the program left behind */
};

/* What both a line and a function carry. */
struct measures {
	struct times times;
	uint64_t samples;             /* CPU samples counted */
	uint64_t waits;               /* waiting intervals counted */
	uint64_t rss_bytes;           /* physical memory it made processes touch (positive growth only) */
	double core_utilization;      /* 0..1: CPUs of those allowed that its processes kept busy meanwhile */
	double *cpu_samples_s;        /* monotonic seconds, ascending, at most CPU_SAMPLES_MAX */
	size_t n_cpu_samples;
	struct moment *rss_timeline;  /* cumulative rss_bytes, at most TIMELINE_MAX */
	size_t n_rss_timeline;
	struct wait_reason *waits_for; /* largest first */
	size_t n_waits_for;
	struct heap_measures *heap;   /* NULL: the heap was not measured, or not touched from here */
};

struct profile_line {
	uint32_t lineno;              /* in the file; 0: not known */
	const struct profile_function *function; /* the (first) function that holds it; may be NULL */
	struct measures m;
};

/* One function's calls by another. */
struct profile_caller {
	const char *path, *function;  /* NULL: from outside of Python, or a thread's start */
	uint32_t firstlineno;
	uint64_t calls, resumptions;
};

/* A function and all who called it. Every function that was called, in a reported file or not. */
struct profile_callee {
	const char *path, *function;
	uint32_t firstlineno;
	bool reported;                /* it lies in a file of which lines are reported */
	uint64_t calls;               /* its code began to run */
	uint64_t resumptions;         /* a generator or coroutine went on */
	struct profile_caller *callers; /* most calls first */
	size_t n_callers;
};

/* how, flags: preload/calls_file.h. seen: 0..1, for how much of its time calls were looked at. */
struct profile_calls_process { uint32_t pid, version, how, flags; uint64_t calls, resumptions; double seen; };

/* What was counted, not sampled. */
struct profile_calls {
	uint64_t calls, resumptions;  /* of all functions */
	uint64_t lost;                /* calls for which there was no room */
	const char *pattern;          /* which functions are counted; NULL: all */
	struct profile_callee *functions; /* ascending by path, function, firstlineno */
	size_t n_functions;
	struct profile_calls_process *processes;
	size_t n_processes;
};

/* The function of that name. NULL: it was not called. */
const struct profile_callee *calls_find_callee(const struct profile_calls *calls, const char *path, const char *function, uint32_t firstlineno);
/* How often it was called by the function that a frame of that line belongs to; path NULL: from outside. */
uint64_t calls_by(const struct profile_callee *callee, const char *path, const char *function, uint32_t lineno);

enum calls_part { CALLS_PART_NONE, CALLS_PART_SOME, CALLS_PART_ALL };
/* Of how many processes calls from C alone are counted; and were estimated, since they were seen for a part of the time. */
enum calls_part calls_from_c(const struct profile_calls *calls);
enum calls_part calls_estimated(const struct profile_calls *calls);

struct profile_function {
	const char *name;             /* qualified where the interpreter knows it, e.g. "Class.method", "<module>" */
	uint32_t firstlineno;
	struct measures m;            /* sum of its lines */
	uint64_t inclusive_ns;        /* on-CPU + waiting with this function anywhere on the stack (each stack once) */
	const struct profile_callee *calls; /* NULL: calls were not counted, or it was not called */
};

struct profile_file {
	const char *path;             /* absolute where possible; for a notebook the saved copy */
	const char *display;          /* as the user should see it: the notebook's path, else == path */
	struct measures m;            /* only .times, .samples, .waits, .rss_bytes, .waits_for are filled, and of .heap what adds up: allocated, live, at_peak, copied */
	struct profile_line *lines;   /* ascending by lineno, only lines with a measure */
	size_t n_lines;
	struct profile_function *functions; /* ascending by firstlineno */
	size_t n_functions;
	const struct cell_map *cells; /* notebooks: line of .path -> cell and line inside it; else NULL */
	const char *source;           /* the text at run time, NUL-terminated; NULL: not available */
	size_t source_size;
	const char *source_problem;   /* why there is none ("deleted", "not a regular file"); else NULL */
};

/* A notebook's cells, ascending. */
struct cell_map { size_t n; struct cell { uint32_t number; uint32_t first_line, last_line; } *cells; };

/* One stack seen, frames OUTERMOST first. */
struct profile_frame { const char *path; const char *function; uint32_t lineno; };
struct profile_stack {
	const struct profile_frame *frames;
	size_t n_frames;
	struct times times;
	uint64_t samples;             /* CPU samples + waiting intervals' walks with this stack */
	uint64_t cpu_samples;         /* CPU samples only */
	bool cut;                     /* deeper than what is kept */
};

struct profile_process {
	uint32_t pid, parent_pid;     /* parent 0: not part of the target */
	const char *program;          /* path as given to execve; "fork of PID" is for the writer to say: program NULL */
	const char *interpreter;      /* "CPython 3.11"; NULL: see .no_interpreter */
	const char *no_interpreter;   /* why there are no Python frames */
	uint64_t start_ns, end_ns;    /* since the target's start; end 0: still ran */
	struct times times;
	uint64_t samples;
	uint64_t rss_bytes;           /* touched */
	uint64_t heap_peak_bytes;     /* the most that it held, with what it had by fork; 0: not measured */
	uint64_t max_rss_bytes;       /* kernel's figure, 0 if not known */
	uint64_t utime_ns, stime_ns;  /* kernel's own accounting */
	uint64_t run_ns;              /* kernel's exact time on CPU, all threads */
	int status;                   /* as wait(2); valid if .end_ns */
	bool out_of_memory;           /* the kernel killed it for lack of memory */
	uint32_t threads;             /* seen */
	uint32_t input;               /* in a merged profile, of which input: index into .merge->inputs */
	struct profile_top { const char *path; uint32_t lineno; const char *function; struct times times; } *top; /* its heaviest lines, largest first, at most 20 */
	size_t n_top;
};

/* Where a run stood among others: SLURM_PROCID=3, and the like. */
struct profile_rank { const char *name, *value; };

/* One of the runs that a merged profile joins. */
struct profile_input {
	const char *label;            /* what people call it: its folder, without what all have in common */
	const char *path;             /* its folder */
	const char *host;             /* NULL: not known */
	const struct profile_rank *ranks; /* the most telling one first */
	size_t n_ranks;
	const char *command_line, *program;
	double start_epoch_s;
	uint64_t start_ns;            /* since the start of the earliest */
	uint64_t elapsed_ns, wall_ns;
	struct times whole;
	uint64_t samples, rss_bytes, max_rss_bytes, heap_peak_bytes; /* rss: touched */
	uint32_t rate_hz, allowed_cpus;
	uint32_t n_processes;
	int status;                   /* as wait(2) */
	bool interrupted;
	const char *ended_how;        /* as in struct profile */
};

struct profile_skipped { const char *path, *problem; };

/* What a merged profile was made of. Its times, counts and bytes are sums; peaks are, too, and so are upper bounds. */
struct profile_merge {
	struct profile_input *inputs;
	size_t n_inputs;
	const struct profile_skipped *skipped; /* could not be read */
	size_t n_skipped;
	size_t n_versions;            /* files of which the inputs have different texts: how many more tables that makes */
};

/* What was not seen, or not understood. Zero is printed as zero. */
enum loss {
	LOSS_DROPPED_RECORDS,   /* ring buffer full */
	LOSS_MISSED_TICKS,      /* timer ticks that found another walk under way */
	LOSS_CUT_STACKS,        /* deeper than the limit */
	LOSS_UNREADABLE_FRAMES, /* stacks that ended at unreadable memory */
	LOSS_UNNAMED_CODE,      /* frames whose code object could not be named */
	LOSS_NO_INTERPRETER,    /* samples in processes without a known interpreter */
	LOSS_BAD_RECORDS,       /* records that userspace could not decode */
	LOSS_SKIPPED_WALKS,     /* switches whose stack was estimated instead of walked */
	LOSS_NOT_FOLLOWED,      /* threads, and processes, of which the kernel side could keep nothing: all that they did */
	LOSS_DOUBTFUL_NAMES,    /* frames that may stand under the name of a function that had just been dropped: another one lay in its place */
	LOSS_COUNT
};
const char *loss_text(enum loss loss); /* "dropped records", … */

/* Memory that one call stack held when the footprint was highest. */
struct heap_stack {
	const struct profile_frame *frames; /* OUTERMOST first */
	size_t n_frames;
	bool cut;
	uint64_t at_peak_bytes, allocated_bytes;
	const char *path;             /* the line that is charged; NULL: none of a reported file */
	uint32_t lineno;
};

#define HEAP_STACKS_MAX 200

/* What a site was, for reports that need no more than its name. */
struct heap_where { const char *path, *function; uint32_t lineno; };

/* What blocks of one Python type held: at the peak, and at the end, that is when the interpreter began to clear up or the process ended. */
struct heap_type_held {
	uint64_t bytes, buffers; /* buffers: of bytes, tables and arrays that the objects keep apart */
	uint64_t blocks;         /* sampled ones */
};
struct heap_type_row {
	const char *name;        /* NULL: not known */
	struct heap_type_held at_peak, at_end;
};

/* The heap's probes, where it was seen by them (capture/heap_probes.h). */
struct heap_probing {
	bool used;
	uint64_t processes, failed, sliced; /* watched; could not be; watched for a part of the time only */
	uint64_t calls, cost_ns;      /* that met a probe, and what that cost */
	uint64_t cpu_ns;              /* of the processes watched, with that */
	double seen;                  /* 0..1: of the time, how much the allocator's functions were watched */
};

/* The heap of all processes together. */
struct profile_heap {
	struct heap_measures all;
	double growth_rate;           /* percent, 0..100 (profile/heap.h) */
	double python_at_peak;        /* 0..1 of the peak */
	uint64_t at_peak_of[HEAP_KINDS], live_of[HEAP_KINDS]; /* by enum heap_kind; live: of processes that still run */
	struct heap_where peak_where; /* the line whose allocation brought the footprint to its peak; path NULL: no reported one */
	struct heap_stack *stacks;    /* that held most at the peak, largest first, at most HEAP_STACKS_MAX */
	size_t n_stacks;
	/* by type, the most at the peak first; of no known type: of what Python's own allocators gave */
	struct heap_type_row *types, untyped;
	size_t n_types;
	/* counted exactly by the allocator's side, if it did */
	bool has_totals;
	uint64_t exact_bytes_of[HEAP_SOURCES], exact_count_of[HEAP_SOURCES]; /* by enum heap_origin */
	uint64_t untracked, untracked_bytes; /* samples that were not taken, and what they would have stood for */
	uint64_t missed_frees;        /* of sampled blocks */
	/* no memory: requests seen to fail, and the largest */
	uint64_t failed_count, failed_bytes;
	struct heap_where failed_where;
	uint64_t failed_limit;        /* that it would have exceeded; 0: not known */
	bool failed_data;             /* RLIMIT_DATA, not RLIMIT_AS */
	struct heap_probing probes;
	/* what was missed */
	uint64_t unknown_frees;       /* of blocks that were never told of */
	uint64_t lost_frees;          /* an address was given out twice without a free between */
	uint64_t forks_not_copied;    /* children whose inherited blocks were too many to keep */
};

struct profile {
	/* the run */
	const char *command_line;     /* as typed, shell-quoted */
	const char *program;          /* script path or module as given; JSON "program" */
	const char **args;            /* the script's arguments */
	size_t n_args;
	const char *entrypoint_dir;   /* directory of the script */
	const char *root;
	const char *host;             /* this machine's name; NULL: not known */
	const struct profile_rank *ranks; /* what the environment says of this process among others */
	size_t n_ranks;
	double start_epoch_s;
	double start_monotonic_s;
	uint64_t elapsed_ns;          /* first exec to last exit: "Finished in" */
	uint64_t wall_ns;             /* from launch to the reaping of the script: "Total Wall Time" */
	uint64_t utime_ns, stime_ns;  /* rusage of the target and its reaped descendants */
	uint64_t max_rss_bytes;       /* ru_maxrss */
	int status;                   /* the script's, as wait(2) */
	bool interrupted;             /* by Ctrl-C or SIGTERM to us */
	uint32_t rate_hz;
	uint32_t allowed_cpus;
	uint64_t profiler_cpu_ns;     /* what the profiler itself took */
	uint64_t profiler_max_rss_bytes;
	uint64_t memory_limit;        /* of a control group, bytes, which was reached when a process was killed for it; 0: none, or not known */
	const char *ended_how;        /* one sentence when not a plain exit 0; else NULL */
	const char *logs_path;        /* profile_logs.log when not empty, else NULL */
	uint64_t n_warnings;          /* records in it from WARNING up */

	/* what was measured */
	struct times whole;           /* everything; times_total() is 100 % */
	uint64_t unsampled_ns;        /* CPU time of threads that ended before or between their samples: not in the whole */
	uint64_t cpu_samples;
	uint64_t waits;
	struct measures outside;      /* the row "(outside root)" */
	uint64_t helpers_ns;          /* of .outside, CPU time of a Python process's threads that have no Python state, all but its main one */
	struct profile_file *files;   /* largest time first */
	size_t n_files;
	struct profile_stack *stacks; /* largest time first */
	size_t n_stacks;
	struct profile_process *processes; /* by start */
	size_t n_processes;
	struct moment *rss_timeline;  /* of all processes together, at most TIMELINE_MAX */
	size_t n_rss_timeline;
	struct profile_heap *heap;    /* NULL: not measured */
	struct profile_calls *calls;  /* NULL: not counted */
	const struct profile_merge *merge; /* NULL: one run. Else .elapsed_ns is the longest, .wall_ns from the first start to the last end, .max_rss_bytes the largest */
	uint64_t losses[LOSS_COUNT];
	uint64_t unknown_frames, python_frames; /* of the innermost frames of Python samples */
	const char **notices;         /* one line each, printed with the losses */
	size_t n_notices;
};

#endif
