// SPDX-License-Identifier: Apache-2.0
#include "target/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void scratch__remove(const char *directory)
{
	int fd = open_directory(directory);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir)))
		unlinkat(fd, entry->d_name, 0);
	rmdir(directory);
}

int scratch__lock(const char *directory)
{
	int fd = open_directory(directory);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* One of ours, of a profiler that is gone? */
static bool left_behind(const struct scratch_kind *kind, const char *name, const char *path)
{
	size_t length = strlen(kind->prefix);
	_cleanup_close_ int lock = -1;
	struct stat st;
	int pid;

	if (strncmp(name, kind->prefix, length) || sscanf(name + length, "%d-", &pid) != 1 || pid <= 0 || !kill(pid, 0) || errno != ESRCH)
		return false;
	lock = scratch__lock(path);
	return lock >= 0 && !fstat(lock, &st) && st.st_uid == geteuid() && time(NULL) - st.st_mtime >= kind->stale_s;
}

static void sweep(const struct scratch_kind *kind, const char *place)
{
	_cleanup_closedir_ DIR *dir = opendir(place);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s/%s", place, entry->d_name) < (int)sizeof(path) && left_behind(kind, entry->d_name, path))
			scratch__remove(path);
	}
}

int scratch__create(const struct scratch_kind *kind, const struct identity *id, void *context, char **directory)
{
	const char *const places[] = { "/dev/shm", environment_get(id->environment, "TMPDIR"), "/tmp", "/var/tmp" };
	int err = -ENOENT;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		_cleanup_free_ char *path = NULL;

		if (!places[i] || places[i][0] != '/' || !kind->fits(places[i]))
			continue;
		sweep(kind, places[i]);
		if (asprintf(&path, "%s/%s%d-XXXXXX", places[i], kind->prefix, getpid()) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (!mkdtemp(path)) {
			err = -errno;
			continue;
		}
		err = kind->fill(context, path);
		if (!err) {
			*directory = steal_ptr(path);
			return 0;
		}
		scratch__remove(path);
	}
	return err;
}
