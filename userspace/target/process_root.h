/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system as a process sees it: its root, its working directory, with the rights of its owner. It
 * may be in a container or a chroot; what is opened here stays valid when it has ended.
 */
#ifndef FIXINGAHOLE_PROCESS_ROOT_H
#define FIXINGAHOLE_PROCESS_ROOT_H

#include <sys/stat.h>
#include <sys/types.h>

#include "target/identity.h"

struct process_root {
	int fd;             /* of its root */
	dev_t device;
	ino_t inode;
	struct identity owner; /* who it runs as; only what identity__enter() needs */
	char *directory;    /* working directory, as the process names it; "/" where that cannot be told */
};

/* 0, -ESRCH, or -errno. own: who we are. Close after success. */
int process_root__open(struct process_root *root, pid_t pid, const struct identity *own);
void process_root__close(struct process_root *root);

/* Opens a path of the process for reading, never outside its root, with its owner's rights. A descriptor or -errno. Must
 * not be called between identity__enter() and identity__leave(). */
int process_root__open_file(const struct process_root *root, const char *path, int flags);
/* Is there something of this name? */
int process_root__exists(const struct process_root *root, const char *path);

#endif
