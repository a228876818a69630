// SPDX-License-Identifier: Apache-2.0
#include "target/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "util/cleanup.h"

/*
 * The waiting child and the profiler talk over a socket pair of which each holds one end, both close-on-exec:
 *
 *   profiler                              child
 *   struct message, its bytes   ----->    read: end of file means that the profiler is gone, so exit
 *                               <-----    struct reply STEP_EXEC, 0: everything else worked
 *                               <-----    struct reply with the step and errno, or
 *   end of file: exec succeeded           execve closed the socket
 *
 * After exec nothing ties the script to the profiler: no parent-death signal, no pipe, no group of its own.
 */
struct message {
	uint64_t size; /* of what follows: groups, then strings, each with its NUL */
	uint32_t has_identity, has_directory;
	uint32_t uid, gid;
	uint32_t n_groups;
	uint32_t argc, envc;
	uint32_t pad;
};

enum step { STEP_RECEIVE, STEP_IDENTITY, STEP_DIRECTORY, STEP_EXEC, STEP_COUNT };

struct reply {
	int32_t error;
	uint32_t step;
};

struct launch {
	pid_t pid;
	int socket;
	bool started, reaped;
	int status;
	struct rusage usage;
};

/*
 * What the script would have got from whoever started us. Taken before main() so that nothing of ours is in it,
 * constant from then on; a second launch (--repeat) starts from it as the first one does.
 */
static struct {
	sigset_t mask;
	sigset_t ignored;
	struct rlimit files, locked;
} inherited;

__attribute__((constructor)) static void record_inherited(void)
{
	sigemptyset(&inherited.ignored);
	for (int signal = 1; signal < NSIG; signal++) {
		struct sigaction action;

		if (!sigaction(signal, NULL, &action) && action.sa_handler == SIG_IGN)
			sigaddset(&inherited.ignored, signal);
	}
	sigprocmask(SIG_BLOCK, NULL, &inherited.mask);
	getrlimit(RLIMIT_NOFILE, &inherited.files);
	getrlimit(RLIMIT_MEMLOCK, &inherited.locked);
}

static void restore_inherited(void)
{
	for (int signal = 1; signal < NSIG; signal++) {
		struct sigaction action = { .sa_handler = sigismember(&inherited.ignored, signal) == 1 ? SIG_IGN : SIG_DFL };

		/* SIGKILL, SIGSTOP and glibc's own two refuse: they need nothing */
		sigaction(signal, &action, NULL);
	}
	setrlimit(RLIMIT_NOFILE, &inherited.files);
	setrlimit(RLIMIT_MEMLOCK, &inherited.locked);
	sigprocmask(SIG_SETMASK, &inherited.mask, NULL);
}

/* 1: all of it; 0: end of file; -errno. */
static int receive(int fd, void *data, size_t size)
{
	char *p = data;

	while (size) {
		ssize_t n = read(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		p += n;
		size -= (size_t)n;
	}
	return 1;
}

static int transmit(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* --- the child --- */

__attribute__((noreturn)) static void give_up(int fd, enum step step, int error)
{
	struct reply reply = { .error = error, .step = step };

	transmit(fd, &reply, sizeof(reply));
	_exit(127);
}

/* Points vector at the next n strings of the message. */
static char *take_strings(char *p, const char *end, char **vector, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t length = strnlen(p, (size_t)(end - p));

		if (p + length == end)
			return NULL;
		vector[i] = p;
		p += length + 1;
	}
	return p;
}

__attribute__((noreturn)) static void child_run(int fd, const struct message *m, char *body)
{
	struct reply ready = { .step = STEP_EXEC };
	size_t groups_size = (size_t)m->n_groups * sizeof(gid_t);
	char **argv = calloc((size_t)m->argc + 1, sizeof(*argv));
	char **envp = calloc((size_t)m->envc + 1, sizeof(*envp));
	char *program, *directory = NULL, *p = body + groups_size;
	const char *end = body + m->size;
	int r;

	if (!argv || !envp)
		give_up(fd, STEP_RECEIVE, -ENOMEM);
	p = groups_size <= m->size ? take_strings(p, end, &program, 1) : NULL;
	if (p && m->has_directory)
		p = take_strings(p, end, &directory, 1);
	if (p)
		p = take_strings(p, end, argv, m->argc);
	if (p)
		p = take_strings(p, end, envp, m->envc);
	if (!p)
		give_up(fd, STEP_RECEIVE, -EBADMSG);

	restore_inherited();
	if (m->has_identity) {
		struct identity id = { .uid = m->uid, .gid = m->gid, .groups = (gid_t *)(void *)body, .n_groups = m->n_groups };

		r = identity__become(&id);
		if (r < 0)
			give_up(fd, STEP_IDENTITY, r);
	}
	if (directory && chdir(directory) < 0)
		give_up(fd, STEP_DIRECTORY, -errno);
	if (transmit(fd, &ready, sizeof(ready)) < 0)
		_exit(127);
	execve(program, argv, envp);
	give_up(fd, STEP_EXEC, -errno);
}

__attribute__((noreturn)) static void child_wait(int fd)
{
	struct sigaction action;
	struct message m;
	char *body;
	int r;

	/* handlers of ours make no sense in here: until exec a signal does what it would do to the script */
	for (int signal = 1; signal < NSIG; signal++) {
		if (sigaction(signal, NULL, &action) || action.sa_handler == SIG_IGN || action.sa_handler == SIG_DFL)
			continue;
		action = (struct sigaction){ .sa_handler = SIG_DFL };
		sigaction(signal, &action, NULL);
	}
	r = receive(fd, &m, sizeof(m));
	if (r <= 0)
		_exit(127);
	body = malloc(m.size ? m.size : 1);
	if (!body)
		give_up(fd, STEP_RECEIVE, -ENOMEM);
	r = receive(fd, body, m.size);
	if (r <= 0)
		_exit(127);
	child_run(fd, &m, body);
}

/* --- the profiler --- */

int launch__prepare(struct launch **out)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int sockets[2], r;

	if (!launch)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		r = -errno;
		free(launch);
		return r;
	}
	launch->pid = fork();
	if (launch->pid < 0) {
		r = -errno;
		close(sockets[0]);
		close(sockets[1]);
		free(launch);
		return r;
	}
	if (launch->pid == 0) {
		close(sockets[0]);
		child_wait(sockets[1]);
	}
	close(sockets[1]);
	launch->socket = sockets[0];
	*out = launch;
	return 0;
}

pid_t launch__pid(const struct launch *launch)
{
	return launch->pid;
}

static uint32_t count(char *const *strings, uint64_t *size)
{
	uint32_t n = 0;

	for (; *strings; strings++, n++)
		*size += strlen(*strings) + 1;
	return n;
}

static int send_strings(int fd, char *const *strings)
{
	int r = 0;

	for (; *strings && !r; strings++)
		r = transmit(fd, *strings, strlen(*strings) + 1);
	return r;
}

static int send_spec(int fd, const struct launch_spec *spec)
{
	const struct identity *id = spec->identity;
	struct message m = { .size = strlen(spec->program) + 1 };
	int r;

	if (id) {
		m.has_identity = 1;
		m.uid = id->uid;
		m.gid = id->gid;
		m.n_groups = (uint32_t)id->n_groups;
		m.size += id->n_groups * sizeof(*id->groups);
	}
	if (spec->directory) {
		m.has_directory = 1;
		m.size += strlen(spec->directory) + 1;
	}
	m.argc = count(spec->argv, &m.size);
	m.envc = count(spec->envp, &m.size);
	r = transmit(fd, &m, sizeof(m));
	if (!r && id)
		r = transmit(fd, id->groups, id->n_groups * sizeof(*id->groups));
	if (!r)
		r = transmit(fd, spec->program, strlen(spec->program) + 1);
	if (!r && spec->directory)
		r = transmit(fd, spec->directory, strlen(spec->directory) + 1);
	if (!r)
		r = send_strings(fd, spec->argv);
	return r ? r : send_strings(fd, spec->envp);
}

int launch__start(struct launch *launch, const struct launch_spec *spec, const char **step)
{
	static const char *const names[STEP_COUNT] = {
		[STEP_RECEIVE] = "start",
		[STEP_IDENTITY] = "become the user",
		[STEP_DIRECTORY] = "change to its directory",
		[STEP_EXEC] = "execute",
	};
	enum step reached = STEP_RECEIVE;
	struct reply reply;
	int r;

	if (launch->started || launch->socket < 0)
		return -EALREADY;
	r = send_spec(launch->socket, spec);
	/* a child that gave up before it had read everything may still have said why */
	while (!r || r == -EPIPE || r == -ECONNRESET) {
		int got = receive(launch->socket, &reply, sizeof(reply));

		if (got <= 0) {
			if (reached == STEP_EXEC)
				launch->started = true; /* end of file after "ready": execve closed the socket */
			else
				r = r ? r : -ECHILD; /* killed while it waited */
			break;
		}
		reached = reply.step < STEP_COUNT ? reply.step : STEP_RECEIVE;
		r = reply.error;
		if (r)
			break;
	}
	close(launch->socket);
	launch->socket = -1;
	if (launch->started)
		return 0;
	*step = names[reached];
	return r;
}

int launch__poll(struct launch *launch, int *status, struct rusage *usage)
{
	if (!launch->reaped) {
		pid_t pid = wait4(launch->pid, &launch->status, WNOHANG, &launch->usage);

		if (pid < 0)
			return -errno;
		if (pid == 0)
			return 0;
		launch->reaped = true;
	}
	*status = launch->status;
	*usage = launch->usage;
	return 1;
}

void launch__free(struct launch *launch)
{
	if (!launch)
		return;
	if (launch->socket >= 0)
		close(launch->socket);
	if (!launch->started && !launch->reaped) {
		kill(launch->pid, SIGKILL);
		while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	free(launch);
}
