// SPDX-License-Identifier: Apache-2.0
#include "symbols/native.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/maps.h"
#include "image/remote.h"
#include "symbols/demangle.h"
#include "symbols/functions.h"
#include "util/clock.h"
#include "util/map64.h"

#define READ_AGAIN_MIN_NS 50000000ULL
#define READ_AGAIN_MAX_NS 10000000000ULL
#define READ_SHARE 200 /* of the time, one part of so many at most for a process's mappings, which may be tens of thousands */
#define STALE_NS 60000000000ULL
/* A longer name is told as the compiler made it. */
#define NAME_BYTES 4096
#define MAPPINGS_MAX 16384
#define IMAGES_MAX 4096
#define VDSO_BYTES_MAX 65536
#define NONE UINT32_MAX

/* An executable mapping. */
struct code_map {
	uint64_t start, end, offset;
	char *path;                /* owned: not every process's paths are worth keeping for ever */
	uint32_t image;            /* index; NONE: not looked for yet, or there is none */
	uint32_t serial;           /* of the image, when it was found: another one may have its place by now */
	bool asked;                /* there is none, or it was found */
	bool file;
	/* of what a lookup needs to open it */
	uint64_t inode;
	dev_t device;
	bool deleted;
};

struct space {
	uint32_t id;
	bool gone;                 /* gone: its mappings cannot be read any more */
	struct code_map *maps;     /* ascending */
	uint32_t n, room;
	pid_t thread;              /* whose files in /proc tell of the process */
	uint64_t read_ns, cost_ns; /* when they were read, and what that took */
	uint64_t wait_ns;          /* how long to wait before they are read again for a miss */
};

/* Functions of one file. */
struct image {
	dev_t device;
	ino_t inode;
	struct timespec changed;
	off_t size;
	struct functions *functions; /* NULL: it is none of ours */
	size_t bytes;
	uint64_t used;             /* by the clock of lookups */
	uint32_t serial;           /* 0: a free place */
};

struct native {
	struct map64 space_of;
	struct space *spaces;
	uint32_t n_spaces, room_spaces;
	uint32_t *free_spaces;
	uint32_t n_free, room_free;
	struct image images[IMAGES_MAX];
	uint32_t n_images, serials;
	uint64_t lookups;
	size_t bytes, bytes_max;
	uint32_t vdso, vdso_serial; /* image of our own one; serial 0: not read */
	uint64_t vdso_size;
	char name[NAME_BYTES]; /* the last one that was demangled */
};

static void free_maps(struct code_map *maps, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(maps[i].path);
	free(maps);
}

struct native *native__new(size_t bytes_max)
{
	struct native *native = calloc(1, sizeof(*native));

	if (!native)
		return NULL;
	native->bytes_max = bytes_max ? bytes_max : NATIVE_BYTES_DEFAULT;
	return native;
}

void native__free(struct native *native)
{
	if (!native)
		return;
	for (uint32_t i = 0; i < native->n_spaces; i++)
		free_maps(native->spaces[i].maps, native->spaces[i].n);
	for (uint32_t i = 0; i < native->n_images; i++)
		functions__free(native->images[i].functions);
	free(native->spaces);
	free(native->free_spaces);
	map64_release(&native->space_of);
	free(native);
}

size_t native__bytes(const struct native *native)
{
	return native->bytes;
}

size_t native__spaces(const struct native *native)
{
	return native->space_of.count;
}

/* --- images --- */

static void drop_image(struct native *native, struct image *image)
{
	functions__free(image->functions);
	native->bytes -= image->bytes;
	*image = (struct image){ 0 };
}

/* The one that was asked for longest ago. NULL: there is none but `but`. */
static struct image *oldest_image(struct native *native, const struct image *but)
{
	struct image *oldest = NULL;

	for (uint32_t i = 0; i < native->n_images; i++) {
		struct image *image = &native->images[i];

		if (image->serial && image != but && (!oldest || image->used < oldest->used))
			oldest = image;
	}
	return oldest;
}

static struct image *free_image(struct native *native)
{
	struct image *oldest;

	for (uint32_t i = 0; i < native->n_images; i++) {
		if (!native->images[i].serial)
			return &native->images[i];
	}
	if (native->n_images < IMAGES_MAX)
		return &native->images[native->n_images++];
	oldest = oldest_image(native, NULL);
	drop_image(native, oldest);
	return oldest;
}

/* Takes fd. A file that is none of ours is remembered, too: it is not read again. */
static uint32_t add_image(struct native *native, int fd, const struct stat *st)
{
	struct image *image = free_image(native), *oldest;

	/* half of all for one: a giant must not push out everything else */
	if (functions__new(fd, native->bytes_max / 2, &image->functions))
		image->functions = NULL;
	image->device = st->st_dev;
	image->inode = st->st_ino;
	image->changed = st->st_mtim;
	image->size = st->st_size;
	image->bytes = image->functions ? functions__bytes(image->functions) : 0;
	image->used = native->lookups;
	image->serial = ++native->serials ? native->serials : ++native->serials;
	native->bytes += image->bytes;
	while (native->bytes > native->bytes_max && (oldest = oldest_image(native, image)))
		drop_image(native, oldest);
	return (uint32_t)(image - native->images);
}

static bool same_file(const struct image *image, const struct stat *st)
{
	return image->serial && image->inode == st->st_ino && image->device == st->st_dev && image->size == st->st_size &&
	       image->changed.tv_sec == st->st_mtim.tv_sec && image->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* The kernel maps one vDSO into all processes, ours included. */
static uint32_t vdso_image(struct native *native, const struct code_map *map)
{
	uint64_t size = map->end - map->start;
	const void *own = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct stat st = { 0 };
	int fd;

	/* a 32-bit process has another one */
	if (!own || size > VDSO_BYTES_MAX || map->end <= UINT32_MAX || (native->vdso_serial && native->vdso_size != size))
		return NONE;
	if (native->vdso_serial && native->images[native->vdso].serial == native->vdso_serial)
		return native->vdso;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return NONE;
	/* the kernel checks the addresses: if ours is shorter, the write is, too */
	if (write(fd, own, size) != (ssize_t)size) {
		close(fd);
		return NONE;
	}
	native->vdso_size = size;
	native->vdso = add_image(native, fd, &st);
	native->vdso_serial = native->images[native->vdso].serial;
	return native->vdso;
}

static uint32_t find_image(struct native *native, pid_t thread, const struct code_map *map)
{
	const struct mapping mapping = {
		.start = map->start, .end = map->end, .offset = map->offset, .inode = map->inode, .device = map->device,
		.readable = true, .executable = true, .deleted = map->deleted, .path = map->path,
	};
	struct stat st;
	int fd;

	if (!map->file)
		return strcmp(map->path, "[vdso]") ? NONE : vdso_image(native, map);
	fd = maps__open(thread, &mapping);
	if (fd < 0)
		return NONE;
	if (fstat(fd, &st)) {
		close(fd);
		return NONE;
	}
	for (uint32_t i = 0; i < native->n_images; i++) {
		if (same_file(&native->images[i], &st)) {
			close(fd);
			return i;
		}
	}
	return add_image(native, fd, &st);
}

static const struct image *image_of(struct native *native, pid_t thread, struct code_map *map)
{
	if (map->asked && map->image == NONE)
		return NULL;
	if (!map->asked || native->images[map->image].serial != map->serial) {
		map->image = find_image(native, thread, map);
		map->asked = true;
		if (map->image == NONE)
			return NULL;
		map->serial = native->images[map->image].serial;
	}
	native->images[map->image].used = native->lookups;
	return &native->images[map->image];
}

/* --- spaces --- */

static struct space *space_get(struct native *native, uint32_t id)
{
	uint32_t at;

	if (map64_get(&native->space_of, id, &at))
		return &native->spaces[at];
	if (native->n_free) {
		at = native->free_spaces[--native->n_free];
	} else {
		if (native->n_spaces == native->room_spaces) {
			uint32_t room = native->room_spaces ? native->room_spaces * 2 : 64;
			struct space *spaces = reallocarray(native->spaces, room, sizeof(*spaces));
			uint32_t *free_spaces = spaces ? reallocarray(native->free_spaces, room, sizeof(*free_spaces)) : NULL;

			if (spaces)
				native->spaces = spaces;
			if (!free_spaces)
				return NULL;
			native->free_spaces = free_spaces;
			native->room_spaces = room;
		}
		at = native->n_spaces;
	}
	if (map64_put(&native->space_of, id, at))
		return NULL;
	native->n_spaces += at == native->n_spaces;
	native->spaces[at] = (struct space){ .id = id };
	return &native->spaces[at];
}

void native__end(struct native *native, uint32_t space)
{
	uint32_t at;

	if (!map64_remove(&native->space_of, space, &at))
		return;
	free_maps(native->spaces[at].maps, native->spaces[at].n);
	native->spaces[at] = (struct space){ 0 };
	native->free_spaces[native->n_free++] = at; /* there is room for all of them */
}

static int take_mapping(const struct mapping *m, void *arg)
{
	struct space *space = arg;
	struct code_map *map;

	if (!m->executable || !strcmp(m->path, "[vsyscall]"))
		return 0;
	if (space->n == MAPPINGS_MAX)
		return 1;
	if (space->n == space->room) {
		uint32_t room = space->room ? space->room * 2 : 16;
		struct code_map *maps = reallocarray(space->maps, room, sizeof(*maps));

		if (!maps)
			return -ENOMEM;
		space->maps = maps;
		space->room = room;
	}
	map = &space->maps[space->n];
	*map = (struct code_map){
		.start = m->start, .end = m->end, .offset = m->offset, .image = NONE, .inode = m->inode, .device = m->device, .deleted = m->deleted,
		.file = m->inode && m->path[0] == '/',
	};
	map->path = strdup(m->path[0] ? m->path : "[anon]");
	if (!map->path)
		return -ENOMEM;
	space->n++;
	return 0;
}

static int by_start(const void *key, const void *element)
{
	const uint64_t *address = key;
	const struct code_map *map = element;

	return *address < map->start ? -1 : *address >= map->end;
}

static bool same_map(const struct code_map *a, const struct code_map *b)
{
	return a->start == b->start && a->end == b->end && a->offset == b->offset && a->inode == b->inode && a->device == b->device && !strcmp(a->path, b->path);
}

/* What was found out about mappings that are still the same. */
static void keep_known(struct space *space, const struct code_map *before, uint32_t n)
{
	for (uint32_t i = 0; before && i < space->n; i++) {
		struct code_map *map = &space->maps[i];
		const struct code_map *was = bsearch(&map->start, before, n, sizeof(*before), by_start);

		if (!was || !same_map(was, map))
			continue;
		map->image = was->image;
		map->serial = was->serial;
		map->asked = was->asked;
	}
}

static void read_maps(struct space *space, uint32_t pid, uint64_t now)
{
	struct code_map *before = space->maps;
	uint32_t n = space->n, room = space->room;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	int err;

	space->maps = NULL;
	space->n = space->room = 0;
	space->read_ns = now;
	space->thread = (pid_t)pid;
	err = maps__each(space->thread, take_mapping, space);
	if (err >= 0 && !space->n && remote__thread((pid_t)pid) != (pid_t)pid) {
		/* the main thread has ended, but not the process */
		space->thread = remote__thread((pid_t)pid);
		err = maps__each(space->thread, take_mapping, space);
	}
	space->cost_ns = clock_ns(CLOCK_MONOTONIC) - begin;
	/* a process that has ended, or is about to, has no mappings: what was known of it stays right */
	if (err < 0 || !space->n) {
		free_maps(space->maps, space->n);
		space->maps = before;
		space->n = n;
		space->room = room;
		space->gone = err != -ENOMEM;
		return;
	}
	keep_known(space, before, n);
	free_maps(before, n);
}

static struct code_map *map_at(const struct space *space, uint64_t address)
{
	return space->n ? bsearch(&address, space->maps, space->n, sizeof(*space->maps), by_start) : NULL;
}

static struct code_map *find_map(struct space *space, uint32_t pid, uint64_t address)
{
	struct code_map *map = map_at(space, address);
	uint64_t now, least;

	if (space->gone)
		return map;
	now = clock_ns(CLOCK_MONOTONIC_COARSE);
	if (space->read_ns && now - space->read_ns < (map ? STALE_NS : space->wait_ns))
		return map;
	read_maps(space, pid, now);
	map = map_at(space, address);
	least = space->cost_ns * READ_SHARE > READ_AGAIN_MIN_NS ? space->cost_ns * READ_SHARE : READ_AGAIN_MIN_NS;
	/* code that comes and goes, or a wild address, is not worth a reading each time */
	space->wait_ns = map || !space->wait_ns ? least : space->wait_ns * 2 < READ_AGAIN_MAX_NS ? space->wait_ns * 2 : READ_AGAIN_MAX_NS;
	return map;
}

bool native__name(struct native *native, uint32_t pid, uint32_t id, uint64_t address, const char **image, const char **function)
{
	const struct image *found;
	struct code_map *map;
	struct space *space;
	const char *name;

	if (address >> 63) /* the kernel's half */
		return false;
	space = space_get(native, id);
	map = space ? find_map(space, pid, address) : NULL;
	if (!map)
		return false;
	native->lookups++;
	found = image_of(native, space->thread, map);
	name = found && found->functions ? functions__at(found->functions, map->start, map->offset, address) : NULL;
	*image = map->path;
	*function = name && demangle(name, native->name, sizeof(native->name)) ? native->name : name;
	return true;
}
