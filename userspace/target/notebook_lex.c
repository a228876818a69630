// SPDX-License-Identifier: Apache-2.0
#include "target/notebook_lex.h"

#include <string.h>

/* Leaves *i behind the string's end, or behind the line's. An escape hides the character behind it, also in raw strings. */
static void skip_string(struct lex *lex, const char *line, size_t length, size_t *i)
{
	size_t at = *i;

	while (at < length) {
		if (line[at] == '\\') {
			/* at the line's end it carries even a simple string on */
			if (at + 1 >= length) {
				*i = length;
				return;
			}
			at += 2;
			continue;
		}
		if (line[at] == lex->quote && (!lex->triple || (at + 2 < length && line[at + 1] == lex->quote && line[at + 2] == lex->quote))) {
			*i = at + (lex->triple ? 3 : 1);
			lex->quote = 0;
			lex->triple = false;
			return;
		}
		at++;
	}
	*i = length;
	/* a simple string that does not end is an error which Python will report: the next line starts afresh */
	if (!lex->triple)
		lex->quote = 0;
}

static void open_string(struct lex *lex, const char *line, size_t length, size_t *i)
{
	char quote = line[*i];

	lex->quote = quote;
	lex->triple = *i + 2 < length && line[*i + 1] == quote && line[*i + 2] == quote;
	*i += lex->triple ? 3 : 1;
}

/* The '=' of an assignment: not part of ==, !=, <=, >=, :=, +=. */
static bool is_assignment(const char *line, size_t at)
{
	return !at || !strchr("=!<>:+-*/%&|^@~", line[at - 1]);
}

struct lex_line lex_line(struct lex *lex, const char *line, size_t length)
{
	struct lex_line seen = {};
	size_t i = 0, last = 0;

	lex->continued = false;
	while (i < length) {
		char c = line[i];

		if (lex->quote) {
			skip_string(lex, line, length, &i);
			seen.last = '"';
			continue;
		}
		if (c == ' ' || c == '\t' || c == '\f') {
			i++;
			continue;
		}
		if (c == '#')
			break;
		if (c == '"' || c == '\'') {
			open_string(lex, line, length, &i);
			seen.last = '"';
			continue;
		}
		if (c == '\\' && i + 1 == length) {
			lex->continued = true;
			break;
		}
		if ((c == '!' || c == '%') && !lex->depth && seen.last == '=' && is_assignment(line, last)) {
			seen.assigned_magic = true;
			seen.assigned = c;
		}
		if (strchr("([{", c) && c)
			lex->depth++;
		else if (strchr(")]}", c) && c && lex->depth)
			lex->depth--;
		seen.last = c;
		last = i++;
	}
	return seen;
}
