// SPDX-License-Identifier: Apache-2.0
#include "cli/find.h"

#include <errno.h>
#include <fts.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/paths.h"
#include "util/cleanup.h"
#include "util/log.h"

#define LISTED_MAX 10

static const char *const suffixes[] = { ".py", ".ipynb" };

struct found {
	char **paths;
	size_t count;
};

static void found_release(struct found *found)
{
	for (size_t i = 0; i < found->count; i++)
		free(found->paths[i]);
	free(found->paths);
}
#define _cleanup_found_ __attribute__((cleanup(found_release)))

static void fts_cleanup(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}
#define _cleanup_fts_ __attribute__((cleanup(fts_cleanup)))

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool has_suffix(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(suffixes[i]);

		if (length > n && !strcmp(name + length - n, suffixes[i]))
			return true;
	}
	return false;
}

/* name itself, or with `completed` name and a suffix */
static bool name_matches(const char *entry, const char *name, bool completed)
{
	size_t length = strlen(name);

	if (!completed)
		return !strcmp(entry, name);
	return !strncmp(entry, name, length) && (!strcmp(entry + length, suffixes[0]) || !strcmp(entry + length, suffixes[1]));
}

/* Kernel file systems below root "/" hold no scripts and no end. */
static bool is_kernel_mount(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC);
}

static bool is_skipped(const FTSENT *entry, const struct find_places *places)
{
	if (entry->fts_level == FTS_ROOTLEVEL)
		return false;
	if (!strcmp(entry->fts_name, ".git") || !strcmp(entry->fts_name, ".venv"))
		return true;
	for (size_t i = 0; i < places->n_skip; i++)
		if (path_is_below(entry->fts_path, places->skip[i]) && !path_is_below(places->root, places->skip[i]))
			return true;
	return entry->fts_parent->fts_dev != entry->fts_statp->st_dev && is_kernel_mount(entry->fts_accpath);
}

static bool is_file(const FTSENT *entry)
{
	struct stat st;

	if (entry->fts_info == FTS_F)
		return S_ISREG(entry->fts_statp->st_mode);
	return entry->fts_info == FTS_SL && stat(entry->fts_accpath, &st) == 0 && S_ISREG(st.st_mode);
}

static int found_add(struct found *found, const char *path)
{
	char **grown = reallocarray(found->paths, found->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	found->paths = grown;
	grown[found->count] = strdup(path);
	return grown[found->count] ? (found->count++, 0) : -ENOMEM;
}

static int search(const char *name, bool completed, const struct find_places *places, struct found *found)
{
	_cleanup_free_ char *root = strdup(places->root);
	char *roots[] = { root, NULL };
	FTS *fts _cleanup_fts_ = root ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
	FTSENT *entry;

	if (!fts)
		return -ENOMEM;
	while ((entry = fts_read(fts))) {
		const char *path = entry->fts_path;

		if (entry->fts_info == FTS_D && is_skipped(entry, places)) {
			fts_set(fts, entry, FTS_SKIP);
			continue;
		}
		if (!name_matches(entry->fts_name, name, completed) || !is_file(entry))
			continue;
		if (path[0] == '/' && path[1] == '/') /* root is "/" */
			path++;
		if (found_add(found, path) < 0)
			return -ENOMEM;
	}
	if (found->count)
		qsort(found->paths, found->count, sizeof(*found->paths), compare_paths);
	return 0;
}

static int refuse_several(const char *name, const struct found *found)
{
	_cleanup_free_ char *list = NULL;
	size_t size = 0, shown = found->count < LISTED_MAX ? found->count : LISTED_MAX;
	FILE *out = open_memstream(&list, &size);

	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < shown; i++) {
		char buffer[4200];

		fprintf(out, "\n  %s", path_shown(found->paths[i], buffer, sizeof(buffer)));
	}
	if (shown < found->count)
		fprintf(out, "\n  and %zu more", found->count - shown);
	if (fclose(out))
		return -ENOMEM;
	log_error("'%s' names %zu files: give the path of one of them%s", name, found->count, list);
	return -EINVAL;
}

/* 1: path is the file; 0: nothing is there; -EINVAL: something else is, said. */
static int try_path(const char *name, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		log_error("cannot open '%s': %s", name, strerror(errno));
		return -EINVAL;
	}
	if (S_ISDIR(st.st_mode)) {
		log_error("'%s' is a folder: name a script in it, or use --module for a package", name);
		return -EINVAL;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("'%s' is not a regular file", name);
		return -EINVAL;
	}
	if (*name && name[strlen(name) - 1] == '/') {
		log_error("'%s' is a file: name it without the '/' at its end", name);
		return -EINVAL;
	}
	if (access(path, R_OK) < 0) {
		log_error("cannot open '%s': %s", name, strerror(errno));
		return -EINVAL;
	}
	return 1;
}

static int find_bare(const char *name, const struct find_places *places, char **path)
{
	struct found found _cleanup_found_ = { 0 };
	int err = search(name, false, places, &found);

	if (!err && !found.count && !has_suffix(name))
		err = search(name, true, places, &found);
	if (err)
		return err;
	if (found.count > 1)
		return refuse_several(name, &found);
	if (!found.count) {
		log_error("no file '%s' in the working directory or below root '%s' (.git, .venv, the ignored and the output folder are not searched)",
			  name, places->root);
		return -EINVAL;
	}
	err = try_path(found.paths[0], found.paths[0]);
	if (err != 1)
		return err ? err : -EINVAL;
	*path = steal_ptr(found.paths[0]);
	return 0;
}

int find_script(const char *name, const struct find_places *places, char **path)
{
	const char *bases[] = { places->directory, places->root };

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *candidate = path_absolute(bases[i], name);
		int err = candidate ? try_path(name, candidate) : -ENOMEM;

		if (err == 1)
			*path = steal_ptr(candidate);
		if (err)
			return err < 0 ? err : 0;
	}
	if (!strchr(name, '/'))
		return find_bare(name, places, path);
	if (name[0] == '/')
		log_error("no file '%s'", name);
	else
		log_error("no file '%s' in the working directory or in root '%s'", name, places->root);
	return -EINVAL;
}
