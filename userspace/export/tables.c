// SPDX-License-Identifier: Apache-2.0
#include "export/tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/strings.h"

const struct value_name value_names[VALUES] = {
	[VALUE_CPU] = { "cpu", "nanoseconds" },
	[VALUE_WAIT] = { "wait", "nanoseconds" },
	[VALUE_RSS] = { "rss", "bytes" },
	[VALUE_ALLOC_OBJECTS] = { "alloc_objects", "count" },
	[VALUE_ALLOC_SPACE] = { "alloc_space", "bytes" },
	[VALUE_INUSE_OBJECTS] = { "inuse_objects", "count" },
	[VALUE_INUSE_SPACE] = { "inuse_space", "bytes" },
};

static int table_grow(struct table *t)
{
	uint32_t n_slots = t->n_slots ? t->n_slots * 2 : 64;
	uint32_t *slots = calloc(n_slots, sizeof(*slots));
	struct table_entry *entries = realloc(t->entries, (size_t)n_slots / 2 * sizeof(*entries));

	if (entries)
		t->entries = entries;
	if (!slots || !entries) {
		free(slots);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t at = t->entries[i].hash & (n_slots - 1);

		while (slots[at])
			at = (at + 1) & (n_slots - 1);
		slots[at] = i + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n_slots;
	t->capacity = n_slots / 2;
	return 0;
}

int table_add(struct table *t, struct arena *arena, const void *key, size_t size, size_t more, uint32_t *index)
{
	uint32_t hash = (uint32_t)hash_bytes(key, size), at;
	struct table_entry *e;

	if (size > INT32_MAX || t->n >= INT32_MAX / 2)
		return -EOVERFLOW;
	if (t->n >= t->capacity && table_grow(t) < 0)
		return -ENOMEM;
	for (at = hash & (t->n_slots - 1); t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
		e = &t->entries[t->slots[at] - 1];
		if (e->hash == hash && e->size == size && !memcmp(e->data, key, size)) {
			*index = t->slots[at] - 1;
			return 0;
		}
	}
	e = &t->entries[t->n];
	*e = (struct table_entry){ arena_alloc(arena, size + more), (uint32_t)size, hash };
	if (!e->data)
		return -ENOMEM;
	memcpy(e->data, key, size);
	*index = t->n;
	t->slots[at] = ++t->n;
	return 0;
}

void table_release(struct table *t)
{
	free(t->entries);
	free(t->slots);
}

const char *tables_clean(struct tables *tables, const char *text)
{
	size_t length = strlen(text);
	char *clean;

	if (utf8_valid(text, length))
		return text;
	clean = arena_array(&tables->arena, length + 1, 3);
	if (clean)
		utf8_repair(clean, (length + 1) * 3, text);
	return clean;
}

static int text_add(struct tables *tables, struct table *table, const char *text, uint32_t *index)
{
	const char *clean;

	if ((!text || !*text) && table->n) {
		*index = 0;
		return 0;
	}
	clean = tables_clean(tables, text ?: "");
	return clean ? table_add(table, &tables->arena, clean, strlen(clean) + 1, 0, index) : -ENOMEM;
}

int tables_string(struct tables *tables, const char *text, uint32_t *index)
{
	return text_add(tables, &tables->strings, text, index);
}

int tables_text(struct tables *tables, const char *text, uint32_t *index)
{
	return text_add(tables, &tables->texts, text, index);
}

const char *tables_process_name(struct tables *tables, const struct window_process *process)
{
	char *text;

	if (process->facts.name && *process->facts.name)
		return tables_clean(tables, process->facts.name);
	text = arena_alloc(&tables->arena, 32);
	if (text)
		snprintf(text, 32, "pid %u", process->pid);
	return text;
}

const char *interpreter_version(const char *interpreter, size_t *implementation)
{
	const char *space = interpreter ? strrchr(interpreter, ' ') : NULL;

	if (!space || !space[1])
		return NULL;
	*implementation = (size_t)(space - interpreter);
	return space + 1;
}

uint64_t window_time_ns(const struct window *window)
{
	return window->start_epoch_s > 0 && window->start_epoch_s < 9e9 ? (uint64_t)(window->start_epoch_s * 1e9) : 0;
}

uint64_t window_period_ns(const struct window *window)
{
	return window->rate_hz ? 1000000000 / window->rate_hz : 0;
}

/* "[before TEXT]", of a path its last part. */
static int bracketed(struct tables *tables, const char *before, const char *text, uint32_t *index)
{
	size_t size = strlen(before) + strlen(text) + 3;
	char *name = arena_alloc(&tables->arena, size);

	if (!name)
		return -ENOMEM;
	snprintf(name, size, "[%s%s]", before, text);
	return tables_string(tables, name, index);
}

static int location_add(struct tables *tables, const struct table_location *location, const struct table_function *function, uint32_t *index)
{
	struct table_location key = *location;
	int err = table_add(&tables->functions, &tables->arena, function, sizeof(*function), 0, &key.function);

	return err ?: table_add(&tables->locations, &tables->arena, &key, sizeof(key), 0, index);
}

/* As tables_string(), of the window's own texts, which stay where they are: each is looked at once. */
static int window_string(struct tables *tables, const char *text, uint32_t *index)
{
	uint64_t key = (uintptr_t)text;
	uint32_t at, *known;
	int err = table_add(&tables->pointers, &tables->arena, &key, sizeof(key), sizeof(*known), &at);

	if (err)
		return err;
	known = (uint32_t *)((uint64_t *)tables->pointers.entries[at].data + 1);
	if (!*known && text)
		err = tables_string(tables, text, known);
	*index = *known;
	return err;
}

/* A name for a frame that has none. */
static int unnamed(struct tables *tables, const char *path, uint32_t *index)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!path || !*path)
		return tables_string(tables, "[unknown]", index);
	if (*path == '[') /* a description, as "[kernel]" */
		return tables_string(tables, path, index);
	return bracketed(tables, "", slash && slash[1] ? slash + 1 : path, index);
}

static int frame_location(struct tables *tables, const struct window_frame *frame, uint32_t *index)
{
	struct table_location location = { .kind = frame->kind };
	struct table_function function = { 0 };
	bool named = frame->function && *frame->function;
	uint32_t path;
	int err = window_string(tables, frame->path, &path) ?:
		  named ? window_string(tables, frame->function, &function.name) : unnamed(tables, frame->path, &function.name);

	if (err)
		return err;
	if (frame->kind == WINDOW_PYTHON) {
		function.filename = path;
		function.start_line = frame->firstlineno;
		location.line = frame->lineno;
	} else {
		function.system_name = named ? function.name : 0; /* readers make "f(int)" of "_Z1fi" when both are the same */
		err = table_add(&tables->mappings, &tables->arena, &path, sizeof(path), 0, &location.mapping);
	}
	return err ?: location_add(tables, &location, &function, index);
}

/*
 * As frame_location(), but where a frame was just looked up it is not again: stacks share most of their frames, and this is
 * asked a few hundred thousand times a window. Equal texts mostly have equal addresses; where they have not, the location
 * is still the same.
 */
#define RECENT 16384 /* power of two */
struct recent_frame { uint64_t path, function; uint32_t kind, lineno, firstlineno, location; };

static int frame_add(struct tables *tables, const struct window_frame *frame, uint32_t *index)
{
	uint64_t path = (uintptr_t)frame->path, function = (uintptr_t)frame->function;
	uint64_t hash = (path ^ function * 31 ^ ((uint64_t)frame->lineno << 32 | frame->firstlineno)) * 0x9e3779b97f4a7c15ULL;
	struct recent_frame *recent = &tables->recent[(hash >> 32) & (RECENT - 1)];
	uint32_t location;
	int err;

	if (recent->location && recent->path == path && recent->function == function && recent->kind == (uint32_t)frame->kind &&
	    recent->lineno == frame->lineno && recent->firstlineno == frame->firstlineno) {
		*index = recent->location;
		return 0;
	}
	err = frame_location(tables, frame, &location);
	if (err)
		return err;
	*recent = (struct recent_frame){ path, function, frame->kind, frame->lineno, frame->firstlineno, location };
	*index = location;
	return 0;
}

/* A place that is no frame: a name in brackets. */
static int mark_add(struct tables *tables, const char *before, const char *text, uint32_t *index)
{
	struct table_location location = { .kind = LOCATION_MARK };
	struct table_function function = { 0 };

	return bracketed(tables, before, text, &function.name) ?: location_add(tables, &location, &function, index);
}

static int stack_add(struct tables *tables, const struct window_stack *stack, uint32_t *index)
{
	_cleanup_free_ uint32_t *locations = calloc((size_t)stack->n_frames + 1, sizeof(*locations));
	size_t n = 0;
	int err = 0;

	if (!locations)
		return -ENOMEM;
	for (; n < stack->n_frames && !err; n++)
		err = frame_add(tables, &stack->frames[n], &locations[n]);
	if (!err && stack->cut)
		err = mark_add(tables, "", "cut", &locations[n++]);
	return err ?: table_add(&tables->stacks, &tables->arena, locations, n * sizeof(*locations), 0, index);
}

static int process_add(struct tables *tables, uint32_t of, uint32_t *index)
{
	const struct window_process *p = &tables->window->processes[of];
	struct table_process key = { .pid = p->pid }, *entry;
	int err = tables_text(tables, p->facts.name, &key.name) ?: tables_text(tables, p->facts.container, &key.container) ?:
		  tables_text(tables, p->facts.cgroup, &key.cgroup) ?: tables_text(tables, p->facts.user, &key.user) ?:
		  tables_text(tables, p->interpreter, &key.interpreter);
	uint32_t before = tables->processes.n;
	size_t size = offsetof(struct table_process, of);

	err = err ?: table_add(&tables->processes, &tables->arena, &key, size, sizeof(key) - size, index);
	if (!err && tables->processes.n > before) {
		entry = tables->processes.entries[*index].data;
		entry->of = of;
	}
	return err;
}

/* For what has no frames. */
static int process_stack(struct tables *tables, uint32_t process, uint32_t *index)
{
	struct table_process *p = tables->processes.entries[process].data;
	uint32_t location;
	const char *name;
	int err = 0;

	if (!p->stack) {
		name = tables_process_name(tables, &tables->window->processes[p->of]);
		err = name ? mark_add(tables, "process ", name, &location) : -ENOMEM;
		err = err ?: table_add(&tables->stacks, &tables->arena, &location, sizeof(location), 0, &p->stack);
	}
	*index = p->stack;
	return err;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return b > INT64_MAX || a + b > INT64_MAX ? INT64_MAX : a + b;
}

/* So much was seen. false: nothing. */
static bool row_values(const struct window *window, const struct window_row *row, uint64_t values[VALUES])
{
	const uint64_t all[VALUES] = {
		[VALUE_CPU] = times_cpu(&row->times), [VALUE_WAIT] = times_wait(&row->times), [VALUE_RSS] = row->rss_bytes,
		[VALUE_ALLOC_OBJECTS] = row->allocations, [VALUE_ALLOC_SPACE] = row->allocated_bytes,
		[VALUE_INUSE_OBJECTS] = row->live_blocks, [VALUE_INUSE_SPACE] = row->live_bytes,
	};
	bool any = false;

	for (uint32_t i = 0; i < (window->heap ? VALUES : VALUES_WITHOUT_HEAP); i++) {
		values[i] = add(values[i], all[i]);
		any = any || all[i];
	}
	return any;
}

/* memos: of each process and stack of the window the index + 1, or 0. */
static int row_add(struct tables *tables, const struct window_row *row, uint32_t *processes, uint32_t *stacks)
{
	const struct window *window = tables->window;
	struct table_sample key = { .tid = row->tid }, *sample;
	uint32_t at;
	int err = 0;

	if (!row_values(window, row, key.values))
		return 0;
	if (row->process >= window->n_processes || row->stack >= window->n_stacks)
		return -EINVAL;
	if (!processes[row->process] && !(err = process_add(tables, row->process, &at)))
		processes[row->process] = at + 1;
	if (err)
		return err;
	key.process = processes[row->process] - 1;
	if (!window->stacks[row->stack].n_frames && !window->stacks[row->stack].cut)
		err = process_stack(tables, key.process, &key.stack);
	else if (!stacks[row->stack] && !(err = stack_add(tables, &window->stacks[row->stack], &at)))
		stacks[row->stack] = at + 1;
	if (!key.stack && !err)
		key.stack = stacks[row->stack] - 1;
	err = err ?: tables_text(tables, row->reason, &key.reason) ?:
	      table_add(&tables->samples, &tables->arena, &key, offsetof(struct table_sample, values), sizeof(key.values), &at);
	if (err)
		return err;
	sample = tables->samples.entries[at].data;
	row_values(window, row, sample->values);
	return 0;
}

int tables_build(struct tables *tables, const struct window *window)
{
	_cleanup_free_ uint32_t *processes = calloc((size_t)window->n_processes + 1, sizeof(*processes));
	_cleanup_free_ uint32_t *stacks = calloc((size_t)window->n_stacks + 1, sizeof(*stacks));
	const struct table_function function = { 0 };
	const struct table_location location = { 0 };
	uint32_t zero = 0;
	int err;

	*tables = (struct tables){ .window = window, .n_values = window->heap ? VALUES : VALUES_WITHOUT_HEAP };
	tables->recent = arena_array(&tables->arena, RECENT, sizeof(*tables->recent));
	if (!processes || !stacks || !tables->recent)
		return -ENOMEM;
	err = tables_string(tables, NULL, &zero) ?: tables_text(tables, NULL, &zero) ?:
	      table_add(&tables->mappings, &tables->arena, &zero, sizeof(zero), 0, &zero) ?:
	      table_add(&tables->functions, &tables->arena, &function, sizeof(function), 0, &zero) ?:
	      table_add(&tables->locations, &tables->arena, &location, sizeof(location), 0, &zero) ?:
	      table_add(&tables->stacks, &tables->arena, &zero, 0, 0, &zero);
	for (uint32_t i = 0; i < window->n_rows && !err; i++)
		err = row_add(tables, &window->rows[i], processes, stacks);
	return err;
}

void tables_release(struct tables *tables)
{
	table_release(&tables->strings);
	table_release(&tables->mappings);
	table_release(&tables->functions);
	table_release(&tables->locations);
	table_release(&tables->samples);
	table_release(&tables->processes);
	table_release(&tables->stacks);
	table_release(&tables->texts);
	table_release(&tables->pointers);
	arena_release(&tables->arena);
}
