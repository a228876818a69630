// SPDX-License-Identifier: Apache-2.0
/* The ELF reader on this very program, on a hand-made file and on broken ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "image/elf.h"
#include "image/maps.h"
#include "tiny_elf.h"

int main(void);

static struct elf_image *open_bytes(const void *data, size_t size)
{
	char path[] = "/tmp/elf-XXXXXX";
	struct elf_image *image = NULL;
	int fd = mkstemp(path);

	unlink(path);
	assert_int_equal(write(fd, data, size), size);
	return elf_image__new(fd, &image) ? NULL : image;
}

static struct elf_image *open_self(void)
{
	struct elf_image *image;

	assert_int_equal(elf_image__new(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &image), 0);
	return image;
}

static int find_main(const struct elf_symbol *symbol, void *arg)
{
	if (strcmp(symbol->name, "main"))
		return 0;
	*(uint64_t *)arg = symbol->value;
	return 42;
}

struct place {
	struct elf_image *image;
	uint64_t bias;
};

static int find_bias(const struct mapping *m, void *arg)
{
	struct place *place = arg;
	size_t count;
	const struct elf_segment *segments = elf_image__segments(place->image, &count);

	if ((uintptr_t)main < m->start || (uintptr_t)main >= m->end)
		return 0;
	return elf_image__bias(segments, count, m->start, m->offset, &place->bias) == 0;
}

static void this_program_is_understood(void **state)
{
	struct place place = { open_self(), 1 };
	struct elf_code_range *ranges;
	struct elf_section text;
	uint64_t address = 0;
	uint8_t bytes[16];
	size_t count;

	assert_int_equal(elf_image__each_symbol(place.image, find_main, &address), 42);
	assert_int_equal(maps__each(getpid(), find_bias, &place), 1);
	assert_int_equal(address + place.bias, (uintptr_t)main);
	assert_int_equal(elf_image__read(place.image, address, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, (const void *)(uintptr_t)main, sizeof(bytes));
	assert_int_equal(elf_image__section(place.image, ".text", &text), 0);
	assert_true(text.executable && address >= text.address && address < text.address + text.size);
	assert_int_equal(elf_image__section(place.image, ".no such", &text), -ENOENT);
	assert_int_equal(elf_image__code_ranges(place.image, &ranges, &count), 0);
	assert_true(elf_code_range_at(ranges, count, address) && elf_code_range_at(ranges, count, address)->start == address);
	assert_null(elf_code_range_at(ranges, count, 0));
	assert_null(elf_code_range_at(ranges, count, UINT64_MAX));
	free(ranges);
	elf_image__free(place.image);
	elf_image__free(NULL);
}

static void a_build_id_is_what_the_loader_has(void **state)
{
	struct elf_image *image = open_self();
	uint8_t id[ELF_BUILD_ID_MAX];
	struct elf_section section;
	int size = elf_image__build_id(image, id);

	if (elf_image__section(image, ".note.gnu.build-id", &section)) {
		assert_int_equal(size, -ENOENT); /* some compilers leave it out */
	} else {
		uint8_t note[16 + 20];

		assert_int_equal(size, 20);
		assert_int_equal(elf_image__read(image, section.address, note, sizeof(note)), 0);
		assert_memory_equal(id, note + 16, 20);
	}
	elf_image__free(image);
}

static void reads_stay_inside_the_file(void **state)
{
	uint64_t words[128];
	struct elf_image *image;
	struct tiny_elf tiny;
	uint8_t byte[2];

	tiny_debug_offsets(words);
	tiny_elf_init(&tiny, words, sizeof(words));
	image = open_bytes(&tiny, sizeof(tiny));
	assert_non_null(image);
	assert_int_equal(elf_image__read(image, TINY_BASE + TINY_SIZE - 2, byte, 2), 0);
	assert_int_equal(elf_image__read(image, TINY_BASE + TINY_SIZE - 1, byte, 2), -EFAULT);
	assert_int_equal(elf_image__read(image, TINY_BASE - 1, byte, 1), -EFAULT);
	assert_int_equal(elf_image__read(image, UINT64_MAX, byte, 2), -EFAULT);
	elf_image__free(image);
}

static void other_files_are_refused(void **state)
{
	uint64_t words[128];
	struct tiny_elf tiny;
	struct elf_image *image;

	assert_null(open_bytes("#!/bin/sh\n", 10));
	assert_null(open_bytes("", 0));
	tiny_debug_offsets(words);
	tiny_elf_init(&tiny, words, sizeof(words));
	for (size_t size = 1; size < 120; size += 7)
		assert_null(open_bytes(&tiny, size));
	tiny.bytes[18] = EM_386;
	assert_null(open_bytes(&tiny, sizeof(tiny)));
	assert_int_equal(elf_image__new(open("/dev/null", O_RDONLY), &image), -ENOEXEC);
}

static void broken_eh_frames_end_the_walk(void **state)
{
	uint64_t words[128];
	struct elf_code_range *ranges;
	struct tiny_elf tiny;
	size_t count;

	tiny_debug_offsets(words);
	tiny_elf_init(&tiny, words, sizeof(words));
	for (size_t size = 0; size <= 80; size++) {
		uint8_t *copy = malloc(size + 1); /* so that a sanitizer sees its end */

		memcpy(copy, tiny.bytes + TINY_EH_FRAME, size);
		assert_int_equal(elf_parse_eh_frame(copy, size, TINY_BASE + TINY_EH_FRAME, &ranges, &count), 0);
		assert_int_equal(count, size < 40 ? 0 : (size - 20) / 20);
		free(ranges);
		free(copy);
	}
	elf_parse_eh_frame(tiny.bytes + TINY_EH_FRAME, 80, TINY_BASE + TINY_EH_FRAME, &ranges, &count);
	assert_int_equal(ranges[0].start, TINY_BASE + TINY_HOT);
	assert_int_equal(ranges[2].end, TINY_BASE + TINY_TEXT_END);
	free(ranges);
}

static void bias_works_for_any_piece_of_the_text(void **state)
{
	const struct elf_segment segments[] = { { 0, 0x1000, 0, 0x1000, false, false }, { 0x2500, 0x9000, 0x1500, 0x9000, true, false } };
	uint64_t bias;

	assert_int_equal(elf_image__bias(segments, 2, 0x7f0000002000, 0x1000, &bias), 0);
	assert_int_equal(bias, 0x7f0000000000);
	assert_int_equal(elf_image__bias(segments, 2, 0x7f0000005000, 0x4000, &bias), 0);
	assert_int_equal(bias, 0x7f0000000000);
	assert_int_equal(elf_image__bias(segments, 2, 0x7f0000000000, 0, &bias), -ENOENT);
	assert_int_equal(elf_image__bias(segments, 2, 0x7f0000000000, 0xb000, &bias), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_program_is_understood),
		cmocka_unit_test(a_build_id_is_what_the_loader_has),
		cmocka_unit_test(reads_stay_inside_the_file),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(broken_eh_frames_end_the_walk),
		cmocka_unit_test(bias_works_for_any_piece_of_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
