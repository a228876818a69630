/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * Map values that userspace writes or reads (see maps.h); the wire records are
 * in events.h. Include after vmlinux.h (BPF) or <linux/types.h> (userspace).
 */
#ifndef FIXINGAHOLE_SHARED_H
#define FIXINGAHOLE_SHARED_H

/* Bytes waiting in the ring buffer from which on the reader is woken. */
#define RING_WAKE_BYTES (1 << 20)

/* Map `interps`. Valid only while the process still is in `space`. */
struct interp_entry {
	__u32 space;
	__u32 layout;  /* index into `layouts`, plus 1 */
	__u64 runtime; /* address of _PyRuntime in the process */
	__u64 text_start, text_end; /* the interpreter's code */
};

/* Map `counters`, per CPU; only ever grow. */
struct counters {
	__u64 dropped;       /* records that did not fit into the ring buffer */
	__u64 skipped_walks; /* switch-outs over the budget with a stack not seen before */
	__u64 busy;          /* walks not made since another one was under way on this CPU */
	__u64 ticks;         /* CPU samples taken */
	__u64 no_storage;    /* threads or processes that could not be followed (memory) */
};

/* Map `cpus`, per CPU: what goes on there of the targets. Userspace reads .switches. */
struct cpu_state {
	__s32 pid;          /* the thread that is counted as running here; 0: none */
	__s32 tgid;         /* its process; so long as that runs on, its state need not be looked up */
	__u32 late;         /* the thread has a wait to be charged that ended unnoticed */
	__s32 owed;         /* the process of a thread that left here unnoticed: counted as running once too often */
	__u64 in_ns;        /* when the thread started to run */
	__u64 in_run_ns;    /* its sum_exec_runtime then */
	__u64 switches;     /* of targets, so far */
	__u64 filled_ns;    /* when .tokens were filled */
	__u32 tokens[4];    /* how much may still be spent on switches (see wait.bpf.c) */
};

#endif
