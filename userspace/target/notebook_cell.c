// SPDX-License-Identifier: Apache-2.0
#include "target/notebook_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target/notebook_lex.h"
#include "util/cleanup.h"

/* The line at hand. */
struct at {
	struct cell_writer *w;
	uint32_t cell, line; /* both from 1 */
	const char *text;    /* the whole line, without its newline */
	size_t size;
	const char *code;    /* behind the indentation */
	size_t code_size;
};

/* Magics that set up the notebook's display or session; a script is none the poorer without them. */
static const char *const harmless[] = {
	"matplotlib", "config", "load_ext", "reload_ext", "unload_ext", "autoreload", "precision", "xmode", "colors",
	"pdb", "who", "whos", "who_ls", "lsmagic", "quickref",
};
/* Cells in another language that only show something. */
static const char *const displayed[] = { "markdown", "html", "HTML", "latex", "javascript", "js", "svg", "SVG" };
/* Cells that are Python, with something done around them. */
static const char *const wrapping[] = { "time", "capture" };

static bool among(const char *name, size_t length, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(names[i]) == length && !memcmp(names[i], name, length))
			return true;
	return false;
}
#define AMONG(name, length, names) among(name, length, names, sizeof(names) / sizeof(*(names)))

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

/* What the user wrote, short and on one line, for a message. */
static void excerpt(const struct at *at, char out[96])
{
	size_t n = at->code_size < 64 ? at->code_size : 64;

	while (n && n < at->code_size && ((unsigned char)at->code[n] & 0xc0) == 0x80)
		n--;
	while (n && ((unsigned char)at->code[n - 1] <= ' ' || at->code[n - 1] == 0x7f))
		n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)at->code[i] < ' ' || at->code[i] == 0x7f ? ' ' : at->code[i];
	strcpy(out + n, n < at->code_size && at->code_size > 64 ? "..." : "");
}

static int refuse(const struct at *at, const char *reason)
{
	char text[96];

	excerpt(at, text);
	snprintf(at->w->problem, 512, "cell %u, line %u: '%s' %s", at->cell, at->line, text, reason);
	return -EINVAL;
}

static int notice(const struct at *at, const char *what)
{
	char text[96], *line;

	excerpt(at, text);
	if (asprintf(&line, "cell %u, line %u: '%s' %s", at->cell, at->line, text, what) < 0)
		return -ENOMEM;
	return strv_take(&at->w->notices, line);
}

static void emit(struct cell_writer *w, const char *prefix, const char *text, size_t size)
{
	fputs(prefix, w->out);
	fwrite(text, 1, size, w->out);
	fputc('\n', w->out);
	w->lines++;
}

/* A comment where a statement may be missing; `pass` where a block may need one. */
static void emit_skipped(const struct at *at)
{
	fwrite(at->text, 1, (size_t)(at->code - at->text), at->w->out);
	emit(at->w, at->code > at->text ? "pass  # " : "# ", at->code, at->code_size);
}

static int skip(const struct at *at, const char *what)
{
	emit_skipped(at);
	return notice(at, what);
}

/* Splits "name rest" behind the percent signs. */
static const char *magic_name(const struct at *at, size_t percents, size_t *length, const char **rest)
{
	const char *p = at->code + percents, *end = at->code + at->code_size, *name;

	while (p < end && is_blank(*p))
		p++;
	name = p;
	while (p < end && !is_blank(*p))
		p++;
	*length = (size_t)(p - name);
	while (p < end && is_blank(*p))
		p++;
	*rest = p;
	return name;
}

/* What the caller does with the rest of the cell. */
enum next { NEXT_AS_USUAL, NEXT_STILL_HEAD, NEXT_SKIP_CELL, NEXT_SKIP_CONTINUATION };

static int cell_magic(const struct at *at, enum next *next)
{
	const char *rest, *name;
	size_t length;

	name = magic_name(at, 2, &length, &rest);
	if (AMONG(name, length, displayed)) {
		*next = NEXT_SKIP_CELL;
		return skip(at, "skipped, with its cell");
	}
	if (!AMONG(name, length, wrapping))
		return refuse(at, "makes the cell something that cannot run as Python here: remove the cell");
	if (length == 4 && rest < at->code + at->code_size && *rest != '-')
		return refuse(at, "has a statement behind it, which is allowed for '%time' only: move it to a line of its own");
	*next = NEXT_STILL_HEAD;
	return skip(at, length == 4 ? "skipped, its cell runs untimed" : "skipped, its cell runs and its output is shown");
}

/* IPython runs such cells in its event loop; a script has none. */
static int refuse_await(const struct at *at)
{
	return refuse(at, "awaits outside of a function, which only IPython can: put it into an 'async def' and call asyncio.run() on that");
}

static bool begins_def(const struct at *at)
{
	const char *p = at->code, *end = at->code + at->code_size;

	if (end - p > 6 && !memcmp(p, "async", 5) && is_blank(p[5])) {
		for (p += 6; p < end && is_blank(*p);)
			p++;
	}
	return end - p > 4 && !memcmp(p, "def", 3) && is_blank(p[3]);
}

/* A statement begins: does it leave the outermost function, or begin one? */
static void follow_scope(const struct at *at, struct lex *lex)
{
	uint32_t column = 1;

	for (const char *p = at->text; p < at->code; p++)
		column = *p == '\t' ? ((column - 1) | 7) + 2 : column + 1;
	if (column <= lex->def_column)
		lex->def_column = 0;
	if (!lex->def_column && begins_def(at))
		lex->def_column = column;
}

static int timed_statement(const struct at *at, struct lex *lex, const char *statement)
{
	size_t size = at->code_size - (size_t)(statement - at->code);
	int r;

	if (!size)
		return skip(at, "skipped");
	if (strchr("%!?", *statement))
		return refuse(at, "holds another magic, which cannot run as Python: remove the line");
	follow_scope(at, lex);
	if (lex_line(lex, statement, size).awaits && !lex->def_column)
		return refuse_await(at);
	r = notice(at, "runs untimed");
	fwrite(at->text, 1, (size_t)(at->code - at->text), at->w->out);
	emit(at->w, "", statement, size);
	at->w->code_seen = true;
	return r;
}

static int line_magic(const struct at *at, struct lex *lex, enum next *next)
{
	const char *rest, *name;
	size_t length;

	if (at->code_size > 1 && at->code[1] == '%')
		return refuse(at, "is a cell magic, which must be the cell's first line");
	name = magic_name(at, 1, &length, &rest);
	if (length == 4 && !memcmp(name, "time", 4))
		return timed_statement(at, lex, rest);
	if (at->code[at->code_size - 1] == '?')
		return skip(at, "skipped");
	if (length == 6 && !memcmp(name, "timeit", 6))
		return refuse(at, "runs a statement many times over: call it plainly instead");
	if (!AMONG(name, length, harmless))
		return refuse(at, "is an IPython magic that cannot run as Python: remove the line");
	*next = NEXT_SKIP_CONTINUATION;
	return skip(at, "skipped");
}

/*
 * `from __future__ import x` may stand in any cell, but only at the top of a file: its names move there. One that is spread
 * over lines stays for Python to complain about.
 */
static bool is_late_future(const struct at *at, const char **names, size_t *size)
{
	static const char start[] = "from __future__ import ";

	if (!at->w->code_seen || at->code != at->text || at->code_size <= sizeof(start) - 1 || memcmp(at->code, start, sizeof(start) - 1))
		return false;
	*names = at->code + sizeof(start) - 1;
	*size = at->code_size - (sizeof(start) - 1);
	for (size_t i = 0; i < *size; i++) {
		char c = (*names)[i];

		if (c == '#')
			*size = i;
		else if (c != '_' && c != ',' && !is_blank(c) && !(c >= 'a' && c <= 'z'))
			return false;
	}
	while (*size && is_blank((*names)[*size - 1]))
		--*size;
	return *size > 0;
}

static int python_line(const struct at *at, struct lex *lex, enum next *next)
{
	struct lex after = *lex;
	struct lex_line seen = lex_line(&after, at->text, at->size);
	const char *names;
	size_t size;

	if (seen.assigned_magic)
		return refuse(at, seen.assigned == '!' ? "runs a shell command: use subprocess instead" : "takes a magic's result, which cannot run as Python: remove the line");
	if (seen.last == '?') {
		*next = NEXT_SKIP_CONTINUATION;
		return skip(at, "skipped");
	}
	if (is_late_future(at, &names, &size)) {
		fprintf(at->w->future, "%s%.*s", ftell(at->w->future) > 0 ? ", " : "", (int)size, names);
		return skip(at, "moved to the top");
	}
	if (seen.last)
		follow_scope(at, &after);
	if (seen.awaits && !after.def_column)
		return refuse_await(at);
	if (seen.last && memcmp(at->code, "from __future__ ", at->code_size < 16 ? at->code_size : 16))
		at->w->code_seen = true;
	emit(at->w, "", at->text, at->size);
	*lex = after;
	return 0;
}

static int statement_line(const struct at *at, struct lex *lex, bool head, enum next *next)
{
	char first = at->code[0];

	if (head && at->code_size > 1 && first == '%' && at->code[1] == '%')
		return cell_magic(at, next);
	switch (first) {
	case '%':
		return line_magic(at, lex, next);
	case '!':
		return refuse(at, "runs a shell command: remove the line, or use subprocess");
	case '?':
		*next = NEXT_SKIP_CONTINUATION;
		return skip(at, "skipped");
	case ',':
	case ';':
	case '/':
		return refuse(at, "is IPython's short form of a call: write the call out");
	default:
		return python_line(at, lex, next);
	}
}

static bool ends_with_backslash(const char *line, size_t size)
{
	return size && line[size - 1] == '\\';
}

int cell_write(struct cell_writer *w, uint32_t number, const char *text, size_t size)
{
	struct at at = { .w = w, .cell = number };
	const char *end = text + size;
	struct lex lex = {};
	bool head = true, continued = false;
	enum next next = NEXT_AS_USUAL;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		int r;

		at.line++;
		at.text = text;
		at.size = (size_t)((newline ? newline : end) - text);
		text += at.size + 1;
		at.code = at.text;
		while (at.code < at.text + at.size && is_blank(*at.code))
			at.code++;
		at.code_size = at.size - (size_t)(at.code - at.text);
		if (next == NEXT_SKIP_CELL || continued) {
			emit(w, "# ", at.text, at.size);
			continued = continued && ends_with_backslash(at.text, at.size);
			continue;
		}
		if (!lex_at_statement(&lex) || !at.code_size) {
			if (lex_line(&lex, at.text, at.size).awaits && !lex.def_column)
				return refuse_await(&at);
			emit(w, "", at.text, at.size);
			continue;
		}
		next = NEXT_AS_USUAL;
		r = statement_line(&at, &lex, head, &next);
		if (r < 0)
			return r;
		head = next == NEXT_STILL_HEAD;
		continued = next == NEXT_SKIP_CONTINUATION && ends_with_backslash(at.text, at.size);
	}
	return ferror(w->out) ? -ENOMEM : 0;
}
