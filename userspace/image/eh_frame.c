// SPDX-License-Identifier: Apache-2.0
/*
 * .eh_frame, as far as it tells where functions, and the parts that a compiler cut off from them, begin and
 * end. It is there in stripped files too.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "image/elf.h"
#include "util/cleanup.h"

/* Each FDE has its CIE parsed anew; a long one could make that slow. Real ones have some 20 bytes. */
#define CIE_SIZE_MAX 256

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

struct range_list {
	struct elf_code_range *items;
	size_t count, capacity;
};

static uint64_t take(struct cursor *c, size_t size)
{
	uint64_t value = 0;

	if (c->bad || (size_t)(c->end - c->at) < size) {
		c->bad = true;
		return 0;
	}
	memcpy(&value, c->at, size);
	c->at += size;
	return value;
}

static uint64_t take_leb128(struct cursor *c)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = take(c, 1);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) && !c->bad);
	return value;
}

/* One encoded pointer; where is its own virtual address. Only what linkers for x86-64 write. */
static uint64_t take_pointer(struct cursor *c, uint8_t encoding, uint64_t where)
{
	uint64_t value;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = take(c, 8);
		break;
	case DW_EH_PE_udata4:
		value = take(c, 4);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int64_t)(int32_t)take(c, 4);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + where;
	default:
		c->bad = true;
		return 0;
	}
}

/* The pointer encoding that a CIE gives its FDEs; -1: not one that we read. c is behind the CIE's id. */
static int cie_encoding(struct cursor *c)
{
	const char *augmentation;
	int encoding = DW_EH_PE_absptr;

	take(c, 1); /* version */
	augmentation = (const char *)c->at;
	while (take(c, 1) != 0 && !c->bad)
		;
	if (c->bad)
		return -1;
	take_leb128(c); /* code and data alignment, return address */
	take_leb128(c);
	take_leb128(c);
	if (augmentation[0] != 'z')
		return augmentation[0] == '\0' && !c->bad ? encoding : -1;
	take_leb128(c);
	for (const char *a = augmentation + 1; *a && !c->bad; a++) {
		if (*a == 'R')
			encoding = take(c, 1);
		else if (*a == 'P')
			take_pointer(c, take(c, 1) & 0x0f, 0);
		else if (*a == 'L')
			take(c, 1);
		else if (*a != 'S' && *a != 'B')
			return -1;
	}
	return c->bad ? -1 : encoding;
}

static int range_list_add(struct range_list *list, uint64_t start, uint64_t end)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 1024;
		struct elf_code_range *items = realloc(list->items, capacity * sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = (struct elf_code_range){ start, end };
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The body of one entry of [data, data + size), which begins at `body`. */
static int parse_entry(const uint8_t *data, uint64_t address, struct cursor entry, struct range_list *list)
{
	const uint8_t *body = entry.at;
	uint32_t back = take(&entry, 4), cie_length;
	struct cursor cie;
	uint64_t start, length;
	int encoding;

	if (back == 0 || entry.bad || back > (size_t)(body - data))
		return 0; /* a CIE itself */
	cie = (struct cursor){ body - back, entry.end, false };
	cie_length = take(&cie, 4);
	if (cie.bad || cie_length > CIE_SIZE_MAX || cie_length > (size_t)(cie.end - cie.at))
		return 0;
	cie.end = cie.at + cie_length;
	if (take(&cie, 4) != 0 || cie.bad)
		return 0;
	encoding = cie_encoding(&cie);
	if (encoding < 0)
		return 0;
	start = take_pointer(&entry, encoding, address + (entry.at - data));
	length = take_pointer(&entry, encoding & 0x0f, 0);
	if (entry.bad || length == 0 || start == 0 || start + length < start)
		return 0;
	return range_list_add(list, start, start + length);
}

int elf_parse_eh_frame(const uint8_t *data, size_t size, uint64_t address, struct elf_code_range **ranges, size_t *count)
{
	struct cursor section = { data, data + size, false };
	struct range_list list = { 0 };

	for (;;) {
		uint32_t length = take(&section, 4);
		int error;

		/* zero ends the section; the 64-bit form does not occur in .eh_frame of less than 4 GiB */
		if (section.bad || length == 0 || length == UINT32_MAX || length > (size_t)(section.end - section.at))
			break;
		error = parse_entry(data, address, (struct cursor){ section.at, section.at + length, false }, &list);
		if (error) {
			free(list.items);
			return error;
		}
		section.at += length;
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), compare_ranges);
	*ranges = list.items;
	*count = list.count;
	return 0;
}

int elf_image__code_ranges(const struct elf_image *image, struct elf_code_range **ranges, size_t *count)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct elf_section section;
	int error = elf_image__section(image, ".eh_frame", &section);

	if (!error)
		error = elf_image__section_data(image, &section, &data);
	return error ? error : elf_parse_eh_frame(data, section.size, section.address, ranges, count);
}

const struct elf_code_range *elf_code_range_at(const struct elf_code_range *ranges, size_t count, uint64_t address)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && address < ranges[low - 1].end ? &ranges[low - 1] : NULL;
}
