/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uprobes on several places of one file, in one process: at once where the kernel lets an entry decide whether its return is
 * looked at (sessions, from 6.13 on), else one by one.
 */
#ifndef FIXINGAHOLE_PROBE_SET_H
#define FIXINGAHOLE_PROBE_SET_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROBE_SET_MAX 24

struct probe_set {
	int session;                                 /* a descriptor; -1: none */
	struct bpf_link *links[2 * PROBE_SET_MAX];
	unsigned int n_links;
};

#define PROBE_SET_NONE { .session = -1 }

struct probe_places {
	int fd;                   /* the file */
	const uint64_t *offset, *cookie;
	uint32_t n;               /* <= PROBE_SET_MAX */
	const uint64_t *reference; /* where in the file counters are of who watches (a static probe's semaphore), one each; NULL: nowhere */
};

struct probe_programs {
	struct bpf_program *call, *enter, *leave;
	bool sessions;            /* call, else enter and leave */
	/*
	 * With sessions, too, enter, to which probe_set_prepare_plain() was done. A must for places that are no function's entry: in a forked
	 * child, of which it does not ask the program, the kernel takes a session to want the return, and changes what it takes for its address.
	 */
	bool plain;
	bool multi; /* probe_set_prepare_plain() was done to enter: without sessions the kernel (6.6 to 6.12) takes it for several places, not for one */
};

/*
 * A link on several places of a file, for programs of that type of attachment (enum bpf_attach_type; from 6.6 on). path stands in for the places' .fd; their
 * cookies may be NULL. pid 0: in all processes. A descriptor, or -errno.
 */
int probe_set_link(const struct bpf_program *program, uint32_t type, const char *path, const struct probe_places *places, pid_t pid);

/* The program's type of attachment; before it is loaded. */
void probe_set_prepare(struct bpf_program *call);
void probe_set_prepare_plain(struct bpf_program *enter);

/* 0 or -errno, and nothing is attached. returns: bit of each kind of call (low bits of the cookie) whose return matters; without sessions. */
int probe_set__attach(struct probe_set *set, const struct probe_programs *programs, const struct probe_places *places, uint32_t returns, pid_t pid);
/*
 * Takes them off. The process is rid of them when this returns, or a moment later; the kernel goes on for 0.1 s, or for as much per
 * place without sessions, and a thread of ours waits for that.
 */
void probe_set__detach(struct probe_set *set);
/*
 * Waits for these threads, before the process ends: one that is killed while it takes a breakpoint out leaves it there, and the process that has it
 * goes on to meet it.
 */
void probe_set_settle(void);
/* Waits for it here. */
void probe_set__release(struct probe_set *set);
static inline bool probe_set_is_on(const struct probe_set *set) { return set->session >= 0 || set->n_links; }

#endif
