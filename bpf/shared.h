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

/*
 * Map `programs`: executables that are interpreters, or load one as a library, by struct program_file. Who executes one of these is walked from
 * its first instruction on, before userspace has heard of it. Addresses are distances from where the program's code begins; of a library,
 * from where that is loaded.
 */
struct program_entry {
	__u64 runtime;
	__u64 text_start, text_end;
	__u64 debug_slot; /* where the program keeps the address of the dynamic linker's struct r_debug, from the program's code on */
	__u64 dynamic;    /* the library's dynamic section, by which it is known in the linker's list; 0: it is no library */
	__u32 layout;     /* as above */
	__u32 pad;
};
#define PROGRAMS_MAX 256

/* Map `counters`, per CPU; only ever grow. */
struct counters {
	__u64 dropped;       /* records that did not fit into the ring buffer */
	__u64 busy;          /* walks not made since another one was under way on this CPU */
	__u64 no_storage;    /* threads or processes that could not be followed (memory) */
	__u64 doubtful;      /* frames that were taken for a code object's which was no longer there (struct known_code) */
};

/* Places of stopping that are remembered, per CPU and per thread: in sets of PLACE_WAYS. */
#define PLACE_SLOTS 32
#define PLACE_WAYS 4
#define WANTED_SLOTS 4 /* a power of two */

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
	__u64 place[PLACE_SLOTS]; /* where threads stopped here that were looked at (see wait.bpf.c) */
	__u64 wanted[WANTED_SLOTS]; /* where one has just waited for long: walked the next time (see wait.bpf.c); 0: free */
	__u32 place_next, wanted_next;
};

/*
 * Attaching to processes that run already (attach.bpf.c). Userspace puts a struct proc_mark on each (map `procs`, through
 * its pidfd; the rest zeros), then reads the iterator with these steps.
 */
enum attach_step {
	ATTACH_OFF = 0,
	ATTACH_ADOPT = 1, /* the marked processes' threads become targets; again until `adopted` stays 0 */
	ATTACH_LOOK = 2,  /* gives a struct attach_thread per thread whose place is not known and that does not run */
	ATTACH_START = 3, /* from here on it all counts; takes the places of `places` */
	ATTACH_AGAIN = 4, /* the same for what was missed */
	ATTACH_FLUSH = 5, /* sends what was not sent yet, of waits that have not ended, too */
	ATTACH_PEEK = 6,  /* the same while it all goes on: not of those of which nobody knows yet which thread will end them */
};

/* The first fields of a struct proc_state. */
struct proc_mark {
	__u32 space;        /* 0: does not count yet */
	__u32 attach_space; /* what it will be */
};

struct attach_thread {
	__u32 pid, tid;
	__u32 space;
	__u32 pad;
	__u64 fsbase;
	__u64 run_ns; /* so far: a thread that ran since then is somewhere else */
};

/* Map `places`: where a thread stands, by its tid. */
struct attach_place {
	__u64 run_ns;   /* as above */
	__u64 stack_id; /* of an EVENT_BLOCK */
};

#endif
