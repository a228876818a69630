/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The images of a process in the order in which its dynamic linker looks symbols up.
 */
#ifndef FIXINGAHOLE_LINK_MAP_H
#define FIXINGAHOLE_LINK_MAP_H

#include <stdint.h>
#include <sys/types.h>

#define LINK_MAP_MAX 4096

/* dynamic: address of the image's dynamic section in the process. Returning non-zero ends the walk. */
typedef int link_map_fn(uint64_t dynamic, void *arg);

/*
 * What fn returned last. -EAGAIN: the linker is still at work, or has not begun; -ENOENT: it has none, as a static program;
 * -ESRCH: the process is gone; or -errno. What is read is the process's own memory, so anything may be in it.
 */
int link_map__each(pid_t pid, link_map_fn *fn, void *arg);

#endif
