// SPDX-License-Identifier: Apache-2.0
#include "image/library_path.h"

#include <elf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define TABLE_MAX (1U << 20) /* bytes */
/* Where Debian, Red Hat and those who build it themselves have theirs. */
#define DIRECTORIES "/usr/local/lib:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:/usr/local/lib64:/lib:/usr/lib"

struct dynamic {
	uint8_t *entries;
	size_t size;
	char *strings;
	size_t strings_size;
};

static uint8_t *read_table(const struct elf_image *image, const char *name, size_t *size)
{
	struct elf_section section;
	uint8_t *data;

	if (elf_image__section(image, name, &section) || !section.size || section.size > TABLE_MAX || elf_image__section_data(image, &section, &data))
		return NULL;
	*size = section.size;
	return data;
}

/* The first string of this kind, if there is a condition one that meets it; or NULL. */
static const char *find(const struct dynamic *d, int64_t tag, bool (*wanted)(const char *name))
{
	Elf64_Dyn entry;

	for (size_t at = 0; at + sizeof(entry) <= d->size; at += sizeof(entry)) {
		memcpy(&entry, d->entries + at, sizeof(entry));
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == tag && entry.d_un.d_val < d->strings_size && (!wanted || wanted(d->strings + entry.d_un.d_val)))
			return d->strings + entry.d_un.d_val;
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
	struct dynamic d = {};
	_cleanup_free_ uint8_t *entries = d.entries = read_table(image, ".dynamic", &d.size);
	_cleanup_free_ char *strings = d.strings = (char *)read_table(image, ".dynstr", &d.strings_size);
	const char *name, *before, *after;

	/* with a NUL at its end, every string in the table ends */
	if (!entries || !strings || strings[d.strings_size - 1] || *program != '/')
		return -ENOENT;
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
