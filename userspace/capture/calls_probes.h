/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls counted by a probe on the interpreter of one process at a time (python/entry.h), so that nobody else on the machine meets
 * it. It is taken off for a part of the time when it costs too much (guard.h); then each call that is seen stands for more than one.
 *
 * A process is counted from calls_probes__found() on, which says where its interpreter is. Forked children have to be told of; until
 * then they are not counted. The counters are in the kernel, and become records when the process's address space ends, or at the end.
 */
#ifndef FIXINGAHOLE_CALLS_PROBES_H
#define FIXINGAHOLE_CALLS_PROBES_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/sample.h"
#include "python/interp.h"

struct calls_probes;

/* The kernel's side, loaded. All are borrowed. */
struct calls_probes_programs {
	struct bpf_program *call;  /* a session: whether there are any shows that the kernel is new enough for all */
	struct bpf_program *enter; /* what is put on interpreters */
	struct bpf_map *controls, *costs, *counts;
};

/* Measures what a probe costs here. budget: 0..1 of a process's CPU time; 0: no limit. 0 or -errno. */
int calls_probes__new(struct calls_probes **out, const struct calls_probes_programs *programs, double budget);
void calls_probes__free(struct calls_probes *probes);

/* Does the kernel have sessions? Without, probes need CAP_SYS_ADMIN. */
bool calls_probes__sessions(const struct calls_probes *probes);

/* The process runs that interpreter. */
void calls_probes__found(struct calls_probes *probes, pid_t pid, uint32_t space, const struct interp_binary *binary, uint64_t bias);
/* A process that is counted forked. */
void calls_probes__forked(struct calls_probes *probes, pid_t parent, pid_t child, uint32_t space);
/* The process has executed another program, or ended: its counts go to the sink. Others are passed over. */
void calls_probes__ended(struct calls_probes *probes, pid_t pid, uint32_t space, record_sink sink, void *context);
/* A CPU sample of any process, in kernel mode or not; ip: in user mode, where. */
void calls_probes__sample(struct calls_probes *probes, pid_t pid, uint64_t time_ns, bool kernel, uint64_t ip);

/* Does what is due. When to call it next (CLOCK_MONOTONIC), or UINT64_MAX. */
uint64_t calls_probes__poll(struct calls_probes *probes, uint64_t now_ns);
/* The counts of all that are left, and what was lost of any (EVENT_CALLS_LOST). Once, at the end. */
void calls_probes__finish(struct calls_probes *probes, record_sink sink, void *context);

#endif
