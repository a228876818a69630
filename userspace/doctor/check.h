/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the doctor found: a list of checks in the order of their making, each with what to do about it. And the facts
 * that more than one check goes by.
 */
#ifndef FIXINGAHOLE_CHECK_H
#define FIXINGAHOLE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health { HEALTH_OK, HEALTH_LIMITED, HEALTH_NO };

#define CHECKS_MAX 96

struct check {
	enum health health;
	char text[320];
	char remedy[400]; /* "": there is nothing to do */
};

struct facts {
	unsigned int kernel[2];   /* 6, 18 */
	const char *blocker;      /* what of the kernel keeps BPF programs from loading: what to do then; NULL: nothing known */
	uint64_t capabilities;    /* effective; bit per number */
	bool user_namespace;      /* ours is not the initial one: capabilities count for less */
	bool pid_namespace;       /* the same of PIDs */
	bool seccomp;             /* a filter is in force */
	bool patched_paranoid;    /* kernel.perf_event_paranoid is so high that some distributions' kernels want CAP_SYS_ADMIN */
	int cpu_timer;            /* on a processor: how that ended, 0 or -errno */
};

struct checkup {
	struct facts facts;
	struct check checks[CHECKS_MAX];
	size_t n;
};

/* One more check. remedy may be NULL. Lines beyond CHECKS_MAX are dropped. */
__attribute__((format(printf, 4, 5))) void checkup_add(struct checkup *checkup, enum health health, const char *remedy, const char *format, ...);

static inline bool facts_older(const struct facts *facts, unsigned int major, unsigned int minor)
{
	return facts->kernel[0] < major || (facts->kernel[0] == major && facts->kernel[1] < minor);
}

static inline bool facts_have(const struct facts *facts, unsigned int capability)
{
	return facts->capabilities >> capability & 1;
}

/* Why the kernel said no to bpf() or perf_event_open(), and what to do, for an errno that trials gave. */
const char *facts_reason(const struct facts *facts, int err);
const char *facts_remedy(const struct facts *facts, int err);

/* The first line of a small file, without its newline; false: it cannot be read. */
bool check_read_line(const char *path, char *line, size_t size);

/* The checks, room by room. Facts of earlier ones are used by later ones, so in this order. */
struct identity;
void check_kernel(struct checkup *checkup);
void check_rights(struct checkup *checkup);
void check_surroundings(struct checkup *checkup);
void check_calls(struct checkup *checkup);
void check_pythons(struct checkup *checkup, const struct identity *identity);
void check_terminal(struct checkup *checkup);

#endif
