/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a test's own folder. Include after <cmocka.h>; the test makes and removes scratch_top.
 */
#ifndef FIXINGAHOLE_TEST_SCRATCH_FILES_H
#define FIXINGAHOLE_TEST_SCRATCH_FILES_H

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch_top[64];

static inline int scratch_remove(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", scratch_top);
	return system(command);
}

/* A path of "FOLDER/NAME" below it. Valid until the next but one. */
static inline const char *scratch_path(const char *folder, const char *name)
{
	static char paths[2][PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % 2];

	snprintf(path, PATH_MAX, "%s/%s/%s", scratch_top, folder, name);
	return path;
}

static inline void scratch_file(const char *path, size_t size)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

#endif
