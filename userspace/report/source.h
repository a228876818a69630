/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Python source text tells without an interpreter: where its lines are, which loop and which
 * function hold a line, what it imports. By indentation, strings and brackets only: a file that does
 * not parse still gives a sensible answer.
 */
#ifndef FIXINGAHOLE_REPORT_SOURCE_H
#define FIXINGAHOLE_REPORT_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct source_block { uint32_t first_line, last_line; };

struct source {
	size_t n_lines;
	const char **lines;      /* n_lines + 1 starts into the text; a line ends before its '\n' */
	struct source_block *blocks; /* loops and functions */
	size_t n_blocks;
	/* per line, index into blocks or -1 */
	int32_t *region;         /* innermost loop or function */
	int32_t *outermost_loop;
	int32_t *function;       /* innermost */
	uint32_t *imports;       /* line numbers of import statements */
	size_t n_imports;
};

/* text may be NULL (no lines). -ENOMEM; release is fine on failure and on a zeroed struct. */
int source__scan(struct source *source, const char *text, size_t size);
void source__release(struct source *source);

/* The text of line 1..n_lines without its line end; NULL beyond. Not NUL-terminated. */
const char *source__line(const struct source *source, uint32_t lineno, size_t *size);
/* The block in one of the arrays above, or NULL. */
const struct source_block *source__block(const struct source *source, const int32_t *which, uint32_t lineno);

#endif
