/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executables that turned out to be interpreters themselves, by their files: who executes one later needs no look at its memory maps, and the
 * kernel walks it from the start.
 */
#ifndef FIXINGAHOLE_PROGRAMS_H
#define FIXINGAHOLE_PROGRAMS_H

#include <linux/types.h>

#include "bpf/events.h"
#include "bpf/shared.h"
#include "python/interp.h"

struct program {
	struct program_file file;
	const struct interp_binary *binary; /* the interp_cache's */
	uint64_t code_start;                /* the file's lowest executable segment, an ELF virtual address */
};

/* All zero: none. */
struct programs {
	struct program list[PROGRAMS_MAX];
	size_t n;
};

/*
 * A process that executed `file`, whose code begins at code_start, was found to be this. NULL: that need not say anything of the file, or
 * it is known, or there are too many.
 */
const struct program *programs__learn(struct programs *programs, const struct program_file *file, uint64_t code_start, const struct interp_process *found);

/* A process that executed `file` runs another now, and that is one of these: the record of its exec, which nobody is woken for, is still to come. */
bool programs__has_become_one(const struct programs *programs, const struct program_file *file, const struct stat *now);

/* What runs in a process that has executed this. False: not known. */
bool programs__find(const struct programs *programs, const struct event_exec *event, struct interp_process *out);

#endif
