// SPDX-License-Identifier: Apache-2.0
#include "export/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/file.h"
#include "target/outputs.h"
#include "util/cleanup.h"

#define SUFFIX ".pb.gz"
#define STAMP_LENGTH 15  /* yyyymmdd_hhmmss */
#define SAME_SECOND 1000 /* files of one second */
#define STALE_S 3600

struct folder {
	const struct identity *identity;
	struct folder_limits limits;
	char *path;
	int fd;
	uint64_t removed;
	char last[STAMP_LENGTH + 1]; /* stamp of the last file, and how many there were of it */
	unsigned int same;
};

/* A file of ours. */
struct kept {
	char name[STAMP_LENGTH + sizeof("_9999" SUFFIX)];
	unsigned int number; /* behind the stamp */
	uint64_t bytes;
};

static int open_folder(struct folder *f)
{
	int err = outputs_make_folders(f->path);

	if (err)
		return err;
	if (f->fd >= 0)
		close(f->fd);
	f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->fd < 0 ? -errno : 0;
}

/*
 * Capabilities that override a folder's mode are dropped before the first file is written, so they must not count when it is
 * chosen. Access lists are looked at only where we have none.
 */
static int check_writable(const struct folder *f)
{
	const struct identity *id = f->identity;
	bool group = false;
	unsigned int bits;
	struct stat st;

	if (geteuid())
		return faccessat(f->fd, ".", W_OK | X_OK, AT_EACCESS) < 0 ? -errno : 0;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	for (size_t i = 0; i < id->n_groups; i++)
		group = group || id->groups[i] == st.st_gid;
	bits = st.st_uid == id->uid ? st.st_mode >> 6 : group || id->gid == st.st_gid ? st.st_mode >> 3 : st.st_mode;
	return (bits & 3) == 3 ? 0 : -EACCES;
}

int folder__new(struct folder **out, const char *path, const struct identity *identity, const struct folder_limits *limits, char problem[512])
{
	struct folder *f = calloc(1, sizeof(*f));
	int err = f ? 0 : -ENOMEM;

	if (f) {
		*f = (struct folder){ .identity = identity, .limits = *limits, .path = strdup(path), .fd = -1 };
		err = f->path ? identity__enter(identity) : -ENOMEM;
	}
	if (!err) {
		err = open_folder(f);
		err = err ? err : check_writable(f);
		if (!err)
			file_sweep(f->fd, STALE_S);
		identity__leave(identity);
	}
	if (err) {
		snprintf(problem, 512, "cannot write to the folder '%.300s': %s; choose another one with --output", path, strerror(-err));
		folder__free(f);
		return err;
	}
	*out = f;
	return 0;
}

void folder__free(struct folder *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

void folder__limit(struct folder *f, const struct folder_limits *limits)
{
	f->limits = *limits;
}

const char *folder__path(const struct folder *f)
{
	return f->path;
}

uint64_t folder__removed(const struct folder *f)
{
	return f->removed;
}

/* --- rotation --- */

/* Exactly the names that folder__put() gives. */
static bool is_ours(const char *name, unsigned int *number)
{
	const char *at = name;
	unsigned int digits = 0;

	*number = 0;
	for (unsigned int i = 0; i < STAMP_LENGTH; i++, at++)
		if (i == 8 ? *at != '_' : *at < '0' || *at > '9')
			return false;
	if (*at == '_') {
		for (at++; *at >= '0' && *at <= '9' && digits < 4; at++, digits++)
			*number = *number * 10 + (unsigned int)(*at - '0');
		if (!*number)
			return false;
	}
	return !strcmp(at, SUFFIX);
}

static int compare(const void *left, const void *right)
{
	const struct kept *a = left, *b = right;
	int order = memcmp(a->name, b->name, STAMP_LENGTH);

	return order ? order : (a->number > b->number) - (a->number < b->number);
}

/* All files of ours, from the oldest on. 0 or -errno. */
static int list(const struct folder *f, struct kept **out, size_t *out_n)
{
	_cleanup_closedir_ DIR *dir = file_list(f->fd);
	_cleanup_free_ struct kept *kept = NULL;
	size_t n = 0, room = 0;
	struct dirent *entry;
	unsigned int number;
	struct stat st;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (!is_ours(entry->d_name, &number) || fstatat(f->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (n == room) {
			struct kept *grown = reallocarray(kept, room + 256, sizeof(*kept));

			if (!grown)
				return -ENOMEM;
			kept = grown;
			room += 256;
		}
		kept[n] = (struct kept){ .number = number, .bytes = (uint64_t)st.st_size };
		/* is_ours() knows their length */
		strcpy(kept[n++].name, entry->d_name);
	}
	if (n)
		qsort(kept, n, sizeof(*kept), compare);
	*out = steal_ptr(kept);
	*out_n = n;
	return 0;
}

static void rotate(struct folder *f, const char *newest)
{
	_cleanup_free_ struct kept *kept = NULL;
	uint64_t bytes = 0;
	size_t n = 0, left;

	if ((!f->limits.files && !f->limits.bytes) || list(f, &kept, &n))
		return;
	for (size_t i = 0; i < n; i++)
		bytes += kept[i].bytes;
	left = n;
	for (size_t i = 0; i < n; i++) {
		bool many = f->limits.files && left > f->limits.files;
		bool large = f->limits.bytes && bytes > f->limits.bytes;

		if (!many && !large)
			return;
		if (!strcmp(kept[i].name, newest) || unlinkat(f->fd, kept[i].name, 0) < 0)
			continue;
		f->removed++;
		left--;
		bytes -= kept[i].bytes;
	}
}

/* --- writing --- */

static int put(struct folder *f, const char *stamp, const struct iovec *part)
{
	char name[48];
	int err = -EEXIST;

	/* a name that was removed meanwhile is not given again: it would be the newest file and seem the oldest */
	if (strcmp(stamp, f->last))
		f->same = 0;
	strcpy(f->last, stamp);
	for (unsigned int i = f->same; err == -EEXIST && i < SAME_SECOND; i++) {
		if (i)
			snprintf(name, sizeof(name), "%s_%u" SUFFIX, stamp, i);
		else
			snprintf(name, sizeof(name), "%s" SUFFIX, stamp);
		err = file_put(f->fd, name, part, 1, 0666);
		if (!err)
			f->same = i + 1;
	}
	if (!err)
		rotate(f, name);
	return err;
}

int folder__put(struct folder *f, time_t when, const void *data, size_t size)
{
	const struct iovec part = { .iov_base = (void *)data, .iov_len = size };
	char stamp[STAMP_LENGTH + 1];
	struct tm tm;
	int err;

	if (!gmtime_r(&when, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm) != STAMP_LENGTH)
		return -EINVAL;
	err = identity__enter(f->identity);
	if (err)
		return err;
	err = put(f, stamp, &part);
	if (err == -ENOENT) {
		err = open_folder(f);
		err = err ? err : put(f, stamp, &part);
	}
	identity__leave(f->identity);
	return err;
}
