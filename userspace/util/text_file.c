// SPDX-License-Identifier: Apache-2.0
#include "util/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

int text_file_read(const char *path, size_t most, char **text, size_t *size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *buffer = NULL;
	struct stat st;
	size_t done = 0, room;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > (off_t)most)
		return -EFBIG;
	room = (size_t)st.st_size;
	buffer = malloc(room + 1);
	if (!buffer)
		return -ENOMEM;
	while (done < room) {
		ssize_t n = read(fd, buffer + done, room - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	buffer[done] = '\0';
	if (strlen(buffer) != done)
		return -EINVAL;
	*text = steal_ptr(buffer);
	*size = done;
	return 0;
}
