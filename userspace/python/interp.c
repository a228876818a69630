// SPDX-License-Identifier: Apache-2.0
#include "python/interp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/elf.h"
#include "image/library_path.h"
#include "image/maps.h"
#include "python/analyse.h"
#include "util/cleanup.h"

/* More binaries than any sane system runs; keeps a hostile one from filling our memory. */
#define CACHE_MAX 16384
#define TEXT_SEGMENTS_MAX 4

struct cache_entry {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec mtime;
	enum interp_status status;
	char reason[REASON_SIZE];
	struct elf_segment text[TEXT_SEGMENTS_MAX];
	size_t n_text;
	uint64_t debug_slot;
	struct interp_binary *binary; /* INTERP_OK only */
};

struct interp_cache {
	struct cache_entry *entries;
	size_t count, capacity;
};

struct interp_cache *interp_cache__new(void)
{
	return calloc(1, sizeof(struct interp_cache));
}

void interp_cache__free(struct interp_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->count; i++)
		free(cache->entries[i].binary);
	free(cache->entries);
	free(cache);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* With any file but a regular one nothing happens. */
static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

int interp__analyse_file(const char *path, struct interp_binary *out, enum interp_status *status, char reason[160])
{
	_cleanup_free_ char *real = realpath(path, NULL);
	struct elf_image *image;
	int fd, error;

	if (!real)
		return -errno;
	fd = open_file(real);
	if (fd < 0)
		return fd;
	error = elf_image__new(fd, &image);
	if (error)
		return error;
	error = interp_analyse(image, base_name(real), out, status, reason);
	elf_image__free(image);
	return error;
}

static struct cache_entry *cache_lookup(struct interp_cache *cache, const struct stat *st)
{
	for (size_t i = 0; i < cache->count; i++) {
		struct cache_entry *e = &cache->entries[i];

		if (e->inode == st->st_ino && e->device == st->st_dev && e->size == st->st_size && e->mtime.tv_sec == st->st_mtim.tv_sec &&
		    e->mtime.tv_nsec == st->st_mtim.tv_nsec)
			return e;
	}
	return NULL;
}

static struct cache_entry *cache_add(struct interp_cache *cache, const struct cache_entry *entry)
{
	if (cache->count == CACHE_MAX)
		return NULL;
	if (cache->count == cache->capacity) {
		size_t capacity = cache->capacity ? cache->capacity * 2 : 16;
		struct cache_entry *entries = realloc(cache->entries, capacity * sizeof(*entries));

		if (!entries)
			return NULL;
		cache->entries = entries;
		cache->capacity = capacity;
	}
	cache->entries[cache->count] = *entry;
	return &cache->entries[cache->count++];
}

/* Where an executable has the address of the dynamic linker's struct r_debug. 0: nowhere. */
static uint64_t find_debug_slot(const struct elf_image *image)
{
	_cleanup_free_ Elf64_Dyn *entries = NULL;
	uint64_t address;
	size_t count;

	if (elf_image__dynamic(image, &entries, &count, &address))
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (entries[i].d_tag == DT_DEBUG)
			return address + i * sizeof(*entries) + offsetof(Elf64_Dyn, d_un);
	}
	return 0;
}

/* Takes fd. Fills everything in *entry but the file's identity. */
static int analyse_fd(int fd, const char *name, struct cache_entry *entry)
{
	const struct elf_segment *segments;
	struct elf_image *image;
	size_t count;
	int error = elf_image__new(fd, &image);

	if (error == -ENOEXEC) {
		entry->status = INTERP_NOT_PYTHON;
		snprintf(entry->reason, sizeof(entry->reason), "'%.80s' is not an x86-64 ELF file", name);
		return 0;
	}
	if (error)
		return error;
	entry->binary = calloc(1, sizeof(*entry->binary));
	error = entry->binary ? interp_analyse(image, name, entry->binary, &entry->status, entry->reason) : -ENOMEM;
	segments = elf_image__segments(image, &count);
	for (size_t i = 0; i < count && entry->n_text < TEXT_SEGMENTS_MAX; i++) {
		if (segments[i].executable)
			entry->text[entry->n_text++] = segments[i];
	}
	entry->debug_slot = find_debug_slot(image);
	elf_image__free(image);
	if (error || entry->status != INTERP_OK) {
		free(entry->binary);
		entry->binary = NULL;
	}
	return error;
}

/* Takes fd. The entry is valid until the next look. */
static int cache_get(struct interp_cache *cache, int fd, const char *name, const struct cache_entry **out)
{
	struct cache_entry entry = { 0 };
	struct cache_entry *found;
	struct stat st;
	int error;

	if (fstat(fd, &st) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	found = cache_lookup(cache, &st);
	if (found) {
		close(fd);
		*out = found;
		return 0;
	}
	entry.device = st.st_dev;
	entry.inode = st.st_ino;
	entry.size = st.st_size;
	entry.mtime = st.st_mtim;
	error = analyse_fd(fd, name, &entry);
	if (error)
		return error;
	found = cache_add(cache, &entry);
	if (!found) {
		free(entry.binary);
		return -ENOMEM;
	}
	*out = found;
	return 0;
}

/* An executable mapping that may be the interpreter's. */
struct candidate {
	struct mapping mapping;
	char path[PATH_MAX];
	bool found;
};

struct search {
	struct stat exe;
	char exe_path[PATH_MAX];
	struct candidate found;
};

static int keep(struct search *search, const struct mapping *m)
{
	struct candidate *c = &search->found;

	if (strlen(m->path) >= sizeof(c->path))
		return 0;
	c->mapping = *m;
	strcpy(c->path, m->path);
	c->mapping.path = c->path;
	c->found = true;
	return 1;
}

static int look_for_exe(const struct mapping *m, void *arg)
{
	struct search *search = arg;

	/* inode numbers may differ on an overlay, names after a rename: either will do */
	if (m->executable && m->inode && (m->inode == search->exe.st_ino || !strcmp(m->path, search->exe_path)))
		return keep(search, m);
	return 0;
}

/* A libpython; or a python that was started by naming the dynamic loader, which is then the executable. */
static int look_for_library(const struct mapping *m, void *arg)
{
	struct search *search = arg;

	if (m->executable && m->inode && m->inode != search->exe.st_ino && interp_name_version(base_name(m->path)))
		return keep(search, m);
	return 0;
}

static int read_exe(pid_t pid, struct search *search)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, search->exe_path, sizeof(search->exe_path) - 1);
	if (n < 0 || stat(link, &search->exe) < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	search->exe_path[n] = '\0';
	return 0;
}

static uint64_t code_start(const struct cache_entry *entry)
{
	uint64_t start = entry->n_text ? entry->text[0].address : 0;

	for (size_t i = 1; i < entry->n_text; i++) {
		if (entry->text[i].address < start)
			start = entry->text[i].address;
	}
	return start;
}

/* What a file is, and where: fills *out from its cache entry and its mapping. */
static void place(const struct cache_entry *entry, const struct candidate *c, struct interp_process *out)
{
	out->status = entry->status;
	memcpy(out->reason, entry->reason, sizeof(out->reason));
	snprintf(out->path, sizeof(out->path), "%.*s", (int)sizeof(out->path) - 1, c->path);
	if (entry->status != INTERP_OK)
		return;
	if (elf_image__bias(entry->text, entry->n_text, c->mapping.start, c->mapping.offset, &out->bias)) {
		out->status = INTERP_UNSUPPORTED;
		snprintf(out->reason, sizeof(out->reason), "'%.80s' is not mapped as its headers say", base_name(c->path));
		return;
	}
	out->binary = entry->binary;
}

/* Takes fd. Looks the file up or analyses it, then looks where it is mapped; c may be known already. */
static int find_in(struct interp_cache *cache, pid_t pid, int fd, const char *name, struct search *search, struct interp_process *out)
{
	const struct cache_entry *entry;
	int error = cache_get(cache, fd, name, &entry);

	if (error)
		return error;
	if (!search->found.found) {
		out->code_start = code_start(entry);
		out->debug_slot = entry->debug_slot;
	}
	if (entry->status == INTERP_OK && !search->found.found) {
		error = maps__each(pid, look_for_exe, search);
		if (error < 0)
			return error;
		if (!search->found.found)
			return -ESRCH; /* a process that is ending has no mappings any more */
	}
	place(entry, &search->found, out);
	return 0;
}

int interp__find(struct interp_cache *cache, pid_t pid, struct interp_process *out)
{
	struct interp_process result = { .status = INTERP_NOT_PYTHON };
	struct search search;
	int error, fd;

	search.found.found = false;
	search.found.path[0] = '\0';
	error = read_exe(pid, &search);
	if (error)
		return error;
	fd = maps__open_exe(pid);
	error = fd < 0 ? fd : find_in(cache, pid, fd, base_name(search.exe_path), &search, &result);
	if (error)
		return error;
	result.in_executable = result.status == INTERP_OK;
	result.executable = search.exe;
	if (result.status == INTERP_NOT_PYTHON) {
		error = maps__each(pid, look_for_library, &search);
		if (error < 0)
			return error;
		if (search.found.found) {
			fd = maps__open(pid, &search.found.mapping);
			error = fd < 0 ? fd : find_in(cache, pid, fd, base_name(search.found.path), &search, &result);
			if (error)
				return error;
		}
	}
	if (!result.path[0])
		snprintf(result.path, sizeof(result.path), "%.*s", (int)sizeof(result.path) - 1, search.exe_path);
	*out = result;
	return 0;
}

static bool is_libpython(const char *name)
{
	return interp_name_is_libpython(name, NULL);
}

/* The libpython that an executable will load, without links, for the caller to free. */
static int path_of_library(const char *program, const char *search, char **path)
{
	_cleanup_free_ char *found = NULL;
	struct elf_image *image;
	int fd = open_file(program), error;

	if (fd < 0)
		return fd;
	error = elf_image__new(fd, &image);
	if (error)
		return error;
	error = library_path(image, program, search, is_libpython, &found);
	elf_image__free(image);
	if (error)
		return error;
	*path = realpath(found, NULL);
	return *path ? 0 : -errno;
}

static int foretell_file(struct interp_cache *cache, const char *path, struct interp_process *out, const struct cache_entry **entry)
{
	int fd = open_file(path), error;

	if (fd < 0)
		return fd;
	error = cache_get(cache, fd, base_name(path), entry);
	if (error)
		return error;
	out->status = (*entry)->status;
	out->binary = (*entry)->binary;
	memcpy(out->reason, (*entry)->reason, sizeof(out->reason));
	snprintf(out->path, sizeof(out->path), "%.*s", (int)sizeof(out->path) - 1, path);
	return 0;
}

int interp__foretell(struct interp_cache *cache, const char *program, const char *search, struct interp_process *out)
{
	_cleanup_free_ char *real = realpath(program, NULL), *library = NULL;
	struct interp_process result = {};
	const struct cache_entry *entry;
	int error;

	if (!real || stat(real, &result.executable))
		return -errno;
	error = foretell_file(cache, real, &result, &entry);
	if (error)
		return error;
	result.in_executable = entry->status == INTERP_OK;
	result.code_start = code_start(entry);
	result.debug_slot = entry->debug_slot;
	if (entry->status == INTERP_NOT_PYTHON && !path_of_library(real, search, &library)) {
		error = foretell_file(cache, library, &result, &entry);
		if (error)
			return error;
	}
	*out = result;
	return 0;
}
