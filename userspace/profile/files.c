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

/* Below this folder, and not a library's there. */
static bool is_own(const char *root, const char *path)
{
	const char *inside;

	if (!path_below(path, root))
		return false;
	/* a root within such a folder is meant */
	inside = path + strnlen(path, strlen(root));
	if (inside[0] != '/' && inside > path)
		inside--;
	return !is_library(inside);
}

/* A notebook's cell has the name of a file in a folder ipykernel_PID, and is none. The kernel's own files are called similarly. */
static bool is_cell(const char *path)
{
	const char *folder = path[0] == '/' ? strstr(path, "/ipykernel_") : NULL;
	size_t digits;

	if (!folder)
		return false;
	folder += strlen("/ipykernel_");
	digits = strspn(folder, "0123456789");
	return digits && folder[digits] == '/';
}

/* What was typed into a notebook or a prompt: who else would have written it? */
static bool is_typed(const char *path)
{
	static const char *const begins[] = { "<ipython-input-", "<python-input-" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (!strncmp(path, begins[i], strlen(begins[i])))
			return true;
	}
	return is_cell(path);
}

static bool reports_path(const struct builder_options *o, const char *path)
{
	if (o->detailed || (o->script && !strcmp(path, o->script)) || is_typed(path))
		return true;
	if (path[0] != '/')
		return o->commanded && (!strcmp(path, "<string>") || !strcmp(path, "<stdin>"));
	if (o->output_dir && path_below(path, o->output_dir))
		return false;
	for (size_t i = 0; i < o->n_ignore; i++) {
		if (path_below(path, o->ignore[i]))
			return false;
	}
	for (size_t i = 0; i < o->n_roots; i++) {
		if (is_own(o->roots[i], path))
			return true;
	}
	return !o->n_roots && is_own(o->root, path);
}

/* The absolute path, interned; a name that is none ("<string>") as it is. */
static const char *absolute_path(struct builder *b, const char *file)
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

/*
 * The root and the script are known by their resolved paths. A file that was reached by a link from elsewhere, or by
 * "..", is one of theirs all the same.
 */
static const char *resolved_path(struct builder *b, const char *path)
{
	const struct builder_options *o = b->options;
	_cleanup_free_ char *resolved = NULL;

	if (path[0] != '/' || o->opener || (path_below(path, o->root) && !strstr(path, "/../")))
		return path;
	resolved = realpath(path, NULL);
	if (!resolved || (!path_below(resolved, o->root) && !(o->script && !strcmp(resolved, o->script))))
		return path;
	return strings__intern(b->strings, resolved) ?: path;
}

/* What is known of a file name; found out once. */
static struct file_name file_name_get(struct builder *b, const char *file)
{
	struct file_name name;
	uint32_t index;

	if (map64_get(&b->file_index, (uintptr_t)file, &index))
		return b->file_names[index];
	name.path = resolved_path(b, absolute_path(b, file));
	name.reported = reports_path(b->options, name.path);
	if (GROW(b->file_names, b->n_file_names, b->cap_file_names) && !map64_put(&b->file_index, (uintptr_t)file, b->n_file_names))
		b->file_names[b->n_file_names++] = name;
	return name;
}

const char *builder_path(struct builder *b, const char *file)
{
	return file_name_get(b, file).path;
}

bool builder_reports(struct builder *b, const char *file)
{
	return file_name_get(b, file).reported;
}
