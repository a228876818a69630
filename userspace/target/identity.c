// SPDX-License-Identifier: Apache-2.0
#include "target/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/sudo.h"
#include "target/strv.h"
#include "util/cleanup.h"

/* Ids are unsigned 32-bit numbers; the largest one means "none". */
static int parse_id(const char *text, uint32_t *id)
{
	uint64_t value = 0;

	if (!*text || strlen(text) > 10)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	if (value >= UINT32_MAX)
		return -EINVAL;
	*id = (uint32_t)value;
	return 0;
}

/* The running process's own supplementary groups. */
static int own_groups(gid_t **groups, size_t *n)
{
	int count = getgroups(0, NULL);
	gid_t *list;

	if (count < 0)
		return -errno;
	list = calloc((size_t)count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	count = getgroups(count, list);
	if (count < 0) {
		free(list);
		return -errno;
	}
	*groups = list;
	*n = (size_t)count;
	return 0;
}

static int groups_of(const char *name, gid_t gid, gid_t **groups, size_t *n)
{
	int count = 64;

	for (;;) {
		int asked = count;
		gid_t *list = calloc((size_t)count, sizeof(*list));

		if (!list)
			return -ENOMEM;
		if (getgrouplist(name, gid, list, &count) >= 0) {
			*groups = list;
			*n = (size_t)count;
			return 0;
		}
		free(list);
		/* glibc says how many there are; make sure that the loop ends whatever it says */
		if (count <= asked)
			count = asked * 2;
		if (count > 1 << 17)
			return -E2BIG;
	}
}

static int only_group(gid_t gid, gid_t **groups, size_t *n)
{
	gid_t *list = malloc(sizeof(*list));

	if (!list)
		return -ENOMEM;
	*list = gid;
	*groups = list;
	*n = 1;
	return 0;
}

static int number_as_text(char **text, uint32_t number)
{
	return asprintf(text, "%u", number) < 0 ? -ENOMEM : 0;
}

/* Name, home and, unless they are known, groups; from the user database where it has the user. */
static int fill_names(struct identity *id, const struct passwd *pw)
{
	int r = 0;

	if (pw)
		id->name = strdup(pw->pw_name);
	else
		r = number_as_text(&id->name, id->uid);
	if (r < 0 || !id->name)
		return -ENOMEM;
	if (!id->groups)
		r = pw ? groups_of(pw->pw_name, id->gid, &id->groups, &id->n_groups) : only_group(id->gid, &id->groups, &id->n_groups);
	if (r < 0)
		return r;
	id->home = strdup(pw && pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/");
	return id->home ? 0 : -ENOMEM;
}

/* Our own environment, as if that user had logged in: for --user, and where the one from before sudo cannot be read. */
static int login_environment(struct identity *id, const struct passwd *pw)
{
	_cleanup_free_ char *mail = NULL;
	struct strv env = {};
	int r = 0;

	for (char **p = environ; *p && !r; p++)
		if (strncmp(*p, "SUDO_", 5))
			r = strv_add(&env, *p);
	if (!r)
		r = strv_set(&env, "HOME", id->home);
	if (!r)
		r = strv_set(&env, "USER", id->name);
	if (!r)
		r = strv_set(&env, "LOGNAME", id->name);
	if (!r && asprintf(&mail, "/var/mail/%s", id->name) < 0)
		r = -ENOMEM;
	if (!r && environment_get(env.items, "MAIL"))
		r = strv_set(&env, "MAIL", mail);
	if (!r)
		r = strv_set(&env, "SHELL", pw && pw->pw_shell && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	if (r < 0) {
		strv_release(&env);
		return r;
	}
	id->environment = env.items;
	return 0;
}

static int own_environment(struct identity *id)
{
	struct strv env = {};
	const char *home;
	int r = strv_add(&env, NULL);

	for (char **p = environ; *p && !r; p++)
		r = strv_add(&env, *p);
	if (r < 0) {
		strv_release(&env);
		return r;
	}
	id->environment = env.items;
	home = environment_get(env.items, "HOME");
	if (home && *home == '/') {
		char *copy = strdup(home);

		if (!copy)
			return -ENOMEM;
		free(id->home);
		id->home = copy;
	}
	return 0;
}

static int resolve_self(struct identity *id)
{
	const struct passwd *pw;
	int r;

	id->uid = getuid();
	id->gid = getgid();
	r = own_groups(&id->groups, &id->n_groups);
	if (r < 0)
		return r;
	pw = getpwuid(id->uid);
	r = fill_names(id, pw);
	return r < 0 ? r : own_environment(id);
}

static int resolve_sudo(struct identity *id, uint32_t uid)
{
	const char *gid = getenv("SUDO_GID");
	const struct passwd *pw = getpwuid(uid);
	int r;

	id->uid = uid;
	id->from_sudo = true;
	if (!gid || parse_id(gid, &id->gid) < 0) {
		if (!pw)
			return -EINVAL;
		id->gid = pw->pw_gid;
	}
	r = fill_names(id, pw);
	if (r < 0)
		return r;
	id->environment = sudo__environment_before();
	if (id->environment) {
		const char *home = environment_get(id->environment, "HOME");

		if (home && *home == '/' && strcmp(home, id->home)) {
			free(id->home);
			id->home = strdup(home);
		}
		return id->home ? 0 : -ENOMEM;
	}
	return login_environment(id, pw);
}

static int resolve_named(struct identity *id, const char *user)
{
	const struct passwd *pw = getpwnam(user);
	uint32_t uid;
	int r;

	if (pw) {
		uid = pw->pw_uid;
	} else {
		if (parse_id(user, &uid) < 0)
			return -ENOENT;
		pw = getpwuid(uid);
	}
	id->uid = uid;
	id->gid = pw ? pw->pw_gid : uid;
	r = fill_names(id, pw);
	return r < 0 ? r : login_environment(id, pw);
}

/* SUDO_UID means something only where sudo can have set it: real root. (In a set-user-ID program it would be the caller's word.) */
static int resolve(struct identity *id, const char *user)
{
	bool root = getuid() == 0 && geteuid() == 0;
	const char *sudo_uid = root ? getenv("SUDO_UID") : NULL;
	uint32_t uid = 0;
	int r;

	if (sudo_uid && !user && parse_id(sudo_uid, &uid) < 0)
		return -EINVAL;
	if (!user)
		return sudo_uid ? resolve_sudo(id, uid) : resolve_self(id);
	r = resolve_named(id, user);
	if (r < 0)
		return r;
	/* --user may name who we are anyway, and then all is as without it */
	if (id->uid == getuid() && !sudo_uid) {
		identity__release(id);
		return resolve_self(id);
	}
	if (sudo_uid && !parse_id(sudo_uid, &uid) && uid == id->uid) {
		identity__release(id);
		return resolve_sudo(id, uid);
	}
	return root ? 0 : -EPERM;
}

int identity__resolve(struct identity *out, const char *user)
{
	struct identity id = {};
	int r = resolve(&id, user);

	if (!r)
		r = own_groups(&id.own_groups, &id.n_own_groups);
	if (r < 0) {
		identity__release(&id);
		return r;
	}
	*out = id;
	return 0;
}

void identity__release(struct identity *id)
{
	free(id->groups);
	free(id->own_groups);
	free(id->name);
	free(id->home);
	strv__free(id->environment);
	memset(id, 0, sizeof(*id));
}

/*
 * By the kernel's own calls, which count for the calling thread: glibc's change all threads, and those that send profiles or wait for
 * the kernel would lose their own files, or get another's, in the middle of their work.
 */
static int set_groups(size_t n, const gid_t *groups)
{
	return syscall(SYS_setgroups, n, groups) < 0 ? -errno : 0;
}

static int set_effective_gid(gid_t gid)
{
	return syscall(SYS_setresgid, -1, gid, -1) < 0 ? -errno : 0;
}

static int set_effective_uid(uid_t uid)
{
	return syscall(SYS_setresuid, -1, uid, -1) < 0 ? -errno : 0;
}

int identity__enter(const struct identity *id)
{
	int r;

	if (geteuid() == id->uid)
		return 0;
	r = set_groups(id->n_groups, id->groups);
	if (r < 0)
		return r;
	r = set_effective_gid(id->gid);
	if (!r)
		r = set_effective_uid(id->uid);
	if (r < 0 && (set_effective_gid(getgid()) < 0 || set_groups(id->n_own_groups, id->own_groups) < 0))
		abort();
	return r;
}

void identity__leave(const struct identity *id)
{
	if (getuid() == id->uid || geteuid() != id->uid)
		return;
	/* going on with half of somebody else's identity would be worse than stopping */
	if (set_effective_uid(getuid()) < 0 || set_effective_gid(getgid()) < 0 || set_groups(id->n_own_groups, id->own_groups) < 0)
		abort();
}

static bool same_groups(const struct identity *id)
{
	_cleanup_free_ gid_t *groups = NULL;
	size_t n;

	return !own_groups(&groups, &n) && n == id->n_groups && (!n || !memcmp(groups, id->groups, n * sizeof(*groups)));
}

int identity__become(const struct identity *id)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	/* in this order: without the user id of root the rest is not allowed any more */
	if (!same_groups(id) && setgroups(id->n_groups, id->groups) < 0)
		return -errno;
	if (setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
		return -errno;
	if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
		return -errno;
	if (ruid != id->uid || euid != id->uid || suid != id->uid || rgid != id->gid || egid != id->gid || sgid != id->gid)
		return -EPERM;
	return 0;
}

static bool has(const struct __user_cap_data_struct *sets, unsigned int capability)
{
	return sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

static int get_capabilities(struct __user_cap_data_struct *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, sets) < 0 ? -errno : 0;
}

static void take_out(struct __user_cap_data_struct *sets, unsigned int capability)
{
	sets[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	sets[CAP_TO_INDEX(capability)].permitted &= ~CAP_TO_MASK(capability);
}

int identity__drop_given(void)
{
	static const unsigned int over_files[] = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_CHOWN, CAP_FSETID };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
	int r;

	if (!getauxval(AT_SECURE) || !getuid())
		return 0;
	r = get_capabilities(sets);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(over_files) / sizeof(*over_files); i++)
		take_out(sets, over_files[i]);
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

int identity__missing_capabilities(char *buffer, size_t size)
{
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
	const struct { unsigned int number; const char *name; } needed[] = { { CAP_BPF, "CAP_BPF" }, { CAP_PERFMON, "CAP_PERFMON" } };
	int r = get_capabilities(sets);
	bool missing = false;
	size_t used = 0;

	if (r < 0)
		return r;
	if (size)
		buffer[0] = '\0';
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (has(sets, needed[i].number) || has(sets, CAP_SYS_ADMIN))
			continue;
		missing = true;
		if (used < size)
			used += (size_t)snprintf(buffer + used, size - used, "%s%s", used ? ", " : "", needed[i].name);
	}
	return missing ? -EPERM : 0;
}

int identity__may_profile(char problem[512])
{
	char missing[256] = "not known";
	int err = identity__missing_capabilities(missing, sizeof(missing));

	if (err)
		snprintf(problem, 512, "profiling needs the capabilities that this process lacks: %s; run it with sudo, or give them to the binary with setcap", missing);
	return err;
}

int identity__drop_capabilities(bool keep_admin)
{
	static const unsigned int keep[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_CHECKPOINT_RESTORE };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
	uint32_t mask[_LINUX_CAPABILITY_U32S_3] = {};
	int r = get_capabilities(sets);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(keep) / sizeof(*keep); i++)
		mask[CAP_TO_INDEX(keep[i])] |= CAP_TO_MASK(keep[i]);
	if (keep_admin)
		mask[CAP_TO_INDEX(CAP_SYS_ADMIN)] |= CAP_TO_MASK(CAP_SYS_ADMIN);
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].effective &= mask[i];
		sets[i].permitted &= mask[i];
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

const char *environment_get(char *const *environment, const char *name)
{
	size_t length = strlen(name);

	for (; environment && *environment; environment++)
		if (!strncmp(*environment, name, length) && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}
