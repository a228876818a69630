/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID/maps, line by line, without allocation: it is read right after every exec.
 */
#ifndef FIXINGAHOLE_MAPS_H
#define FIXINGAHOLE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t start, end;
	uint64_t offset;   /* in the file */
	uint64_t inode;    /* 0: no file */
	dev_t device;
	bool readable, writable, executable;
	bool deleted;      /* the file has no name any more; path is without the mark */
	const char *path;  /* as the kernel prints it, newline as "\012"; "" without; valid during the call only */
};

/* Returning non-zero ends the walk. */
typedef int mapping_fn(const struct mapping *mapping, void *arg);

/* Every mapping in order of addresses. What fn returned last, -ESRCH when the process is gone, or -errno. Lines that make no sense are left out. */
int maps__each(pid_t pid, mapping_fn *fn, void *arg);

/* The same over text that was read elsewhere. The text is changed. */
int maps__parse(char *text, size_t size, mapping_fn *fn, void *arg);

/*
 * Opens the file behind a mapping of pid read-only: by what is mapped itself where we may, else by its name in the process's
 * own root or in ours, following no symbolic link, and only if the inode is the one mapped. Nothing but a regular file is
 * opened for reading. Returns a descriptor or -errno; -ESTALE: only another file of that name is left.
 */
int maps__open(pid_t pid, const struct mapping *mapping);

/* /proc/PID/exe, if it is a regular file. */
int maps__open_exe(pid_t pid);

#endif
