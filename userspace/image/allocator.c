// SPDX-License-Identifier: Apache-2.0
#include "image/allocator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "image/elf.h"
#include "image/link_map.h"
#include "image/maps.h"
#include "image/probe_point.h"
#include "util/cleanup.h"

#define IMAGES_MAX 512

static const struct {
	const char *name;
	enum heap_call call;
	enum allocator_part part;
	bool key; /* an image with this is the one */
} functions[] = {
	{ "malloc", HEAP_CALL_MALLOC, ALLOCATOR_BLOCKS, true },
	{ "calloc", HEAP_CALL_CALLOC, ALLOCATOR_BLOCKS, false },
	{ "realloc", HEAP_CALL_REALLOC, ALLOCATOR_BLOCKS, false },
	{ "reallocarray", HEAP_CALL_REALLOCARRAY, ALLOCATOR_BLOCKS, false },
	{ "memalign", HEAP_CALL_MEMALIGN, ALLOCATOR_BLOCKS, false },
	{ "aligned_alloc", HEAP_CALL_MEMALIGN, ALLOCATOR_BLOCKS, false },
	{ "posix_memalign", HEAP_CALL_POSIX_MEMALIGN, ALLOCATOR_BLOCKS, false },
	{ "valloc", HEAP_CALL_MALLOC, ALLOCATOR_BLOCKS, false },
	{ "pvalloc", HEAP_CALL_MALLOC, ALLOCATOR_BLOCKS, false },
	{ "free", HEAP_CALL_FREE, ALLOCATOR_BLOCKS, false },
	/* C++'s, where the allocator brings its own */
	{ "_Znwm", HEAP_CALL_MALLOC, ALLOCATOR_BLOCKS, false },
	{ "_Znam", HEAP_CALL_MALLOC, ALLOCATOR_BLOCKS, false },
	{ "_ZdlPv", HEAP_CALL_FREE, ALLOCATOR_BLOCKS, false },
	{ "_ZdlPvm", HEAP_CALL_FREE, ALLOCATOR_BLOCKS, false },
	{ "_ZdaPv", HEAP_CALL_FREE, ALLOCATOR_BLOCKS, false },
	{ "_ZdaPvm", HEAP_CALL_FREE, ALLOCATOR_BLOCKS, false },
	{ "mmap", HEAP_CALL_MMAP, ALLOCATOR_MAPPINGS, true },
	{ "munmap", HEAP_CALL_MUNMAP, ALLOCATOR_MAPPINGS, false },
	{ "mremap", HEAP_CALL_MREMAP, ALLOCATOR_MAPPINGS, false },
	{ "Py_FinalizeEx", HEAP_CALL_FINALIZE, ALLOCATOR_PYTHON, true },
};
#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

struct place { uint64_t start, end, inode; dev_t device; };

struct search {
	pid_t pid;
	struct allocator *out;
	struct place images[IMAGES_MAX]; /* in the order of symbols */
	size_t n;
	/* of the image at hand */
	uint64_t value[N_FUNCTIONS];
};

static int note_symbol(const struct elf_symbol *symbol, void *arg)
{
	struct search *s = arg;

	for (size_t i = 0; i < N_FUNCTIONS; i++) {
		if (!s->value[i] && !strcmp(symbol->name, functions[i].name))
			s->value[i] = symbol->value;
	}
	return 0;
}

static int offset_of(struct elf_image *image, uint64_t value, uint64_t *offset)
{
	size_t count;
	const struct elf_segment *segments = elf_image__segments(image, &count);

	for (size_t i = 0; i < count; i++) {
		const struct elf_segment *s = &segments[i];

		if (!s->executable || value < s->address || value - s->address >= s->file_size)
			continue;
		*offset = value - s->address + s->offset;
		return 0;
	}
	return -ENOENT;
}

/* Functions under one address (aligned_alloc and memalign, say) get one probe. */
static bool has_place(const struct probed_image *p, uint64_t offset)
{
	for (uint32_t i = 0; i < p->n; i++) {
		if (p->offset[i] == offset)
			return true;
	}
	return false;
}

static void add_function(struct elf_image *image, struct probed_image *p, uint64_t value, enum heap_call call)
{
	uint8_t code[PROBE_POINT_LOOK];
	struct probe_point point;
	uint64_t offset;

	if (p->n == ALLOCATOR_PLACES || offset_of(image, value, &offset) || elf_image__read(image, value, code, sizeof(code)))
		return;
	/* many programs free nothing, again and again */
	if (!(call == HEAP_CALL_FREE ? probe_point__choose_not_null : probe_point__choose)(code, sizeof(code), &point) || has_place(p, offset + point.offset))
		return;
	p->offset[p->n] = offset + point.offset;
	p->cookie[p->n++] = call | (point.stepped ? HEAP_CALL_STEPPED : 0);
}

/* glibc's and musl's hand on to realloc by a jump, and the probe there sees it. */
static bool is_forwarded(size_t function, bool libc)
{
	return functions[function].call == HEAP_CALL_REALLOCARRAY && libc;
}

static void take_parts(struct search *s, struct elf_image *image, int fd, const struct place *place)
{
	bool has[ALLOCATOR_PARTS] = {}, libc = false;

	for (size_t i = 0; i < N_FUNCTIONS; i++) {
		if (functions[i].key && s->value[i])
			has[functions[i].part] = true;
		libc |= functions[i].call == HEAP_CALL_MMAP && s->value[i];
	}
	for (enum allocator_part part = 0; part < ALLOCATOR_PARTS; part++) {
		struct probed_image *p = &s->out->part[part];

		if (p->fd >= 0 || !has[part])
			continue;
		*p = (struct probed_image){ .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3), .device = place->device, .inode = place->inode, .start = place->start, .end = place->end };
		for (size_t i = 0; i < N_FUNCTIONS; i++) {
			if (functions[i].part == part && s->value[i] && !is_forwarded(i, libc))
				add_function(image, p, s->value[i], functions[i].call);
		}
	}
}

/* open: a descriptor of the image's file. */
static int look(struct search *s, int open, const struct place *place, bool dynamic)
{
	_cleanup_close_ int fd = fcntl(open, F_DUPFD_CLOEXEC, 3);
	struct elf_image *image;
	int err = elf_image__new(open, &image);

	if (err)
		return fd < 0 ? -errno : 0;
	memset(s->value, 0, sizeof(s->value));
	if (dynamic)
		elf_image__each_dynamic_symbol(image, note_symbol, s);
	else
		elf_image__each_symbol(image, note_symbol, s);
	if (fd >= 0)
		take_parts(s, image, fd, place);
	elf_image__free(image);
	return fd < 0 ? -EMFILE : 0;
}

static int note_image(uint64_t dynamic, void *arg)
{
	struct search *s = arg;

	if (s->n < IMAGES_MAX)
		s->images[s->n++] = (struct place){ .start = dynamic };
	return 0;
}

static int find_file(const struct mapping *m, void *arg)
{
	struct search *s = arg;

	for (size_t i = 0; m->inode && i < s->n; i++) {
		struct place *p = &s->images[i];

		if (!p->inode && p->start >= m->start && p->start < m->end) {
			p->inode = m->inode;
			p->device = m->device;
		}
	}
	return 0;
}

struct code_search { struct place *place; int fd; pid_t pid; };

static int find_code(const struct mapping *m, void *arg)
{
	struct code_search *c = arg;

	if (!m->executable || m->inode != c->place->inode || m->device != c->place->device)
		return 0;
	if (c->fd < 0) {
		c->fd = maps__open(c->pid, m);
		c->place->start = m->start;
	}
	c->place->end = m->end;
	return 0;
}

static bool is_complete(const struct allocator *a)
{
	for (int i = 0; i < ALLOCATOR_PARTS; i++) {
		if (a->part[i].fd < 0)
			return false;
	}
	return true;
}

static int look_at_images(struct search *s)
{
	int err = maps__each(s->pid, find_file, s);

	for (size_t i = 0; !err && i < s->n && !is_complete(s->out); i++) {
		struct code_search code = { &s->images[i], -1, s->pid };

		if (!s->images[i].inode)
			continue;
		err = maps__each(s->pid, find_code, &code);
		if (!err && code.fd >= 0)
			err = look(s, code.fd, &s->images[i], true);
		else if (code.fd >= 0)
			close(code.fd);
	}
	return err;
}

/* A static program: its own symbols, if it still has them. */
static int look_at_program(struct search *s)
{
	int fd = maps__open_exe(s->pid);

	return fd < 0 ? fd : look(s, fd, &(struct place){ 0 }, false);
}

int allocator__find(pid_t pid, struct allocator *out)
{
	_cleanup_free_ struct search *s = calloc(1, sizeof(*s));
	struct allocator found;
	int err;

	if (!s)
		return -ENOMEM;
	for (int i = 0; i < ALLOCATOR_PARTS; i++)
		found.part[i] = (struct probed_image){ .fd = -1 };
	s->pid = pid;
	s->out = &found;
	err = link_map__each(pid, note_image, s);
	if (err == -ENOENT)
		err = look_at_program(s);
	else if (!err)
		err = look_at_images(s);
	if (!err && (found.part[ALLOCATOR_BLOCKS].fd < 0 || !found.part[ALLOCATOR_BLOCKS].n))
		err = -ENOENT;
	if (err)
		allocator__release(&found);
	else
		*out = found;
	return err;
}

int allocator__copy(const struct allocator *a, struct allocator *out)
{
	*out = *a;
	for (int i = 0; i < ALLOCATOR_PARTS; i++) {
		if (a->part[i].fd >= 0)
			out->part[i].fd = fcntl(a->part[i].fd, F_DUPFD_CLOEXEC, 3);
	}
	if (out->part[ALLOCATOR_BLOCKS].fd >= 0)
		return 0;
	allocator__release(out);
	return -EMFILE;
}

void allocator__release(struct allocator *a)
{
	for (int i = 0; i < ALLOCATOR_PARTS; i++) {
		if (a->part[i].fd >= 0)
			close(a->part[i].fd);
		a->part[i].fd = -1;
	}
}

bool allocator__same(const struct allocator *a, const struct allocator *b, enum allocator_part part)
{
	const struct probed_image *x = &a->part[part], *y = &b->part[part];

	return (x->fd >= 0) == (y->fd >= 0) && (x->fd < 0 || (x->device == y->device && x->inode == y->inode && x->n == y->n && !memcmp(x->offset, y->offset, x->n * sizeof(x->offset[0]))));
}
