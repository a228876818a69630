// SPDX-License-Identifier: Apache-2.0
/* Where a program's libraries are looked for, as ld.so(8) says: hand-made programs in folders of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "image/library_path.h"
#include "scratch_files.h"

/* A file of nothing but these strings, and what says of each what it is for. */
struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Dyn dynamic[8];
	char strings[256];
	char names[32];
	Elf64_Shdr sections[4];
	size_t n, used;
};

static void add(struct program *p, int64_t tag, const char *text)
{
	p->dynamic[p->n++] = (Elf64_Dyn){ .d_tag = tag, .d_un.d_val = p->used };
	strcpy(p->strings + p->used, text);
	p->used += strlen(text) + 1;
}

static struct program needing(const char *name)
{
	struct program p = { .used = 1 };

	p.header = (Elf64_Ehdr){ .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = offsetof(struct program, segment), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1, .e_ehsize = sizeof(Elf64_Ehdr),
		.e_shoff = offsetof(struct program, sections), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 4, .e_shstrndx = 3 };
	p.segment = (Elf64_Phdr){ .p_type = PT_LOAD, .p_filesz = sizeof(p), .p_memsz = sizeof(p), .p_flags = PF_R | PF_X };
	memcpy(p.names, "\0.dynamic\0.dynstr\0.shstrtab", 27);
	p.sections[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_DYNAMIC, .sh_offset = offsetof(struct program, dynamic), .sh_size = sizeof(p.dynamic), .sh_addralign = 8 };
	p.sections[2] = (Elf64_Shdr){ .sh_name = 10, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct program, strings), .sh_size = sizeof(p.strings), .sh_addralign = 1 };
	p.sections[3] = (Elf64_Shdr){ .sh_name = 18, .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct program, names), .sh_size = sizeof(p.names), .sh_addralign = 1 };
	add(&p, DT_NEEDED, "libc.so.6");
	add(&p, DT_NEEDED, name);
	return p;
}

static bool is_wanted(const char *name)
{
	return strstr(name, "libwanted") != NULL;
}

/* As if it were bin/program. The folder in which its library was found, from scratch_top on; "": nowhere. */
static const char *found_in(const struct program *p, const char *search)
{
	static char folder[PATH_MAX];
	struct elf_image *image;
	int fd = memfd_create("program", MFD_CLOEXEC);
	char *path = NULL;

	assert_int_equal(write(fd, p, sizeof(*p)), sizeof(*p));
	assert_int_equal(elf_image__new(fd, &image), 0);
	if (library_path(image, scratch_path("bin", "program"), search, is_wanted, &path)) {
		elf_image__free(image);
		return "";
	}
	elf_image__free(image);
	assert_memory_equal(path, scratch_top, strlen(scratch_top));
	snprintf(folder, sizeof(folder), "%s", path + strlen(scratch_top));
	free(path);
	assert_string_equal(strrchr(folder, '/'), "/libwanted.so.1");
	*strrchr(folder, '/') = 0;
	return folder;
}

static void test_beside_the_program(void **state)
{
	static const struct { const char *path, *found; } cases[] = {
		{ "$ORIGIN/../lib", "/bin/../lib" },
		{ "${ORIGIN}/../lib", "/bin/../lib" },
		{ "/nowhere:relative::$ORIGIN/../other:$ORIGIN/../lib", "/bin/../other" },
		{ "$ORIGIN", "" },
		{ "$ORIGINAL/../lib", "" },
		{ "$LIB:$ORIGIN/$PLATFORM/../../lib", "" },
		{ "", "" },
		{ ":::", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct program p = needing("libwanted.so.1");

		add(&p, DT_RUNPATH, cases[i].path);
		assert_string_equal(found_in(&p, NULL), cases[i].found);
	}
}

/* DT_RPATH, unless there is a DT_RUNPATH, LD_LIBRARY_PATH, DT_RUNPATH. */
static void test_order(void **state)
{
	char search[PATH_MAX];
	struct program p = needing("libwanted.so.1");

	(void)state;
	snprintf(search, sizeof(search), "/nowhere:%s/other", scratch_top);
	assert_string_equal(found_in(&p, NULL), "");
	assert_string_equal(found_in(&p, search), "/other");
	add(&p, DT_RPATH, "$ORIGIN/../lib");
	assert_string_equal(found_in(&p, search), "/bin/../lib");
	add(&p, DT_RUNPATH, "$ORIGIN/../last");
	assert_string_equal(found_in(&p, search), "/other");
	assert_string_equal(found_in(&p, NULL), "/bin/../last");
}

static void test_none(void **state)
{
	struct program p = needing("libother.so.1");

	(void)state;
	add(&p, DT_RUNPATH, "$ORIGIN/../lib");
	assert_string_equal(found_in(&p, NULL), "");
	/* by its path: as the linker takes it, and not as a name to look for */
	p = needing("../lib/libwanted.so.1");
	add(&p, DT_RUNPATH, "$ORIGIN");
	assert_string_equal(found_in(&p, NULL), "");
}

static void test_broken(void **state)
{
	struct program good = needing("libwanted.so.1"), p;

	(void)state;
	add(&good, DT_RUNPATH, "$ORIGIN/../lib");
	assert_string_equal(found_in(&good, NULL), "/bin/../lib");
	p = good;
	p.dynamic[1].d_un.d_val = sizeof(p.strings);
	assert_string_equal(found_in(&p, NULL), "");
	p = good;
	p.dynamic[1].d_un.d_val = UINT64_MAX;
	assert_string_equal(found_in(&p, NULL), "");
	p = good;
	memset(p.strings + p.used, 'x', sizeof(p.strings) - p.used);
	assert_string_equal(found_in(&p, NULL), "");
	p = good;
	p.sections[1].sh_size = 7;
	assert_string_equal(found_in(&p, NULL), "");
	p = good;
	p.sections[2].sh_offset = UINT64_MAX - 3;
	assert_string_equal(found_in(&p, NULL), "");
	p = good;
	p.sections[1].sh_name = 0;
	assert_string_equal(found_in(&p, NULL), "");
}

static int make_folders(void **state)
{
	static const char *const folders[] = { "lib", "other", "last" };

	(void)state;
	strcpy(scratch_top, "/tmp/library-path-XXXXXX");
	assert_non_null(mkdtemp(scratch_top));
	assert_int_equal(mkdir(scratch_path("bin", ""), 0700), 0);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		assert_int_equal(mkdir(scratch_path(folders[i], ""), 0700), 0);
		scratch_file(scratch_path(folders[i], "libwanted.so.1"), 0);
	}
	return 0;
}

static int remove_folders(void **state)
{
	(void)state;
	return scratch_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_beside_the_program),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
