// SPDX-License-Identifier: Apache-2.0
#include "merge/find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "merge/joined.h"
#include "util/cleanup.h"

#define DETAILS "profile_details"
#define RESULTS "profile_results"

struct names { char **names; size_t n, room; };

static void names_release(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
}

static int names_add(struct names *names, const char *name)
{
	if (!ROOM(names->names, names->n, names->room))
		return -ENOMEM;
	names->names[names->n] = strdup(name);
	return names->names[names->n] ? (names->n++, 0) : -ENOMEM;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* The files and the folders of one folder, in order. */
static int list_folder(int fd, struct names *files, struct names *folders)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int err = 0;

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && (entry = readdir(dir))) {
		struct stat st;

		if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode))
			err = names_add(folders, entry->d_name);
		else if (strlen(entry->d_name) > 5 && !strcmp(entry->d_name + strlen(entry->d_name) - 5, ".json"))
			err = names_add(files, entry->d_name);
	}
	if (files->n)
		qsort(files->names, files->n, sizeof(*files->names), by_name);
	if (folders->n)
		qsort(folders->names, folders->n, sizeof(*folders->names), by_name);
	return err;
}

/* "_2" of "profile_results_2.json", "" of "report.json": the number of a repeated run, with the length of what is before. */
static const char *number_of(const char *name, size_t *before)
{
	size_t end = strlen(name) - 5, at = end;

	while (at && name[at - 1] >= '0' && name[at - 1] <= '9')
		at--;
	if (at == end || !at || name[at - 1] != '_')
		at = end + 1;
	*before = at - 1;
	return name + at - 1; /* followed by ".json" */
}

static bool is(const char *name, const char *base)
{
	size_t before;

	number_of(name, &before);
	return before == strlen(base) && !memcmp(name, base, before);
}

/* The results that go with a file of details, or NULL. */
static const char *partner(const struct names *files, const char *details)
{
	const char *best = NULL, *number;
	size_t before;

	number = number_of(details, &before);
	for (size_t i = 0; i < files->n; i++) {
		const char *name = files->names[i];

		if (strcmp(number_of(name, &before), number) || is(name, DETAILS) || is(name, "function_stats"))
			continue;
		if (!best || is(name, RESULTS))
			best = name;
	}
	return best;
}

static char *join(const char *folder, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0 ? NULL : path;
}

/* Has this file been found before? Then, and if it is named now, it counts as named. 0, 1 or -ENOMEM. */
static int find_twin(struct found_list *list, const char *path, bool named)
{
	uint64_t file[2];
	struct stat st;
	uint32_t at;

	if (stat(path, &st))
		return 0;
	file[0] = st.st_dev;
	file[1] = st.st_ino;
	if (!map64_get(&list->seen, hash_bytes(file, sizeof(file)), &at))
		return map64_put(&list->seen, hash_bytes(file, sizeof(file)), (uint32_t)list->n);
	if (at < list->n)
		list->items[at].named |= named;
	return 1;
}

static int add(struct found_list *list, const char *folder, const char *details, const char *results, bool named)
{
	struct found item = {.folder = strdup(folder), .details = details ? join(folder, details) : NULL, .results = results ? join(folder, results) : NULL, .named = named};
	int err = item.folder && !details == !item.details && !results == !item.results ? 0 : -ENOMEM;

	if (!err)
		err = find_twin(list, item.details ? item.details : item.results, named);
	if (!err && list->n == FOUND_MAX)
		err = -E2BIG;
	if (!err && !ROOM(list->items, list->n, list->room))
		err = -ENOMEM;
	if (!err) {
		list->items[list->n++] = item;
		return 0;
	}
	free(item.folder);
	free(item.details);
	free(item.results);
	return err < 0 ? err : 0;
}

static int take_folder(struct found_list *list, const char *folder, const struct names *files, bool named)
{
	int err = 0;

	for (size_t i = 0; i < files->n && !err; i++) {
		const char *name = files->names[i];
		char details[300];
		bool alone = true;

		if (is(name, DETAILS)) {
			err = add(list, folder, name, partner(files, name), named);
		} else if (is(name, RESULTS)) {
			size_t before;

			/* results without details are somebody else's, or a rest */
			snprintf(details, sizeof(details), DETAILS "%s", number_of(name, &before));
			for (size_t k = 0; k < files->n; k++)
				alone &= strcmp(files->names[k], details) != 0;
			err = alone ? add(list, folder, NULL, name, named) : 0;
		}
	}
	return err;
}

static int search(struct found_list *list, const char *folder, unsigned int depth)
{
	struct names files = {}, folders = {};
	/* what is named may be a link; nothing below it */
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth ? O_NOFOLLOW : 0)), err;

	if (fd < 0)
		return depth ? 0 : -errno;
	err = list_folder(fd, &files, &folders);
	if (!err)
		err = take_folder(list, folder, &files, !depth);
	for (size_t i = 0; i < folders.n && !err && depth < FOUND_DEPTH_MAX; i++) {
		char *below = join(folder, folders.names[i]);

		err = below ? search(list, below, depth + 1) : -ENOMEM;
		free(below);
	}
	names_release(&files);
	names_release(&folders);
	return err;
}

/* --- labels --- */

/* Length of the folders that all paths begin with, '/' included. */
static size_t common_length(const struct found_list *list)
{
	const char *first = list->items[0].folder;
	size_t common = strlen(first) + 1;

	for (size_t i = 0; i < list->n; i++) {
		const char *other = list->items[i].folder;
		size_t at = 0, end = 0;

		while (first[at] && first[at] == other[at]) {
			if (first[at++] == '/')
				end = at;
		}
		if (!first[at] && !other[at])
			end = at + 1;
		if (end < common)
			common = end;
	}
	return common;
}

/* "20261121_185300", "20261121_185300_1" */
static bool is_stamp(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits == 8 && name[8] == '_' && strspn(name + 9, "0123456789") == 6 && (!name[15] || (name[15] == '_' && name[16] && !name[16 + strspn(name + 16, "0123456789")]));
}

/* Takes the last part off if that is a time stamp and something is left. */
static bool cut_stamp(char *label)
{
	char *slash = strrchr(label, '/');

	if (!slash || slash == label || !is_stamp(slash + 1))
		return false;
	*slash = '\0';
	return true;
}

/* Takes the last part off, if all have the same one and something is left of each. */
static void cut_common(struct found_list *list)
{
	const char *last = strrchr(list->items[0].label, '/');

	for (size_t i = 0; i < list->n; i++) {
		const char *slash = strrchr(list->items[i].label, '/');

		if (!slash || !last || slash == list->items[i].label || strcmp(slash, last))
			return;
	}
	for (size_t i = list->n; i-- > 0;)
		*strrchr(list->items[i].label, '/') = '\0';
}

static int by_label(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = strverscmp(x->label, y->label);

	order = order ? order : strverscmp(x->folder, y->folder);
	return order ? order : strverscmp(x->details ? x->details : x->results, y->details ? y->details : y->results);
}

/* Are those of different folders different? The list is in order of the labels. */
static bool labels_differ(const struct found_list *list)
{
	for (size_t i = 1; i < list->n; i++) {
		if (!strcmp(list->items[i - 1].label, list->items[i].label) && strcmp(list->items[i - 1].folder, list->items[i].folder))
			return false;
	}
	return true;
}

static int set_labels(struct found_list *list, bool brief)
{
	size_t common = common_length(list);

	for (size_t i = 0; i < list->n; i++) {
		struct found *item = &list->items[i];
		const char *slash = strrchr(item->folder, '/');
		const char *rest = strlen(item->folder) > common ? item->folder + common : slash && slash[1] ? slash + 1 : item->folder;

		free(item->label);
		item->label = strdup(rest);
		if (!item->label)
			return -ENOMEM;
		if (brief)
			cut_stamp(item->label);
	}
	if (brief)
		cut_common(list);
	qsort(list->items, list->n, sizeof(*list->items), by_label);
	return 0;
}

/* Repeated runs lie in one folder. */
static int number_labels(struct found_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct found *item = &list->items[i];
		const char *path = item->details ? item->details : item->results, *number;
		char *numbered;
		size_t before;

		number = number_of(strrchr(path, '/') + 1, &before);
		if (*number != '_')
			continue;
		if (asprintf(&numbered, "%s%.*s", item->label, (int)strcspn(number, "."), number) < 0)
			return -ENOMEM;
		free(item->label);
		item->label = numbered;
	}
	return 0;
}

int found__search(struct found_list *list, const char *const *folders, size_t n, const char **which)
{
	int err = 0;

	*list = (struct found_list){};
	for (size_t i = 0; i < n && !err; i++) {
		_cleanup_free_ char *folder = realpath(folders[i], NULL);

		*which = folders[i];
		err = folder ? search(list, folder, 0) : -errno;
	}
	if (!err && list->n) {
		err = set_labels(list, true);
		if (!err && !labels_differ(list))
			err = set_labels(list, false);
		if (!err)
			err = number_labels(list);
	}
	if (err)
		found__release(list);
	return err;
}

void found__release(struct found_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->items[i].folder);
		free(list->items[i].details);
		free(list->items[i].results);
		free(list->items[i].label);
	}
	free(list->items);
	map64_release(&list->seen);
	*list = (struct found_list){};
}
