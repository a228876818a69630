// SPDX-License-Identifier: Apache-2.0
#include <endian.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/xattr.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "doctor/check.h"
#include "util/cleanup.h"

#define WANTED "cap_bpf,cap_perfmon,cap_sys_ptrace"
#define GIVE "run it with sudo, or: sudo setcap " WANTED "+ep FILE, where FILE is this program"

static void read_status(struct facts *f)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/status", "re");
	unsigned long long effective;
	char line[256];
	int mode;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "CapEff: %llx", &effective) == 1)
			f->capabilities = effective;
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			f->seccomp = mode == 2;
	}
}

/* The initial namespace maps everybody to himself. */
static bool in_user_namespace(void)
{
	unsigned int inside, outside, count;
	char line[128];

	return check_read_line("/proc/self/uid_map", line, sizeof(line)) && (sscanf(line, "%u %u %u", &inside, &outside, &count) != 3 || inside || outside || count != UINT32_MAX);
}

static void check_user(struct checkup *c)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (c->facts.user_namespace)
		checkup_add(c, HEALTH_LIMITED, "run it on the host, or in a container that is neither rootless nor remapped", "the user namespace is not the initial one: the kernel's capabilities here do not count for BPF");
	else
		checkup_add(c, HEALTH_OK, NULL, "the user namespace is the initial one; we are %.64s", pw ? pw->pw_name : geteuid() ? "a user without a name" : "root");
}

static void check_capabilities(struct checkup *c)
{
	static const struct { unsigned int number; const char *name, *use; bool in_admin; enum health without; } all[] = {
		{ CAP_BPF, "CAP_BPF", "to load BPF programs", true, HEALTH_NO },
		{ CAP_PERFMON, "CAP_PERFMON", "for timers, tracepoints and probes", true, HEALTH_NO },
		{ CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to look into processes of other users, and of one's own that have capabilities", false, HEALTH_LIMITED },
		{ CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", "for libraries that were replaced under a running process", true, HEALTH_OK },
		{ CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "for programs and libraries that others may not read", false, HEALTH_OK },
	};
	const struct facts *f = &c->facts;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (facts_have(f, all[i].number))
			checkup_add(c, HEALTH_OK, NULL, "%s is there, %s", all[i].name, all[i].use);
		else if (all[i].in_admin && facts_have(f, CAP_SYS_ADMIN))
			checkup_add(c, HEALTH_OK, NULL, "CAP_SYS_ADMIN stands for %s, %s", all[i].name, all[i].use);
		else
			checkup_add(c, all[i].without, all[i].without && !f->user_namespace ? GIVE : NULL, all[i].without ? "%s is missing, %s" : "%s is not there: it is %s", all[i].name, all[i].use);
	}
}

#define NEEDED (1ULL << CAP_BPF | 1ULL << CAP_PERFMON)

/* What the file's attribute permits; 0: there is none. */
static uint64_t file_capabilities(void)
{
	struct vfs_ns_cap_data data = {};
	ssize_t n = getxattr("/proc/self/exe", XATTR_NAME_CAPS, &data, sizeof(data));

	if (n < (ssize_t)sizeof(struct vfs_cap_data))
		return 0;
	return le32toh(data.data[0].permitted) | (uint64_t)le32toh(data.data[1].permitted) << 32;
}

/* What stands in the way of those who have not what is needed, though somebody tried to give it to them. */
static void check_gifts(struct checkup *c)
{
	uint64_t file = file_capabilities();
	struct statvfs fs;

	if (file)
		checkup_add(c, (file & NEEDED) == NEEDED ? HEALTH_OK : HEALTH_LIMITED, (file & NEEDED) == NEEDED ? NULL : "sudo setcap " WANTED "+ep FILE, where FILE is this program",
			    (file & NEEDED) == NEEDED ? "the program's file gives the capabilities to whoever runs it" : "the program's file gives some capabilities, but not all");
	if ((c->facts.capabilities & NEEDED) == NEEDED || facts_have(&c->facts, CAP_SYS_ADMIN))
		return;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		checkup_add(c, HEALTH_NO, "leave it out: NoNewPrivileges=no of a service, --security-opt no-new-privileges of a container", "no_new_privs is set: neither sudo nor the file's capabilities work");
	if (file && !statvfs("/proc/self/exe", &fs) && fs.f_flag & ST_NOSUID)
		checkup_add(c, HEALTH_NO, "put the program on another file system, or mount this one without nosuid", "the program lies on a file system that is mounted nosuid: its capabilities do not count");
}

static void check_filter(struct checkup *c)
{
	if (!c->facts.seccomp)
		checkup_add(c, HEALTH_OK, NULL, "no seccomp filter is in force");
	else
		checkup_add(c, HEALTH_OK, NULL, "a seccomp filter is in force; what it lets through is tried below");
}

/* Settings that matter to those without the capabilities only. */
static void check_settings(struct checkup *c)
{
	struct facts *f = &c->facts;
	bool bpf = facts_have(f, CAP_BPF) || facts_have(f, CAP_SYS_ADMIN), perfmon = facts_have(f, CAP_PERFMON) || facts_have(f, CAP_SYS_ADMIN);
	char line[32];

	if (check_read_line("/proc/sys/kernel/unprivileged_bpf_disabled", line, sizeof(line)))
		checkup_add(c, HEALTH_OK, NULL, "kernel.unprivileged_bpf_disabled is %.16s: %s", line, bpf ? "of no matter with CAP_BPF" : "CAP_BPF is needed whatever it is");
	if (!check_read_line("/proc/sys/kernel/perf_event_paranoid", line, sizeof(line)))
		return;
	/* levels above 2 are no upstream kernel's */
	f->patched_paranoid = atoi(line) > 2 && !facts_have(f, CAP_SYS_ADMIN);
	checkup_add(c, HEALTH_OK, NULL, "kernel.perf_event_paranoid is %.16s: %s", line,
		    f->patched_paranoid ? "CAP_SYS_ADMIN may be needed" : perfmon ? "of no matter with our capabilities" : "CAP_PERFMON is needed whatever it is");
}

void check_rights(struct checkup *c)
{
	read_status(&c->facts);
	c->facts.user_namespace = in_user_namespace();
	check_user(c);
	check_capabilities(c);
	check_gifts(c);
	check_filter(c);
	check_settings(c);
}
