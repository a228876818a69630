// SPDX-License-Identifier: Apache-2.0
#include "target/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/explain.h"

#define STAMPS_MAX 10000

struct outputs {
	const struct identity *id;
	int output_fd, script_fd, fd;
	bool made_script;
	char *script; /* name of the folder below <output> */
	char *stamp;  /* name of the folder below that */
	char *path;
};

/* --- names --- */

static bool ends_with(const char *text, size_t length, const char *suffix)
{
	size_t n = strlen(suffix);

	return length >= n && !memcmp(text + length - n, suffix, n);
}

char *outputs_folder_name(const char *script)
{
	static const char *const suffixes[] = { ".py", ".pyw", ".pyc", ".pyz", ".ipynb" };
	const char *base = strrchr(script, '/');
	size_t length;
	char *name;

	base = base ? base + 1 : script;
	length = strlen(base);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		if (!ends_with(base, length, suffixes[i]))
			continue;
		length -= strlen(suffixes[i]);
		break;
	}
	if (length > NAME_MAX) {
		/* not in the middle of a UTF-8 character */
		for (length = NAME_MAX; length && ((unsigned char)base[length] & 0xc0) == 0x80;)
			length--;
	}
	name = strndup(base, length);
	if (!name)
		return NULL;
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '_';
	if (*name && strcmp(name, ".") && strcmp(name, ".."))
		return name;
	free(name);
	return strdup("script");
}

/* --- the folder --- */

static int cannot_create(char problem[512], int error, const char *path)
{
	return explain(problem, error, "cannot create '%.300s': %s; choose another folder with --output-directory", path, strerror(-error));
}

int outputs_make_folders(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *p = copy + 1;; p++) {
		char kept = *p;

		if (kept && kept != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST) {
			struct stat st;
			int error = -errno;

			/* a parent that exists on a read-only file system, say: what counts is that it is there */
			if (stat(copy, &st) < 0 || !S_ISDIR(st.st_mode))
				return error;
		}
		if (!kept)
			return 0;
		*p = kept;
	}
}

static int open_folder(int at, const char *name)
{
	struct stat st;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error = -errno;

	if (fd >= 0)
		return fd;
	/* which of ELOOP and ENOTDIR the kernel says for a link depends on its version */
	if (!fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
		return -ELOOP;
	return error;
}

static int make_script_folder(struct outputs *o, const char *output_dir, char problem[512])
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", output_dir, o->script) < 0) {
		path = NULL;
		return cannot_create(problem, -ENOMEM, output_dir);
	}
	if (!mkdirat(o->output_fd, o->script, 0777))
		o->made_script = true;
	else if (errno != EEXIST)
		return cannot_create(problem, -errno, path);
	o->script_fd = open_folder(o->output_fd, o->script);
	if (o->script_fd == -ELOOP)
		return explain(problem, -ELOOP, "'%.300s' is a symbolic link, which is not followed: remove it, or choose another folder with --output-directory", path);
	return o->script_fd < 0 ? cannot_create(problem, o->script_fd, path) : 0;
}

static int make_stamp_folder(struct outputs *o, const char *output_dir, time_t now, char problem[512])
{
	_cleanup_free_ char *path = NULL;
	char stamp[64], name[96];
	struct tm tm;
	int r = -EEXIST;

	if (!gmtime_r(&now, &tm) || !strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", &tm))
		return explain(problem, -EINVAL, "the clock shows a time that has no date");
	for (unsigned int i = 0; i < STAMPS_MAX && r == -EEXIST; i++) {
		if (i)
			snprintf(name, sizeof(name), "%s_%u", stamp, i);
		else
			snprintf(name, sizeof(name), "%s", stamp);
		r = mkdirat(o->script_fd, name, 0777) < 0 ? -errno : 0;
	}
	if (asprintf(&path, "%s/%s/%s", output_dir, o->script, name) < 0) {
		path = NULL;
		return cannot_create(problem, -ENOMEM, output_dir);
	}
	if (r < 0)
		return cannot_create(problem, r, path);
	o->stamp = strdup(name);
	if (!o->stamp)
		return cannot_create(problem, -ENOMEM, path);
	o->fd = open_folder(o->script_fd, name);
	if (o->fd < 0)
		return cannot_create(problem, o->fd, path);
	o->path = steal_ptr(path);
	return 0;
}

static int make_folders(struct outputs *o, const char *output_dir, time_t now, char problem[512])
{
	int r = outputs_make_folders(output_dir);

	if (r < 0)
		return cannot_create(problem, r, output_dir);
	o->output_fd = open(output_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o->output_fd < 0)
		return explain(problem, -errno, "cannot open '%.300s': %s; choose another folder with --output-directory", output_dir, strerror(errno));
	r = make_script_folder(o, output_dir, problem);
	return r < 0 ? r : make_stamp_folder(o, output_dir, now, problem);
}

static char *absolute(const char *path)
{
	_cleanup_free_ char *cwd = NULL;
	size_t length;
	char *full;

	if (*path == '/') {
		full = strdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd || asprintf(&full, "%s/%s", cwd, path) < 0)
			return NULL;
	}
	if (!full)
		return NULL;
	for (length = strlen(full); length > 1 && full[length - 1] == '/'; length--)
		full[length - 1] = '\0';
	return full;
}

int outputs__new(struct outputs **out, const struct identity *id, const char *output_dir, const char *script_name, time_t now, char problem[512])
{
	_cleanup_free_ char *dir = absolute(output_dir);
	struct outputs *o = calloc(1, sizeof(*o));
	int r;

	if (o) {
		o->id = id;
		o->output_fd = o->script_fd = o->fd = -1;
		o->script = outputs_folder_name(script_name);
	}
	if (!dir || !o || !o->script) {
		outputs__free(o);
		return cannot_create(problem, -ENOMEM, output_dir);
	}
	r = identity__enter(id);
	if (r < 0) {
		outputs__free(o);
		return explain(problem, r, "cannot act as user %u: %s", id->uid, strerror(-r));
	}
	r = make_folders(o, dir, now, problem);
	identity__leave(id);
	if (r < 0) {
		outputs__free(o);
		return r;
	}
	*out = o;
	return 0;
}

const char *outputs__path(const struct outputs *o)
{
	return o->path;
}

void outputs__free(struct outputs *o)
{
	if (!o)
		return;
	/* both calls remove nothing but empty folders */
	if ((o->stamp || o->made_script) && !identity__enter(o->id)) {
		if (o->stamp)
			unlinkat(o->script_fd, o->stamp, AT_REMOVEDIR);
		if (o->made_script)
			unlinkat(o->output_fd, o->script, AT_REMOVEDIR);
		identity__leave(o->id);
	}
	if (o->fd >= 0)
		close(o->fd);
	if (o->script_fd >= 0)
		close(o->script_fd);
	if (o->output_fd >= 0)
		close(o->output_fd);
	free(o->script);
	free(o->stamp);
	free(o->path);
	free(o);
}

/* --- files --- */

/* A stream that remembers the first error: after a failed fprintf nobody else knows that the disk was full. */
struct sink {
	int fd;
	int error;
};

static ssize_t sink_write(void *cookie, const char *data, size_t size)
{
	struct sink *sink = cookie;
	size_t done = 0;

	while (done < size && !sink->error) {
		ssize_t n = write(sink->fd, data + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			sink->error = -errno;
		else
			done += (size_t)n;
	}
	return sink->error ? 0 : (ssize_t)size;
}

static int sink_close(void *cookie)
{
	struct sink *sink = cookie;

	if (close(sink->fd) < 0 && !sink->error)
		sink->error = -errno;
	return sink->error ? -1 : 0;
}

static int fill(int fd, int (*write)(FILE *, const void *), const void *arg)
{
	struct sink sink = { .fd = fd };
	FILE *stream = fopencookie(&sink, "w", (cookie_io_functions_t){ .write = sink_write, .close = sink_close });
	int r;

	if (!stream) {
		close(fd);
		return -ENOMEM;
	}
	r = write(stream, arg);
	if (fclose(stream) && !r)
		r = -EIO;
	return sink.error ? sink.error : r;
}

static int write_file(struct outputs *o, const char *name, int (*write)(FILE *, const void *), const void *arg)
{
	struct stat st;
	char temporary[64];
	int fd = -1, r;

	if (!fstatat(o->fd, name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EEXIST;
	for (unsigned int i = 0; fd < 0 && i < 100; i++) {
		snprintf(temporary, sizeof(temporary), ".part-%d-%u", getpid(), i);
		fd = openat(o->fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			return -errno;
	}
	if (fd < 0)
		return -EEXIST;
	r = fill(fd, write, arg);
	/* rename puts the new file in the place of whatever has the name by now, and follows nothing */
	if (!r && renameat(o->fd, temporary, o->fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(o->fd, temporary, 0);
	return r;
}

int outputs__write(struct outputs *o, const char *name, int (*write)(FILE *, const void *), const void *arg)
{
	int r;

	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	r = identity__enter(o->id);
	if (r < 0)
		return r;
	r = write_file(o, name, write, arg);
	identity__leave(o->id);
	return r;
}

struct bytes {
	const void *data;
	size_t size;
};

static int write_bytes(FILE *stream, const void *arg)
{
	const struct bytes *bytes = arg;

	return bytes->size && fwrite(bytes->data, bytes->size, 1, stream) != 1 ? -EIO : 0;
}

int outputs__put(struct outputs *o, const char *name, const void *data, size_t size)
{
	struct bytes bytes = { .data = data, .size = size };

	return outputs__write(o, name, write_bytes, &bytes);
}
