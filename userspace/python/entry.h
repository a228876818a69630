/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a probe goes that is to see the calls of Python functions in a running process.
 *
 * Up to 3.10 each call begins with _PyEval_EvalFrameDefault. From 3.11 on only those do that come from C: calls from Python to Python stay
 * inside one evaluation. Builds with --with-dtrace have a static probe, function__entry; but in 3.11 it is passed by unless the program
 * traces itself, and 3.12 to 3.14 have none. From 3.15 on it sees all calls, and is taken.
 */
#ifndef FIXINGAHOLE_ENTRY_H
#define FIXINGAHOLE_ENTRY_H

#include "python/interp.h"

struct python_entry {
	int fd;               /* the file */
	uint32_t n;
	uint64_t offset[USDT_PLACES], cookie[USDT_PLACES]; /* in the file; enum calls_place and CALLS_PLACE_STEPPED (bpf/calls_source.h) */
	uint64_t semaphore[USDT_PLACES]; /* in the file; 0: none */
	uint64_t address;     /* of the first, in the process */
	bool has_semaphores;
};

/*
 * In a process that maps the interpreter with that bias. 0, and the caller releases *out; -ENOENT: the interpreter has no such function
 * that can be found, or no place in it; -ESRCH: the process is gone; or -errno.
 */
int python_entry__find(pid_t pid, const struct interp_binary *binary, uint64_t bias, struct python_entry *out);
/* Another one of the same. 0 or -errno. */
int python_entry__copy(const struct python_entry *entry, struct python_entry *out);
void python_entry__release(struct python_entry *entry);
/* Does a probe there see calls from Python to Python? */
bool python_entry__sees_all(const struct interp_binary *binary);
/* Is it the static probe's? */
bool python_entry__is_static(const struct interp_binary *binary);
/* The opcode with which code makes its generator (from 3.11 on; else 0). */
uint32_t python_entry__return_generator(uint32_t version);

#endif
