// SPDX-License-Identifier: Apache-2.0
/* Files, lines and functions, and which of them are the same. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"
#include "report/function_index.h"
#include "util/cleanup.h"

/* A byte that was no UTF-8 came through as this. */
static bool vague(const char *text)
{
	return strstr(text, "\xef\xbf\xbd") != NULL;
}

static bool fits(const struct joined_file *joined, const struct profile_file *file, const struct stored_file *stored)
{
	uint32_t at;

	for (size_t i = 0; i < file->n_lines; i++) {
		const char *text = stored->texts[i];

		if (!text || !map64_get(&joined->line_of, file->lines[i].lineno, &at))
			continue;
		if (joined->lines[at].text && joined->lines[at].text != text && !vague(text))
			return false;
	}
	return true;
}

/* The name of another version. */
static const char *version_name(struct joined_files *files, const char *path, uint32_t version)
{
	_cleanup_free_ char *name = NULL;

	if (version == 1)
		return path;
	if (asprintf(&name, "%s (version %u)", path, version) < 0)
		name = NULL;
	return name ? strings__intern(files->strings, name) : NULL;
}

/* A merged report's name of a version without the number, which may be another one here. */
static const char *plain_name(struct joined_files *files, const char *path)
{
	const char *mark = strrchr(path, ' ');
	size_t digits;

	while (mark && mark > path && strncmp(mark, " (version ", 10))
		mark = memrchr(path, ' ', (size_t)(mark - path));
	digits = mark && mark > path ? strspn(mark + 10, "0123456789") : 0;
	if (!digits || strcmp(mark + 10 + digits, ")"))
		return path;
	return strings__intern_n(files->strings, path, (size_t)(mark - path));
}

/*
 * The version that a run's file belongs to, made if need be: its index, or NONE without memory. A notebook goes by its own name:
 * its saved copies lie in each run's folder.
 */
static uint32_t version_of(struct joined_files *files, const struct profile_file *file, const struct stored_file *stored, bool merged, const char *input_path)
{
	const char *path = merged ? plain_name(files, file->path) : file->path, *display = merged ? plain_name(files, file->display) : file->display;
	uint32_t head = NONE, version = 1;
	struct joined_file *made;

	if (!path || !display)
		return NONE;
	map64_get(&files->heads, (uintptr_t)display, &head);
	for (uint32_t at = head; at != NONE; at = files->files[at].next) {
		if (fits(&files->files[at], file, stored))
			return at;
		version++;
	}
	if (!ROOM(files->files, files->n, files->room))
		return NONE;
	made = &files->files[files->n];
	*made = (struct joined_file){
		.path = version_name(files, path, version), .display = version_name(files, display, version),
		.source_path = path, .input_path = input_path, .version = version, .next = head,
	};
	if (!made->path || !made->display || map64_put(&files->heads, (uintptr_t)display, (uint32_t)files->n))
		return NONE;
	files->n_versions += version > 1;
	return (uint32_t)files->n++;
}

static struct joined_line *line_get(struct joined_file *joined, uint32_t lineno)
{
	uint32_t at;

	if (map64_get(&joined->line_of, lineno, &at))
		return &joined->lines[at];
	if (!ROOM(joined->lines, joined->n_lines, joined->room_lines) || map64_put(&joined->line_of, lineno, (uint32_t)joined->n_lines))
		return NULL;
	joined->lines[joined->n_lines] = (struct joined_line){.lineno = lineno};
	return &joined->lines[joined->n_lines++];
}

static struct joined_function *function_get(struct joined_file *joined, const struct profile_function *function)
{
	uint32_t head = NONE;

	map64_get(&joined->function_of, function->firstlineno, &head);
	for (uint32_t at = head; at != NONE; at = joined->functions[at].next) {
		if (joined->functions[at].name == function->name)
			return &joined->functions[at];
	}
	if (!ROOM(joined->functions, joined->n_functions, joined->room_functions) ||
	    map64_put(&joined->function_of, function->firstlineno, (uint32_t)joined->n_functions))
		return NULL;
	joined->functions[joined->n_functions] = (struct joined_function){function->firstlineno, head, function->name, 0, {}};
	return &joined->functions[joined->n_functions++];
}

static int join_cells(struct joined_file *joined, const struct cell_map *cells)
{
	for (size_t i = 0; cells && i < cells->n; i++) {
		const struct cell *cell = &cells->cells[i];
		uint32_t at;

		if (!map64_get(&joined->cell_of, cell->number, &at)) {
			if (!ROOM(joined->cells, joined->n_cells, joined->room_cells) || map64_put(&joined->cell_of, cell->number, (uint32_t)joined->n_cells))
				return -ENOMEM;
			at = (uint32_t)joined->n_cells++;
			joined->cells[at] = *cell;
		}
		if (joined->cells[at].last_line < cell->last_line)
			joined->cells[at].last_line = cell->last_line;
	}
	return 0;
}

static int join_imports(struct joined_file *joined, const struct stored_file *stored)
{
	for (size_t i = 0; i < stored->n_imports; i++) {
		uint32_t at;

		if (map64_get(&joined->import_of, (uintptr_t)stored->imports[i], &at))
			continue;
		if (!ROOM(joined->imports, joined->n_imports, joined->room_imports) || map64_put(&joined->import_of, (uintptr_t)stored->imports[i], 0))
			return -ENOMEM;
		joined->imports[joined->n_imports++] = stored->imports[i];
	}
	return 0;
}

static int join_file(struct joined_file *joined, const struct profile_file *file, const struct stored_file *stored, const struct place_in_time *at)
{
	int err = measures_join(&joined->m, &file->m, at);

	for (size_t i = 0; i < file->n_lines && !err; i++) {
		struct joined_line *line = line_get(joined, file->lines[i].lineno);

		if (!line)
			return -ENOMEM;
		if (!line->text)
			line->text = stored->texts[i];
		if (!line->function && file->lines[i].function)
			line->function = file->lines[i].function->name;
		err = measures_join(&line->m, &file->lines[i].m, at);
	}
	for (size_t i = 0; i < file->n_functions && !err; i++) {
		struct joined_function *function = function_get(joined, &file->functions[i]);

		if (!function)
			return -ENOMEM;
		add_up(&function->inclusive_ns, file->functions[i].inclusive_ns);
		err = measures_join(&function->m, &file->functions[i].m, at);
	}
	if (!err)
		err = join_cells(joined, file->cells);
	return err ? err : join_imports(joined, stored);
}

int files_join(struct joined_files *files, const struct stored_run *run, const char *input_path, const struct place_in_time *at, struct map64 *names)
{
	for (size_t i = 0; i < run->profile.n_files; i++) {
		const struct profile_file *file = &run->profile.files[i];
		uint32_t version = version_of(files, file, &run->files[i], run->profile.merge != NULL, input_path);

		if (version == NONE || map64_put(names, (uintptr_t)file->path, version) || join_file(&files->files[version], file, &run->files[i], at))
			return -ENOMEM;
	}
	return 0;
}

const char *files_path(const struct joined_files *files, const struct map64 *names, const char *path)
{
	uint32_t at;

	return path && map64_get(names, (uintptr_t)path, &at) ? files->files[at].path : path;
}

/* --- the end --- */

static int by_lineno(const void *a, const void *b)
{
	const struct joined_line *x = a, *y = b;

	return x->lineno < y->lineno ? -1 : x->lineno > y->lineno;
}

static int by_firstlineno(const void *a, const void *b)
{
	const struct joined_function *x = a, *y = b;

	if (x->firstlineno != y->firstlineno)
		return x->firstlineno < y->firstlineno ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int by_first_line(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return x->first_line < y->first_line ? -1 : x->first_line > y->first_line;
}

static void end_functions(struct joined_file *joined, struct profile_file *file, struct ending *e)
{
	if (!joined->n_functions)
		return;
	qsort(joined->functions, joined->n_functions, sizeof(*joined->functions), by_firstlineno);
	file->functions = arena_array(e->arena, joined->n_functions, sizeof(*file->functions));
	e->failed |= !file->functions;
	for (size_t i = 0; file->functions && i < joined->n_functions; i++) {
		struct profile_function *function = &file->functions[file->n_functions++];

		function->name = joined->functions[i].name;
		function->firstlineno = joined->functions[i].firstlineno;
		function->inclusive_ns = joined->functions[i].inclusive_ns;
		measures_end(&joined->functions[i].m, &function->m, e);
	}
}

static void end_lines(struct joined_file *joined, struct profile_file *file, struct ending *e)
{
	struct function_index functions;

	if (function_index_init(&functions, file->functions, file->n_functions))
		e->failed = true;
	if (!joined->n_lines || e->failed) {
		function_index_release(&functions);
		return;
	}
	qsort(joined->lines, joined->n_lines, sizeof(*joined->lines), by_lineno);
	file->lines = arena_array(e->arena, joined->n_lines, sizeof(*file->lines));
	e->failed |= !file->lines;
	for (size_t i = 0; file->lines && i < joined->n_lines; i++) {
		struct profile_line *line = &file->lines[file->n_lines++];

		line->lineno = joined->lines[i].lineno;
		line->function = function_index_find(&functions, joined->lines[i].function, line->lineno);
		measures_end(&joined->lines[i].m, &line->m, e);
	}
	function_index_release(&functions);
}

static void end_cells(struct joined_file *joined, struct profile_file *file, struct ending *e)
{
	struct cell_map *map = joined->n_cells ? arena_alloc(e->arena, sizeof(*map)) : NULL;

	e->failed |= joined->n_cells && !map;
	if (!map)
		return;
	qsort(joined->cells, joined->n_cells, sizeof(*joined->cells), by_first_line);
	map->cells = arena_array(e->arena, joined->n_cells, sizeof(*map->cells));
	e->failed |= !map->cells;
	if (!map->cells)
		return;
	memcpy(map->cells, joined->cells, joined->n_cells * sizeof(*map->cells));
	map->n = joined->n_cells;
	file->cells = map;
}

static int by_time(const void *a, const void *b)
{
	const struct profile_file *x = a, *y = b;
	uint64_t s = times_total(&x->m.times), t = times_total(&y->m.times);

	return s != t ? (s > t ? -1 : 1) : strcmp(x->path, y->path);
}

void files_end(struct joined_files *files, struct profile *profile, struct ending *e)
{
	if (!files->n)
		return;
	profile->files = arena_array(e->arena, files->n, sizeof(*profile->files));
	e->failed |= !profile->files;
	for (size_t i = 0; profile->files && i < files->n; i++) {
		struct joined_file *joined = &files->files[i];
		struct profile_file *file = &profile->files[profile->n_files++];

		file->path = joined->path;
		file->display = joined->display;
		measures_end(&joined->m, &file->m, e);
		end_functions(joined, file, e);
		end_lines(joined, file, e);
		end_cells(joined, file, e);
		file_source(joined, file, e);
	}
	if (profile->n_files)
		qsort(profile->files, profile->n_files, sizeof(*profile->files), by_time);
}

static void release_file(struct joined_file *joined)
{
	measures_release(&joined->m);
	for (size_t i = 0; i < joined->n_lines; i++)
		measures_release(&joined->lines[i].m);
	for (size_t i = 0; i < joined->n_functions; i++)
		measures_release(&joined->functions[i].m);
	free(joined->lines);
	free(joined->functions);
	free(joined->cells);
	free(joined->imports);
	map64_release(&joined->line_of);
	map64_release(&joined->function_of);
	map64_release(&joined->cell_of);
	map64_release(&joined->import_of);
}

void files_release(struct joined_files *files)
{
	for (size_t i = 0; i < files->n; i++)
		release_file(&files->files[i]);
	free(files->files);
	map64_release(&files->heads);
}
