// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/check.h"
#include "util/cleanup.h"

/* Less than this, and a run may be killed for it. */
#define MEMORY_WANTED (64ULL << 20)

/* How the runtimes mark what they start; NULL: no mark. */
static const char *container_kind(void)
{
	static char name[64];
	char line[512];
	const char *variable = getenv("container");

	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "Kubernetes";
	if (!access("/run/.containerenv", F_OK))
		return "Podman";
	if (!access("/.dockerenv", F_OK))
		return "Docker";
	if (variable && *variable) {
		snprintf(name, sizeof(name), "%.60s", variable);
		return name;
	}
	if (check_read_line("/run/systemd/container", name, sizeof(name)) && *name)
		return name;
	if (check_read_line("/proc/1/cgroup", line, sizeof(line))) {
		if (strstr(line, "kubepods"))
			return "Kubernetes";
		if (strstr(line, "/docker") || strstr(line, "containerd"))
			return "Docker";
		if (strstr(line, "/lxc"))
			return "lxc";
	}
	return NULL;
}

/* The kernel's first namespace of that kind always has this inode. */
static bool is_initial(const char *kind, unsigned int inode)
{
	char path[64], target[64], expected[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return true;
	target[n] = 0;
	snprintf(expected, sizeof(expected), "%s:[%u]", kind, inode);
	return !strcmp(target, expected);
}

static void check_container(struct checkup *c)
{
	const char *kind = container_kind();

	c->facts.pid_namespace = !is_initial("pid", 4026531836U);
	if (kind)
		checkup_add(c, HEALTH_OK, NULL, "the marks of a container are there: %.60s", kind);
	else
		checkup_add(c, HEALTH_OK, NULL, "no marks of a container");
	if (c->facts.pid_namespace)
		checkup_add(c, HEALTH_LIMITED, "start the container with the host's PIDs (docker run --pid=host; hostPID: true in Kubernetes), or run this on the host",
			    "the PID namespace is not the host's: what runs outside of it cannot be attached to");
	else
		checkup_add(c, HEALTH_OK, NULL, "the PID namespace is the host's: any process can be named");
}

/* Options of the file system that /proc is. */
static void proc_options(char *options, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;

	options[0] = 0;
	while (file && getline(&line, &capacity, file) > 0) {
		char place[256] = "", *rest = strstr(line, " - proc ");

		if (rest && sscanf(line, "%*s %*s %*s %*s %255s", place) == 1 && !strcmp(place, "/proc"))
			snprintf(options, size, "%s", rest);
	}
}

static void check_proc(struct checkup *c)
{
	char self[32] = "", options[512];
	ssize_t n = readlink("/proc/self", self, sizeof(self) - 1);
	const char *hidden;

	proc_options(options, sizeof(options));
	hidden = strstr(options, "hidepid=");
	if (n <= 0 || atoi(self) != getpid())
		checkup_add(c, HEALTH_NO, "mount -t proc proc /proc, in this namespace (unshare has --mount-proc for it)", "/proc is %s", n > 0 ? "another PID namespace's" : "not mounted");
	else if (strstr(options, "subset=pid"))
		checkup_add(c, HEALTH_LIMITED, "mount it without subset=pid", "/proc shows processes only, nothing of the kernel's settings");
	else if (hidden && strncmp(hidden, "hidepid=0", 9) && strncmp(hidden, "hidepid=off", 11) && !facts_have(&c->facts, CAP_SYS_PTRACE))
		checkup_add(c, HEALTH_LIMITED, "run it with CAP_SYS_PTRACE (sudo), or mount /proc with gid= of a group that you are in", "/proc hides the processes of others (hidepid)");
	else
		checkup_add(c, HEALTH_OK, NULL, "/proc shows all processes of this PID namespace");
}

static void check_yama(struct checkup *c)
{
	char line[32];
	int scope;

	if (!check_read_line("/proc/sys/kernel/yama/ptrace_scope", line, sizeof(line)))
		return;
	scope = atoi(line);
	if (scope >= 3)
		checkup_add(c, HEALTH_LIMITED, "boot with kernel.yama.ptrace_scope=2 or less: 3 can be taken back by a restart only", "kernel.yama.ptrace_scope is %d: nobody may read another process's memory, so processes that wait have no stack when they are attached to", scope);
	else if (scope && !facts_have(&c->facts, CAP_SYS_PTRACE))
		checkup_add(c, HEALTH_LIMITED, "give it CAP_SYS_PTRACE", "kernel.yama.ptrace_scope is %d: without CAP_SYS_PTRACE only scripts that we start can be looked at", scope);
	else
		checkup_add(c, HEALTH_OK, NULL, "kernel.yama.ptrace_scope is %d%s", scope, scope ? ": of no matter with CAP_SYS_PTRACE" : "");
}

static void check_cgroups(struct checkup *c)
{
	bool second = !access("/sys/fs/cgroup/cgroup.controllers", F_OK), mixed = !access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK), first = !access("/sys/fs/cgroup/memory", F_OK);
	unsigned long long limit = 0;
	char line[64];

	if (second)
		checkup_add(c, HEALTH_OK, NULL, "control groups: version 2");
	else if (mixed || first)
		checkup_add(c, HEALTH_OK, NULL, "control groups: version 1%s", mixed ? ", with 2 beside it" : "");
	else
		checkup_add(c, HEALTH_LIMITED, "mount it: in a container, /sys/fs/cgroup of the host", "no control groups at /sys/fs/cgroup: --cgroup finds nothing");
	if ((check_read_line("/sys/fs/cgroup/memory.max", line, sizeof(line)) || check_read_line("/sys/fs/cgroup/memory/memory.limit_in_bytes", line, sizeof(line))) &&
	    sscanf(line, "%llu", &limit) == 1 && limit < MEMORY_WANTED)
		checkup_add(c, HEALTH_LIMITED, "raise it to 64 MB more than the program needs", "the memory limit here is %.0f MB, of which the profiler takes some 25", limit / 1048576.0);
}

void check_surroundings(struct checkup *c)
{
	check_container(c);
	check_proc(c);
	check_yama(c);
	check_cgroups(c);
}
