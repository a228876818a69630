// SPDX-License-Identifier: Apache-2.0
#include "image/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"

#define DELETED_MARK " (deleted)"

/* Longest line that the kernel writes: a path of PATH_MAX bytes, each of which may become "\012". */
#define LINE_MAX_SIZE (4 * PATH_MAX + 256)

/* A hexadecimal (or decimal) number and the character that must follow it. */
static bool take_number(const char **p, unsigned int base, char end, uint64_t *out)
{
	uint64_t value = 0;
	const char *s = *p;

	for (;; s++) {
		unsigned int digit;

		if (*s >= '0' && *s <= '9')
			digit = *s - '0';
		else if (base == 16 && *s >= 'a' && *s <= 'f')
			digit = *s - 'a' + 10;
		else
			break;
		if (value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	if (s == *p || *s != end)
		return false;
	*p = s + 1;
	*out = value;
	return true;
}

/* line is NUL-terminated, without the newline. */
static bool parse_line(char *line, struct mapping *m)
{
	const char *p = line;
	uint64_t major_number, minor_number;
	size_t length;

	*m = (struct mapping){ 0 };
	if (!take_number(&p, 16, '-', &m->start) || !take_number(&p, 16, ' ', &m->end) || m->end <= m->start)
		return false;
	if (strnlen(p, 5) < 5 || p[4] != ' ')
		return false;
	m->readable = p[0] == 'r';
	m->writable = p[1] == 'w';
	m->executable = p[2] == 'x';
	p += 5;
	if (!take_number(&p, 16, ' ', &m->offset) || !take_number(&p, 16, ':', &major_number) || !take_number(&p, 16, ' ', &minor_number))
		return false;
	m->device = makedev(major_number, minor_number);
	/* the number is followed by a space even where no path follows; in text from elsewhere perhaps not */
	if (!take_number(&p, 10, ' ', &m->inode) && !take_number(&p, 10, '\0', &m->inode))
		return false;
	m->path = "";
	if (p > line + strlen(line))
		return true;
	p += strspn(p, " ");
	length = strlen(p);
	if (length > strlen(DELETED_MARK) && !strcmp(p + length - strlen(DELETED_MARK), DELETED_MARK)) {
		m->deleted = true;
		line[p - line + length - strlen(DELETED_MARK)] = '\0';
	}
	m->path = p;
	return true;
}

/* Parses whole lines; *used says how far. */
static int parse_lines(char *text, size_t size, size_t *used, mapping_fn *fn, void *arg)
{
	int result = 0;
	char *newline;

	*used = 0;
	while (!result && (newline = memchr(text + *used, '\n', size - *used))) {
		struct mapping m;

		*newline = '\0';
		if (parse_line(text + *used, &m))
			result = fn(&m, arg);
		*used = newline - text + 1;
	}
	return result;
}

int maps__parse(char *text, size_t size, mapping_fn *fn, void *arg)
{
	size_t used;

	return parse_lines(text, size, &used, fn, arg);
}

int maps__each(pid_t pid, mapping_fn *fn, void *arg)
{
	char path[64], buffer[LINE_MAX_SIZE];
	_cleanup_close_ int fd = -1;
	size_t filled = 0, used;
	int result = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!result) {
		ssize_t n = read(fd, buffer + filled, sizeof(buffer) - filled);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		filled += n;
		result = parse_lines(buffer, filled, &used, fn, arg);
		if (used == 0 && filled == sizeof(buffer))
			return -E2BIG;
		memmove(buffer, buffer + used, filled - used);
		filled -= used;
	}
	return result;
}

/* A descriptor for reading from one that only names the file; takes path_fd. */
static int reopen(int path_fd, const struct mapping *m)
{
	_cleanup_close_ int named = path_fd;
	char path[64];
	struct statfs fs;
	struct stat st;
	int fd;

	if (fstat(named, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* an overlay's inode numbers may differ from those in maps; device numbers differ elsewhere too (btrfs) */
	if (m && st.st_ino != m->inode && (fstatfs(named, &fs) < 0 || fs.f_type != OVERLAYFS_SUPER_MAGIC || m->deleted))
		return -ESTALE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", named);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static int open_under(const char *root, const struct mapping *m)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_cleanup_close_ int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (dir < 0)
		return -errno;
	fd = syscall(SYS_openat2, dir, m->path, &how, sizeof(how));
	return fd < 0 ? -errno : reopen(fd, m);
}

int maps__open(pid_t pid, const struct mapping *m)
{
	char path[96];
	int fd, error;

	if (!m->inode || m->path[0] != '/')
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", pid, (unsigned long)m->start, (unsigned long)m->end);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return reopen(fd, NULL); /* the very file; its inode number may read differently there */
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	fd = open_under(path, m);
	if (fd >= 0)
		return fd;
	error = fd;
	/* a process in a chroot: maps names files as we see them, not as it does */
	fd = open_under("/", m);
	return fd >= 0 ? fd : error;
}

int maps__open_exe(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? (errno == ENOENT ? -ESRCH : -errno) : reopen(fd, NULL);
}
