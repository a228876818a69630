// SPDX-License-Identifier: Apache-2.0
#include "cli/toml_text.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "util/strings.h"

int toml_problem_at(struct toml_reader *r, unsigned int line, const char *format, ...)
{
	va_list args;

	r->problem->line = line;
	va_start(args, format);
	vsnprintf(r->problem->text, sizeof(r->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

void toml_skip_blanks(struct toml_reader *r)
{
	while (toml_peek(r, 0) == ' ' || toml_peek(r, 0) == '\t' || (toml_peek(r, 0) == '\r' && toml_peek(r, 1) == '\n'))
		toml_take(r);
}

void toml_skip_comment(struct toml_reader *r)
{
	if (toml_peek(r, 0) != '#')
		return;
	while (toml_peek(r, 0) != EOF && toml_peek(r, 0) != '\n')
		toml_take(r);
}

void toml_skip_space(struct toml_reader *r)
{
	for (;;) {
		toml_skip_blanks(r);
		toml_skip_comment(r);
		if (!toml_take_if(r, '\n'))
			return;
	}
}

int toml_text_add(struct toml_text *text, int c)
{
	if (!text)
		return 0;
	if (text->length + 1 >= text->capacity) {
		size_t capacity = text->capacity ? text->capacity * 2 : 64;
		char *data = realloc(text->data, capacity);

		if (!data)
			return -ENOMEM;
		text->data = data;
		text->capacity = capacity;
	}
	text->data[text->length++] = (char)c;
	text->data[text->length] = '\0';
	return 0;
}

static int text_add_rune(struct toml_text *text, uint32_t rune)
{
	char bytes[4];
	size_t n = utf8_encode(bytes, rune);
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = toml_text_add(text, bytes[i]);
	return err;
}

static int read_hex_escape(struct toml_reader *r, struct toml_text *text, int digits)
{
	uint32_t rune = 0;

	for (int i = 0; i < digits; i++) {
		int c = toml_peek(r, 0);

		if (c >= '0' && c <= '9')
			rune = rune << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			rune = rune << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return toml_problem_at(r, r->line, "an escape in a string needs %d hexadecimal digits", digits);
		toml_take(r);
	}
	if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return toml_problem_at(r, r->line, "an escape in a string names no character");
	return text_add_rune(text, rune);
}

/* Behind a backslash in a basic string. */
static int read_escape(struct toml_reader *r, struct toml_text *text, bool multi_line)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	const char *known;
	int c;

	if (multi_line) { /* a backslash at the line's end swallows all white space up to the next text */
		const char *at = r->at;

		while (at < r->end && (*at == ' ' || *at == '\t' || *at == '\r'))
			at++;
		if (at < r->end && *at == '\n') {
			while (toml_peek(r, 0) != EOF && strchr(" \t\r\n", toml_peek(r, 0)))
				toml_take(r);
			return 0;
		}
	}
	c = toml_peek(r, 0);
	if (c == EOF || c == '\n')
		return 0; /* the caller finds the string open */
	toml_take(r);
	if (!text) /* skipped, not judged */
		return 0;
	if (c == 'u' || c == 'U' || c == 'x')
		return read_hex_escape(r, text, c == 'u' ? 4 : c == 'U' ? 8 : 2);
	known = c ? strchr(from, c) : NULL;
	if (!known)
		return toml_problem_at(r, r->line, "unknown escape in a string");
	return toml_text_add(text, to[known - from]);
}

int toml_read_string(struct toml_reader *r, struct toml_text *text)
{
	unsigned int first_line = r->line;
	int quote = toml_take(r), err = 0;
	bool multi_line = false;

	if (toml_peek(r, 0) == quote && toml_peek(r, 1) == quote) {
		toml_take(r);
		toml_take(r);
		multi_line = true;
		if (toml_peek(r, 0) == '\r' && toml_peek(r, 1) == '\n')
			toml_take(r);
		toml_take_if(r, '\n'); /* the first line end is not part of it */
	} else if (toml_take_if(r, quote)) {
		return 0;
	}
	while (!err) {
		int c = toml_peek(r, 0);

		if (c == EOF || (c == '\n' && !multi_line))
			return toml_problem_at(r, first_line, "a string does not end");
		toml_take(r);
		if (c == quote) {
			if (!multi_line)
				return 0;
			if (toml_peek(r, 0) == quote && toml_peek(r, 1) == quote) {
				toml_take(r);
				toml_take(r);
				/* up to two quotes may stand right before the closing three */
				for (int i = 0; i < 2 && !err && toml_take_if(r, quote); i++)
					err = toml_text_add(text, quote);
				return err;
			}
		}
		err = c == '\\' && quote == '"' ? read_escape(r, text, multi_line) : toml_text_add(text, c);
	}
	return err;
}
