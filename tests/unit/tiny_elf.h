/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: the smallest ELF file that passes for an interpreter. Its evaluation loop is cut into a hot part, which has a
 * symbol, and a cold part that only .eh_frame and the jumps know, with an innocent function between the two.
 */
#ifndef FIXINGAHOLE_TEST_TINY_ELF_H
#define FIXINGAHOLE_TEST_TINY_ELF_H

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TINY_BASE 0x400000ULL
#define TINY_HOT 0x400
#define TINY_OTHER 0x500
#define TINY_COLD 0x600
#define TINY_TEXT_END 0x700
#define TINY_EH_FRAME 0x700
#define TINY_DYNSYM 0x800
#define TINY_NAMES 0x900
#define TINY_RUNTIME 0xa00
#define TINY_SECTIONS (TINY_RUNTIME + 1024)
#define TINY_SIZE (TINY_SECTIONS + 7 * sizeof(Elf64_Shdr))

struct tiny_elf {
	uint8_t bytes[TINY_SIZE];
};

static inline void tiny_put(struct tiny_elf *t, size_t at, const void *data, size_t size) { memcpy(t->bytes + at, data, size); }
static inline void tiny_put_u32(struct tiny_elf *t, size_t at, uint32_t v) { tiny_put(t, at, &v, 4); }
static inline void tiny_put_u64(struct tiny_elf *t, size_t at, uint64_t v) { tiny_put(t, at, &v, 8); }

/* jmp rel32 */
static inline void tiny_jump(struct tiny_elf *t, size_t at, size_t to)
{
	t->bytes[at] = 0xe9;
	tiny_put_u32(t, at + 1, (uint32_t)(to - (at + 5)));
}

static inline void tiny_section(struct tiny_elf *t, unsigned int i, uint32_t type, uint64_t flags, size_t at, size_t size, uint32_t link, uint64_t entry)
{
	Elf64_Shdr s = { .sh_name = 1 + 12 * i, .sh_type = type, .sh_flags = flags, .sh_addr = TINY_BASE + at, .sh_offset = at, .sh_size = size,
			 .sh_link = link, .sh_entsize = entry, .sh_addralign = 1 };

	tiny_put(t, TINY_SECTIONS + i * sizeof(s), &s, sizeof(s));
}

static inline size_t tiny_fde(struct tiny_elf *t, size_t at, size_t start, size_t size)
{
	tiny_put_u32(t, at, 16);
	tiny_put_u32(t, at + 4, (uint32_t)(at + 4 - TINY_EH_FRAME));
	tiny_put_u32(t, at + 8, (uint32_t)(start - (at + 8)));
	tiny_put_u32(t, at + 12, (uint32_t)size);
	return at + 20;
}

static inline void tiny_code(struct tiny_elf *t)
{
	static const uint8_t cie[] = { 16, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0, 0, 0 };
	size_t at = TINY_EH_FRAME + sizeof(cie);

	memset(t->bytes + TINY_HOT, 0x90, TINY_TEXT_END - TINY_HOT);
	for (size_t i = 0; i < 4; i++) {
		tiny_jump(t, TINY_HOT + 16 * i, TINY_COLD + 32 + i);
		tiny_jump(t, TINY_COLD + 16 * i, TINY_HOT + 200 + i);
		tiny_jump(t, TINY_HOT + 100 + 8 * i, TINY_OTHER); /* tail calls */
	}
	tiny_jump(t, TINY_HOT + 160, TINY_OTHER + 9); /* what a stray match looks like */
	tiny_put(t, TINY_EH_FRAME, cie, sizeof(cie));
	at = tiny_fde(t, at, TINY_COLD, TINY_TEXT_END - TINY_COLD);
	at = tiny_fde(t, at, TINY_HOT, TINY_OTHER - TINY_HOT);
	tiny_fde(t, at, TINY_OTHER, TINY_COLD - TINY_OTHER);
}

/* runtime: what stands at _PyRuntime; at most 1024 bytes. */
static inline void tiny_elf_init(struct tiny_elf *t, const void *runtime, size_t size)
{
	static const char section_names[7][12] = { "", ".text", ".eh_frame", ".dynsym", ".dynstr", ".PyRuntime", ".shstrtab" };
	Elf64_Ehdr header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_EXEC, .e_machine = EM_X86_64,
			      .e_version = 1, .e_phoff = 64, .e_shoff = TINY_SECTIONS, .e_ehsize = 64, .e_phentsize = 56, .e_phnum = 1,
			      .e_shentsize = 64, .e_shnum = 7, .e_shstrndx = 6 };
	Elf64_Phdr load = { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = TINY_BASE, .p_filesz = TINY_SIZE, .p_memsz = TINY_SIZE };
	Elf64_Sym symbols[3] = { { 0 },
				 { .st_name = 1, .st_info = STT_FUNC, .st_shndx = 1, .st_value = TINY_BASE + TINY_HOT, .st_size = TINY_OTHER - TINY_HOT },
				 { .st_name = 30, .st_info = STT_OBJECT, .st_shndx = 5, .st_value = TINY_BASE + TINY_RUNTIME, .st_size = 1024 } };

	memset(t, 0, sizeof(*t));
	tiny_put(t, 0, &header, sizeof(header));
	tiny_put(t, 64, &load, sizeof(load));
	tiny_put(t, TINY_DYNSYM, symbols, sizeof(symbols));
	tiny_put(t, TINY_NAMES + 1, "_PyEval_EvalFrameDefault", 25);
	tiny_put(t, TINY_NAMES + 30, "_PyRuntime", 11);
	for (unsigned int i = 0; i < 7; i++)
		tiny_put(t, TINY_NAMES + 64 + 1 + 12 * i, section_names[i], 12);
	tiny_put(t, TINY_RUNTIME, runtime, size < 1024 ? size : 1024);
	tiny_code(t);
	tiny_section(t, 1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, TINY_HOT, TINY_TEXT_END - TINY_HOT, 0, 0);
	tiny_section(t, 2, SHT_PROGBITS, SHF_ALLOC, TINY_EH_FRAME, 84, 0, 0);
	tiny_section(t, 3, SHT_DYNSYM, SHF_ALLOC, TINY_DYNSYM, sizeof(symbols), 4, sizeof(symbols[0]));
	tiny_section(t, 4, SHT_STRTAB, SHF_ALLOC, TINY_NAMES, 64, 0, 0);
	tiny_section(t, 5, SHT_PROGBITS, SHF_ALLOC, TINY_RUNTIME, 1024, 0, 0);
	tiny_section(t, 6, SHT_STRTAB, 0, TINY_NAMES + 64, 128, 0, 0);
}

/* The debug offsets of 3.13.0 as 73 words; the version is for the caller to change. */
static inline void tiny_debug_offsets(uint64_t words[128])
{
	static const uint64_t head[] = { 0x7970677562656478, 0x30d00f0, 0, 283024, 616, 632, /* interpreter */ 254736, 7312, 7264, 7344 };

	memset(words, 0, 128 * sizeof(words[0]));
	memcpy(words, head, sizeof(head));
	/* thread state: next, current_frame, thread_id */
	words[21] = 8;
	words[23] = 72;
	words[24] = 152;
	/* frame: previous, executable, instruction, locals, owner */
	words[29] = 8;
	words[31] = 56;
	words[32] = 72;
	words[33] = 70;
	/* code: filename, name, qualname, linetable, firstlineno, first instruction */
	words[35] = 112;
	words[36] = 120;
	words[37] = 128;
	words[38] = 136;
	words[39] = 68;
	words[43] = 200;
	/* bytes: size, data; str: state, length, ASCII head */
	words[65] = 16;
	words[66] = 32;
	words[68] = 32;
	words[69] = 16;
	words[70] = 40;
}

#endif
