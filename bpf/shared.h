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

#endif
