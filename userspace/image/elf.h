/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ELF file: x86-64, executable or shared. The file is hostile: every offset, count and size in it is checked, whole
 * sections are read (never mapped: a file that shrinks must not kill us), and what is over the limits below is as good as absent.
 */
#ifndef FIXINGAHOLE_ELF_H
#define FIXINGAHOLE_ELF_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ELF_SECTION_MAX (256U << 20) /* bytes of a section that we are ready to read */
#define ELF_DYNAMIC_MAX (64U << 10) /* bytes */
#define ELF_BUILD_ID_MAX 64

struct elf_image;

struct elf_segment {
	uint64_t address, memory_size; /* virtual */
	uint64_t offset, file_size;
	bool executable, writable;
};

struct elf_symbol {
	const char *name;  /* valid during the call only */
	uint64_t value, size;
	uint8_t type;      /* STT_* */
};

struct elf_section {
	uint64_t address, offset, size;
	bool executable;
};

/* Code that one FDE of .eh_frame describes. */
struct elf_code_range {
	uint64_t start, end;
};

/*
 * Takes a descriptor for reading, also on failure. -ENOEXEC: not an ELF file of ours.
 */
int elf_image__new(int fd, struct elf_image **out);
void elf_image__free(struct elf_image *image);

/* PT_LOAD segments as the file lists them; owned by the image. */
const struct elf_segment *elf_image__segments(const struct elf_image *image, size_t *count);

/* Every defined symbol of .dynsym, then .symtab, until fn returns non-zero; what fn returned last. */
typedef int elf_symbol_fn(const struct elf_symbol *symbol, void *arg);
int elf_image__each_symbol(struct elf_image *image, elf_symbol_fn *fn, void *arg);
/* The same of .dynsym alone: what other images can bind to. */
int elf_image__each_dynamic_symbol(struct elf_image *image, elf_symbol_fn *fn, void *arg);
/* Of one of the tables, unless it and its names exceed so many bytes: they are in memory meanwhile. */
int elf_image__each_symbol_within(struct elf_image *image, bool dynamic, uint64_t bytes_max, elf_symbol_fn *fn, void *arg);

/* -ENOENT where there is none of that name. */
int elf_image__section(const struct elf_image *image, const char *name, struct elf_section *out);

/* Exactly size bytes as they are at a virtual address when the file is loaded, before relocation. -EFAULT: not all in the file. */
int elf_image__read(const struct elf_image *image, uint64_t address, void *buffer, size_t size);

/* A section's bytes (the caller frees). -ENOENT, -EFBIG, -ENOMEM, -EIO. */
int elf_image__section_data(const struct elf_image *image, const struct elf_section *section, uint8_t **data);

/* The entries of .dynamic up to its end mark (the caller frees), and their section's virtual address. -ENOENT, -EFBIG, -ENOMEM, -EIO. */
int elf_image__dynamic(const struct elf_image *image, Elf64_Dyn **entries, size_t *count, uint64_t *address);

/* The build id's bytes into id; their number, or -ENOENT. */
int elf_image__build_id(const struct elf_image *image, uint8_t id[ELF_BUILD_ID_MAX]);

/* All FDEs of .eh_frame, by start address; the caller frees. -ENOENT: no such section. Entries that make no sense are left out. */
int elf_image__code_ranges(const struct elf_image *image, struct elf_code_range **ranges, size_t *count);
/* The same from the section's bytes; address is the section's virtual address. */
int elf_parse_eh_frame(const uint8_t *data, size_t size, uint64_t address, struct elf_code_range **ranges, size_t *count);

/* The range that holds an address, or NULL. */
const struct elf_code_range *elf_code_range_at(const struct elf_code_range *ranges, size_t count, uint64_t address);

/*
 * Where a file is in memory: from one executable mapping of it. 0 and fills *bias (address = virtual address + bias),
 * -ENOENT where no executable segment lies at that file offset.
 */
int elf_image__bias(const struct elf_segment *segments, size_t count, uint64_t map_start, uint64_t map_offset, uint64_t *bias);

#endif
