// SPDX-License-Identifier: Apache-2.0
/*
 * How the table is recognised: every key walks down from where it is written, and `depth` says how much of the way to
 * tool.fixingahole it has gone: 0 at the top, 1 in tool, 2 in our table, 3 at one of its keys, ELSEWHERE when it left that
 * way. So [tool.fixingahole], [tool] fixingahole.root = …, and tool = {fixingahole = {…}} need no code of their own.
 */
#include "cli/toml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define ELSEWHERE (-1)
#define NESTING_MAX 128

struct reader {
	const char *at, *end;
	unsigned int line;
	struct toml_settings *settings;
	struct toml_problem *problem;
};

/* Bytes of a string that is being read; NULL data and no room left means that nobody wants it. */
struct text {
	char *data;
	size_t length, capacity;
};

struct key {
	int depth;
	char name[64]; /* the segment below our table, cut */
};

static void text_release(struct text *text) { free(text->data); }
#define _cleanup_text_ __attribute__((cleanup(text_release)))

const char *toml_key_name(enum toml_key key)
{
	static const char *const names[TOML_KEYS] = { "root", "output", "ignore", "duration" };

	return names[key];
}

__attribute__((format(printf, 3, 4)))
static int problem_at(struct reader *r, unsigned int line, const char *format, ...)
{
	va_list args;

	r->problem->line = line;
	va_start(args, format);
	vsnprintf(r->problem->text, sizeof(r->problem->text), format, args);
	va_end(args);
	return -EINVAL;
}

static int peek(const struct reader *r, size_t ahead)
{
	return (size_t)(r->end - r->at) > ahead ? (unsigned char)r->at[ahead] : EOF;
}

static int take(struct reader *r)
{
	int c = peek(r, 0);

	if (c == EOF)
		return EOF;
	if (c == '\n')
		r->line++;
	r->at++;
	return c;
}

static bool take_if(struct reader *r, int c)
{
	if (peek(r, 0) != c)
		return false;
	take(r);
	return true;
}

static void skip_blanks(struct reader *r)
{
	while (peek(r, 0) == ' ' || peek(r, 0) == '\t' || (peek(r, 0) == '\r' && peek(r, 1) == '\n'))
		take(r);
}

static void skip_comment(struct reader *r)
{
	if (peek(r, 0) != '#')
		return;
	while (peek(r, 0) != EOF && peek(r, 0) != '\n')
		take(r);
}

/* Blanks, line ends and comments: what may stand between the elements of an array. */
static void skip_space(struct reader *r)
{
	for (;;) {
		skip_blanks(r);
		skip_comment(r);
		if (!take_if(r, '\n'))
			return;
	}
}

static int text_add(struct text *text, int c)
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

static int text_add_rune(struct text *text, uint32_t rune)
{
	int err = 0;

	if (rune < 0x80)
		return text_add(text, (int)rune);
	if (rune < 0x800) {
		err = text_add(text, (int)(0xc0 | rune >> 6));
	} else if (rune < 0x10000) {
		err = text_add(text, (int)(0xe0 | rune >> 12));
		err = err ? err : text_add(text, (int)(0x80 | (rune >> 6 & 0x3f)));
	} else {
		err = text_add(text, (int)(0xf0 | rune >> 18));
		err = err ? err : text_add(text, (int)(0x80 | (rune >> 12 & 0x3f)));
		err = err ? err : text_add(text, (int)(0x80 | (rune >> 6 & 0x3f)));
	}
	return err ? err : text_add(text, (int)(0x80 | (rune & 0x3f)));
}

static int read_hex_escape(struct reader *r, struct text *text, int digits)
{
	uint32_t rune = 0;

	for (int i = 0; i < digits; i++) {
		int c = peek(r, 0);

		if (c >= '0' && c <= '9')
			rune = rune << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			rune = rune << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return problem_at(r, r->line, "an escape in a string needs %d hexadecimal digits", digits);
		take(r);
	}
	if (rune > 0x10ffff || (rune >= 0xd800 && rune <= 0xdfff))
		return problem_at(r, r->line, "an escape in a string names no character");
	return text_add_rune(text, rune);
}

/* Behind a backslash in a basic string. */
static int read_escape(struct reader *r, struct text *text, bool multi_line)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	const char *known;
	int c;

	if (multi_line) { /* a backslash at the line's end swallows all white space up to the next text */
		const char *at = r->at;

		while (at < r->end && (*at == ' ' || *at == '\t' || *at == '\r'))
			at++;
		if (at < r->end && *at == '\n') {
			while (peek(r, 0) != EOF && strchr(" \t\r\n", peek(r, 0)))
				take(r);
			return 0;
		}
	}
	c = peek(r, 0);
	if (c == EOF || c == '\n')
		return 0; /* the caller finds the string open */
	take(r);
	if (!text) /* skipped, not judged */
		return 0;
	if (c == 'u' || c == 'U' || c == 'x')
		return read_hex_escape(r, text, c == 'u' ? 4 : c == 'U' ? 8 : 2);
	known = c ? strchr(from, c) : NULL;
	if (!known)
		return problem_at(r, r->line, "unknown escape in a string");
	return text_add(text, to[known - from]);
}

/* At a quote: any of the four kinds of string, into text or, where that is NULL, past it. */
static int read_string(struct reader *r, struct text *text)
{
	unsigned int first_line = r->line;
	int quote = take(r), err = 0;
	bool multi_line = false;

	if (peek(r, 0) == quote && peek(r, 1) == quote) {
		take(r);
		take(r);
		multi_line = true;
		if (peek(r, 0) == '\r' && peek(r, 1) == '\n')
			take(r);
		take_if(r, '\n'); /* the first line end is not part of it */
	} else if (take_if(r, quote)) {
		return 0;
	}
	while (!err) {
		int c = peek(r, 0);

		if (c == EOF || (c == '\n' && !multi_line))
			return problem_at(r, first_line, "a string does not end");
		take(r);
		if (c == quote) {
			if (!multi_line)
				return 0;
			if (peek(r, 0) == quote && peek(r, 1) == quote) {
				take(r);
				take(r);
				/* up to two quotes may stand right before the closing three */
				for (int i = 0; i < 2 && !err && take_if(r, quote); i++)
					err = text_add(text, quote);
				return err;
			}
		}
		err = c == '\\' && quote == '"' ? read_escape(r, text, multi_line) : text_add(text, c);
	}
	return err;
}

static bool is_bare(int c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

static int read_segment(struct reader *r, struct text *text)
{
	int c = peek(r, 0), err = 0;

	if (c == '"' || c == '\'') {
		if (peek(r, 1) == c && peek(r, 2) == c)
			return problem_at(r, r->line, "a key cannot be a multi-line string");
		return read_string(r, text);
	}
	if (!is_bare(c))
		return problem_at(r, r->line, "a key is missing or has a character that needs quotes");
	while (!err && is_bare(peek(r, 0)))
		err = text_add(text, take(r));
	return err;
}

static void walk(struct key *key, const struct text *segment)
{
	const char *name = segment->data ? segment->data : "";
	bool whole = strlen(name) == segment->length; /* a NUL inside would hide the rest */

	if (key->depth == 0)
		key->depth = whole && !strcmp(name, "tool") ? 1 : ELSEWHERE;
	else if (key->depth == 1)
		key->depth = whole && !strcmp(name, "fixingahole") ? 2 : ELSEWHERE;
	else if (key->depth == 2) {
		key->depth = 3;
		snprintf(key->name, sizeof(key->name), "%s%s", name, whole ? "" : "?");
		for (char *c = key->name; *c; c++)
			*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
	} else if (key->depth > 2) {
		key->depth = 4;
	}
}

/* A dotted key, on from where key->depth stands. */
static int read_key(struct reader *r, struct key *key)
{
	do {
		struct text segment _cleanup_text_ = { 0 };
		int err;

		skip_blanks(r);
		err = read_segment(r, &segment);
		if (err)
			return err;
		walk(key, &segment);
		skip_blanks(r);
	} while (take_if(r, '.'));
	return 0;
}

/* Past any value. In an inline table a ',' or '}' ends it, too. */
static int skip_value(struct reader *r, bool in_table)
{
	unsigned int first_line = r->line;
	char open[NESTING_MAX];
	size_t depth = 0;
	bool scalar = false, complete = false;

	for (;;) {
		int c = peek(r, 0), err = 0;

		if (!depth && (c == EOF || c == '\n' || c == '#' || (in_table && (c == ',' || c == '}'))))
			return scalar || complete ? 0 : problem_at(r, first_line, "a value is missing");
		if (c == EOF)
			return problem_at(r, first_line, "a '%c' does not close", open[depth - 1] == ']' ? '[' : '{');
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			take(r);
			continue;
		}
		if (c == '#') {
			skip_comment(r);
			continue;
		}
		if (!depth && (complete || (scalar && strchr("\"'[]{}", c))))
			return problem_at(r, r->line, "unexpected text after a value");
		if (c == '"' || c == '\'') {
			err = read_string(r, NULL);
			complete = complete || !depth;
		} else if (c == '[' || c == '{') {
			if (depth == NESTING_MAX)
				return problem_at(r, r->line, "brackets are nested too deep");
			open[depth++] = c == '[' ? ']' : '}';
			take(r);
		} else if (c == ']' || c == '}') {
			if (!depth || open[--depth] != c)
				return problem_at(r, r->line, "a '%c' closes nothing", c);
			complete = !depth;
			take(r);
		} else {
			scalar = scalar || !depth;
			take(r);
		}
		if (err)
			return err;
	}
}

static int entry_add(struct reader *r, struct toml_entry *entry, struct text *text)
{
	char **values;

	if (text->data && strlen(text->data) != text->length)
		return problem_at(r, r->line, "a string holds a NUL");
	if (!text->data && text_add(text, '\0') < 0)
		return -ENOMEM;
	values = reallocarray(entry->values, entry->n_values + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	entry->values = values;
	values[entry->n_values++] = steal_ptr(text->data);
	return 0;
}

static int read_strings(struct reader *r, struct toml_entry *entry, const char *name)
{
	if (!take_if(r, '['))
		return problem_at(r, entry->line, "'%s' must be a list of strings", name);
	for (;;) {
		struct text text _cleanup_text_ = { 0 };
		int err;

		skip_space(r);
		if (take_if(r, ']'))
			return 0;
		if (peek(r, 0) == EOF)
			return problem_at(r, entry->line, "a '[' does not close");
		if (peek(r, 0) != '"' && peek(r, 0) != '\'')
			return problem_at(r, r->line, "'%s' must be a list of strings", name);
		err = read_string(r, &text);
		err = err ? err : entry_add(r, entry, &text);
		if (err)
			return err;
		skip_space(r);
		if (!take_if(r, ',') && peek(r, 0) != ']')
			return problem_at(r, r->line, "a list of strings needs ',' or ']' here");
	}
}

static int read_setting(struct reader *r, const struct key *key, unsigned int line)
{
	struct text text _cleanup_text_ = { 0 };
	struct toml_entry *entry = NULL;
	int index, err;

	for (index = 0; index < TOML_KEYS; index++) {
		if (key->depth == 3 && !strcmp(key->name, toml_key_name(index))) {
			entry = &r->settings->entries[index];
			break;
		}
	}
	if (!entry)
		return problem_at(r, line, "unknown key '%.60s%s' in [tool.fixingahole] (known: root, output, ignore, duration)",
				  key->name, key->depth > 3 ? "." : "");
	if (entry->present)
		return problem_at(r, line, "'%s' is given twice", key->name);
	entry->present = true;
	entry->line = line;
	if (index == TOML_IGNORE)
		return read_strings(r, entry, key->name);
	if (peek(r, 0) != '"' && peek(r, 0) != '\'')
		return problem_at(r, line, "'%s' must be a string", key->name);
	err = read_string(r, &text);
	return err ? err : entry_add(r, entry, &text);
}

static int read_pair(struct reader *r, int depth, bool in_table);

/* Recurses at most twice: deeper tables are ELSEWHERE or ours. */
static int read_inline_table(struct reader *r, int depth)
{
	unsigned int first_line = r->line;

	take(r);
	for (;;) {
		int err;

		skip_space(r);
		if (take_if(r, '}'))
			return 0;
		if (peek(r, 0) == EOF)
			return problem_at(r, first_line, "a '{' does not close");
		err = read_pair(r, depth, true);
		if (err)
			return err;
		skip_space(r);
		if (!take_if(r, ',') && peek(r, 0) != '}')
			return problem_at(r, r->line, "an inline table needs ',' or '}' here");
	}
}

/* key = value, in a table of that depth */
static int read_pair(struct reader *r, int depth, bool in_table)
{
	struct key key = { .depth = depth };
	unsigned int line = r->line;
	int err = read_key(r, &key);

	if (err)
		return err;
	if (!take_if(r, '='))
		return problem_at(r, line, "a key needs '=' and a value");
	skip_blanks(r);
	if (key.depth > 2)
		return read_setting(r, &key, line);
	if (key.depth == 2) {
		if (peek(r, 0) != '{' || r->settings->found)
			return problem_at(r, line, r->settings->found ? "tool.fixingahole is given twice" : "tool.fixingahole must be a table");
		r->settings->found = true;
	}
	if (key.depth >= 1 && peek(r, 0) == '{')
		return read_inline_table(r, key.depth);
	return skip_value(r, in_table);
}

/* [a.b] or [[a.b]]; *depth is that of the pairs that follow */
static int read_header(struct reader *r, int *depth, bool *seen)
{
	struct key key = { .depth = 0 };
	unsigned int line = r->line;
	bool array;
	int err;

	take(r);
	array = take_if(r, '[');
	err = read_key(r, &key);
	if (err)
		return err;
	if (!take_if(r, ']') || (array && !take_if(r, ']')))
		return problem_at(r, line, "a table's name needs '%s' at its end", array ? "]]" : "]");
	if (key.depth > 2)
		return problem_at(r, line, "unknown table '%s' in [tool.fixingahole]", key.name);
	if (key.depth == 2) {
		if (array || *seen)
			return problem_at(r, line, array ? "tool.fixingahole must be one table, not a list" : "[tool.fixingahole] is given twice");
		*seen = r->settings->found = true;
	}
	*depth = array ? ELSEWHERE : key.depth;
	return 0;
}

static int read_document(struct reader *r)
{
	bool seen = false; /* the header of our table */
	int depth = 0;

	for (;;) {
		int err;

		skip_space(r);
		if (peek(r, 0) == EOF)
			return 0;
		err = peek(r, 0) == '[' ? read_header(r, &depth, &seen) : read_pair(r, depth, false);
		if (err)
			return err;
		skip_blanks(r);
		skip_comment(r);
		if (peek(r, 0) != EOF && peek(r, 0) != '\n')
			return problem_at(r, r->line, "unexpected text at the end of the line");
	}
}

int toml_read(struct toml_settings *settings, const char *text, size_t size, struct toml_problem *problem)
{
	struct toml_settings read = { 0 };
	struct reader r = { .at = text, .end = text + size, .line = 1, .settings = &read, .problem = problem };
	int err;

	if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.at += 3;
	err = read_document(&r);
	if (err) {
		toml_release(&read);
		return err;
	}
	/* dotted keys make the table without ever naming it */
	for (int i = 0; i < TOML_KEYS; i++)
		read.found = read.found || read.entries[i].present;
	*settings = read;
	return 0;
}

void toml_release(struct toml_settings *settings)
{
	for (int i = 0; i < TOML_KEYS; i++) {
		struct toml_entry *entry = &settings->entries[i];

		for (size_t j = 0; j < entry->n_values; j++)
			free(entry->values[j]);
		free(entry->values);
	}
	*settings = (struct toml_settings){ 0 };
}
