// SPDX-License-Identifier: Apache-2.0
#include "top_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "profile/source.h"
#include "target/process_root.h"
#include "util/cleanup.h"

#define FILES_MAX 8

struct file {
	uint64_t process; /* key; 0: free */
	char *path;
	struct arena arena;
	const char *text; /* NULL: it could not be read, and is not tried again */
	size_t size;
};

struct top_sources {
	const struct identity *own;
	struct file files[FILES_MAX];
	unsigned int next; /* the one that makes room */
};

struct top_sources *top_sources__new(const struct identity *own)
{
	struct top_sources *s = calloc(1, sizeof(*s));

	if (s)
		s->own = own;
	return s;
}

static void forget(struct file *file)
{
	arena_release(&file->arena);
	free(file->path);
	*file = (struct file){};
}

void top_sources__free(struct top_sources *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < FILES_MAX; i++)
		forget(&s->files[i]);
	free(s);
}

static int open_in_root(void *context, const char *path)
{
	return process_root__open_file(context, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/* What older interpreters call a file may be relative to where the process was started. */
static void read_file(struct file *file, const struct process_root *root, const char *path)
{
	const struct source_opener opener = { .open = open_in_root, .context = (void *)root };
	_cleanup_free_ char *whole = NULL;
	const char *problem;

	if (path[0] != '/' && (path[0] == '<' || asprintf(&whole, "%s/%s", root->directory, path) < 0)) {
		whole = NULL;
		return;
	}
	source_read(&file->arena, &opener, whole ? whole : path, &file->text, &file->size, &problem);
}

static const struct file *find_file(struct top_sources *s, const struct kept_process *process, const char *path)
{
	struct process_root root;
	struct file *file;

	for (size_t i = 0; i < FILES_MAX; i++)
		if (s->files[i].process == process->key && !strcmp(s->files[i].path, path))
			return &s->files[i];
	file = &s->files[s->next++ % FILES_MAX];
	forget(file);
	file->path = strdup(path);
	if (!file->path)
		return NULL;
	file->process = process->key;
	if (process_root__open(&root, (pid_t)process->process.pid, s->own))
		return file;
	read_file(file, &root, path);
	process_root__close(&root);
	return file;
}

const char *top_sources_line(void *context, const struct kept_process *process, const char *path, uint32_t lineno, size_t *size)
{
	const struct file *file = find_file(context, process, path);
	const char *at = file ? file->text : NULL, *end = at ? at + file->size : NULL, *stop;

	for (uint32_t line = 1; at && line < lineno; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at || at == end || !lineno)
		return NULL;
	stop = memchr(at, '\n', (size_t)(end - at));
	stop = stop ? stop : end;
	if (stop > at && stop[-1] == '\r')
		stop--;
	*size = (size_t)(stop - at);
	return at;
}
