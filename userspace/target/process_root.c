// SPDX-License-Identifier: Apache-2.0
#include "target/process_root.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image/remote.h"
#include "util/cleanup.h"

/* The numbers of a line of /proc/PID/status; how many there are, or -ENOMEM. */
static int parse_numbers(const char *text, gid_t **out)
{
	gid_t *numbers = calloc(strlen(text) / 2 + 1, sizeof(*numbers));
	char *end;
	int n = 0;

	if (!numbers)
		return -ENOMEM;
	for (;; text = end) {
		unsigned long value = strtoul(text, &end, 10);

		if (end == text)
			break;
		numbers[n++] = value;
	}
	*out = numbers;
	return n;
}

/* Ids that count for files: the fourth of Uid and Gid. */
static int read_owner(pid_t pid, const struct identity *own, struct identity *owner)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	char path[64];
	int seen = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &capacity, file) > 0) {
		seen += sscanf(line, "Uid: %*u %*u %*u %u", &owner->uid) == 1;
		seen += sscanf(line, "Gid: %*u %*u %*u %u", &owner->gid) == 1;
		if (!strncmp(line, "Groups:", 7)) {
			int n = parse_numbers(line + 7, &owner->groups);

			if (n < 0)
				return n;
			owner->n_groups = n;
			seen++;
		}
	}
	if (seen != 3)
		return -ESRCH;
	owner->own_groups = own->own_groups;
	owner->n_own_groups = own->n_own_groups;
	return 0;
}

static char *read_link(pid_t pid, const char *name)
{
	char path[64], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return NULL;
	target[n] = 0;
	return strdup(target);
}

/* The kernel names both by our root; the process by its own. */
static char *own_directory(pid_t pid)
{
	_cleanup_free_ char *root = read_link(pid, "root"), *directory = read_link(pid, "cwd");
	size_t n = root ? strlen(root) : 0;

	if (!root || !directory || directory[0] != '/')
		return strdup("/");
	if (n > 1 && !strncmp(directory, root, n) && (!directory[n] || directory[n] == '/'))
		return strdup(directory[n] ? directory + n : "/");
	return steal_ptr(directory);
}

int process_root__open(struct process_root *out, pid_t pid, const struct identity *own)
{
	struct process_root root = { .fd = -1 };
	struct stat st;
	char path[64];
	int err;

	pid = remote__thread(pid);
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	root.fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = fstat(root.fd, &st) ? -errno : read_owner(pid, own, &root.owner);
	root.directory = err ? NULL : own_directory(pid);
	if (!err && !root.directory)
		err = -ENOMEM;
	if (err) {
		process_root__close(&root);
		return err;
	}
	root.device = st.st_dev;
	root.inode = st.st_ino;
	*out = root;
	return 0;
}

void process_root__close(struct process_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	free(root->owner.groups);
	free(root->directory);
	*root = (struct process_root){ .fd = -1 };
}

static int open_inside(const struct process_root *root, const char *path, int flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd = syscall(SYS_openat2, root->fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int process_root__open_file(const struct process_root *root, const char *path, int flags)
{
	int fd = identity__enter(&root->owner);

	if (fd)
		return fd;
	fd = open_inside(root, path, flags);
	identity__leave(&root->owner);
	return fd;
}

int process_root__exists(const struct process_root *root, const char *path)
{
	int fd = process_root__open_file(root, path, O_PATH);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}
