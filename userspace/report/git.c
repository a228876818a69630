// SPDX-License-Identifier: Apache-2.0
#include "report/git.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "report/text.h"
#include "util/cleanup.h"

#define OUTPUT_MAX (16u * 1024 * 1024)
#define ARGUMENTS_MAX 12

struct runner {
	const char *directory;
	uid_t uid; /* 0: stay as we are */
	gid_t gid;
	char *environment[6];
};

/* In the child; only what is allowed between fork and exec in a program with threads. */
__attribute__((noreturn)) static void run_child(const struct runner *runner, char *const *argv, int output)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	if (runner->uid && (setgroups(0, NULL) < 0 || setgid(runner->gid) < 0 || setuid(runner->uid) < 0))
		_exit(127);
	execvpe("git", argv, runner->environment);
	_exit(127);
}

static char *read_output(int fd, size_t *size)
{
	_cleanup_free_ char *text = malloc(4096);
	size_t capacity = 4096, have = 0;

	while (text) {
		ssize_t n = read(fd, text + have, capacity - have - 1);
		char *grown;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			text[have] = '\0';
			*size = have;
			return n < 0 ? NULL : steal_ptr(text);
		}
		have += (size_t)n;
		if (capacity - have > 1)
			continue;
		if (capacity >= OUTPUT_MAX)
			return NULL;
		grown = realloc(text, capacity * 2);
		if (!grown)
			return NULL;
		text = grown;
		capacity *= 2;
	}
	return NULL;
}

/* Output of git with these arguments (NULL-terminated), or NULL if it failed. */
static char *run_git(const struct runner *runner, const char *const *arguments, size_t *size)
{
	/* nothing that a repository's settings could start */
	const char *argv[ARGUMENTS_MAX] = {"git", "-c", "core.fsmonitor=false", "-C", runner->directory};
	size_t n = 5, have = 0;
	int pipe_fds[2], status;
	char *text;
	pid_t pid;

	for (; *arguments && n + 1 < ARGUMENTS_MAX; arguments++)
		argv[n++] = *arguments;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return NULL;
	pid = fork();
	if (pid == 0)
		run_child(runner, (char *const *)argv, pipe_fds[1]);
	close(pipe_fds[1]);
	text = pid > 0 ? read_output(pipe_fds[0], &have) : NULL;
	close(pipe_fds[0]);
	if (pid < 0)
		return NULL;
	if (!text)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			status = -1;
			break;
		}
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		free(text);
		return NULL;
	}
	*size = have;
	return text;
}

/* One line of output, without its end; NULL if git failed or said nothing. */
static char *git_line(const struct runner *runner, const char *const *arguments)
{
	size_t size;
	char *text = run_git(runner, arguments, &size);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	if (text && !*text) {
		free(text);
		text = NULL;
	}
	return text;
}

/* "git@host:group/name.git" -> "name" */
static char *repository_name(const char *origin)
{
	size_t length = strlen(origin);
	const char *start;

	while (length && origin[length - 1] == '/')
		length--;
	for (start = origin + length; start > origin && start[-1] != '/' && start[-1] != ':'; start--)
		;
	length -= (size_t)(start - origin);
	if (length > 4 && !memcmp(start + length - 4, ".git", 4))
		length -= 4;
	return length ? strndup(start, length) : NULL;
}

/* From "XY path\0" records (a rename is followed by its old path) to "path\0". */
static void keep_paths(struct git_facts *facts, char *status, size_t size)
{
	size_t at = 0, to = 0;

	while (at + 4 <= size) {
		char *record = status + at, state = record[0];
		size_t length = strnlen(record, size - at), name = length > 3 ? length - 3 : 0;

		memmove(status + to, record + (length - name), name);
		to += name;
		status[to++] = '\0';
		at += length + 1;
		if (state == 'R' || state == 'C')
			at += at < size ? strnlen(status + at, size - at) + 1 : 0;
	}
	facts->dirty = status;
	facts->dirty_size = to;
}

static int prepare(struct runner *runner, const char *directory, char buffers[2][4200])
{
	const char *path = getenv("PATH"), *home = getenv("HOME");
	struct stat st;
	size_t n = 0;

	*runner = (struct runner){.directory = directory};
	if (stat(directory, &st) < 0)
		return -errno;
	if (geteuid() == 0 && st.st_uid != 0) {
		const struct passwd *user = getpwuid(st.st_uid);

		runner->uid = st.st_uid;
		runner->gid = user ? user->pw_gid : st.st_gid;
		home = user ? user->pw_dir : "/nonexistent";
	}
	snprintf(buffers[0], sizeof(buffers[0]), "PATH=%s", path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
	snprintf(buffers[1], sizeof(buffers[1]), "HOME=%s", home ? home : "/nonexistent");
	runner->environment[n++] = buffers[0];
	runner->environment[n++] = buffers[1];
	runner->environment[n++] = (char *)"LC_ALL=C";
	runner->environment[n++] = (char *)"GIT_OPTIONAL_LOCKS=0"; /* leave no files of ours in the index */
	return 0;
}

void git_facts__read(struct git_facts *facts, const char *directory)
{
	_cleanup_free_ char *origin = NULL;
	char buffers[2][4200], *status;
	struct runner runner;
	size_t size;

	*facts = (struct git_facts){0};
	if (prepare(&runner, directory, buffers) < 0)
		return;
	facts->top = git_line(&runner, (const char *const[]){"rev-parse", "--show-toplevel", NULL});
	if (!facts->top)
		return;
	origin = git_line(&runner, (const char *const[]){"config", "--get", "remote.origin.url", NULL});
	facts->repo = repository_name(origin ? origin : facts->top);
	facts->branch = git_line(&runner, (const char *const[]){"symbolic-ref", "--short", "-q", "HEAD", NULL});
	facts->commit = git_line(&runner, (const char *const[]){"rev-parse", "--verify", "-q", "HEAD", NULL});
	status = run_git(&runner, (const char *const[]){"status", "--porcelain", "-z", "--untracked-files=no", NULL}, &size);
	if (status)
		keep_paths(facts, status, size);
}

void git_facts__release(struct git_facts *facts)
{
	free(facts->repo);
	free(facts->branch);
	free(facts->commit);
	free(facts->top);
	free(facts->dirty);
	*facts = (struct git_facts){0};
}
