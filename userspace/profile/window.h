/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes over a long time: what happened in one window of it, as who (process, thread) x where (stack) x what.
 * `record`, `top` and the exporters read windows; a script's own profile is profile.h.
 *
 * Units as in profile.h: nanoseconds, bytes. All texts are UTF-8 and may hold any character but NUL.
 */
#ifndef FIXINGAHOLE_WINDOW_H
#define FIXINGAHOLE_WINDOW_H

#include "capture/sample.h"
#include "profile/profile.h"
#include "symbols/symbols.h"

/* Who a process is, by /proc (target/process_facts.h). NULL: not known. */
struct process_facts {
	uint32_t uid;
	const char *user;      /* name of that uid on this machine, else the number */
	const char *name;      /* what a user would call it: the script's or module's base name of a Python process, else its comm */
	const char *command;   /* the command line, quoted for a shell, shortened */
	const char *cgroup;    /* path below the cgroup file system's top, "/" if none */
	const char *container; /* name of the container, pod or service that the cgroup stands for; NULL: none */
	bool unsure;           /* the process was gone before anybody looked: the cgroup is the one of its parent, which may be another */
	uint64_t rss_bytes;    /* when that was asked; 0: not known */
};

enum window_frame_kind { WINDOW_PYTHON, WINDOW_NATIVE, WINDOW_KERNEL };

struct window_frame {
	enum window_frame_kind kind;
	const char *path;      /* source file; or the image (shared object, program), "[kernel]"; NULL: a frame that could not be named */
	const char *function;  /* NULL: not known */
	uint32_t lineno;       /* 0: not known, or not Python */
	uint32_t firstlineno;  /* of the function; 0: likewise */
	bool library;          /* Python: of the interpreter's own library or of an installed package, not the program's code */
};

struct window_stack {
	const struct window_frame *frames; /* INNERMOST first; none: nothing is known but the process */
	uint32_t n_frames;
	uint32_t site;         /* the frame that is charged: the innermost of the program's own code, else the innermost one; n_frames: none */
	bool cut;
};

struct window_process {
	uint32_t pid, parent_pid; /* parent 0: not known */
	struct process_facts facts;
	const char *program;      /* its executable's path, as far as known; of a fork: its parent's */
	const char *interpreter;  /* "CPython 3.11"; NULL: none, or see .no_interpreter */
	const char *no_interpreter; /* why there are no Python lines, if it is a Python or the user named processes; else NULL */
	bool python;              /* it has an interpreter */
	uint64_t start_ns;        /* CLOCK_MONOTONIC, when it was first seen; end_ns 0: it runs */
	uint64_t end_ns;
	int status;               /* as wait(2), if ended */
	uint64_t rss_bytes;       /* physical memory now, as far as known */
	uint64_t rss_before_bytes; /* the same at the window's begin; 0: it was not there */
	uint32_t threads;         /* seen running in the window */
	struct times times;       /* of its rows */
	uint64_t samples, rss_grown_bytes;
	uint64_t unseen_samples;  /* taken while its interpreter was not known yet, from its exec on; all, if it has none */
	uint64_t unsampled_ns;    /* CPU time of threads that ended in the window which no sample stands for; not in .times */
};

/* One thread, one stack, one reason. */
struct window_row {
	uint32_t process;      /* index into processes */
	uint32_t stack;        /* index into stacks */
	uint32_t tid;          /* 0: of several threads, for which there was no room */
	const char *reason;    /* what was waited for, "recvfrom, 10.0.0.5:5432"; NULL: on CPU, or memory */
	struct times times;
	uint64_t samples;      /* CPU */
	uint64_t waits;
	uint64_t rss_bytes;    /* physical memory that was touched here */
	uint64_t allocated_bytes, allocations; /* of the heap, in the window, if it is measured; estimates */
	uint64_t live_bytes, live_blocks;      /* held at the window's end by what was allocated here at any time */
};

struct window {
	uint64_t start_ns, end_ns;   /* CLOCK_MONOTONIC */
	double start_epoch_s;
	uint32_t rate_hz;
	bool heap;                   /* allocations were measured */
	uint64_t machine_ns;         /* CPU time of the machine, by the kernel's own count, with that of its own threads and of interrupts; 0: not known */
	struct window_process *processes; /* all that ran at the end, and those that ended within it */
	uint32_t n_processes;
	struct window_stack *stacks;
	uint32_t n_stacks;
	struct window_row *rows;
	uint32_t n_rows;
	struct times whole;
	uint64_t cpu_samples, waits;
	uint64_t losses[LOSS_COUNT]; /* in this window */
	uint64_t python_samples, named_samples; /* CPU samples of Python processes, and those of them whose innermost frame has a name */
	uint64_t frameless_samples; /* of .python_samples: of threads that ran no Python code (start-up, a library's own threads), where there was nothing to name */
	uint64_t unsampled_ns;       /* as in window_process */
	const char *const *notices;  /* new in this window */
	size_t n_notices;
};

struct window_options {
	uint32_t rate_hz;
	bool detailed; /* the innermost frame is charged, of a library or not */
	bool heap;
	/* memory of the model: above so many nodes of the call tree what is not needed any more is dropped. 0: a default */
	uint32_t nodes_max;
	/* Names a native address of a process; NULL: nobody can. *function may be NULL; texts are copied. */
	bool (*native)(void *context, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function);
	void *native_context;
	/* Does a process still run? Asked now and then in a cut, of processes that have been silent for a while: the record of an end may have been
	 * lost. NULL: nobody can say. */
	bool (*alive)(void *context, uint32_t pid);
	void *alive_context;
};

/* The model that windows are cut from. strings and symbols must outlive it. */
struct windows;
struct windows *windows__new(const struct window_options *options, struct strings *strings, struct symbols *symbols, uint64_t start_ns);
void windows__free(struct windows *windows);

/* As builder__record(), builder__lose(), builder__no_interpreter(), builder__notice() of builder.h. */
void windows__record(struct windows *windows, const struct event_header *record);
void windows__lose(struct windows *windows, enum loss loss, uint64_t count);
void windows__no_interpreter(struct windows *windows, uint32_t pid, const char *reason);
void windows__notice(struct windows *windows, const char *text);
/* Who a process is; the texts are copied. Told again after an exec. A forked child has its parent's until told. */
void windows__describe(struct windows *windows, uint32_t pid, const struct process_facts *facts);
/* What was told of it last, or of its parent; NULL: nothing. Valid until the next call of any of these. */
const struct process_facts *windows__facts(const struct windows *windows, uint32_t pid);

/* All is attached: the first window begins now. */
void windows__begin(struct windows *windows, uint64_t now_ns);

/* What the window will say of the machine. */
void windows__machine(struct windows *windows, uint64_t machine_ns);

/* Ends the window and begins the next. Valid until the next cut or the model's end; NULL: out of memory, nothing is lost then. */
const struct window *windows__cut(struct windows *windows, uint64_t now_ns, double now_epoch_s);

#endif
