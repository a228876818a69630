/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: the CPythons of this machine, and running a script under one of them.
 */
#ifndef FIXINGAHOLE_TEST_INTERPRETERS_H
#define FIXINGAHOLE_TEST_INTERPRETERS_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct interpreter {
	char root[64];         /* to chroot into; "" for none */
	char path[PATH_MAX];   /* inside the root */
};

#define INTERPRETERS_MAX 32

/* 3.7 and later: Debian's, pyenv's, and those of the Debian root FIXINGAHOLE_SID (else /opt/sid). */
static inline size_t interpreters_find(struct interpreter *out)
{
	const char *home = getenv("HOME"), *sysroot = getenv("FIXINGAHOLE_SID");
	char one_digit[PATH_MAX], two_digits[PATH_MAX];
	const char *patterns[] = { "/usr/bin/python3", one_digit, two_digits };
	size_t n = 0;

	sysroot = sysroot ? sysroot : "/opt/sid";
	snprintf(one_digit, sizeof(one_digit), "%s/.pyenv/versions/3.[7-9].*/bin/python3", home ? home : "/root");
	snprintf(two_digits, sizeof(two_digits), "%s/.pyenv/versions/3.1[0-9].*/bin/python3", home ? home : "/root");
	for (size_t i = 0; i < 3; i++) {
		glob_t found;

		if (glob(patterns[i], 0, NULL, &found))
			continue;
		for (size_t k = 0; k < found.gl_pathc && n < INTERPRETERS_MAX; k++)
			snprintf(out[n++].path, PATH_MAX, "%s", found.gl_pathv[k]);
		globfree(&found);
	}
	for (int minor = 13; minor <= 15 && n < INTERPRETERS_MAX; minor++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/usr/bin/python3.%d", sysroot, minor);
		if (access(path, X_OK))
			continue;
		snprintf(out[n].root, sizeof(out[n].root), "%s", sysroot);
		snprintf(out[n++].path, PATH_MAX, "/usr/bin/python3.%d", minor);
	}
	return n;
}

struct running {
	pid_t pid;
	int in, out; /* the script's stdin and stdout */
};

static inline int interpreter_run(const struct interpreter *interpreter, const char *script, struct running *running)
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	running->pid = fork();
	if (running->pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		if (interpreter->root[0] && (chroot(interpreter->root) || chdir("/")))
			_exit(126);
		unsetenv("PYTHONPATH");
		execl(interpreter->path, "python3", "-S", "-c", script, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	running->in = in[1];
	running->out = out[0];
	return running->pid < 0 ? -errno : 0;
}

static inline void interpreter_stop(struct running *running)
{
	kill(running->pid, SIGKILL);
	waitpid(running->pid, NULL, __WALL);
	close(running->in);
	close(running->out);
}

/* Reads the script's output until it contains text; false at end of file or after 20 s. */
static inline int interpreter_await(struct running *running, char *buffer, size_t size, const char *text)
{
	size_t filled = strlen(buffer);

	while (!strstr(buffer, text)) {
		struct pollfd p = { .fd = running->out, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 20000) <= 0 || filled + 1 >= size)
			return 0;
		n = read(running->out, buffer + filled, size - filled - 1);
		if (n <= 0)
			return 0;
		filled += n;
		buffer[filled] = '\0';
	}
	return 1;
}

/* Registers of one thread, which is stopped for that moment only. */
static inline int thread_registers(pid_t tid, struct user_regs_struct *regs)
{
	int status, result;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL))
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return -ESRCH;
	result = ptrace(PTRACE_GETREGS, tid, NULL, regs) ? -errno : 0;
	ptrace(PTRACE_DETACH, tid, NULL, NULL);
	return result;
}

#endif
