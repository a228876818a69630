/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the walker saw (code object, instruction) to what the user wrote
 * (file, function, line), and from an address to Python, native or system.
 *
 * Everything is kept per address space, for code objects live, die and move
 * independently in each. Equal functions of different spaces share one struct symbol.
 */
#ifndef FIXINGAHOLE_SYMBOLS_H
#define FIXINGAHOLE_SYMBOLS_H

#include "capture/sample.h"
#include "python/code.h"
#include "util/strings.h"

/* A function as the user knows it. Interned: compare pointers. */
struct symbol {
	const char *file;     /* as the code object names it; interned */
	const char *function; /* qualified where known; interned */
	uint32_t firstlineno;
	uint32_t index;       /* 0, 1, 2 … in order of appearance */
	bool internal;        /* a piece of the interpreter's own machinery, not code of anybody: leave the frame out */
};

enum time_class { TIME_PYTHON, TIME_NATIVE, TIME_SYSTEM };

/* Reads a code object from a live process, as code__read(); a recording has none. */
typedef int (*code_reader)(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t fingerprint, struct code_object *out);

struct symbols;
struct symbols *symbols__new(struct strings *strings, code_reader reader);
void symbols__free(struct symbols *symbols);

/* What the records say. Records that name an unknown space create it. -ENOMEM or 0. */
int symbols__interp(struct symbols *symbols, const struct event_interp *event);
int symbols__fork(struct symbols *symbols, const struct event_fork *event);
int symbols__code(struct symbols *symbols, const struct event_code *event);
int symbols__blob(struct symbols *symbols, const struct event_blob *event);
/* The space has ended: its code objects are forgotten, its symbols stay. Records of it that come late are passed over. */
void symbols__end(struct symbols *symbols, uint32_t space);

/*
 * For those that watch for years. Frees symbols that no space has and that keep() does not want, with their names (unless somebody else
 * interned those, too), and code objects of large spaces that were not met since the last time: those of a running process are read anew
 * if need be. Pointers to other symbols stay valid; an index is never given out twice.
 */
void symbols__sweep(struct symbols *symbols, bool (*keep)(void *context, const struct symbol *symbol), void *context);
/* Code objects of all spaces. */
size_t symbols__codes(const struct symbols *symbols);

/*
 * Names one frame. NULL: unknown (it could not be read). *lineno 0: the line
 * table gives none, or the function's first line is all that is known.
 */
const struct symbol *symbols__frame(struct symbols *symbols, uint32_t pid, uint32_t space, const struct raw_frame *frame, uint32_t *lineno);

/* The function of that name, made if need be; both names are interned. NULL: out of memory. */
const struct symbol *symbols__named(struct symbols *symbols, const char *file, const char *function, uint32_t firstlineno);

/* The split of an on-CPU sample (DESIGN: Time). */
enum time_class symbols__class(const struct symbols *symbols, const struct event_stack *stack);

/* "CPython 3.11" (interned) or NULL. */
const char *symbols__interpreter(const struct symbols *symbols, uint32_t space);

/* 0x030b is CPython 3.11; 0: not known. */
uint32_t symbols__version(const struct symbols *symbols, uint32_t space);

size_t symbols__count(const struct symbols *symbols);

#endif
