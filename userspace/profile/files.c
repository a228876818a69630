// SPDX-License-Identifier: Apache-2.0
/*
 * Which files are the user's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/model.h"
#include "util/cleanup.h"

/* Is path the directory or in it? */
static bool path_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	while (n > 1 && directory[n - 1] == '/')
		n--;
	if (n == 1 && directory[0] == '/')
		return path[0] == '/';
	return !strncmp(path, directory, n) && (path[n] == '/' || !path[n]);
}

/* Folders of other people's code, wherever they lie. */
static bool is_library(const char *path)
{
	static const char *const marks[] = { "/site-packages/", "/dist-packages/", "/lib/python3.", "/lib64/python3.", "/lib/python3/", "/.venv/", "/.git/" };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (strstr(path, marks[i]))
			return true;
	}
	return false;
}

static bool reports_path(const struct builder_options *o, const char *path)
{
	const char *inside;

	if (o->detailed || (o->script && !strcmp(path, o->script)))
		return true;
	if (path[0] != '/' || !path_below(path, o->root))
		return false;
	if (o->output_dir && path_below(path, o->output_dir))
		return false;
	for (size_t i = 0; i < o->n_ignore; i++) {
		if (path_below(path, o->ignore[i]))
			return false;
	}
	/* a root within such a folder is meant */
	inside = path + strlen(o->root);
	if (inside[0] != '/' && inside > path)
		inside--;
	return !is_library(inside);
}

const char *builder_path(struct builder *b, const char *file)
{
	_cleanup_free_ char *path = NULL;
	const char *relative = file;

	if (file[0] == '/' || file[0] == '<' || !file[0] || !b->options->directory)
		return file;
	while (!strncmp(relative, "./", 2))
		relative += 2;
	if (asprintf(&path, "%s/%s", strcmp(b->options->directory, "/") ? b->options->directory : "", relative) < 0) {
		path = NULL;
		return file;
	}
	return strings__intern(b->strings, path) ?: file;
}

bool builder_reports(struct builder *b, const char *file)
{
	uint32_t answer;

	if (map64_get(&b->reported, (uintptr_t)file, &answer))
		return answer;
	answer = reports_path(b->options, builder_path(b, file));
	map64_put(&b->reported, (uintptr_t)file, answer);
	return answer;
}
