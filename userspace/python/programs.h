/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executables that turned out to be interpreters, or to load one as a library, by their files: who executes one later needs no look at its
 * memory maps, and the kernel walks it from the start.
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
	uint64_t debug_slot;                /* of a launcher, as in struct interp_process; else 0 */
	bool executed;                      /* an exec of it was heard: the kernel knows the file by the same numbers as we */
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

/*
 * The same of a program whose exec we have not heard: before anybody executes it (interp__foretell()), or when it runs already. On a file system
 * of layers the next one may not be known by it.
 */
const struct program *programs__foretell(struct programs *programs, const struct interp_process *found);

/* A process that executed `file` runs another now, and that is one of those that were executed: the record of its exec, which nobody is woken for, is still to come. */
bool programs__has_become_one(const struct programs *programs, const struct program_file *file, const struct stat *now);

/* What a process has executed; NULL: not known. */
const struct program *programs__executed(struct programs *programs, const struct program_file *file);
/* What runs in it then: its code begins at code_start. False: it loads its interpreter first. */
bool program__starts(const struct program *program, uint64_t code_start, struct interp_process *out);
/* What runs in it once its interpreter is loaded, there. */
void program__loads(const struct program *program, uint64_t bias, struct interp_process *out);

/* As the kernel wants to know it, but for the layout. */
struct program_entry program__entry(const struct program *program);

#endif
