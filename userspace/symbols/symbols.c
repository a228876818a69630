// SPDX-License-Identifier: Apache-2.0
#include "symbols/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/interp.h"
#include "symbols/codes.h"
#include "util/cleanup.h"
#include "util/map64.h"

/* Lines are remembered for so many code units, at most so many per byte of the line table; what lies beyond is looked up each time. */
#define LINES_MAX (1U << 20)
#define LINES_PER_BYTE 8
/* A space with more code objects than these makes and drops them all the time. */
#define CODES_OF_SPACE 4096
/* How far back names are looked for in the processes that one was forked from. */
#define GENERATIONS_MAX 4
/* Ended spaces that are remembered: records of several processors may overtake each other, by far less. */
#define ENDED_SPACES 256

struct space {
	uint32_t id;
	uint32_t parent, parent_pid; /* forked from this space of this process; 0: by exec */
	bool has_interp;
	struct event_interp interp;
	const char *interpreter;
	struct codes codes;
};

struct symbols {
	struct strings *strings;
	code_reader reader;
	struct map64 space_index; /* id -> spaces */
	struct space **spaces;
	size_t n_spaces, cap_spaces;
	uint32_t ended[ENDED_SPACES]; /* a ring; 0: none */
	size_t n_ended;
	struct symbol **slots; /* open addressing */
	size_t capacity, count;
	uint32_t next_index;
};

struct symbols *symbols__new(struct strings *strings, code_reader reader)
{
	struct symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->strings = strings;
	s->reader = reader;
	return s;
}

static void space_free(struct space *space)
{
	if (!space)
		return;
	codes__release(&space->codes);
	free(space);
}

void symbols__free(struct symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_spaces; i++)
		space_free(s->spaces[i]);
	map64_release(&s->space_index);
	for (size_t i = 0; i < s->capacity; i++)
		free(s->slots[i]);
	free(s->spaces);
	free(s->slots);
	free(s);
}

size_t symbols__count(const struct symbols *s)
{
	return s->count;
}

static struct space *space_find(const struct symbols *s, uint32_t id)
{
	uint32_t index;

	return map64_get(&s->space_index, id, &index) ? s->spaces[index] : NULL;
}

static bool space_ended(const struct symbols *s, uint32_t id)
{
	for (size_t i = 0; i < ENDED_SPACES; i++) {
		if (id && s->ended[i] == id)
			return true;
	}
	return false;
}

/* What a record is told that is of no space: it is late, or there is no memory. */
static int no_space(const struct symbols *s, uint32_t id)
{
	return space_ended(s, id) ? 0 : -ENOMEM;
}

/* NULL: out of memory, or ended. */
static struct space *space_get(struct symbols *s, uint32_t id)
{
	struct space *space = space_find(s, id);

	if (space || space_ended(s, id))
		return space;
	if (s->n_spaces == s->cap_spaces) {
		size_t capacity = s->cap_spaces ? s->cap_spaces * 2 : 64;
		struct space **spaces = realloc(s->spaces, capacity * sizeof(*spaces));

		if (!spaces)
			return NULL;
		s->spaces = spaces;
		s->cap_spaces = capacity;
	}
	space = calloc(1, sizeof(*space));
	if (!space || map64_put(&s->space_index, id, s->n_spaces)) {
		free(space);
		return NULL;
	}
	space->id = id;
	s->spaces[s->n_spaces++] = space;
	return space;
}

/* The last one takes its place. */
void symbols__end(struct symbols *s, uint32_t id)
{
	struct space *last;
	uint32_t index;

	s->ended[s->n_ended++ % ENDED_SPACES] = id;
	if (!map64_remove(&s->space_index, id, &index))
		return;
	space_free(s->spaces[index]);
	last = s->spaces[--s->n_spaces];
	if (index == s->n_spaces)
		return;
	s->spaces[index] = last;
	map64_put(&s->space_index, last->id, index);
}

int symbols__interp(struct symbols *s, const struct event_interp *event)
{
	struct space *space = space_get(s, event->head.space);
	char text[32];

	if (!space)
		return no_space(s, event->head.space);
	space->interp = *event;
	space->has_interp = event->version != 0;
	if (!space->has_interp)
		return 0;
	snprintf(text, sizeof(text), "CPython %u.%u", event->version >> 8 & 0xff, event->version & 0xff);
	space->interpreter = strings__intern(s->strings, text);
	return 0;
}

int symbols__fork(struct symbols *s, const struct event_fork *event)
{
	struct space *child = space_get(s, event->head.space);
	const struct space *parent = space_find(s, event->parent_space);

	if (!child)
		return no_space(s, event->head.space);
	child->parent = event->parent_space;
	child->parent_pid = event->parent_pid;
	if (parent && parent->has_interp) {
		child->interp = parent->interp;
		child->has_interp = true;
		child->interpreter = parent->interpreter;
	}
	return 0;
}

int symbols__code(struct symbols *s, const struct event_code *event)
{
	struct space *space = space_get(s, event->head.space);
	struct code_entry *entry = space ? codes__get(&space->codes, event->code, event->fingerprint) : NULL;

	if (!entry)
		return no_space(s, event->head.space);
	entry->firstlineno = event->firstlineno;
	return 0;
}

int symbols__blob(struct symbols *s, const struct event_blob *event)
{
	struct space *space = space_get(s, event->head.space);
	struct code_entry *entry = space ? codes__get(&space->codes, event->code, event->fingerprint) : NULL;

	return entry ? code_entry__add(entry, event) : no_space(s, event->head.space);
}

static size_t symbol_hash(const char *file, const char *function, uint32_t firstlineno)
{
	return py_mix64(py_mix64(py_mix64(0, (uintptr_t)file), (uintptr_t)function), firstlineno);
}

/* The same symbols in a table of another capacity; with `wanted` only those in it. */
static int symbols_rehash(struct symbols *s, size_t capacity, const struct map64 *wanted)
{
	struct symbol **slots = calloc(capacity, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < s->capacity; i++) {
		struct symbol *symbol = s->slots[i];
		uint32_t there;
		size_t at;

		if (!symbol)
			continue;
		if (wanted && !map64_get(wanted, (uintptr_t)symbol, &there)) {
			free(symbol);
			s->count--;
			continue;
		}
		at = symbol_hash(symbol->file, symbol->function, symbol->firstlineno) & (capacity - 1);
		while (slots[at])
			at = (at + 1) & (capacity - 1);
		slots[at] = symbol;
	}
	free(s->slots);
	s->slots = slots;
	s->capacity = capacity;
	return 0;
}

/* From 3.12 on a call of a class puts a frame of its own below __init__, whose code object has this for a file name. */
static bool is_internal(const char *file, const char *function)
{
	return !strcmp(file, "__init__") && !strcmp(function, "__init__");
}

const struct symbol *symbols__named(struct symbols *s, const char *file, const char *function, uint32_t firstlineno)
{
	struct symbol *symbol;
	size_t at;

	if (s->count * 2 >= s->capacity && symbols_rehash(s, s->capacity ? s->capacity * 2 : 256, NULL))
		return NULL;
	at = symbol_hash(file, function, firstlineno) & (s->capacity - 1);
	for (; s->slots[at]; at = (at + 1) & (s->capacity - 1)) {
		symbol = s->slots[at];
		if (symbol->file == file && symbol->function == function && symbol->firstlineno == firstlineno)
			return symbol;
	}
	symbol = calloc(1, sizeof(*symbol));
	if (!symbol)
		return NULL;
	*symbol = (struct symbol){ .file = file, .function = function, .firstlineno = firstlineno, .index = s->next_index++, .internal = is_internal(file, function) };
	s->slots[at] = symbol;
	s->count++;
	return symbol;
}

static void entry_set_symbol(struct symbols *s, struct code_entry *entry, const char *filename, const char *name)
{
	const char *file = strings__intern_weak(s->strings, filename), *function = strings__intern_weak(s->strings, name);

	if (file && function)
		entry->symbol = symbols__named(s, file, function, entry->firstlineno);
	entry->failed = !entry->symbol;
}

/* From the parts that the walker sent. */
static void entry_name_from_parts(struct symbols *s, struct code_entry *entry)
{
	struct code_part *parts = entry->parts;
	_cleanup_free_ char *filename = pystring_to_utf8(parts[BLOB_FILENAME].data, parts[BLOB_FILENAME].received, parts[BLOB_FILENAME].char_size);
	_cleanup_free_ char *name = pystring_to_utf8(parts[BLOB_NAME].data, parts[BLOB_NAME].received, parts[BLOB_NAME].char_size);

	if (!filename || !name) {
		entry->failed = true;
		return;
	}
	entry_set_symbol(s, entry, filename, name);
	free(steal_ptr(parts[BLOB_FILENAME].data));
	free(steal_ptr(parts[BLOB_NAME].data));
}

/*
 * From the process itself, or from the one that it was forked from: the child may be gone, and what it shares with its
 * parent has not changed if the fingerprint is the same.
 */
static int read_code(const struct symbols *s, const struct space *space, uint32_t pid, const struct code_entry *entry, struct code_object *code)
{
	int err = -ESRCH;

	for (int n = 0; n < GENERATIONS_MAX && s->reader && space && space->has_interp; n++) {
		err = s->reader(pid, &space->interp.layout, entry->code, entry->fingerprint, code);
		if (!err || !space->parent)
			return err;
		pid = space->parent_pid;
		space = space_find(s, space->parent);
	}
	return err;
}

/* A part was not in memory, or too large for the walker. */
static void entry_name_from_process(struct symbols *s, struct space *space, uint32_t pid, struct code_entry *entry)
{
	struct code_object code = {};

	entry->failed = true;
	if (read_code(s, space, pid, entry, &code))
		return;
	entry->firstlineno = code.firstlineno;
	entry_set_symbol(s, entry, code.filename, code.name);
	free(entry->parts[BLOB_LINETABLE].data);
	entry->parts[BLOB_LINETABLE] = (struct code_part){ .data = steal_ptr(code.linetable), .total = code.linetable_size, .received = code.linetable_size, .char_size = 1, .announced = true };
	code__release(&code);
}

static uint32_t entry_line(const struct space *space, struct code_entry *entry, int32_t offset)
{
	const struct code_part *table = &entry->parts[BLOB_LINETABLE];
	uint32_t version = space->interp.version, unit, line, *lines;

	if (offset < 0)
		return entry->firstlineno;
	unit = (uint32_t)offset / 2;
	if (unit < entry->n_lines && entry->lines[unit])
		return entry->lines[unit] - 1;
	line = linetable_line(version, table->data, table->received, entry->firstlineno, offset);
	if (unit >= entry->n_lines && unit < LINES_MAX && unit / LINES_PER_BYTE <= table->received) {
		uint32_t n = unit * 2 + 16;

		lines = realloc(entry->lines, n * sizeof(*lines));
		if (!lines)
			return line;
		memset(lines + entry->n_lines, 0, (n - entry->n_lines) * sizeof(*lines));
		entry->lines = lines;
		entry->n_lines = n;
	}
	if (unit < entry->n_lines && line < UINT32_MAX)
		entry->lines[unit] = line + 1;
	return line;
}

const struct symbol *symbols__frame(struct symbols *s, uint32_t pid, uint32_t space_id, const struct raw_frame *frame, uint32_t *lineno)
{
	struct space *space = space_get(s, space_id);
	struct code_entry *entry;

	*lineno = 0;
	if (!space || !frame->code)
		return NULL;
	entry = codes__get(&space->codes, frame->code, frame->fingerprint);
	if (!entry)
		return NULL;
	if (!entry->symbol && !entry->failed) {
		if (code_entry__complete(entry))
			entry_name_from_parts(s, entry);
		else
			entry_name_from_process(s, space, pid, entry);
	}
	if (entry->symbol)
		*lineno = entry_line(space, entry, frame->offset);
	return entry->symbol;
}

/* The C runtime serves the interpreter and extension modules alike. */
static bool in_runtime(const struct event_interp *interp, uint64_t ip)
{
	for (uint32_t i = 0; i < interp->n_runtime; i++) {
		if (ip >= interp->runtime[i].start && ip < interp->runtime[i].end)
			return true;
	}
	return false;
}

enum time_class symbols__class(const struct symbols *s, const struct event_stack *stack)
{
	const struct space *space = space_find(s, stack->head.space);
	const struct event_interp *interp;
	uint64_t ip = stack->user_ip;

	if (stack->head.flags & STACK_KERNEL)
		return TIME_SYSTEM;
	if (!space || !space->has_interp || !stack->n_frames)
		return TIME_NATIVE;
	interp = &space->interp;
	for (uint32_t i = 0; i < interp->n_eval; i++) {
		if (ip >= interp->eval[i].start && ip < interp->eval[i].end)
			return TIME_PYTHON;
	}
	if ((ip < interp->text_start || ip >= interp->text_end) && !((stack->head.flags & STACK_FROM_INTERP) && in_runtime(interp, ip)))
		return TIME_NATIVE;
	if ((stack->head.flags & STACK_OPCODE) && interp__opcode_is_call(interp->version, stack->opcode))
		return TIME_NATIVE;
	return TIME_PYTHON;
}

const char *symbols__interpreter(const struct symbols *s, uint32_t id)
{
	const struct space *space = space_find(s, id);

	return space && space->has_interp ? space->interpreter : NULL;
}

uint32_t symbols__version(const struct symbols *s, uint32_t id)
{
	const struct space *space = space_find(s, id);

	return space && space->has_interp ? space->interp.version : 0;
}

/* What a sweep leaves. */
struct wanted {
	struct map64 symbols; /* their addresses */
	struct map64 names;   /* likewise */
	bool failed;
};

static void want(struct map64 *map, const void *what, bool *failed)
{
	*failed |= map64_put(map, (uintptr_t)what, 1) != 0;
}

static bool name_wanted(void *context, const char *text)
{
	const struct wanted *wanted = context;
	uint32_t there;

	return map64_get(&wanted->names, (uintptr_t)text, &there);
}

void symbols__sweep(struct symbols *s, bool (*keep)(void *context, const struct symbol *symbol), void *context)
{
	struct wanted wanted = {};

	for (size_t i = 0; i < s->n_spaces; i++) {
		struct codes *codes = &s->spaces[i]->codes;

		codes__sweep(codes, CODES_OF_SPACE);
		for (size_t k = 0; k < codes->capacity; k++) {
			if (codes->slots[k] && codes->slots[k]->symbol)
				want(&wanted.symbols, codes->slots[k]->symbol, &wanted.failed);
		}
	}
	for (size_t i = 0; i < s->capacity; i++) {
		struct symbol *symbol = s->slots[i];
		uint32_t there;

		if (!symbol || (!map64_get(&wanted.symbols, (uintptr_t)symbol, &there) && !keep(context, symbol)))
			continue;
		want(&wanted.symbols, symbol, &wanted.failed);
		want(&wanted.names, symbol->file, &wanted.failed);
		want(&wanted.names, symbol->function, &wanted.failed);
	}
	if (!wanted.failed && s->capacity && !symbols_rehash(s, s->capacity, &wanted.symbols))
		strings__sweep(s->strings, name_wanted, &wanted);
	map64_release(&wanted.symbols);
	map64_release(&wanted.names);
}

size_t symbols__codes(const struct symbols *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_spaces; i++)
		n += s->spaces[i]->codes.count;
	return n;
}
