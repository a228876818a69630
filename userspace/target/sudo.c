// SPDX-License-Identifier: Apache-2.0
#include "target/sudo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/identity.h"
#include "target/strv.h"
#include "util/cleanup.h"

/* execve(2) itself takes no more than a quarter of the stack limit; 6 MiB by default. */
#define PROC_FILE_MAX (32u << 20)
#define ANCESTORS_MAX 64

static int read_proc(pid_t pid, const char *name, char **data, size_t *size)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *buffer = NULL;
	size_t used = 0, room = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (used + 1 >= room) {
			char *bigger;

			room = room ? room * 2 : 8192;
			if (room > PROC_FILE_MAX)
				return -E2BIG;
			bigger = realloc(buffer, room);
			if (!bigger)
				return -ENOMEM;
			buffer = bigger;
		}
		n = read(fd, buffer + used, room - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buffer[used] = '\0';
	*data = steal_ptr(buffer);
	*size = used;
	return 0;
}

/* The command name may hold blanks and parentheses, so the fields are counted from the last ')'. */
static int parent_of(pid_t pid, char comm[32], pid_t *parent)
{
	_cleanup_free_ char *stat = NULL;
	const char *open, *close;
	size_t size, length;
	int r = read_proc(pid, "stat", &stat, &size);
	int value;

	if (r < 0)
		return r;
	open = strchr(stat, '(');
	close = strrchr(stat, ')');
	if (!open || !close || close < open || sscanf(close + 1, " %*c %d", &value) != 1)
		return -EBADMSG;
	length = (size_t)(close - open - 1);
	if (length > 31)
		length = 31;
	memcpy(comm, open + 1, length);
	comm[length] = '\0';
	*parent = value;
	return 0;
}

/* A real sudo: its file belongs to root and is set-user-ID. Anybody can call a program of his own "sudo". */
static bool is_sudo(pid_t pid, const char *comm)
{
	struct stat st;
	char path[64];

	if (strcmp(comm, "sudo") && strcmp(comm, "sudo-rs") && strcmp(comm, "sudo.ws"))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return !stat(path, &st) && st.st_uid == 0 && (st.st_mode & S_ISUID);
}

int sudo__parse_environ(struct strv *env, const char *data, size_t size)
{
	int r = strv_add(env, NULL);

	while (size && !r) {
		size_t length = strnlen(data, size);

		/* NAME=VALUE with a name; what has none is no variable, and NULs in a row are padding */
		if (length && memchr(data + 1, '=', length - 1) && data[0] != '=')
			r = strv_take(env, strndup(data, length));
		if (length == size)
			break;
		data += length + 1;
		size -= length + 1;
	}
	return r;
}

static bool is_assignment(const char *word)
{
	const char *p = word;

	if (!*p || (*p >= '0' && *p <= '9'))
		return false;
	for (; *p && *p != '='; p++)
		if (*p != '_' && !(*p >= '0' && *p <= '9') && !(*p >= 'A' && *p <= 'Z') && !(*p >= 'a' && *p <= 'z'))
			return false;
	return *p == '=' && p > word;
}

/* sudo [-options] [NAME=VALUE]… command …: options with a separate argument are the only trap. */
int sudo__apply_cmdline(struct strv *env, const char *data, size_t size)
{
	static const char with_argument[] = "aCcDghpRrTtUu";
	bool skip = true; /* argv[0] */
	int r = 0;

	while (size && !r) {
		size_t length = strnlen(data, size);
		_cleanup_free_ char *word = strndup(data, length);

		if (!word)
			return -ENOMEM;
		if (skip) {
			skip = false;
		} else if (word[0] == '-') {
			const char *option = word + 1 + strcspn(word + 1, with_argument);

			skip = word[1] != '-' && *option && !option[1];
		} else if (is_assignment(word)) {
			char *value = strchr(word, '=');

			*value = '\0';
			r = strv_set(env, word, value + 1);
		} else {
			break;
		}
		if (length == size)
			break;
		data += length + 1;
		size -= length + 1;
	}
	return r;
}

char **sudo__environment_before(void)
{
	_cleanup_free_ char *environ_data = NULL, *cmdline = NULL;
	struct strv env = {};
	pid_t pid = getppid(), parent;
	size_t size;
	char comm[32];

	for (int i = 0;; i++, pid = parent) {
		if (i == ANCESTORS_MAX || pid <= 1 || parent_of(pid, comm, &parent) < 0)
			return NULL;
		if (is_sudo(pid, comm))
			break;
	}
	if (read_proc(pid, "environ", &environ_data, &size) < 0 || !size || sudo__parse_environ(&env, environ_data, size) < 0) {
		strv_release(&env);
		return NULL;
	}
	if (!read_proc(pid, "cmdline", &cmdline, &size) && sudo__apply_cmdline(&env, cmdline, size) < 0) {
		strv_release(&env);
		return NULL;
	}
	return env.items;
}
