// SPDX-License-Identifier: Apache-2.0
#include "export/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"

#define PART ".part-"

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int open_part(int folder, mode_t mode, char name[64])
{
	int fd = -1;

	for (unsigned int i = 0; fd < 0 && i < 100; i++) {
		snprintf(name, 64, PART "%d-%u", getpid(), i);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd < 0 && errno != EEXIST)
			return -errno;
	}
	return fd < 0 ? -EEXIST : fd;
}

int file_put(int folder, const char *name, const struct iovec *parts, int n_parts, mode_t mode)
{
	char part[64];
	int err = 0, fd = open_part(folder, mode, part);

	if (fd < 0)
		return fd;
	for (int i = 0; i < n_parts && !err; i++)
		err = write_all(fd, parts[i].iov_base, parts[i].iov_len);
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err && renameat2(folder, part, folder, name, RENAME_NOREPLACE) < 0)
		err = -errno;
	if (err)
		unlinkat(folder, part, 0);
	return err;
}

DIR *file_list(int folder)
{
	/* one of its own: a copy of the descriptor would share the place in the folder */
	_cleanup_close_ int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (dir)
		own = -1;
	return dir;
}

void file_sweep(int folder, unsigned int older_than_s)
{
	_cleanup_closedir_ DIR *dir = file_list(folder);
	time_t before = time(NULL) - (time_t)older_than_s;
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, PART, strlen(PART)) || fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode) && st.st_mtime <= before)
			unlinkat(folder, entry->d_name, 0);
	}
}
