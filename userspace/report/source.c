// SPDX-License-Identifier: Apache-2.0
#include "report/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NESTING_MAX 128

enum block_kind { BLOCK_NONE, BLOCK_LOOP, BLOCK_FUNCTION };

/* An open block: its index, and what holds a line inside it. */
struct open_block {
	unsigned indent;
	int32_t index, outermost_loop, function;
};

struct scan {
	struct source *source;
	struct open_block open[NESTING_MAX];
	size_t depth;
	unsigned brackets; /* open ones at this point */
	char quote;        /* of the triple-quoted string that this point is in, or 0 */
	bool continued;    /* the last line ended in a backslash */
	size_t blocks_capacity, imports_capacity;
};

/* Room for one more; doubles. */
static int grow(void **array, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? *capacity * 2 : 64;
	void *grown;

	if (count < *capacity)
		return 0;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

/* The statement's first word is this one? */
static bool starts_with_word(const char *p, const char *end, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(end - p) > length && !memcmp(p, word, length) && (p[length] == ' ' || p[length] == '\t' || p[length] == '(');
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\f'))
		p++;
	return p;
}

static enum block_kind kind_of(const char *p, const char *end)
{
	if (starts_with_word(p, end, "async"))
		p = skip_blanks(p + strlen("async"), end);
	if (starts_with_word(p, end, "def"))
		return BLOCK_FUNCTION;
	if (starts_with_word(p, end, "for") || starts_with_word(p, end, "while"))
		return BLOCK_LOOP;
	return BLOCK_NONE;
}

/* `import x`, `from x import y`: a module's name has to follow. */
static bool is_import(const char *p, const char *end)
{
	bool from = starts_with_word(p, end, "from");

	if (!from && !starts_with_word(p, end, "import"))
		return false;
	p = skip_blanks(p + (from ? 4 : 6), end);
	if (p == end || !(isalpha((unsigned char)*p) || *p == '_' || (unsigned char)*p >= 0x80 || (from && *p == '.')))
		return false;
	if (!from)
		return true;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	p = skip_blanks(p, end);
	return end - p >= 6 && !memcmp(p, "import", 6);
}

static bool closes_triple(const char *p, const char *end, char quote)
{
	return end - p >= 3 && p[0] == quote && p[1] == quote && p[2] == quote;
}

/* A string that begins at p: returns where it ends; one that goes on in the next line sets scan->quote. */
static const char *skip_string(struct scan *scan, const char *p, const char *end)
{
	char quote = *p;

	if (closes_triple(p, end, quote)) {
		scan->quote = quote;
		return p + 3;
	}
	for (p++; p < end && *p != quote; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
	}
	return p < end ? p + 1 : end;
}

/* Follows strings and brackets through a line, so that the next one is known to begin a statement or not. */
static void follow_line(struct scan *scan, const char *p, const char *end)
{
	scan->continued = false;
	while (p < end) {
		if (scan->quote) {
			if (closes_triple(p, end, scan->quote)) {
				scan->quote = 0;
				p += 3;
			} else {
				p += *p == '\\' && p + 1 < end ? 2 : 1;
			}
			continue;
		}
		if (*p == '#')
			return;
		if (*p == '"' || *p == '\'') {
			p = skip_string(scan, p, end);
			continue;
		}
		if (*p == '(' || *p == '[' || *p == '{')
			scan->brackets++;
		else if ((*p == ')' || *p == ']' || *p == '}') && scan->brackets)
			scan->brackets--;
		else if (*p == '\\' && p + 1 == end)
			scan->continued = true;
		p++;
	}
}

static unsigned indent_of(const char *p, const char *end)
{
	unsigned columns = 0;

	for (; p < end && (*p == ' ' || *p == '\t' || *p == '\f'); p++)
		columns = *p == '\t' ? (columns / 8 + 1) * 8 : *p == '\f' ? 0 : columns + 1;
	return columns;
}

static int open_block(struct scan *scan, enum block_kind kind, unsigned indent, uint32_t lineno)
{
	struct source *source = scan->source;
	const struct open_block *parent = scan->depth ? &scan->open[scan->depth - 1] : NULL;
	struct open_block *block = &scan->open[scan->depth];
	int32_t index = (int32_t)source->n_blocks;

	if (scan->depth == NESTING_MAX || source->n_blocks == INT32_MAX)
		return 0;
	if (grow((void **)&source->blocks, source->n_blocks, &scan->blocks_capacity, sizeof(*source->blocks)) < 0)
		return -ENOMEM;
	source->blocks[source->n_blocks++] = (struct source_block){lineno, lineno};
	*block = (struct open_block){
		.indent = indent,
		.index = index,
		.outermost_loop = parent && parent->outermost_loop >= 0 ? parent->outermost_loop : kind == BLOCK_LOOP ? index : -1,
		.function = kind == BLOCK_FUNCTION ? index : parent ? parent->function : -1,
	};
	scan->depth++;
	return 0;
}

static void close_block(struct scan *scan, uint32_t last_code_line)
{
	struct source_block *block = &scan->source->blocks[scan->open[--scan->depth].index];

	if (last_code_line > block->first_line)
		block->last_line = last_code_line;
}

static int begin_statement(struct scan *scan, const char *line, const char *end, uint32_t lineno, uint32_t last_code_line)
{
	struct source *source = scan->source;
	const char *p = skip_blanks(line, end);
	unsigned indent = indent_of(line, end);
	enum block_kind kind = kind_of(p, end);

	while (scan->depth && scan->open[scan->depth - 1].indent >= indent)
		close_block(scan, last_code_line);
	if (is_import(p, end)) {
		if (grow((void **)&source->imports, source->n_imports, &scan->imports_capacity, sizeof(*source->imports)) < 0)
			return -ENOMEM;
		source->imports[source->n_imports++] = lineno;
	}
	return kind == BLOCK_NONE ? 0 : open_block(scan, kind, indent, lineno);
}

static int scan_lines(struct scan *scan)
{
	struct source *source = scan->source;
	uint32_t last_code_line = 0;

	for (uint32_t i = 0; i < source->n_lines; i++) {
		const char *line = source->lines[i], *end, *p;
		bool inside = scan->brackets || scan->quote || scan->continued;
		size_t size;

		source__line(source, i + 1, &size);
		end = line + size;
		p = skip_blanks(line, end);
		if (!inside && p < end && *p != '#' && begin_statement(scan, line, end, i + 1, last_code_line) < 0)
			return -ENOMEM;
		if (inside || (p < end && *p != '#'))
			last_code_line = i + 1;
		follow_line(scan, line, end);
		if (scan->depth) {
			source->region[i] = scan->open[scan->depth - 1].index;
			source->outermost_loop[i] = scan->open[scan->depth - 1].outermost_loop;
			source->function[i] = scan->open[scan->depth - 1].function;
		} else {
			source->region[i] = source->outermost_loop[i] = source->function[i] = -1;
		}
	}
	while (scan->depth)
		close_block(scan, last_code_line);
	return 0;
}

int source__scan(struct source *source, const char *text, size_t size)
{
	struct scan scan = {.source = source};
	const char *end = text ? text + size : NULL;
	size_t n = 0;

	*source = (struct source){0};
	for (const char *p = text; p && p < end; n++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	if (!n || n >= UINT32_MAX)
		return 0;
	source->lines = calloc(n + 1, sizeof(*source->lines));
	source->region = calloc(n, sizeof(*source->region));
	source->outermost_loop = calloc(n, sizeof(*source->outermost_loop));
	source->function = calloc(n, sizeof(*source->function));
	if (!source->lines || !source->region || !source->outermost_loop || !source->function)
		return -ENOMEM;
	for (const char *p = text; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		source->lines[source->n_lines++] = p;
		p = newline ? newline + 1 : end;
	}
	source->lines[n] = end;
	return scan_lines(&scan);
}

void source__release(struct source *source)
{
	free(source->lines);
	free(source->blocks);
	free(source->region);
	free(source->outermost_loop);
	free(source->function);
	free(source->imports);
	*source = (struct source){0};
}

const char *source__line(const struct source *source, uint32_t lineno, size_t *size)
{
	const char *start, *end;

	*size = 0;
	if (!lineno || lineno > source->n_lines)
		return NULL;
	start = source->lines[lineno - 1];
	end = source->lines[lineno];
	if (end > start && end[-1] == '\n')
		end--;
	if (end > start && end[-1] == '\r')
		end--;
	*size = (size_t)(end - start);
	return start;
}

const struct source_block *source__block(const struct source *source, const int32_t *which, uint32_t lineno)
{
	int32_t index = lineno && lineno <= source->n_lines ? which[lineno - 1] : -1;

	return index < 0 ? NULL : &source->blocks[index];
}
