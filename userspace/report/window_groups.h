/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window's rows and processes, added up by what is asked for.
 */
#ifndef FIXINGAHOLE_REPORT_WINDOW_GROUPS_H
#define FIXINGAHOLE_REPORT_WINDOW_GROUPS_H

#include "profile/window.h"

struct window_group {
	/* by process: .process; by container or user: .name; by line or native function: .path, .function, .lineno, or if there is no path, .name in words */
	const struct window_process *process;
	const char *name;             /* container, user; NULL: of those that have none, or of whom it is not known */
	const char *path, *function;
	uint32_t lineno;
	struct times times;
	uint64_t rss_grown_bytes;
	uint64_t allocated_bytes, live_bytes; /* of the heap; of lines */
	uint64_t rss_bytes, rss_before_bytes; /* not of lines and functions */
	uint32_t processes;           /* likewise */
	const char *reason;           /* lines: what was waited for longest */
	uint64_t reason_ns;
};

enum window_by {
	BY_PROCESS,
	BY_CONTAINER,
	BY_USER,
	BY_LINE,     /* charged lines of Python processes, and of what other processes did while they were one; rows without one are in groups without a path */
	BY_FUNCTION, /* innermost functions of other processes, where known */
};

struct window_groups {
	struct window_group *groups; /* most CPU first */
	size_t n;
};

/* 0 or -ENOMEM. Texts are the window's. */
int window_groups__make(struct window_groups *out, const struct window *window, enum window_by by);
void window_groups__release(struct window_groups *groups);

/* Physical memory now, less what it was at the window's begin; what is not known counts as grown by what was touched. */
int64_t window_group_growth(const struct window_group *group);
/* What a process is called: by its facts, else by its program. */
const char *window_process_name(const struct window_process *process);

#endif
