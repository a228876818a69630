/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the command line: a folder tree of their own, and config__load_with() with its stderr kept.
 */
#ifndef FIXINGAHOLE_TEST_CLI_H
#define FIXINGAHOLE_TEST_CLI_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/config.h"

static char cli_top[PATH_MAX]; /* the tree; tests start in it */
static char cli_said[16384];   /* what the last load wrote to stderr */
static char *const cli_no_environment[] = { NULL };

/* A path inside the tree; four may be in use at a time. */
static inline const char *cli_path(const char *name)
{
	static char paths[4][2 * PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s%s%s", cli_top, *name ? "/" : "", name);
	return path;
}

/* Makes the file and the folders above it. A name that ends in '/' is a folder. */
static inline void cli_make(const char *name, const char *text)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cli_top, name);
	for (char *slash = strchr(path + strlen(cli_top) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	if (path[strlen(path) - 1] != '/') {
		FILE *f = fopen(path, "w");

		assert_non_null(f);
		fputs(text ? text : "", f);
		assert_int_equal(fclose(f), 0);
	}
}

static inline int cli_setup(void **state)
{
	char template[] = "/tmp/fixingahole-cli-XXXXXX";
	char *made = mkdtemp(template), *real = made ? realpath(made, NULL) : NULL;

	if (!real || chdir(real) < 0)
		return -1;
	snprintf(cli_top, sizeof(cli_top), "%s", real);
	free(real);
	cli_make(".git/", NULL);
	return 0;
}

static inline int cli_teardown(void **state)
{
	char command[PATH_MAX + 32];

	snprintf(command, sizeof(command), "rm -rf '%s'", cli_top);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* Words are split at blanks; "''" is an empty word. argv lives until the next call. */
static inline int cli_load(struct config *config, const char *words, char *const *environment)
{
	static char line[4096], *argv[64];
	FILE *kept = tmpfile();
	int argc = 0, err, saved;
	char *rest = line, *word;
	ssize_t n;

	snprintf(line, sizeof(line), "fixingahole%s%s", *words ? " " : "", words);
	while ((word = strsep(&rest, " ")) && argc < 63)
		argv[argc++] = strcmp(word, "''") ? word : word + 2;
	argv[argc] = NULL;

	fflush(stderr);
	saved = dup(STDERR_FILENO);
	assert_true(kept && saved >= 0 && dup2(fileno(kept), STDERR_FILENO) >= 0);
	err = config__load_with(config, argc, argv, environment);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fileno(kept), cli_said, sizeof(cli_said) - 1, 0);
	fclose(kept);
	cli_said[n < 0 ? 0 : n] = '\0';
	return err;
}

static inline struct config cli_ok(const char *words, char *const *environment)
{
	struct config config = { 0 };
	int err = cli_load(&config, words, environment);

	if (err)
		fail_msg("%s: %s", words, cli_said);
	return config;
}

/* Refused with -EINVAL, in one line that has this part. */
static inline void cli_refused(const char *words, char *const *environment, const char *part)
{
	struct config config = { .repeat = 4711 };
	int err = cli_load(&config, words, environment);

	assert_int_equal(err, -EINVAL);
	assert_int_equal(config.repeat, 4711); /* untouched */
	if (!strstr(cli_said, part) || strncmp(cli_said, "fixingahole: ", 13))
		fail_msg("%s: '%s' lacks '%s'", words, cli_said, part);
	assert_true(strchr(cli_said, '\n') == cli_said + strlen(cli_said) - 1);
}

#endif
