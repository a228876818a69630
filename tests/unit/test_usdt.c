// SPDX-License-Identifier: Apache-2.0
/* Static probes, on this very program, which has some. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "image/usdt.h"

/* Read from the file: not in .bss. */
__attribute__((used)) static uint16_t watched = 0x1234;

/* A nop, and a note that tells of it: lengths, type, owner; place, base, counter; provider, name, arguments. */
#define PROBE(name, instruction, counter)                                  \
	__asm__ volatile("771: " instruction "\n"                          \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"      \
			 ".balign 4\n"                                     \
			 ".4byte 773f-772f, 775f-774f, 3\n"                \
			 "772: .asciz \"stapsdt\"\n"                       \
			 "773: .balign 4\n"                                \
			 "774: .8byte 771b, 0, " counter "\n"              \
			 ".asciz \"test\", \"" name "\", \"\"\n"           \
			 "775: .balign 4\n"                                \
			 ".popsection\n")

static __attribute__((noinline)) void places(void)
{
	PROBE("one", "nop", "watched");
	PROBE("two", "nop", "0");
	PROBE("two", "nop", "0");
	PROBE("wrong", "ret", "0");
	for (int i = 0; i < 1; i++) {
		PROBE("many", "nop", "0");
		PROBE("many", "nop", "0");
		PROBE("many", "nop", "0");
		PROBE("many", "nop", "0");
		PROBE("many", "nop", "0");
	}
}

static struct elf_image *open_self(void)
{
	struct elf_image *image;

	assert_int_equal(elf_image__new(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &image), 0);
	return image;
}

static void found(void **state)
{
	struct elf_image *image = open_self();
	uint8_t instruction = 0;
	uint16_t counter = 0;
	struct usdt u;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_non_null(places);
	assert_int_equal(usdt__find(image, "test", "one", &u), 0);
	assert_int_equal(u.n, 1);
	assert_int_equal(elf_image__read(image, u.address[0], &instruction, 1), 0);
	assert_int_equal(instruction, 0x90);
	assert_int_equal(pread(fd, &counter, sizeof(counter), u.semaphore[0]), sizeof(counter));
	assert_int_equal(counter, watched);
	assert_int_equal(usdt__find(image, "test", "two", &u), 0);
	assert_int_equal(u.n, 2);
	assert_int_not_equal(u.address[0], u.address[1]);
	assert_int_equal(u.semaphore[0], 0);
	close(fd);
	elf_image__free(image);
}

/* None of that name, of another's, where there is no nop, or too many. */
static void not_found(void **state)
{
	static const struct { const char *provider, *name; } none[] = { { "test", "on" }, { "test", "onee" }, { "tes", "one" }, { "other", "one" }, { "test", "" }, { "test", "wrong" }, { "test", "many" } };
	struct elf_image *image = open_self();
	struct usdt u;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		memset(&u, 0xff, sizeof(u));
		assert_int_equal(usdt__find(image, none[i].provider, none[i].name, &u), -ENOENT);
		assert_int_equal(u.n, 0);
	}
	elf_image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
