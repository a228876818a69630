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

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

/* A name, keyword or number: its length. */
static size_t word_length(const char *line, size_t length)
{
	size_t n = 0;

	while (n < length && is_word(line[n]))
		n++;
	return n;
}

static bool before_def(const char *rest, size_t length)
{
	size_t blanks = 0;

	while (blanks < length && (rest[blanks] == ' ' || rest[blanks] == '\t'))
		blanks++;
	return word_length(rest + blanks, length - blanks) == 3 && !memcmp(rest + blanks, "def", 3);
}

static bool is_awaiting(const struct lex *lex, const char *word, size_t n, size_t room)
{
	if (n != 5)
		return false;
	if (!memcmp(word, "await", 5))
		return true;
	return !memcmp(word, "async", 5) && !before_def(word + n, room - n) && !(lex->depth && lex->round & 1);
}

static void open_bracket(struct lex *lex, char c)
{
	lex->depth++;
	lex->round = lex->round << 1 | (c == '(');
}

static void close_bracket(struct lex *lex)
{
	if (!lex->depth)
		return;
	lex->depth--;
	lex->round >>= 1;
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
		if (is_word(c)) {
			size_t n = word_length(line + i, length - i);

			seen.awaits |= is_awaiting(lex, line + i, n, length - i);
			i += n;
			last = i - 1;
			seen.last = line[last];
			continue;
		}
		if ((c == '!' || c == '%') && !lex->depth && seen.last == '=' && is_assignment(line, last)) {
			seen.assigned_magic = true;
			seen.assigned = c;
		}
		if (strchr("([{", c) && c)
			open_bracket(lex, c);
		else if (strchr(")]}", c) && c)
			close_bracket(lex);
		seen.last = c;
		last = i++;
	}
	return seen;
}
