/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heap's probes on processes: put on the allocator's functions of one process at a time, so that nobody else on the machine meets
 * them, and taken off for a part of the time when they cost too much (guard.h).
 *
 * A process is followed from heap_probes__follow() on, through its execs; forked children have to be followed by another call. The
 * kernel puts the probes into each new program of the process that maps the same files; if it uses others, that shows once its dynamic
 * linker is done, some milliseconds after its start. A forked child is without them until its fork is told.
 */
#ifndef FIXINGAHOLE_HEAP_PROBES_H
#define FIXINGAHOLE_HEAP_PROBES_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct heap_probes;

struct heap_probes_options {
	uint64_t stride;  /* bytes per sample; rounded to a power of 2 */
	uint64_t rate;    /* samples per second and process, above which the stride grows */
	double budget;    /* 0..1: of a process's CPU time; 0: no limit */
};

/* The kernel's side, loaded. All are borrowed. */
struct heap_probes_programs {
	struct bpf_program *call;          /* a session */
	struct bpf_program *enter, *leave; /* the same for kernels without */
	struct bpf_map *controls, *states, *fresh, *blocks;
};

/* What was watched, of all processes together. */
struct heap_watch {
	uint64_t processes;    /* watched at some time */
	uint64_t failed;       /* processes that could not be */
	uint64_t sliced;       /* processes of which only a part of the time was */
	double seen;           /* 0..1: of the time of processes, by their CPU time */
	uint64_t calls;        /* that met a probe */
	uint64_t cost_ns;      /* that they cost, as measured for one */
	uint64_t cpu_ns;       /* of the processes */
	char problem[128];     /* of the last that could not be; else "" */
};

/* Measures what a probe costs here. 0 or -errno. */
int heap_probes__new(struct heap_probes **out, const struct heap_probes_programs *programs, const struct heap_probes_options *options);
void heap_probes__free(struct heap_probes *probes);

/* Does the kernel have sessions? Without, probes need CAP_SYS_ADMIN. */
bool heap_probes__sessions(const struct heap_probes *probes);

/* A running process, or one that waits for its exec. 0, or -errno: see heap_watch.problem. */
int heap_probes__follow(struct heap_probes *probes, pid_t pid, uint64_t now_ns);
/* A process that is followed forked, executed, ended. space: its new one, or the one that ends. Others are passed over. */
void heap_probes__forked(struct heap_probes *probes, pid_t parent, pid_t child, uint64_t now_ns);
void heap_probes__executed(struct heap_probes *probes, pid_t pid, uint32_t old_space, uint64_t now_ns);
void heap_probes__ended(struct heap_probes *probes, pid_t pid, uint32_t space);

/* A CPU sample of any process, in kernel mode or not: what probes take of a program's time shows in these (guard.h). */
void heap_probes__sample(struct heap_probes *probes, pid_t pid, uint64_t time_ns, bool kernel);

/* Does what is due. When to call it next (CLOCK_MONOTONIC), or UINT64_MAX. */
uint64_t heap_probes__poll(struct heap_probes *probes, uint64_t now_ns);
void heap_probes__watch(struct heap_probes *probes, uint64_t now_ns, struct heap_watch *out);

#endif
