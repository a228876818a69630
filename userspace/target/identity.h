/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who the script runs as (DESIGN "Processes and privileges"): the user who called sudo, --user, or whoever we are.
 */
#ifndef FIXINGAHOLE_IDENTITY_H
#define FIXINGAHOLE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t *groups;      /* owned */
	size_t n_groups;
	char *name;         /* owned; "1000" where the uid has no name */
	char *home;         /* owned */
	char **environment; /* owned, NULL-terminated: the caller's own, as it was before sudo where that can be read (/proc of the sudo process), plus nothing of ours */
	bool from_sudo;
	gid_t *own_groups;  /* owned; what identity__leave() goes back to */
	size_t n_own_groups;
};

/*
 * user: --user (a name, or a number) or NULL. Silent. -ENOENT: no such user; -EPERM: another user, and we are not
 * root; -EINVAL: SUDO_UID or SUDO_GID is set to something that is no id (never taken as "then be root").
 * SUDO_* count only when we really are root. A number that nobody has as a user id gets the group of the same number.
 */
int identity__resolve(struct identity *id, const char *user);
void identity__release(struct identity *id);

/*
 * Effective ids (and groups) switched to the user's for file work, and back. Nothing happens when we are that user.
 * Pairs do not nest. leave() ends the program if there is no way back. For the calling thread only.
 */
int identity__enter(const struct identity *id);
void identity__leave(const struct identity *id);
/* For good: real, effective, saved. */
int identity__become(const struct identity *id);

/*
 * Which capabilities are missing without which nothing can be profiled. 0: none; else writes their names
 * ("CAP_BPF, CAP_PERFMON") and returns -EPERM.
 */
int identity__missing_capabilities(char *buffer, size_t size);
/* The same in one line with the remedy. 0, or -errno with problem filled. */
int identity__may_profile(char problem[512]);
/*
 * Where the program's file has capabilities, everybody who may run it gets them, to profile with: those to pass by the rights of files are
 * none of his, and are given up here. Call first thing. 0 or -errno.
 */
int identity__drop_given(void);
/* Drops what is not needed once everything is attached. Keeps CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SETUID, CAP_SETGID, CAP_KILL,
 * CAP_CHECKPOINT_RESTORE (for libraries that were replaced: /proc/PID/map_files).
 * keep_admin: CAP_SYS_ADMIN as well. For the calling thread and those that it starts afterwards. */
int identity__drop_capabilities(bool keep_admin);

/* Value of NAME in an environment vector, or NULL. */
const char *environment_get(char *const *environment, const char *name);

#endif
