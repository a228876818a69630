// SPDX-License-Identifier: Apache-2.0
#include "target/memory_limit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define LEVELS_MAX 32
/* Version 1 writes the largest number of pages for "none". */
#define NO_LIMIT (1ULL << 60)

struct level {
	char *directory;
	bool v1;
	uint64_t reached; /* how often, so far */
};

struct memory_limits {
	struct level levels[LEVELS_MAX];
	size_t n;
};

static bool read_text(const char *directory, const char *name, char *text, size_t size)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, size - 1) : -1;
	if (n < 0)
		return false;
	text[n] = 0;
	return true;
}

/* A file's number; UINT64_MAX: none, or "max". */
static uint64_t read_number(const char *directory, const char *name)
{
	char text[64];

	if (!read_text(directory, name, text, sizeof(text)) || *text < '0' || *text > '9')
		return UINT64_MAX;
	return strtoull(text, NULL, 10);
}

/* How often the group itself was at its limit and nothing more could be reclaimed; version 1 counts attempts. */
static uint64_t times_reached(const struct level *l)
{
	char text[512], *at;
	uint64_t n;

	if (l->v1) {
		n = read_number(l->directory, "memory.failcnt");
		return n == UINT64_MAX ? 0 : n;
	}
	if (!read_text(l->directory, "memory.events.local", text, sizeof(text)))
		return 0;
	at = strstr(text, "\noom ");
	return at ? strtoull(at + 5, NULL, 10) : 0;
}

static void add_level(struct memory_limits *m, const char *directory, bool v1)
{
	struct level *l = &m->levels[m->n];

	if (m->n == LEVELS_MAX)
		return;
	*l = (struct level){ .directory = strdup(directory), .v1 = v1 };
	if (!l->directory)
		return;
	l->reached = times_reached(l);
	m->n++;
}

/* The group and those above it, as far as the mount shows them. In a container the name may be that of outside: then what is mounted is ours. */
static void add_levels(struct memory_limits *m, const char *mount, const char *name, bool v1)
{
	char path[PATH_MAX];
	size_t root = strlen(mount);

	if (snprintf(path, sizeof(path), "%s%s", mount, name) >= (int)sizeof(path))
		return;
	if (access(path, F_OK))
		path[root] = 0;
	for (;;) {
		char *slash;

		add_level(m, path, v1);
		slash = strrchr(path, '/');
		if (!slash || slash < path + root)
			return;
		*slash = 0;
	}
}

/* Where the group's files are, if memory is what it limits. */
static bool mount_of(bool v1, char mount[PATH_MAX])
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mounts", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		char where[PATH_MAX], kind[64], options[512], *word, *rest;

		if (sscanf(line, "%*s %4095s %63s %511s", where, kind, options) != 3 || strcmp(kind, v1 ? "cgroup" : "cgroup2"))
			continue;
		for (word = strtok_r(options, ",", &rest); v1 && word && strcmp(word, "memory"); word = strtok_r(NULL, ",", &rest))
			;
		if (v1 && !word)
			continue;
		strcpy(mount, where);
		return true;
	}
	return false;
}

/* A line of /proc/PID/cgroup: "0::/name" of version 2, "4:cpu,memory:/name" of version 1. */
static bool group_name(char *line, bool v1, const char **name)
{
	char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL, *word, *rest;

	if (!path)
		return false;
	*path++ = 0;
	controllers++;
	path[strcspn(path, "\n")] = 0;
	*name = strcmp(path, "/") ? path : "";
	if (!v1)
		return !strncmp(line, "0:", 2) && !*controllers;
	for (word = strtok_r(controllers, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (!strcmp(word, "memory"))
			return true;
	}
	return false;
}

struct memory_limits *memory_limits__new(pid_t pid)
{
	struct memory_limits *m = calloc(1, sizeof(*m));
	char path[64], mount[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	for (int v1 = 0; m && v1 < 2; v1++) {
		_cleanup_fclose_ FILE *file = fopen(path, "re");
		_cleanup_free_ char *line = NULL;
		size_t size = 0;

		while (file && mount_of(v1, mount) && getline(&line, &size, file) > 0) {
			const char *name;

			if (group_name(line, v1, &name) && !strstr(name, "/../"))
				add_levels(m, mount, name, v1);
		}
	}
	return m;
}

void memory_limits__free(struct memory_limits *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->levels[i].directory);
	free(m);
}

uint64_t memory_limits__reached(const struct memory_limits *m)
{
	uint64_t tightest = UINT64_MAX;

	for (size_t i = 0; m && i < m->n; i++) {
		const struct level *l = &m->levels[i];
		uint64_t limit = read_number(l->directory, l->v1 ? "memory.limit_in_bytes" : "memory.max");

		if (times_reached(l) > l->reached && limit < NO_LIMIT && limit < tightest)
			tightest = limit;
	}
	return tightest == UINT64_MAX ? 0 : tightest;
}

#define SCORE "/proc/self/oom_score_adj"

static char original[16];

static void score_write(const char *text)
{
	_cleanup_close_ int fd = open(SCORE, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		log_debug("cannot write '%s': %s", SCORE, strerror(errno));
}

void oom_shield_on(void)
{
	if (!*original && !read_text("/proc/self", "oom_score_adj", original, sizeof(original)))
		return;
	score_write("-1000");
}

void oom_shield_off(void)
{
	if (*original)
		score_write(original);
}
