// SPDX-License-Identifier: Apache-2.0
#include "image/library_path.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define STRINGS_MAX (1U << 20) /* bytes */
/* Where Debian, Red Hat and those who build it themselves have theirs. */
#define DIRECTORIES "/usr/local/lib:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/usr/local/lib64:/lib:/usr/lib"

struct dynamic {
	Elf64_Dyn *entries;
	size_t n;
	const char *strings;
	size_t size; /* of these */
};

/* The first string of this kind, if there is a condition one that meets it; or NULL. */
static const char *find(const struct dynamic *d, int64_t tag, bool (*wanted)(const char *name))
{
	for (size_t i = 0; i < d->n; i++) {
		const Elf64_Dyn *entry = &d->entries[i];

		if (entry->d_tag == tag && entry->d_un.d_val < d->size && (!wanted || wanted(d->strings + entry->d_un.d_val)))
			return d->strings + entry->d_un.d_val;
	}
	return NULL;
}

/* The file's path, if it is there: of the linker's own words only $ORIGIN is known. */
static char *in_directory(const char *directory, size_t length, const char *program, const char *name)
{
	static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
	int origin = 0;
	char *path;

	for (size_t i = 0; i < sizeof(origins) / sizeof(*origins); i++) {
		size_t n = strlen(origins[i]);

		if (length < n || memcmp(directory, origins[i], n) || (length > n && directory[n] != '/'))
			continue;
		origin = (int)(strrchr(program, '/') - program);
		directory += n;
		length -= n;
		break;
	}
	if (memchr(directory, '$', length) || (!origin && (!length || *directory != '/')))
		return NULL;
	if (asprintf(&path, "%.*s%.*s/%s", origin, program, (int)length, directory, name) < 0)
		return NULL;
	if (!access(path, R_OK))
		return path;
	free(path);
	return NULL;
}

/* list: directories between colons; NULL: none. */
static char *in_list(const char *list, const char *program, const char *name)
{
	while (list && *list) {
		size_t length = strcspn(list, ":");
		char *path = in_directory(list, length, program, name);

		if (path)
			return path;
		list += length + (list[length] == ':');
	}
	return NULL;
}

int library_path(const struct elf_image *image, const char *program, const char *search, bool (*wanted)(const char *name), char **path)
{
	_cleanup_free_ Elf64_Dyn *entries = NULL;
	_cleanup_free_ uint8_t *strings = NULL;
	const char *name, *before, *after;
	struct elf_section section;
	struct dynamic d;
	uint64_t address;

	if (*program != '/' || elf_image__dynamic(image, &entries, &d.n, &address))
		return -ENOENT;
	if (elf_image__section(image, ".dynstr", &section) || !section.size || section.size > STRINGS_MAX || elf_image__section_data(image, &section, &strings))
		return -ENOENT;
	/* with a NUL at its end, every string in the table ends */
	if (strings[section.size - 1])
		return -ENOENT;
	d.entries = entries;
	d.strings = (const char *)strings;
	d.size = section.size;
	name = find(&d, DT_NEEDED, wanted);
	if (!name || strchr(name, '/'))
		return -ENOENT;
	after = find(&d, DT_RUNPATH, NULL);
	before = after ? NULL : find(&d, DT_RPATH, NULL);
	*path = in_list(before, program, name);
	if (!*path)
		*path = in_list(search, program, name);
	if (!*path)
		*path = in_list(after, program, name);
	if (!*path)
		*path = in_list(DIRECTORIES, program, name);
	return *path ? 0 : -ENOENT;
}
