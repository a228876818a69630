/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Calls by probes: what bpf/calls.bpf.c and userspace/capture/calls_probes.c share.
 *
 * One probe sits where an interpreter begins to evaluate a frame, or on the build's own place for that (the static probe
 * function__entry); its cookie says which. It adds to a counter in the kernel and sends nothing, but for the names of code objects that
 * are met for the first time. A process is counted while it has an entry in `calls_controls`, by its pid.
 *
 * Include after events.h.
 */
#ifndef FIXINGAHOLE_CALLS_SOURCE_H
#define FIXINGAHOLE_CALLS_SOURCE_H

#include "bpf/events.h"

/* Where the frame is: the low bits of the probe's cookie. */
enum calls_place {
	CALLS_PLACE_OTHER = 0,        /* nothing to do: what a probe costs is measured with it */
	CALLS_PLACE_FRAME = 1,        /* _PyEval_EvalFrameDefault(frame, throw): up to 3.8 */
	CALLS_PLACE_THREAD_FRAME = 2, /* _PyEval_EvalFrameDefault(thread state, frame, throw): from 3.9 on */
	CALLS_PLACE_CURRENT = 3,      /* it is the thread's current frame: function__entry */
};
#define CALLS_PLACE_MASK 0xffULL
#define CALLS_PLACE_STEPPED 0x100ULL /* the kernel single-steps the instruction under the probe */

/* Map `calls_controls`: what userspace says about a process. */
struct calls_control {
	__u64 begin_ns, end_ns; /* a time slice; end_ns 0: there is none, all calls count */
	__u64 scale_q16;        /* what a call in it stands for, times CALLS_SCALE_ONE */
	__u32 return_generator; /* the opcode that makes a generator, from 3.11 on */
	__u32 pad;
};
#define CALLS_SCALE_ONE 65536ULL

/* Map `calls_costs`, of a process. Only ever grow; a thread's last 63 calls may be missing, but of .lost none. */
struct calls_cost {
	__u64 calls;   /* that met the probe, looked at or not */
	__u64 stepped; /* of these, on an instruction that is single-stepped */
	__u64 work_ns; /* on counting them, as sampled */
	__u64 lost;    /* calls and resumptions that were not counted: what they were could not be read, or there was no room */
};

/* Map `calls_counts`. */
struct calls_key {
	__u64 code, caller;      /* code objects; caller 0: none */
	__u32 fingerprint, caller_fingerprint;
	__u32 space;
	__u32 pad;
};
struct calls_count {
	__u64 calls, resumptions; /* times CALLS_SCALE_ONE */
};
#define CALLS_COUNTS_MAX (1U << 17)

#endif
