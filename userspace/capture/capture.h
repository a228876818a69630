/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side of a run: loads the BPF programs, puts the timer on the target,
 * and hands over what comes out of the ring buffer. The only room that knows the
 * skeleton.
 */
#ifndef FIXINGAHOLE_CAPTURE_H
#define FIXINGAHOLE_CAPTURE_H

#include <sys/types.h>

#include "capture/adopt.h"
#include "capture/calls_probes.h"
#include "capture/heap_probes.h"
#include "capture/sample.h"
#include "python/interp.h"
#include "python/programs.h"

struct capture;

struct capture_options {
	int rate_hz;
	bool empty; /* benchmark: the same timer with an empty program, nothing else */
	bool attach;  /* to processes that run already */
	bool live;    /* capture__flush() is called while a launched target runs; with attach it always may be */
	bool no_children; /* with attach: what they fork is not followed */
	bool all;     /* with attach: to every process of the machine, and to those to come; CPU samples are per CPU */
	const char *heap_library; /* path of the preload library that tells of the heap; NULL: it does not */
	const struct heap_probes_options *heap_probes; /* the heap is seen by probes on the allocator; NULL: it is not */
	bool calls_probes;   /* calls are counted by probes on interpreters, */
	double calls_budget; /* which may cost so much of a process's CPU time: 0..1; 0: no limit */
};

/* What the kernel side lost, so far. */
struct capture_losses {
	uint64_t dropped;       /* records that did not fit into the ring buffer */
	uint64_t busy;          /* walks not made: another one was under way */
	uint64_t no_storage;    /* threads or processes that could not be followed */
	uint64_t doubtful;      /* frames taken for those of a code object that was no longer there */
	uint64_t bad;           /* records that made no sense here */
};

/* Loads and attaches all that is not tied to a target. On failure one line in problem, with the remedy. */
int capture__open(struct capture **out, const struct capture_options *options, char problem[512]);
/* The probes on allocators, to follow processes with; NULL: there are none. */
struct heap_probes *capture__heap_probes(struct capture *capture);
/* Likewise, of calls. */
struct calls_probes *capture__calls_probes(struct capture *capture);
/*
 * Does what is still to come need CAP_SYS_ADMIN? Until Linux 6.12 to put a uprobe on another process takes it; on kernels of Debian's and Ubuntu's, with
 * kernel.perf_event_paranoid above 2, a timer.
 */
bool capture__needs_admin(struct capture *capture);
/* Makes `pid`, which waits for its exec, the target: it, its threads and its descendants are seen from exec on. */
int capture__follow(struct capture *capture, pid_t pid, char problem[512]);
/*
 * Attaching to processes that run, without a stop: mark each, adopt, tell which interpreter runs in each space, attach a timer to
 * each of their threads, then look, place and start; look, place and start again for what was missed.
 *
 * mark: *space is the process's, in what is recorded of it. -EEXIST: it is a target already.
 * adopt: until no new thread comes. Returns how many came, or -errno.
 * look: threads whose stack is still to be read; those that run are left out, for they will be walked.
 * place: where such a thread stands, the .weight of an EVENT_BLOCK. Taken by the next start if the thread has not moved.
 * flush: sends what waiting there was until now, of waits that have not ended, too. At the end, or any time. Of a launched target, too: .live.
 *   goes_on: waits of processes with several threads are left open, so that they are charged to the thread that ends them.
 */
int capture__mark(struct capture *capture, int pidfd, uint32_t *space);
int capture__adopt(struct capture *capture);
int capture__attach_timer(struct capture *capture, pid_t tid);
int capture__look(struct capture *capture, thread_sink sink, void *context);
int capture__place(struct capture *capture, const struct attach_thread *thread, uint64_t stack_id);
int capture__start(struct capture *capture, bool again);
int capture__flush(struct capture *capture, bool goes_on);
/* Why one of these failed with err: one line in problem, "cannot WHAT: ...", with the remedy. */
void capture__explain(const struct capture *capture, const char *what, int err, char problem[512]);
/* Takes CPU samples by another of the target's timers (see timers.h). now_ns: CLOCK_MONOTONIC. */
void capture__shift(struct capture *capture, uint64_t now_ns);
/* Takes CPU samples by a timer on every CPU, or by the target's own again. False: it stays as it is. */
bool capture__all_cpus(struct capture *capture, bool on);
/* By the timers of all CPUs from now on, for a target that switches very often (see timers.h). False: it stays as it is. */
bool capture__all_cpus_for_good(struct capture *capture);
/* Switches of the target's threads so far: from one to another counts once. */
uint64_t capture__switches(const struct capture *capture);
/* Tells the walker how to read address space `space` of `pid`. -ENOSPC: too many different interpreters. */
int capture__set_interp(struct capture *capture, pid_t pid, uint32_t space, const struct interp_binary *binary, uint64_t bias);
/* And who executes this file from now on, at once. */
void capture__know_program(struct capture *capture, const struct program *program);
/* The process is gone: forget what was set. */
void capture__forget(struct capture *capture, pid_t pid);
/* Readable (poll) when records should be fetched before the usual time. */
int capture__fd(const struct capture *capture);
/* Hands over all records that are there now. Number of records, or -errno. */
int capture__drain(struct capture *capture, record_sink sink, void *context);
void capture__losses(const struct capture *capture, struct capture_losses *losses);
void capture__free(struct capture *capture);

#endif
