// SPDX-License-Identifier: Apache-2.0
#include "image/elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define SEGMENTS_MAX 64
#define PAGE_SIZE_MIN 4096ULL

struct elf_image {
	int fd;
	Elf *elf;
	uint64_t file_size;
	size_t section_names; /* index of the string table */
	struct elf_segment segments[SEGMENTS_MAX];
	size_t n_segments;
};

static int read_segments(struct elf_image *image)
{
	size_t count;

	if (elf_getphdrnum(image->elf, &count) != 0)
		return -ENOEXEC;
	for (size_t i = 0; i < count && i < 4 * SEGMENTS_MAX; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(image->elf, i, &header))
			return -ENOEXEC;
		if (header.p_type != PT_LOAD || image->n_segments == SEGMENTS_MAX)
			continue;
		if (header.p_vaddr + header.p_memsz < header.p_vaddr || header.p_offset + header.p_filesz < header.p_offset)
			continue;
		image->segments[image->n_segments++] = (struct elf_segment){
			.address = header.p_vaddr,
			.memory_size = header.p_memsz,
			.offset = header.p_offset,
			.file_size = header.p_filesz < header.p_memsz ? header.p_filesz : header.p_memsz,
			.executable = header.p_flags & PF_X,
			.writable = header.p_flags & PF_W,
		};
	}
	return image->n_segments ? 0 : -ENOEXEC;
}

static int open_elf(struct elf_image *image)
{
	GElf_Ehdr header;
	struct stat st;

	if (fstat(image->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return -ENOEXEC;
	image->file_size = st.st_size;
	image->elf = elf_begin(image->fd, ELF_C_READ, NULL);
	if (!image->elf || elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header))
		return -ENOEXEC;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_machine != EM_X86_64 ||
	    (header.e_type != ET_EXEC && header.e_type != ET_DYN))
		return -ENOEXEC;
	if (elf_getshdrstrndx(image->elf, &image->section_names) != 0)
		image->section_names = 0;
	return read_segments(image);
}

int elf_image__new(int fd, struct elf_image **out)
{
	struct elf_image *image;
	int error;

	elf_version(EV_CURRENT);
	image = calloc(1, sizeof(*image));
	if (!image) {
		close(fd);
		return -ENOMEM;
	}
	image->fd = fd;
	error = open_elf(image);
	if (error) {
		elf_image__free(image);
		return error;
	}
	*out = image;
	return 0;
}

void elf_image__free(struct elf_image *image)
{
	if (!image)
		return;
	if (image->elf)
		elf_end(image->elf);
	close(image->fd);
	free(image);
}

const struct elf_segment *elf_image__segments(const struct elf_image *image, size_t *count)
{
	*count = image->n_segments;
	return image->segments;
}

/* A section that lies in the file and is not too large to read. */
static bool section_usable(const struct elf_image *image, const GElf_Shdr *header)
{
	return header->sh_type != SHT_NOBITS && header->sh_size <= ELF_SECTION_MAX && header->sh_offset <= image->file_size &&
	       header->sh_size <= image->file_size - header->sh_offset && !(header->sh_flags & SHF_COMPRESSED);
}

static int each_symbol_of(struct elf_image *image, Elf_Scn *section, const GElf_Shdr *header, uint64_t bytes_max, elf_symbol_fn *fn, void *arg)
{
	GElf_Shdr strings_header;
	Elf_Scn *strings = elf_getscn(image->elf, header->sh_link);
	Elf_Data *data, *names;
	size_t count;
	int result = 0;

	if (!section_usable(image, header) || header->sh_entsize != sizeof(Elf64_Sym) || !strings || !gelf_getshdr(strings, &strings_header) ||
	    strings_header.sh_type != SHT_STRTAB || !section_usable(image, &strings_header) || header->sh_size + strings_header.sh_size > bytes_max)
		return 0;
	data = elf_getdata(section, NULL);
	names = elf_getdata(strings, NULL);
	if (!data || !data->d_buf || !names || !names->d_buf || !names->d_size || ((const char *)names->d_buf)[names->d_size - 1])
		return 0; /* with a NUL at its end, every name in the table ends */
	count = data->d_size / sizeof(Elf64_Sym);
	for (size_t i = 1; i < count && i < INT32_MAX && !result; i++) {
		GElf_Sym symbol;

		if (!gelf_getsym(data, i, &symbol))
			break;
		if (symbol.st_shndx == SHN_UNDEF || symbol.st_name == 0 || symbol.st_name >= names->d_size)
			continue;
		result = fn(&(struct elf_symbol){ (const char *)names->d_buf + symbol.st_name, symbol.st_value, symbol.st_size, GELF_ST_TYPE(symbol.st_info) }, arg);
	}
	return result;
}

static int each_symbol_in(struct elf_image *image, GElf_Word type, uint64_t bytes_max, elf_symbol_fn *fn, void *arg)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;

		/* one of each kind is what a linker makes */
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			return each_symbol_of(image, section, &header, bytes_max, fn, arg);
	}
	return 0;
}

int elf_image__each_dynamic_symbol(struct elf_image *image, elf_symbol_fn *fn, void *arg)
{
	return each_symbol_in(image, SHT_DYNSYM, UINT64_MAX, fn, arg);
}

int elf_image__each_symbol_within(struct elf_image *image, bool dynamic, uint64_t bytes_max, elf_symbol_fn *fn, void *arg)
{
	return each_symbol_in(image, dynamic ? SHT_DYNSYM : SHT_SYMTAB, bytes_max, fn, arg);
}

int elf_image__each_symbol(struct elf_image *image, elf_symbol_fn *fn, void *arg)
{
	int result = each_symbol_in(image, SHT_DYNSYM, UINT64_MAX, fn, arg);

	return result ? result : each_symbol_in(image, SHT_SYMTAB, UINT64_MAX, fn, arg);
}

int elf_image__section(const struct elf_image *image, const char *name, struct elf_section *out)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(image->elf, section))) {
		GElf_Shdr header;
		const char *found;

		if (!gelf_getshdr(section, &header) || !section_usable(image, &header))
			continue;
		found = elf_strptr(image->elf, image->section_names, header.sh_name);
		if (!found || strcmp(found, name))
			continue;
		*out = (struct elf_section){ header.sh_addr, header.sh_offset, header.sh_size, header.sh_flags & SHF_EXECINSTR };
		return 0;
	}
	return -ENOENT;
}

static int read_all(int fd, void *buffer, size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, (char *)buffer + done, size - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += n;
	}
	return 0;
}

int elf_image__read(const struct elf_image *image, uint64_t address, void *buffer, size_t size)
{
	for (size_t i = 0; i < image->n_segments; i++) {
		const struct elf_segment *s = &image->segments[i];

		if (address < s->address || address - s->address >= s->file_size)
			continue;
		if (size > s->file_size - (address - s->address) || s->offset > image->file_size ||
		    address - s->address + size > image->file_size - s->offset)
			return -EFAULT;
		return read_all(image->fd, buffer, size, s->offset + (address - s->address)) ? -EFAULT : 0;
	}
	return -EFAULT;
}

int elf_image__section_data(const struct elf_image *image, const struct elf_section *section, uint8_t **out)
{
	_cleanup_free_ uint8_t *data = NULL;
	int error;

	if (section->size > ELF_SECTION_MAX || section->offset > image->file_size || section->size > image->file_size - section->offset)
		return -EFBIG;
	data = malloc(section->size ? section->size : 1);
	if (!data)
		return -ENOMEM;
	error = read_all(image->fd, data, section->size, section->offset);
	if (error)
		return error;
	*out = steal_ptr(data);
	return 0;
}

int elf_image__dynamic(const struct elf_image *image, Elf64_Dyn **entries, size_t *count, uint64_t *address)
{
	struct elf_section section;
	uint8_t *data;
	int error = elf_image__section(image, ".dynamic", &section);

	if (!error && section.size > ELF_DYNAMIC_MAX)
		error = -EFBIG;
	if (!error)
		error = elf_image__section_data(image, &section, &data);
	if (error)
		return error;
	*entries = (Elf64_Dyn *)data;
	*address = section.address;
	*count = 0;
	while (*count < section.size / sizeof(**entries) && (*entries)[*count].d_tag != DT_NULL)
		++*count;
	return 0;
}

int elf_image__build_id(const struct elf_image *image, uint8_t id[ELF_BUILD_ID_MAX])
{
	_cleanup_free_ uint8_t *data = NULL;
	struct elf_section section;
	Elf64_Nhdr note;
	int error = elf_image__section(image, ".note.gnu.build-id", &section);

	if (error)
		return error;
	if (section.size < sizeof(note) + 4 || section.size > 4096 || elf_image__section_data(image, &section, &data))
		return -ENOENT;
	memcpy(&note, data, sizeof(note));
	if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(data + sizeof(note), "GNU", 4) || note.n_descsz == 0 ||
	    note.n_descsz > ELF_BUILD_ID_MAX || note.n_descsz > section.size - sizeof(note) - 4)
		return -ENOENT;
	memcpy(id, data + sizeof(note) + 4, note.n_descsz);
	return note.n_descsz;
}

int elf_image__bias(const struct elf_segment *segments, size_t count, uint64_t map_start, uint64_t map_offset, uint64_t *bias)
{
	for (size_t i = 0; i < count; i++) {
		const struct elf_segment *s = &segments[i];

		/* a segment may be mapped in pieces (huge pages, a changed protection), so its first page need not be ours */
		if (!s->executable || map_offset < (s->offset & ~(PAGE_SIZE_MIN - 1)) || map_offset >= s->offset + s->file_size)
			continue;
		*bias = map_start - map_offset + s->offset - s->address;
		return 0;
	}
	return -ENOENT;
}
