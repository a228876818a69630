// SPDX-License-Identifier: Apache-2.0
#include "doctor/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

void checkup_add(struct checkup *c, enum health health, const char *remedy, const char *format, ...)
{
	struct check *check = &c->checks[c->n];
	va_list args;

	if (c->n == CHECKS_MAX)
		return;
	c->n++;
	check->health = health;
	va_start(args, format);
	vsnprintf(check->text, sizeof(check->text), format, args);
	va_end(args);
	snprintf(check->remedy, sizeof(check->remedy), "%s", remedy ? remedy : "");
}

bool check_read_line(const char *path, char *line, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);

	if (n < 0)
		return false;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	return true;
}

static bool may(const struct facts *f)
{
	return facts_have(f, CAP_SYS_ADMIN) || (facts_have(f, CAP_BPF) && facts_have(f, CAP_PERFMON));
}

const char *facts_reason(const struct facts *f, int err)
{
	switch (-err) {
	case ENOSYS:
		return "this kernel, or the sandbox that stands in for one, has no such call";
	case EACCES:
	case EPERM:
		if (f->user_namespace)
			return "capabilities of a user namespace do not count for it";
		if (!may(f))
			return "capabilities are missing";
		if (-err == EACCES && f->patched_paranoid)
			return "kernel.perf_event_paranoid is above 2, for which some distributions' kernels want CAP_SYS_ADMIN";
		return -err == EPERM && f->seccomp ? "a seccomp filter refuses it" : "a security module refuses it";
	case ENOMEM:
		return "there is not enough memory, or not enough may be locked";
	default:
		return strerror(-err);
	}
}

const char *facts_remedy(const struct facts *f, int err)
{
	switch (-err) {
	case ENOSYS:
		return "run it on a Linux kernel of its own: a virtual machine, WSL2, or the host (gVisor and WSL1 have none)";
	case EACCES:
	case EPERM:
		if (f->user_namespace)
			return "run it in the initial user namespace: on the host, or in a container that is neither rootless nor remapped";
		if (!may(f))
			return "run it with sudo, or give it the capabilities (see above)";
		if (-err == EACCES && f->patched_paranoid)
			return "sudo sysctl kernel.perf_event_paranoid=2, or run it with sudo";
		if (-err == EPERM && f->seccomp)
			return "start the container with --privileged, or with --security-opt seccomp=unconfined, or a profile that allows bpf and perf_event_open";
		return "see the audit log (dmesg, journalctl) for which rule it was; in a container, --privileged lifts them";
	case ENOMEM:
		return "raise the memory limit of the container or service, or (before Linux 5.11) ulimit -l";
	default:
		return f->blocker ? f->blocker : "'fixingahole doctor --verbose' shows what the kernel said";
	}
}
