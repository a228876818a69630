// SPDX-License-Identifier: Apache-2.0
#include "target/attached.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Containers, or chroots, that sources are read from; and folders to report on. */
#define ROOTS_MAX 64

bool attached_wanted(const struct config *c)
{
	return c->n_pids || c->process_name || c->cgroup;
}

/* The first root that has the file. */
static int open_source(void *context, const char *path)
{
	const struct attached *a = context;
	int fd = -ENOENT;

	for (size_t i = 0; i < a->n_roots && fd < 0; i++)
		fd = process_root__open_file(&a->roots[i], path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd;
}

static int find_processes(struct attached *a, const struct config *c, char problem[512])
{
	int err = 0;

	for (size_t i = 0; i < c->n_pids && err >= 0; i++) {
		err = process_check(c->pids[i], problem);
		if (!err)
			err = pid_list_add(&a->named, c->pids[i]);
		if (err == -ENOMEM)
			snprintf(problem, 512, "out of memory");
	}
	if (err >= 0 && c->process_name)
		err = processes_by_name(c->process_name, &a->named, problem);
	if (err >= 0 && c->cgroup)
		err = processes_by_cgroup(c->cgroup, &a->named, problem);
	return err < 0 ? err : 0;
}

/* The process's own root: opened, or the one of that kind that is there already. NULL: it cannot be told. */
static const struct process_root *take_root(struct attached *a, pid_t pid, const struct identity *own, struct process_root *spare)
{
	struct process_root root;

	*spare = (struct process_root){ .fd = -1 };
	if (process_root__open(&root, pid, own))
		return NULL;
	for (size_t i = 0; i < a->n_roots; i++) {
		if (a->roots[i].device == root.device && a->roots[i].inode == root.inode && a->roots[i].owner.uid == root.owner.uid) {
			*spare = root;
			return spare;
		}
	}
	if (a->n_roots == ROOTS_MAX) {
		*spare = root;
		return spare;
	}
	a->roots[a->n_roots] = root;
	return &a->roots[a->n_roots++];
}

/* directory/path without "." and "..", as far as that can be told from the words alone. */
static char *join(const char *directory, const char *path)
{
	_cleanup_free_ char *whole = NULL;
	char *out, *at, *save = NULL;

	if (asprintf(&whole, "%s/%s", path[0] == '/' ? "" : directory, path) < 0) {
		whole = NULL;
		return NULL;
	}
	out = at = calloc(1, strlen(whole) + 2);
	if (!out)
		return NULL;
	for (char *word = strtok_r(whole, "/", &save); word; word = strtok_r(NULL, "/", &save)) {
		if (!strcmp(word, "."))
			continue;
		if (!strcmp(word, "..")) {
			while (at > out && *--at != '/')
				;
			*at = 0;
			continue;
		}
		*at++ = '/';
		at = stpcpy(at, word);
	}
	if (at == out)
		strcpy(out, "/");
	return out;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strndup(path, slash > path ? slash - path : 1);
}

/* The folder, or the nearest one above it that holds a git repository. */
static char *project_of(const struct process_root *root, const char *folder)
{
	_cleanup_free_ char *at = strdup(folder);

	while (at && strcmp(at, "/")) {
		_cleanup_free_ char *git = NULL;
		char *up;

		if (asprintf(&git, "%s/.git", at) < 0) {
			git = NULL;
			return NULL;
		}
		if (!process_root__exists(root, git))
			return steal_ptr(at);
		up = folder_of(at);
		free(at);
		at = up;
	}
	return strdup(folder);
}

static int report_on(struct attached *a, const struct process_root *root, const char *folder)
{
	_cleanup_free_ char *project = project_of(root, folder);
	char **grown;

	if (!project)
		return -ENOMEM;
	for (size_t i = 0; i < a->n_report_roots; i++) {
		if (!strcmp(a->report_roots[i], project))
			return 0;
	}
	if (a->n_report_roots == ROOTS_MAX)
		return 0;
	grown = reallocarray(a->report_roots, a->n_report_roots + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	a->report_roots = grown;
	grown[a->n_report_roots++] = steal_ptr(project);
	return 0;
}

/* A launcher such as /usr/bin/gunicorn says nothing of where the code is. */
static bool is_launcher(const char *folder)
{
	const char *base = strrchr(folder, '/') + 1;

	return !strcmp(base, "bin") || !strcmp(base, "sbin") || strstr(folder, "/site-packages") || strstr(folder, "/dist-packages");
}

/* The script's folder and the working directory, each with the repository around it. */
static int report_process(struct attached *a, const struct process_root *root, const char *script)
{
	_cleanup_free_ char *folder = script ? folder_of(script) : NULL;
	bool useful = folder && !is_launcher(folder);
	int err = useful ? report_on(a, root, folder) : 0;

	if (err || (useful && !strcmp(root->directory, "/")))
		return err;
	return report_on(a, root, root->directory);
}

static char *script_of(const struct process_root *root, const struct process_command *command)
{
	_cleanup_free_ char *path = command->script ? join(root->directory, command->script) : NULL;

	return path && !process_root__exists(root, path) ? steal_ptr(path) : NULL;
}

static int name_first(struct attached *a, pid_t pid)
{
	struct process_stat stat;
	const char *slash = a->command.script ? strrchr(a->command.script, '/') : NULL;

	if (a->command.script && (!slash || slash[1]))
		a->name = strdup(slash ? slash + 1 : a->command.script);
	else if (a->command.module)
		a->name = strdup(a->command.module);
	else
		a->name = strdup(process_stat(pid, &stat) ? "process" : stat.name);
	return a->name ? 0 : -ENOMEM;
}

static int look_at(struct attached *a, pid_t pid, bool first, bool report, const struct identity *own)
{
	struct process_command command = {};
	struct process_root spare;
	const struct process_root *root = take_root(a, pid, own, &spare);
	_cleanup_free_ char *script = NULL;
	int err = process_command__read(&command, pid);

	if (err != -ENOMEM)
		err = 0;
	script = root && !err ? script_of(root, &command) : NULL;
	if (root && !err && report)
		err = report_process(a, root, script);
	a->commanded |= command.commanded;
	if (first) {
		a->command = command;
		a->script = steal_ptr(script);
		a->directory = root ? root->directory : "/";
		err = err ? err : name_first(a, pid);
	} else {
		process_command__release(&command);
	}
	if (spare.fd >= 0)
		process_root__close(&spare);
	return err;
}

int attached__find(struct attached *a, const struct config *c, const struct identity *own, char problem[512])
{
	bool report = !strcmp(c->root_source, "default");
	int err = find_processes(a, c, problem);

	if (err)
		return err;
	a->roots = calloc(ROOTS_MAX, sizeof(*a->roots));
	err = a->roots ? 0 : -ENOMEM;
	for (size_t i = 0; i < a->named.n && !err; i++)
		err = look_at(a, a->named.pids[i], !i, report, own);
	a->opener = (struct source_opener){ open_source, a };
	if (err)
		snprintf(problem, 512, "out of memory");
	return err;
}

void attached__release(struct attached *a)
{
	for (size_t i = 0; i < a->n_roots; i++)
		process_root__close(&a->roots[i]);
	for (size_t i = 0; i < a->n_report_roots; i++)
		free(a->report_roots[i]);
	free(a->roots);
	free(a->report_roots);
	free(a->name);
	free(a->script);
	process_command__release(&a->command);
	pid_list_release(&a->named);
	*a = (struct attached){};
}
