// SPDX-License-Identifier: Apache-2.0
#include "profile/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SOURCE_MAX (64 << 20)

static int open_source(const struct source_opener *opener, const char *path)
{
	int fd;

	if (opener)
		return opener->open(opener->context, path);
	/* not to hang on a fifo */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

void source_read(struct arena *arena, const struct source_opener *opener, const char *path, const char **text, size_t *size, const char **problem)
{
	_cleanup_close_ int fd = -1;
	size_t done = 0;
	struct stat st;
	char *data;

	*text = NULL;
	*size = 0;
	*problem = "not a file";
	if (path[0] != '/')
		return;
	fd = open_source(opener, path);
	if (fd < 0 || fstat(fd, &st)) {
		*problem = fd == -ENOENT || fd == -ENOTDIR ? "deleted, inside an archive, or the cell of a notebook" : "cannot be read";
		return;
	}
	if (!S_ISREG(st.st_mode))
		return;
	*problem = "too large";
	if (st.st_size > SOURCE_MAX)
		return;
	*problem = "cannot be read";
	data = arena_alloc(arena, st.st_size + 1);
	if (!data)
		return;
	while (done < (size_t)st.st_size) {
		ssize_t n = read(fd, data + done, st.st_size - done);

		if (n < 0)
			return;
		if (!n)
			break;
		done += n;
	}
	*text = data;
	*size = done;
	*problem = NULL;
}
