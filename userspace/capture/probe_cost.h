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

/* Finds out whether there are sessions (programs->sessions), and measures on functions of our own. 0 or -errno. */
int probe_cost__measure(struct probe_programs *programs, uint32_t returns, struct probe_cost *out);

#endif
