/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A window as pprof and OTLP both want it: tables of distinct strings, images, functions, places and stacks, and samples that
 * point into them. Entry 0 of each table but samples and processes is the empty one, so that 0 says "none" in both formats.
 * There is nothing in a table that no sample needs.
 *
 * - Rows with the same stack, process, thread and reason are one sample; processes with the same pid and description are one.
 *   Rows without any value are left out.
 * - Texts that are not UTF-8 have U+FFFD where they are not: one bad byte would make readers refuse the whole.
 * - A stack without frames gets one that says whose it is: "[process NAME]". A frame that could not be named is "[unknown]", or
 *   the image's base name in brackets. A stack that is cut has "[cut]" as its outermost frame. No other frame is made up: there
 *   is no root for the process or the machine, which are labels.
 */
#ifndef FIXINGAHOLE_EXPORT_TABLES_H
#define FIXINGAHOLE_EXPORT_TABLES_H

#include "profile/window.h"
#include "util/arena.h"

enum value { VALUE_CPU, VALUE_WAIT, VALUE_RSS, VALUE_ALLOC_OBJECTS, VALUE_ALLOC_SPACE, VALUE_INUSE_OBJECTS, VALUE_INUSE_SPACE, VALUES };
#define VALUES_WITHOUT_HEAP VALUE_ALLOC_OBJECTS
struct value_name { const char *type, *unit; };
extern const struct value_name value_names[VALUES];

/* Distinct byte strings, numbered as they come. */
struct table {
	struct table_entry { void *data; uint32_t size, hash; } *entries; /* size: of the key, at the beginning of data */
	uint32_t *slots; /* index + 1; 0: free */
	uint32_t n, capacity, n_slots;
};

struct table_function { uint32_t name, system_name, filename, start_line; };
struct table_location { uint32_t kind, mapping, function, line; }; /* kind: enum window_frame_kind, or LOCATION_MARK: no frame */
#define LOCATION_MARK 3
struct table_sample {
	uint32_t process, stack, tid, reason; /* the key; reason: of .texts */
	uint64_t values[VALUES];              /* at most INT64_MAX */
};
struct table_process {
	uint32_t pid, name, container, cgroup, user, interpreter; /* the key; of .texts */
	uint32_t of;                          /* window->processes: the first that is so described */
	uint32_t stack;                       /* for what has no frames; 0: not yet */
};

struct tables {
	struct arena arena;           /* of all this, and for what an encoder makes from it */
	const struct window *window;
	struct table strings;         /* char *, with its NUL */
	struct table mappings;        /* uint32_t: its file's name, a string */
	struct table functions, locations, samples, processes;
	struct table stacks;          /* uint32_t each location, INNERMOST first */
	struct table texts;           /* as strings, but what need not become part of the message */
	struct table pointers;        /* only needed to build the others, as is recent */
	struct recent_frame *recent;
	uint32_t n_values;            /* per sample */
};

/* 0, -ENOMEM, -EOVERFLOW: too many of something; -EINVAL: a row that points nowhere. To be released in any case. */
int tables_build(struct tables *tables, const struct window *window);
void tables_release(struct tables *tables);

/* The key's index; when it is new, it is copied, with so many zero bytes after it. 0, -ENOMEM or -EOVERFLOW. */
int table_add(struct table *table, struct arena *arena, const void *key, size_t size, size_t more, uint32_t *index);
void table_release(struct table *table);
#define table_at(table, i, type) ((const type *)(table)->entries[i].data)

/* The string's index, with entry 0 for NULL and "". 0 or -errno. */
int tables_string(struct tables *tables, const char *text, uint32_t *index);
int tables_text(struct tables *tables, const char *text, uint32_t *index);
/* The text, or what has to stand for it if it is no UTF-8. NULL: out of memory. */
const char *tables_clean(struct tables *tables, const char *text);
/* What a user would call it: its name, else "pid 123". NULL: out of memory. */
const char *tables_process_name(struct tables *tables, const struct window_process *process);
/* "3.11" of "CPython 3.11", and then *implementation is the length of "CPython". NULL: there is no interpreter. */
const char *interpreter_version(const char *interpreter, size_t *implementation);

/* Since 1970; 0: not known. */
uint64_t window_time_ns(const struct window *window);
/* Between two CPU samples of a thread; 0: not known. */
uint64_t window_period_ns(const struct window *window);

#endif
