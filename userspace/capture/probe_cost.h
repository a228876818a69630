/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a uprobe costs the thread that meets it, on this machine and kernel.
 */
#ifndef FIXINGAHOLE_PROBE_COST_H
#define FIXINGAHOLE_PROBE_COST_H

#include "capture/probe_set.h"

/* Nanoseconds. */
struct probe_cost {
	double call_ns;    /* on an instruction that the kernel emulates */
	double stepped_ns; /* on one that it single-steps */
	double return_ns;  /* more, where the return is looked at, too */
};

/* One call after the other; and with other work in between, which fills the caches with its own. */
struct probe_costs { struct probe_cost hot, cold; };

/* Finds out whether there are sessions (programs->sessions), and measures on functions of our own. 0 or -errno. */
int probe_cost__measure(struct probe_programs *programs, uint32_t returns, struct probe_costs *out);
/* So many of each within some CPU time: what they took of it. */
double probe_cost_of(const struct probe_costs *costs, uint64_t calls, uint64_t stepped, uint64_t returns, uint64_t cpu_ns);

#endif
