// SPDX-License-Identifier: Apache-2.0
#include "symbols/functions.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/elf.h"
#include "util/cleanup.h"

/* A table with its names that is larger is not read: of .symtab, .dynsym has to do then. */
#define TABLE_BYTES_MAX (32ULL << 20)
/* What has no size, as some assembly, reaches to the next function, but no further than this. */
#define UNSIZED_MAX 65536U

struct function {
	uint64_t address; /* virtual */
	uint32_t size;    /* 0: not known */
	uint32_t name;    /* offset into names */
};

struct functions {
	struct elf_segment *segments;
	size_t n_segments;
	struct function *functions; /* ascending, one per address */
	size_t n, room;
	char *names;
	size_t names_size, names_room;
	size_t bytes_max;
	int error;
};

static bool grow(void **array, size_t needed, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 256;
	void *larger;

	if (needed <= *room)
		return true;
	while (wanted < needed)
		wanted *= 2;
	larger = reallocarray(*array, wanted, size);
	if (!larger)
		return false;
	*array = larger;
	*room = wanted;
	return true;
}

static bool executable(const struct functions *f, uint64_t address)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		if (f->segments[i].executable && address >= f->segments[i].address && address - f->segments[i].address < f->segments[i].memory_size)
			return true;
	}
	return false;
}

static int take(const struct elf_symbol *symbol, void *arg)
{
	size_t length = strcspn(symbol->name, "@") + 1; /* without a version, "qsort@@GLIBC_2.2.5" */
	struct functions *f = arg;

	if ((symbol->type != STT_FUNC && symbol->type != STT_GNU_IFUNC) || length == 1 || !executable(f, symbol->value))
		return 0;
	if ((f->n + 1) * sizeof(struct function) + f->names_size + length > f->bytes_max || f->names_size + length > UINT32_MAX) {
		f->error = -EFBIG;
		return 1;
	}
	if (!grow((void **)&f->functions, f->n + 1, &f->room, sizeof(*f->functions)) || !grow((void **)&f->names, f->names_size + length, &f->names_room, 1)) {
		f->error = -ENOMEM;
		return 1;
	}
	f->functions[f->n++] = (struct function){ symbol->value, symbol->size < UINT32_MAX ? (uint32_t)symbol->size : UINT32_MAX, (uint32_t)f->names_size };
	memcpy(f->names + f->names_size, symbol->name, length - 1);
	f->names_size += length;
	f->names[f->names_size - 1] = '\0';
	return 0;
}

/* Of several names for one address the largest function's, then the first that the table has. */
static int by_address(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

static void forget(struct functions *f)
{
	free(steal_ptr(f->functions));
	free(steal_ptr(f->names));
	f->n = f->room = f->names_size = f->names_room = 0;
}

/* One name per address, and no room to spare. */
static void settle(struct functions *f)
{
	size_t n = 0;
	void *exact;

	if (!f->n)
		return;
	qsort(f->functions, f->n, sizeof(*f->functions), by_address);
	for (size_t i = 0; i < f->n; i++) {
		if (!n || f->functions[i].address != f->functions[n - 1].address)
			f->functions[n++] = f->functions[i];
	}
	f->n = n;
	exact = reallocarray(f->functions, n, sizeof(*f->functions));
	if (exact) {
		f->functions = exact;
		f->room = n;
	}
	exact = realloc(f->names, f->names_size);
	if (exact) {
		f->names = exact;
		f->names_room = f->names_size;
	}
}

static int read_segments(struct functions *f, const struct elf_image *image)
{
	const struct elf_segment *segments = elf_image__segments(image, &f->n_segments);

	f->segments = calloc(f->n_segments, sizeof(*segments));
	if (!f->segments)
		return -ENOMEM;
	memcpy(f->segments, segments, f->n_segments * sizeof(*segments));
	return 0;
}

static int read_symbols(struct functions *f, struct elf_image *image)
{
	elf_image__each_symbol_within(image, false, TABLE_BYTES_MAX, take, f);
	if (f->error == -EFBIG || (!f->error && !f->n)) {
		/* without the names of static functions it may be small enough */
		forget(f);
		f->error = 0;
		elf_image__each_symbol_within(image, true, TABLE_BYTES_MAX, take, f);
	}
	if (f->error == -EFBIG) {
		forget(f);
		f->error = 0;
	}
	settle(f);
	return f->error;
}

int functions__new(int fd, size_t bytes_max, struct functions **out)
{
	struct functions *f = calloc(1, sizeof(*f));
	struct elf_image *image;
	int err;

	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->bytes_max = bytes_max;
	err = elf_image__new(fd, &image);
	if (!err) {
		err = read_segments(f, image);
		if (!err)
			err = read_symbols(f, image);
		elf_image__free(image);
	}
	if (err) {
		functions__free(f);
		return err;
	}
	*out = f;
	return 0;
}

void functions__free(struct functions *f)
{
	if (!f)
		return;
	forget(f);
	free(f->segments);
	free(f);
}

size_t functions__bytes(const struct functions *f)
{
	return sizeof(*f) + f->n_segments * sizeof(*f->segments) + f->room * sizeof(*f->functions) + f->names_room;
}

size_t functions__count(const struct functions *f)
{
	return f->n;
}

const char *functions__at(const struct functions *f, uint64_t map_start, uint64_t map_offset, uint64_t address)
{
	size_t low = 0, high = f->n;
	const struct function *found;
	uint64_t bias, inside, reach;

	if (elf_image__bias(f->segments, f->n_segments, map_start, map_offset, &bias))
		return NULL;
	address -= bias;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (f->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	found = &f->functions[low - 1];
	inside = address - found->address;
	reach = found->size ? found->size : UNSIZED_MAX;
	return inside < reach ? f->names + found->name : NULL;
}
