/* SPDX-License-Identifier: Apache-2.0 */
/* TOML below the level of keys and values: characters, blanks, comments, strings. For toml.c. */
#ifndef FIXINGAHOLE_CLI_TOML_TEXT_H
#define FIXINGAHOLE_CLI_TOML_TEXT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/toml.h"

struct toml_reader {
	const char *at, *end;
	unsigned int line;               /* from 1 */
	struct toml_settings *settings;  /* toml.c's, to be filled */
	struct toml_problem *problem;
};

/* Bytes of a string that is being read, behind them a NUL; data is NULL until there are some. */
struct toml_text {
	char *data;
	size_t length, capacity;
};

static inline void toml_text_release(struct toml_text *text) { free(text->data); }
#define _cleanup_text_ __attribute__((cleanup(toml_text_release)))


/* The character that far ahead, or EOF. */
static inline int toml_peek(const struct toml_reader *r, size_t ahead)
{
	return (size_t)(r->end - r->at) > ahead ? (unsigned char)r->at[ahead] : EOF;
}

static inline int toml_take(struct toml_reader *r)
{
	int c = toml_peek(r, 0);

	if (c == EOF)
		return EOF;
	if (c == '\n')
		r->line++;
	r->at++;
	return c;
}

static inline bool toml_take_if(struct toml_reader *r, int c)
{
	if (toml_peek(r, 0) != c)
		return false;
	toml_take(r);
	return true;
}

void toml_skip_blanks(struct toml_reader *r);
void toml_skip_comment(struct toml_reader *r);
/* Blanks, line ends and comments: what may stand between the elements of an array. */
void toml_skip_space(struct toml_reader *r);

/* One byte more; nothing where text is NULL. 0 or -ENOMEM. */
int toml_text_add(struct toml_text *text, int c);
/* At a quote: any of the four kinds of string, into text or, where that is NULL, past it. 0; -EINVAL and a problem; -ENOMEM. */
int toml_read_string(struct toml_reader *r, struct toml_text *text);
/* Notes what is wrong in that line: -EINVAL. */
__attribute__((format(printf, 3, 4))) int toml_problem_at(struct toml_reader *r, unsigned int line, const char *format, ...);

#endif
