// SPDX-License-Identifier: Apache-2.0
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "target/notebook_cell.h"
#include "target/script.h"
#include "util/cleanup.h"
#include "util/explain.h"

/* Outputs with pictures make notebooks big, but not that big. (cJSON itself stops at 1000 levels of nesting.) */
#define NOTEBOOK_MAX (256u << 20)

struct builder {
	struct cell_writer w;
	struct cell *cells;
	size_t n_cells;
	uint32_t number; /* of the last code cell */
};

static size_t utf8_sequence(const unsigned char *p, size_t room)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (!n || n > room)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, beyond the last character */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;

	while (size) {
		size_t n = utf8_sequence(p, size);

		if (!n)
			return false;
		p += n;
		size -= n;
	}
	return true;
}

/* "\r\n" and "\r" end a line as "\n" does. In place. */
static size_t unify_newlines(char *text, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\r' && i + 1 < size && text[i + 1] == '\n')
			continue;
		text[out++] = text[i] == '\r' ? '\n' : text[i];
	}
	return out;
}

/* A string, or a list of strings to be joined. */
static int cell_text(const cJSON *source, char **text, size_t *size)
{
	const cJSON *part;
	FILE *stream;
	bool bad = false, failed;

	stream = open_memstream(text, size);
	if (!stream)
		return -ENOMEM;
	if (cJSON_IsString(source)) {
		fputs(source->valuestring, stream);
	} else if (cJSON_IsArray(source)) {
		cJSON_ArrayForEach(part, source) {
			if (cJSON_IsString(part))
				fputs(part->valuestring, stream);
			else
				bad = true;
		}
	} else {
		bad = true;
	}
	failed = ferror(stream);
	if (fclose(stream) || failed)
		return -ENOMEM;
	return bad ? -EINVAL : 0;
}

static int note_cell(struct builder *b, uint32_t first_line)
{
	struct cell *cells;

	if (b->w.lines < first_line)
		return 0;
	cells = realloc(b->cells, (b->n_cells + 1) * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	b->cells = cells;
	cells[b->n_cells++] = (struct cell){ .number = b->number, .first_line = first_line, .last_line = b->w.lines };
	return 0;
}

static int add_cell(struct builder *b, const cJSON *cell)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(cell, "cell_type");
	const cJSON *source = cJSON_GetObjectItemCaseSensitive(cell, "source");
	_cleanup_free_ char *text = NULL;
	uint32_t first_line;
	size_t size = 0;
	int r;

	if (!cJSON_IsString(type))
		return explain(b->w.problem, -EINVAL, "a cell (behind code cell %u) does not say what type it has", b->number);
	if (strcmp(type->valuestring, "code"))
		return 0;
	b->number++;
	r = cell_text(source ? source : cJSON_GetObjectItemCaseSensitive(cell, "input"), &text, &size);
	if (r == -EINVAL)
		return explain(b->w.problem, r, "cell %u: its source is neither a string nor a list of strings", b->number);
	if (r < 0)
		return r;
	if (!is_utf8(text, size))
		return explain(b->w.problem, -EINVAL, "cell %u: its source is not UTF-8", b->number);
	size = unify_newlines(text, size);
	fprintf(b->w.out, "# %%%% cell %u\n", b->number);
	b->w.lines++;
	first_line = b->w.lines + 1;
	r = cell_write(&b->w, b->number, text, size);
	return r < 0 ? r : note_cell(b, first_line);
}

static int add_cells(struct builder *b, const cJSON *cells)
{
	const cJSON *cell;
	int r = 0;

	cJSON_ArrayForEach(cell, cells) {
		r = add_cell(b, cell);
		if (r < 0)
			break;
	}
	return r;
}

/* Cells at the top (nbformat 4), or in worksheets (nbformat 3). */
static int add_all(struct builder *b, const cJSON *root)
{
	const cJSON *cells = cJSON_GetObjectItemCaseSensitive(root, "cells");
	const cJSON *sheets = cJSON_GetObjectItemCaseSensitive(root, "worksheets"), *sheet;
	int r = 0;

	if (cJSON_IsArray(cells))
		return add_cells(b, cells);
	if (!cJSON_IsArray(sheets))
		return explain(b->w.problem, -EINVAL, "it is no notebook: it has no cells");
	cJSON_ArrayForEach(sheet, sheets) {
		r = add_cells(b, cJSON_GetObjectItemCaseSensitive(sheet, "cells"));
		if (r < 0)
			break;
	}
	return r;
}

static int check_language(const cJSON *root, char problem[512])
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(root, "metadata");
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(metadata, "language_info"), "name");

	if (!cJSON_IsString(name))
		name = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(metadata, "kernelspec"), "language");
	if (!cJSON_IsString(name) || !strncasecmp(name->valuestring, "python", 6) || !strncasecmp(name->valuestring, "ipython", 7))
		return 0;
	return explain(problem, -EINVAL, "it is written in '%.40s', not in Python", name->valuestring);
}

/* Puts the future imports first, which moves everything down by a line. */
static int finish(struct builder *b, struct notebook *nb, const char *body, size_t body_size, const char *future, size_t future_size)
{
	FILE *stream;
	bool failed;

	stream = open_memstream(&nb->source, &nb->size);
	if (!stream)
		return -ENOMEM;
	if (future_size) {
		fprintf(stream, "from __future__ import %s\n", future);
		for (size_t i = 0; i < b->n_cells; i++) {
			b->cells[i].first_line++;
			b->cells[i].last_line++;
		}
	}
	fwrite(body, 1, body_size, stream);
	failed = ferror(stream);
	if (fclose(stream) || failed) {
		free(nb->source);
		nb->source = NULL;
		return -ENOMEM;
	}
	nb->map.cells = steal_ptr(b->cells);
	nb->map.n = b->n_cells;
	nb->notices = steal_ptr(b->w.notices.items);
	nb->n_notices = b->w.notices.n;
	return 0;
}

static int build(struct notebook *nb, const cJSON *root, char problem[512])
{
	_cleanup_free_ char *body = NULL, *future = NULL;
	size_t body_size = 0, future_size = 0;
	struct builder b = { .w.problem = problem };
	struct notebook made = {};
	int r = check_language(root, problem);

	if (r < 0)
		return r;
	b.w.out = open_memstream(&body, &body_size);
	b.w.future = open_memstream(&future, &future_size);
	r = b.w.out && b.w.future ? add_all(&b, root) : -ENOMEM;
	if (!r && !b.number)
		r = explain(problem, -EINVAL, "it has no code cells");
	if (b.w.out && fclose(b.w.out) && !r)
		r = -ENOMEM;
	if (b.w.future && fclose(b.w.future) && !r)
		r = -ENOMEM;
	if (!r)
		r = finish(&b, &made, body, body_size, future, future_size);
	free(b.cells);
	strv_release(&b.w.notices);
	if (!r)
		*nb = made;
	return r;
}

int notebook__parse(struct notebook *nb, const char *json, size_t size, char problem[512])
{
	const char *end = json;
	cJSON *root;
	int r;

	problem[0] = '\0';
	root = cJSON_ParseWithLengthOpts(json, size, &end, false);
	if (!root) {
		size_t line = 1;

		for (const char *p = json; p && p < end && p < json + size; p++)
			line += *p == '\n';
		return explain(problem, -EINVAL, "it is no notebook: not JSON at line %zu", line);
	}
	r = build(nb, root, problem);
	cJSON_Delete(root);
	if (r < 0 && !problem[0])
		explain(problem, r, "%s", strerror(-r));
	return r;
}

int notebook__read(struct notebook *nb, const char *path, char problem[512])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t used = 0, room;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return explain(problem, -errno, "cannot read it: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return explain(problem, -EINVAL, "it is no regular file");
	if (st.st_size > NOTEBOOK_MAX)
		return explain(problem, -EINVAL, "it is larger than %u MB", NOTEBOOK_MAX >> 20);
	room = (size_t)st.st_size;
	data = malloc(room + 1);
	if (!data)
		return explain(problem, -ENOMEM, "%s", strerror(ENOMEM));
	while (used < room) {
		ssize_t n = read(fd, data + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return explain(problem, -errno, "cannot read it: %s", strerror(errno));
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return notebook__parse(nb, data, used, problem);
}

void notebook__release(struct notebook *nb)
{
	free(nb->source);
	free(nb->map.cells);
	strv__free(nb->notices);
	memset(nb, 0, sizeof(*nb));
}
