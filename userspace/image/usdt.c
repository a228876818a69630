// SPDX-License-Identifier: Apache-2.0
#include "image/usdt.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "util/cleanup.h"

#define NOTE_TYPE 3
#define NOTES_MAX (4U << 20)

/* The start of what a note says; three strings follow: provider, name, arguments. */
struct description { uint64_t location, base, semaphore; };

/* In the file. 0: the address is not in it. */
static uint64_t file_offset(const struct elf_image *image, uint64_t address)
{
	size_t count;
	const struct elf_segment *segments = elf_image__segments(image, &count);

	for (size_t i = 0; i < count; i++) {
		if (address >= segments[i].address && address - segments[i].address < segments[i].file_size)
			return address - segments[i].address + segments[i].offset;
	}
	return 0;
}

/* text: of so many bytes, and maybe without an end. True: it begins with that string; then *rest is what follows. */
static bool takes(const char *text, size_t size, const char *wanted, const char **rest, size_t *left)
{
	size_t n = strlen(wanted) + 1;

	if (size < n || memcmp(text, wanted, n))
		return false;
	*rest = text + n;
	*left = size - n;
	return true;
}

static int take_note(const struct elf_image *image, const uint8_t *data, const struct elf_section *base, struct usdt *out)
{
	struct description d;
	uint64_t moved;
	uint8_t nop;

	memcpy(&d, data, sizeof(d));
	/* a file that was prelinked: its notes are as they were before, its sections are not */
	moved = base ? base->address - d.base : 0;
	if (out->n == USDT_PLACES)
		return -ENOENT;
	if (elf_image__read(image, d.location + moved, &nop, sizeof(nop)) || nop != 0x90)
		return -ENOENT;
	out->address[out->n] = d.location + moved;
	out->semaphore[out->n] = d.semaphore ? file_offset(image, d.semaphore + moved) : 0;
	if (d.semaphore && !out->semaphore[out->n])
		return -ENOENT;
	out->n++;
	return 0;
}

static int take_notes(const struct elf_image *image, const uint8_t *data, size_t size, const char *provider, const char *name, struct usdt *out)
{
	struct elf_section base;
	bool has_base = !elf_image__section(image, ".stapsdt.base", &base);
	size_t at = 0;
	int err = 0;

	while (!err && size - at >= sizeof(Elf64_Nhdr)) {
		const char *text;
		size_t left, room;
		Elf64_Nhdr note;
		uint64_t names, whole;

		memcpy(&note, data + at, sizeof(note));
		at += sizeof(note);
		names = ((uint64_t)note.n_namesz + 3) & ~3ULL;
		whole = names + (((uint64_t)note.n_descsz + 3) & ~3ULL);
		if (whole > size - at)
			break;
		room = note.n_descsz;
		text = (const char *)data + at + names + sizeof(struct description);
		if (note.n_type == NOTE_TYPE && note.n_namesz == 8 && !memcmp(data + at, "stapsdt", 8) && room >= sizeof(struct description) &&
		    takes(text, room - sizeof(struct description), provider, &text, &left) && takes(text, left, name, &text, &left))
			err = take_note(image, data + at + names, has_base ? &base : NULL, out);
		at += whole;
	}
	return err ? err : out->n ? 0 : -ENOENT;
}

int usdt__find(const struct elf_image *image, const char *provider, const char *name, struct usdt *out)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct elf_section section;
	struct usdt found = { 0 };
	int err = elf_image__section(image, ".note.stapsdt", &section);

	*out = found;
	if (err || section.size > NOTES_MAX)
		return -ENOENT;
	err = elf_image__section_data(image, &section, &data);
	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	err = take_notes(image, data, section.size, provider, name, &found);
	if (!err)
		*out = found;
	return err;
}
