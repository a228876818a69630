/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an interpreter binary keeps its evaluation loop. Compilers cut _PyEval_EvalFrameDefault into a hot part, which
 * has the symbol, and cold parts, which in a stripped file have none and may be 60 times as large.
 */
#ifndef FIXINGAHOLE_EVALLOOP_H
#define FIXINGAHOLE_EVALLOOP_H

#include <stddef.h>
#include <stdint.h>

#include "image/elf.h"

/* At most so many functions are noted of builds that have one per instruction: 256, what these share, and cold parts. */
#define EVALLOOP_TAIL_CALLS 1024

/* What the symbol tables say; filled while they are walked. All zero to begin with. */
struct evalloop_symbols {
	struct elf_code_range function;
	struct elf_code_range parts;      /* hull of "_PyEval_EvalFrameDefault.cold" and the like */
	struct elf_code_range tail_calls[EVALLOOP_TAIL_CALLS]; /* "_TAIL_CALL_*": builds with a function per instruction */
	size_t n_tail_calls;
};

/* Looks whether a symbol belongs to the loop and notes it. */
void evalloop_note_symbol(struct evalloop_symbols *symbols, const struct elf_symbol *symbol);

/*
 * Linkers put functions in an order of their own, others between them. So of those that belong to single instructions only the largest pieces
 * without a gap are told; what runs in the rest is told apart by the instruction that runs (symbols__class()).
 *
 * Writes up to max ranges by address; their number, or -ENOENT (no such function) or -errno. Without symbols for its
 * parts they are found by .eh_frame and by the jumps between hot and cold code.
 */
int evalloop__find(struct elf_image *image, const struct evalloop_symbols *symbols, struct elf_code_range *out, size_t max);

#endif
