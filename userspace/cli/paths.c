// SPDX-License-Identifier: Apache-2.0
#include "cli/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

static char *join(const char *base, const char *path)
{
	char *joined = NULL;

	if (path[0] == '/')
		return strdup(path);
	return asprintf(&joined, "%s/%s", base, path) < 0 ? NULL : joined;
}

/* In place, by text alone: the result is never longer. */
static void clean(char *path)
{
	char *out = path, *in = path;

	while (*in) {
		size_t length;

		while (*in == '/')
			in++;
		length = strcspn(in, "/");
		if (length == 2 && !strncmp(in, "..", 2)) {
			while (out > path && *--out != '/')
				;
		} else if (length && !(length == 1 && *in == '.')) {
			*out++ = '/';
			memmove(out, in, length);
			out += length;
		}
		in += length;
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

static bool climbs(const char *path)
{
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += strspn(at, "/");
		if (!strncmp(at, "..", 2) && (!at[2] || at[2] == '/'))
			return true;
	}
	return false;
}

/* Resolves the longest part that exists and keeps the rest as text. */
static char *resolve_joined(const char *joined)
{
	_cleanup_free_ char *head = strdup(joined);
	size_t length = strlen(joined);

	if (!head)
		return NULL;
	while (length) {
		_cleanup_free_ char *real = NULL;
		char *whole = NULL;

		head[length] = '\0';
		real = realpath(head, NULL);
		if (real) {
			if (asprintf(&whole, "%s/%s", real, joined + length) < 0)
				return NULL;
			clean(whole);
			return whole;
		}
		if (errno == ENOMEM)
			return NULL;
		while (length && head[length - 1] == '/')
			length--;
		while (length && head[length - 1] != '/')
			length--;
	}
	return NULL; /* "/" always exists */
}

char *path_resolved(const char *base, const char *path)
{
	_cleanup_free_ char *joined = join(base, path);

	return joined ? resolve_joined(joined) : NULL;
}

char *path_absolute(const char *base, const char *path)
{
	_cleanup_free_ char *joined = join(base, path);
	_cleanup_free_ char *parent = NULL;
	char *slash, *whole = NULL;

	if (!joined)
		return NULL;
	if (!climbs(joined)) {
		clean(joined);
		return steal_ptr(joined);
	}
	slash = strrchr(joined, '/');
	if (!strcmp(slash, "/.."))
		return resolve_joined(joined);
	*slash = '\0'; /* the last name may be a link that stays one */
	parent = resolve_joined(joined);
	if (!parent || asprintf(&whole, "%s/%s", parent, slash + 1) < 0)
		return NULL;
	clean(whole);
	return whole;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(path, dir, length) && (!path[length] || path[length] == '/');
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

const char *path_shown(const char *path, char *buffer, size_t size)
{
	size_t length = strlen(path), kept = length < size ? length : size - 1;

	for (size_t i = 0; i < kept; i++)
		buffer[i] = (unsigned char)path[i] < 0x20 || path[i] == 0x7f ? '?' : path[i];
	buffer[kept] = '\0';
	if (kept < length && size > 4)
		memcpy(buffer + size - 4, "...", 4);
	return buffer;
}
