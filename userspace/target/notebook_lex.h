/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough of Python's and IPython's lexical rules to tell a line that begins a statement from one that
 * lies inside a string or a bracket, and IPython's own syntax from Python's.
 */
#ifndef FIXINGAHOLE_NOTEBOOK_LEX_H
#define FIXINGAHOLE_NOTEBOOK_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where one line leaves the next. All zero at the start of a cell. */
struct lex {
	char quote;          /* inside a string that goes on: its quote, else 0 */
	bool triple;
	unsigned int depth;  /* open brackets */
	uint64_t round;      /* a bit for each of them, the innermost is bit 0: is it '('? */
	bool continued;      /* the line ended with a backslash */
	uint32_t def_column; /* inside a function: where its `def` stands, from 1; else 0. Kept by the caller */
};

/* Does the next line begin a statement? */
static inline bool lex_at_statement(const struct lex *lex) { return !lex->quote && !lex->depth && !lex->continued; }

struct lex_line {
	char last;           /* last character of code, comment and blanks left out; 0: none */
	bool assigned_magic; /* `name = !command` or `name = %magic` outside of brackets */
	char assigned;       /* '!' or '%' then */
	bool awaits;         /* `await`, or an `async` that stands before neither `def` nor a generator expression's `for` */
};

/* Goes over one line (without its newline) and says what was seen. */
struct lex_line lex_line(struct lex *lex, const char *line, size_t length);

#endif
