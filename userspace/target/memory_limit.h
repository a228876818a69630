/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's killing for lack of memory: which limit of a control group was reached, and that it is not us who are killed.
 */
#ifndef FIXINGAHOLE_MEMORY_LIMIT_H
#define FIXINGAHOLE_MEMORY_LIMIT_H

#include <stdint.h>
#include <sys/types.h>

/* The memory limits of the groups that a process is in, as they are now: its own and those above. NULL: out of memory. */
struct memory_limits;
struct memory_limits *memory_limits__new(pid_t pid);
void memory_limits__free(struct memory_limits *limits);

/* The tightest of those that were reached since then, bytes; 0: none, or it cannot be read. */
uint64_t memory_limits__reached(const struct memory_limits *limits);

/*
 * Where memory is short, the kernel passes this process over from now on, also where a group is killed as a whole. Not for
 * a target: off before a fork that is to become one, on again after it. What cannot be set stays as it is.
 */
void oom_shield_on(void);
void oom_shield_off(void);

#endif
