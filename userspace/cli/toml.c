// SPDX-License-Identifier: Apache-2.0
/*
 * How the table is recognised: every key walks down from where it is written, and `depth` says how much of the way to
 * tool.fixingahole it has gone: 0 at the top, 1 in tool, 2 in our table, 3 at one of its keys, ELSEWHERE when it left that
 * way. So [tool.fixingahole], [tool] fixingahole.root = …, and tool = {fixingahole = {…}} need no code of their own.
 */
#include "cli/toml.h"

#include <errno.h>
#include <string.h>

#include "cli/toml_text.h"
#include "util/cleanup.h"

#define ELSEWHERE (-1)
#define NESTING_MAX 128

struct key {
	int depth;
	char name[64]; /* the segment below our table, cut */
};

const char *toml_key_name(enum toml_key key)
{
	static const char *const names[TOML_KEYS] = { "root", "output", "ignore", "duration" };

	return names[key];
}

static bool is_bare(int c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_';
}

static int read_segment(struct toml_reader *r, struct toml_text *text)
{
	int c = toml_peek(r, 0), err = 0;

	if (c == '"' || c == '\'') {
		if (toml_peek(r, 1) == c && toml_peek(r, 2) == c)
			return toml_problem_at(r, r->line, "a key cannot be a multi-line string");
		return toml_read_string(r, text);
	}
	if (!is_bare(c))
		return toml_problem_at(r, r->line, "a key is missing or has a character that needs quotes");
	while (!err && is_bare(toml_peek(r, 0)))
		err = toml_text_add(text, toml_take(r));
	return err;
}

static void walk(struct key *key, const struct toml_text *segment)
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
static int read_key(struct toml_reader *r, struct key *key)
{
	do {
		struct toml_text segment _cleanup_text_ = { 0 };
		int err;

		toml_skip_blanks(r);
		err = read_segment(r, &segment);
		if (err)
			return err;
		walk(key, &segment);
		toml_skip_blanks(r);
	} while (toml_take_if(r, '.'));
	return 0;
}

/* Past any value. In an inline table a ',' or '}' ends it, too. */
static int skip_value(struct toml_reader *r, bool in_table)
{
	unsigned int first_line = r->line;
	char open[NESTING_MAX];
	size_t depth = 0;
	bool scalar = false, complete = false;

	for (;;) {
		int c = toml_peek(r, 0), err = 0;

		if (!depth && (c == EOF || c == '\n' || c == '#' || (in_table && (c == ',' || c == '}'))))
			return scalar || complete ? 0 : toml_problem_at(r, first_line, "a value is missing");
		if (c == EOF)
			return toml_problem_at(r, first_line, "a '%c' does not close", open[depth - 1] == ']' ? '[' : '{');
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			toml_take(r);
			continue;
		}
		if (c == '#') {
			toml_skip_comment(r);
			continue;
		}
		if (!depth && (complete || (scalar && strchr("\"'[]{}", c))))
			return toml_problem_at(r, r->line, "unexpected text after a value");
		if (c == '"' || c == '\'') {
			err = toml_read_string(r, NULL);
			complete = complete || !depth;
		} else if (c == '[' || c == '{') {
			if (depth == NESTING_MAX)
				return toml_problem_at(r, r->line, "brackets are nested too deep");
			open[depth++] = c == '[' ? ']' : '}';
			toml_take(r);
		} else if (c == ']' || c == '}') {
			if (!depth || open[--depth] != c)
				return toml_problem_at(r, r->line, "a '%c' closes nothing", c);
			complete = !depth;
			toml_take(r);
		} else {
			scalar = scalar || !depth;
			toml_take(r);
		}
		if (err)
			return err;
	}
}

static int entry_add(struct toml_reader *r, struct toml_entry *entry, struct toml_text *text)
{
	char **values;

	if (text->data && strlen(text->data) != text->length)
		return toml_problem_at(r, r->line, "a string holds a NUL");
	if (!text->data && toml_text_add(text, '\0') < 0)
		return -ENOMEM;
	values = reallocarray(entry->values, entry->n_values + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	entry->values = values;
	values[entry->n_values++] = steal_ptr(text->data);
	return 0;
}

static int read_strings(struct toml_reader *r, struct toml_entry *entry, const char *name)
{
	if (!toml_take_if(r, '['))
		return toml_problem_at(r, entry->line, "'%s' must be a list of strings", name);
	for (;;) {
		struct toml_text text _cleanup_text_ = { 0 };
		int err;

		toml_skip_space(r);
		if (toml_take_if(r, ']'))
			return 0;
		if (toml_peek(r, 0) == EOF)
			return toml_problem_at(r, entry->line, "a '[' does not close");
		if (toml_peek(r, 0) != '"' && toml_peek(r, 0) != '\'')
			return toml_problem_at(r, r->line, "'%s' must be a list of strings", name);
		err = toml_read_string(r, &text);
		err = err ? err : entry_add(r, entry, &text);
		if (err)
			return err;
		toml_skip_space(r);
		if (!toml_take_if(r, ',') && toml_peek(r, 0) != ']')
			return toml_problem_at(r, r->line, "a list of strings needs ',' or ']' here");
	}
}

static int read_setting(struct toml_reader *r, const struct key *key, unsigned int line)
{
	struct toml_text text _cleanup_text_ = { 0 };
	struct toml_entry *entry = NULL;
	int index, err;

	for (index = 0; index < TOML_KEYS; index++) {
		if (key->depth == 3 && !strcmp(key->name, toml_key_name(index))) {
			entry = &r->settings->entries[index];
			break;
		}
	}
	if (!entry)
		return toml_problem_at(r, line, "unknown key '%.60s%s' in [tool.fixingahole] (known: root, output, ignore, duration)",
				  key->name, key->depth > 3 ? "." : "");
	if (entry->present)
		return toml_problem_at(r, line, "'%s' is given twice", key->name);
	entry->present = true;
	entry->line = line;
	if (index == TOML_IGNORE)
		return read_strings(r, entry, key->name);
	if (toml_peek(r, 0) != '"' && toml_peek(r, 0) != '\'')
		return toml_problem_at(r, line, "'%s' must be a string", key->name);
	err = toml_read_string(r, &text);
	return err ? err : entry_add(r, entry, &text);
}

static int read_pair(struct toml_reader *r, int depth, bool in_table);

/* Recurses at most twice: deeper tables are ELSEWHERE or ours. */
static int read_inline_table(struct toml_reader *r, int depth)
{
	unsigned int first_line = r->line;

	toml_take(r);
	for (;;) {
		int err;

		toml_skip_space(r);
		if (toml_take_if(r, '}'))
			return 0;
		if (toml_peek(r, 0) == EOF)
			return toml_problem_at(r, first_line, "a '{' does not close");
		err = read_pair(r, depth, true);
		if (err)
			return err;
		toml_skip_space(r);
		if (!toml_take_if(r, ',') && toml_peek(r, 0) != '}')
			return toml_problem_at(r, r->line, "an inline table needs ',' or '}' here");
	}
}

/* key = value, in a table of that depth */
static int read_pair(struct toml_reader *r, int depth, bool in_table)
{
	struct key key = { .depth = depth };
	unsigned int line = r->line;
	int err = read_key(r, &key);

	if (err)
		return err;
	if (!toml_take_if(r, '='))
		return toml_problem_at(r, line, "a key needs '=' and a value");
	toml_skip_blanks(r);
	if (key.depth > 2)
		return read_setting(r, &key, line);
	if (key.depth == 2) {
		if (toml_peek(r, 0) != '{' || r->settings->found)
			return toml_problem_at(r, line, r->settings->found ? "tool.fixingahole is given twice" : "tool.fixingahole must be a table");
		r->settings->found = true;
	}
	if (key.depth >= 1 && toml_peek(r, 0) == '{')
		return read_inline_table(r, key.depth);
	return skip_value(r, in_table);
}

/* [a.b] or [[a.b]]; *depth is that of the pairs that follow */
static int read_header(struct toml_reader *r, int *depth, bool *seen)
{
	struct key key = { .depth = 0 };
	unsigned int line = r->line;
	bool array;
	int err;

	toml_take(r);
	array = toml_take_if(r, '[');
	err = read_key(r, &key);
	if (err)
		return err;
	if (!toml_take_if(r, ']') || (array && !toml_take_if(r, ']')))
		return toml_problem_at(r, line, "a table's name needs '%s' at its end", array ? "]]" : "]");
	if (key.depth > 2)
		return toml_problem_at(r, line, "unknown table '%s' in [tool.fixingahole]", key.name);
	if (key.depth == 2) {
		if (array || *seen)
			return toml_problem_at(r, line, array ? "tool.fixingahole must be one table, not a list" : "[tool.fixingahole] is given twice");
		*seen = r->settings->found = true;
	}
	*depth = array ? ELSEWHERE : key.depth;
	return 0;
}

static int read_document(struct toml_reader *r)
{
	bool seen = false; /* the header of our table */
	int depth = 0;

	for (;;) {
		int err;

		toml_skip_space(r);
		if (toml_peek(r, 0) == EOF)
			return 0;
		err = toml_peek(r, 0) == '[' ? read_header(r, &depth, &seen) : read_pair(r, depth, false);
		if (err)
			return err;
		toml_skip_blanks(r);
		toml_skip_comment(r);
		if (toml_peek(r, 0) != EOF && toml_peek(r, 0) != '\n')
			return toml_problem_at(r, r->line, "unexpected text at the end of the line");
	}
}

int toml_read(struct toml_settings *settings, const char *text, size_t size, struct toml_problem *problem)
{
	struct toml_settings read = { 0 };
	struct toml_reader r = { .at = text, .end = text + size, .line = 1, .settings = &read, .problem = problem };
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
