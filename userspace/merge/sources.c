// SPDX-License-Identifier: Apache-2.0
/*
 * The text of a file that was profiled some time ago, maybe on another machine. What lies there now counts only if each line whose
 * text the inputs recorded reads the same; else there are those lines and nothing between them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"
#include "profile/source.h"
#include "report/source.h"
#include "util/cleanup.h"

#define BETWEEN_MAX (8U << 20) /* lines without a text that we are ready to make */

static bool same_texts(const struct joined_file *joined, const struct source *source)
{
	bool any = false;

	for (size_t i = 0; i < joined->n_lines; i++) {
		const char *text = joined->lines[i].text, *now;
		size_t size;

		if (!text || strstr(text, "\xef\xbf\xbd"))
			continue;
		now = source__line(source, joined->lines[i].lineno, &size);
		if (!now || size != strlen(text) || memcmp(now, text, size))
			return false;
		any = true;
	}
	return any;
}

static bool take(const struct joined_file *joined, const char *path, struct profile_file *file, struct ending *e)
{
	const char *text, *problem;
	struct source source;
	bool same = false;
	size_t size;

	source_read(e->arena, NULL, path, &text, &size, &problem);
	if (!text)
		return false;
	if (!source__scan(&source, text, size))
		same = same_texts(joined, &source);
	source__release(&source);
	if (!same)
		return false;
	file->source = text;
	file->source_size = size;
	return true;
}

/* What is not among the lines that are known. */
static void add_imports(const struct joined_file *joined, FILE *out)
{
	struct map64 known = {};
	uint32_t at;

	for (size_t i = 0; i < joined->n_lines; i++) {
		const char *text = joined->lines[i].text;

		if (!text)
			continue;
		text += strspn(text, " \t");
		map64_put(&known, hash_bytes(text, strlen(text)), 0);
	}
	for (size_t i = 0; i < joined->n_imports; i++) {
		if (!map64_get(&known, hash_bytes(joined->imports[i], strlen(joined->imports[i])), &at))
			fprintf(out, "%s\n", joined->imports[i]);
	}
	map64_release(&known);
}

/* The lines that are known, each in its place, and behind them the imports. */
static void assemble(const struct joined_file *joined, struct profile_file *file, struct ending *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	uint32_t at = 1;
	char *kept;

	if (!out) {
		e->failed = true;
		return;
	}
	for (size_t i = 0; i < joined->n_lines; i++) {
		const struct joined_line *line = &joined->lines[i];

		if (!line->text || line->lineno < at || line->lineno > BETWEEN_MAX)
			continue;
		for (; at < line->lineno; at++)
			putc('\n', out);
		fprintf(out, "%s\n", line->text);
		at++;
	}
	add_imports(joined, out);
	if (fclose(out) || !text) {
		e->failed = true;
		return;
	}
	file->source_problem = "not as it was when it was profiled, or out of reach: only lines with a measure are known";
	kept = size ? arena_alloc(e->arena, size + 1) : NULL;
	e->failed |= size && !kept;
	if (!kept)
		return;
	memcpy(kept, text, size);
	file->source = kept;
	file->source_size = size;
}

void file_source(const struct joined_file *joined, struct profile_file *file, struct ending *e)
{
	const char *base = strrchr(joined->source_path, '/');
	_cleanup_free_ char *copy = NULL;

	if (take(joined, joined->source_path, file, e))
		return;
	/* the run's folder has a copy of what ran */
	if (base && asprintf(&copy, "%s%s", joined->input_path, base) < 0)
		copy = NULL;
	if (!copy || !take(joined, copy, file, e))
		assemble(joined, file, e);
}
