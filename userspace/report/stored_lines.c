// SPDX-License-Identifier: Apache-2.0
#include "report/stored_lines.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/function_index.h"
#include "util/cleanup.h"
#include "util/map64.h"

static void fail(struct json_reader *r, const char *what)
{
	if (r->err)
		return;
	set_problem(r->problem, "cannot use the profile: %s %s", r->where, what);
	r->err = -EINVAL;
}

static void read_reason(struct json_reader *r, const cJSON *item, struct wait_reason *reason)
{
	_cleanup_free_ char *what = NULL;

	reason->call = read_text(r, item, "call");
	reason->object = read_optional_text(r, item, "object");
	reason->ns = read_seconds(r, item, "seconds");
	reason->count = read_count(r, item, "count");
	reason->what = reason->call;
	if (!reason->object)
		return;
	if (asprintf(&what, "%s, %s", reason->call, reason->object) < 0)
		what = NULL;
	reason->what = what ? strings__intern(r->strings, what) : NULL;
	if (!reason->what)
		r->err = -ENOMEM;
}

static void read_plain_measures(struct json_reader *r, const cJSON *object, struct measures *m)
{
	const cJSON *list, *item;
	size_t i = 0;

	read_times(r, object, &m->times);
	m->samples = read_count(r, object, "samples");
	m->waits = read_count(r, object, "waits");
	m->rss_bytes = read_count(r, object, "rss_bytes");
	list = read_list(r, object, "waits_for");
	m->waits_for = read_array(r, list, sizeof(*m->waits_for), &m->n_waits_for);
	cJSON_ArrayForEach(item, (m->waits_for ? list : NULL))
		read_reason(r, item, &m->waits_for[i++]);
}

void read_measures(struct json_reader *r, const cJSON *object, struct measures *m)
{
	read_plain_measures(r, object, m);
	m->heap = read_heap_measures(r, object);
}

/* A line's or a function's. */
static void read_place(struct json_reader *r, const cJSON *object, struct measures *m)
{
	read_measures(r, object, m);
	m->core_utilization = read_number(r, object, "core_utilization", 1.001);
	m->rss_timeline = read_moments(r, object, "rss_timeline", &m->n_rss_timeline);
}

/* Of the notebook's cells those that something is known of: the first line, and the last one with a measure. */
struct cells { struct cell *cells; size_t n, room; };

static void note_cell(struct json_reader *r, const cJSON *item, uint32_t lineno, struct cells *cells)
{
	uint32_t number, line;
	size_t at = 0;

	if (!cJSON_HasObjectItem(item, "cell"))
		return;
	number = read_small(r, item, "cell");
	line = read_small(r, item, "cell_line");
	if (line < 1 || line > lineno)
		fail(r, "lies in no cell");
	if (r->err)
		return;
	while (at < cells->n && cells->cells[at].number != number)
		at++;
	if (at == cells->n && cells->n == cells->room)
		return;
	if (at == cells->n)
		cells->cells[cells->n++] = (struct cell){number, lineno - line + 1, lineno};
	if (cells->cells[at].last_line < lineno)
		cells->cells[at].last_line = lineno;
}

static int by_first_line(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;

	return x->first_line < y->first_line ? -1 : x->first_line > y->first_line;
}

#define CELLS_MAX 4096

static void take_cells(struct json_reader *r, struct cells *cells, struct profile_file *file)
{
	struct cell_map *map = cells->n ? read_new(r, sizeof(*map)) : NULL;

	if (!map)
		return;
	map->cells = read_new(r, cells->n * sizeof(*map->cells));
	if (!map->cells)
		return;
	memcpy(map->cells, cells->cells, cells->n * sizeof(*map->cells));
	map->n = cells->n;
	qsort(map->cells, map->n, sizeof(*map->cells), by_first_line);
	file->cells = map;
}

static void read_functions(struct json_reader *r, const cJSON *object, struct profile_file *file, struct cells *cells)
{
	const cJSON *list = read_list(r, object, "functions"), *item;
	size_t i = 0;

	file->functions = read_array(r, list, sizeof(*file->functions), &file->n_functions);
	cJSON_ArrayForEach(item, (file->functions ? list : NULL)) {
		struct profile_function *function = &file->functions[i++];

		reader_at(r, "a function of '%.200s'", file->path);
		function->name = read_optional_text(r, item, "name") ?: "";
		function->firstlineno = read_small(r, item, "lineno");
		function->inclusive_ns = read_seconds(r, item, "inclusive_s");
		note_cell(r, item, function->firstlineno, cells);
		read_place(r, item, &function->m);
		if (r->err)
			return;
	}
}

static void read_lines(struct json_reader *r, const cJSON *object, struct profile_file *file, struct cells *cells)
{
	const cJSON *list = read_list(r, object, "lines"), *item;
	struct function_index functions;
	size_t i = 0;

	if (function_index_init(&functions, file->functions, file->n_functions))
		r->err = -ENOMEM;
	file->lines = read_array(r, list, sizeof(*file->lines), &file->n_lines);
	cJSON_ArrayForEach(item, (file->lines ? list : NULL)) {
		struct profile_line *line = &file->lines[i++];

		reader_at(r, "a line of '%.200s'", file->path);
		line->lineno = read_small(r, item, "lineno");
		reader_at(r, "line %u of '%.200s'", line->lineno, file->path);
		if (i > 1 && line->lineno <= line[-1].lineno)
			fail(r, "is not in order");
		line->function = function_index_find(&functions, read_optional_text(r, item, "function"), line->lineno);
		note_cell(r, item, line->lineno, cells);
		read_place(r, item, &line->m);
		if (r->err)
			break;
	}
	function_index_release(&functions);
}

static void read_file(struct json_reader *r, const cJSON *item, struct profile_file *file)
{
	_cleanup_free_ struct cell *room = calloc(CELLS_MAX, sizeof(*room));
	struct cells cells = {.cells = room, .room = CELLS_MAX};

	if (!room)
		r->err = -ENOMEM;
	reader_at(r, "a file");
	file->path = read_text(r, item, "path");
	reader_at(r, "'%.200s'", file->path);
	if (!*file->path)
		fail(r, "is no path of a file");
	file->display = read_text(r, item, "display");
	read_plain_measures(r, item, &file->m);
	file->m.heap = read_heap_sums(r, item);
	read_functions(r, item, file, &cells);
	read_lines(r, item, file, &cells);
	take_cells(r, &cells, file);
}

void read_files(struct json_reader *r, const cJSON *details, struct stored_run *run)
{
	struct profile *p = &run->profile;
	struct map64 seen = {};
	const cJSON *list, *item;
	size_t i = 0;

	reader_at(r, "the profile");
	list = read_list(r, details, "files");
	p->files = read_array(r, list, sizeof(*p->files), &p->n_files);
	run->files = p->n_files ? read_new(r, p->n_files * sizeof(*run->files)) : NULL;
	cJSON_ArrayForEach(item, (run->files ? list : NULL)) {
		struct profile_file *file = &p->files[i++];
		uint32_t twin;

		read_file(r, item, file);
		if (r->err)
			break;
		reader_at(r, "'%.200s'", file->path);
		if (map64_get(&seen, (uintptr_t)file->path, &twin))
			fail(r, "is there twice");
		else if (map64_put(&seen, (uintptr_t)file->path, 0))
			r->err = -ENOMEM;
		run->files[i - 1].texts = file->n_lines ? read_new(r, file->n_lines * sizeof(char *)) : NULL;
	}
	map64_release(&seen);
}

/* --- profile_results.json --- */

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void take_samples(struct json_reader *r, const cJSON *item, struct measures *m)
{
	const cJSON *list = read_list(r, item, "cpu_samples_list"), *sample;
	size_t i = 0;

	m->cpu_samples_s = read_array(r, list, sizeof(double), &m->n_cpu_samples);
	if (m->n_cpu_samples > CPU_SAMPLES_MAX)
		fail(r, "has too many moments of samples");
	cJSON_ArrayForEach(sample, (m->cpu_samples_s ? list : NULL))
		m->cpu_samples_s[i++] = read_number_of(r, sample, "cpu_samples_list", 1e10);
	if (m->cpu_samples_s)
		qsort(m->cpu_samples_s, m->n_cpu_samples, sizeof(double), by_double);
}

/* Both files list the same lines and functions in the same order. */
static void take_file(struct json_reader *r, const cJSON *object, struct profile_file *file, struct stored_file *stored)
{
	const cJSON *list = read_list(r, object, "lines"), *item;
	size_t at = 0;

	cJSON_ArrayForEach(item, list) {
		uint32_t lineno = read_small(r, item, "lineno");
		const char *text = read_text(r, item, "line");

		while (at < file->n_lines && file->lines[at].lineno < lineno)
			at++;
		if (r->err || at == file->n_lines)
			break;
		if (file->lines[at].lineno != lineno)
			continue;
		stored->texts[at] = *text ? text : NULL;
		take_samples(r, item, &file->lines[at++].m);
	}
	at = 0;
	list = read_list(r, object, "functions");
	cJSON_ArrayForEach(item, list) {
		if (at == file->n_functions || r->err)
			break;
		if (read_small(r, item, "lineno") == file->functions[at].firstlineno && read_text(r, item, "line") == file->functions[at].name)
			take_samples(r, item, &file->functions[at].m);
		at++;
	}
	at = 0;
	list = read_list(r, object, "imports");
	stored->imports = read_array(r, list, sizeof(char *), &stored->n_imports);
	cJSON_ArrayForEach(item, (stored->imports ? list : NULL))
		stored->imports[at++] = read_text_of(r, item, "imports");
}

static void take_files(struct json_reader *r, const struct stored *stored, struct stored_run *run)
{
	const cJSON *files = read_object(r, stored->json, "files"), *item;
	struct map64 index = {};
	uint32_t at;

	for (size_t i = 0; i < run->profile.n_files && !r->err; i++) {
		if (map64_put(&index, (uintptr_t)run->profile.files[i].path, (uint32_t)i))
			r->err = -ENOMEM;
	}
	cJSON_ArrayForEach(item, files) {
		const char *path = item->string ? strings__intern(r->strings, item->string) : NULL;

		if (!path || r->err || !map64_get(&index, (uintptr_t)path, &at))
			continue;
		reader_at(r, "'%.200s'", path);
		take_file(r, item, &run->profile.files[at], &run->files[at]);
		map64_remove(&index, (uintptr_t)path, &at); /* once */
	}
	map64_release(&index);
}

/* Of the figures only shares were kept. */
static void take_stack(struct json_reader *r, const cJSON *figures, double whole_ns, struct profile_stack *stack)
{
	double total = read_number(r, figures, "cpu_samples", 1.001) * whole_ns;
	double python = read_number(r, figures, "python_time", 1.001) * whole_ns, native = read_number(r, figures, "c_time", 1.001) * whole_ns;

	stack->times.python_ns = (uint64_t)(python + 0.5);
	stack->times.native_ns = (uint64_t)(native + 0.5);
	stack->times.system_ns = total > python + native ? (uint64_t)(total - python - native + 0.5) : 0;
}

static void take_stacks(struct json_reader *r, const struct stored *stored, struct profile *p)
{
	const cJSON *stacks = cJSON_GetObjectItemCaseSensitive(stored->json, "stacks"), *item;
	double whole_ns = (double)times_total(&p->whole);
	size_t i = 0;

	reader_at(r, "a stack");
	p->stacks = stored->n_stacks ? read_new(r, stored->n_stacks * sizeof(*p->stacks)) : NULL;
	cJSON_ArrayForEach(item, (p->stacks ? stacks : NULL)) {
		const struct summary_stack *from = &stored->stacks[i];
		struct profile_stack *to = &p->stacks[i++];
		struct profile_frame *frames = from->n_frames ? read_new(r, from->n_frames * sizeof(*frames)) : NULL;

		for (size_t k = 0; frames && k < from->n_frames; k++) {
			frames[k].path = strings__intern(r->strings, from->frames[k].path);
			frames[k].function = strings__intern(r->strings, from->frames[k].function);
			frames[k].lineno = from->frames[k].lineno;
			if (!frames[k].path || !frames[k].function)
				r->err = -ENOMEM;
		}
		to->frames = frames;
		to->n_frames = frames ? from->n_frames : 0;
		to->samples = from->samples;
		take_stack(r, item->child->next, whole_ns, to);
		p->n_stacks = i;
	}
}

int read_results(struct json_reader *r, const struct stored *stored, struct stored_run *run)
{
	reader_at(r, "the profile");
	run->profile.entrypoint_dir = read_text(r, stored->json, "entrypoint_dir");
	take_files(r, stored, run);
	take_stacks(r, stored, &run->profile);
	return r->err;
}
