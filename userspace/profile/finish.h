/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that finish a profile share: the profile with its arena, and the sums of gauges.
 */
#ifndef FIXINGAHOLE_FINISH_H
#define FIXINGAHOLE_FINISH_H

#include "profile/model.h"
#include "util/arena.h"

struct owned {
	struct profile profile; /* first: profile__free() relies on it */
	struct arena arena;
	bool failed;
};

/* Zeroed memory of the profile for n elements; when there is none, NULL and ->failed. */
void *profile_take(struct owned *o, size_t n, size_t size);

/* The frames from the outermost to a node of the call tree. paths: by symbol index, NULL where not asked for yet. NULL: out of memory. */
struct profile_frame *node_frames(struct owned *o, struct builder *b, const char **paths, uint32_t node, size_t *n);

/* The heap: of a site's line or function (NULL: not measured), added to a file's, and of the whole (finish_heap.c). */
struct heap_measures *heap_measures_of(struct owned *o, const struct builder *b, uint32_t account);
void file_heap_add(struct owned *o, struct measures *file, const struct heap_measures *line);
void fill_heap(struct owned *o, struct builder *b);
/* Notices of interpreters that have ended and of whose heap nothing was heard. */
void heap_notices(struct builder *b);

/* The counts of calls, their links from the functions of files, and what is to be said of them (finish_calls.c). */
void fill_calls(struct owned *o, struct builder *b);
void calls_notices(struct builder *b);

/* Nanoseconds from the run's start on; 0 for what was before. */
uint64_t since_start(const struct builder *b, uint64_t ns);
/* At most `limit` points, evenly picked, the last one among them. */
struct moment *moments(struct owned *o, const struct builder *b, const struct series *s, size_t limit, size_t *n);
/* Adds one place's measures to those of a line or a function. */
void measures_add(struct owned *o, const struct builder *b, struct measures *m, const struct gauge *g);
/* Only what profile.h says a file's measures hold. */
void file_measures_add(struct owned *o, struct measures *m, const struct gauge *g);

#endif
