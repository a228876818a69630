/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values out of foreign JSON. The first thing that is wrong is told in `problem` and stays; from then on everything reads as
 * nothing, so that a reader may go on to its end and look at `err` once.
 */
#ifndef FIXINGAHOLE_STORED_READ_H
#define FIXINGAHOLE_STORED_READ_H

#include <cjson/cJSON.h>

#include "profile/profile.h"
#include "util/arena.h"
#include "util/strings.h"

#define COUNT_MAX 9007199254740991.0 /* 2^53 - 1 */

struct json_reader {
	struct arena *arena;     /* for what is made */
	struct strings *strings; /* for texts: outlive the reader */
	char *problem;           /* 512 bytes */
	char where[256];         /* of what the values are: "line 12 of 'a.py'" */
	int err;                 /* 0, -EINVAL or -ENOMEM */
};

__attribute__((format(printf, 2, 3))) void reader_at(struct json_reader *r, const char *format, ...);

/* All of these want the key to be there, and of that type. */
double read_number(struct json_reader *r, const cJSON *object, const char *key, double max); /* at least 0 */
uint64_t read_count(struct json_reader *r, const cJSON *object, const char *key); /* below 2^53 */
uint32_t read_small(struct json_reader *r, const cJSON *object, const char *key);
uint64_t read_seconds(struct json_reader *r, const cJSON *object, const char *key); /* in nanoseconds */
bool read_bool(struct json_reader *r, const cJSON *object, const char *key);
const char *read_text(struct json_reader *r, const cJSON *object, const char *key);
const cJSON *read_list(struct json_reader *r, const cJSON *object, const char *key);
const cJSON *read_object(struct json_reader *r, const cJSON *object, const char *key);
/* These may be null or missing. */
const char *read_optional_text(struct json_reader *r, const cJSON *object, const char *key);
uint64_t read_optional_seconds(struct json_reader *r, const cJSON *object, const char *key);
uint64_t read_optional_count(struct json_reader *r, const cJSON *object, const char *key);
const cJSON *read_optional_object(struct json_reader *r, const cJSON *object, const char *key);

/* An element of a list; key is the list's. */
double read_number_of(struct json_reader *r, const cJSON *item, const char *key, double max);
const char *read_text_of(struct json_reader *r, const cJSON *item, const char *key);

/* Zeroed memory. NULL: none, or there was an error before. */
void *read_new(struct json_reader *r, size_t size);
/* Zeroed memory for the elements of a list and their number; NULL: none, or no memory (err). */
void *read_array(struct json_reader *r, const cJSON *list, size_t element, size_t *n);

void read_times(struct json_reader *r, const cJSON *object, struct times *times);
/* [[nanoseconds, bytes], …], no more than TIMELINE_MAX. */
struct moment *read_moments(struct json_reader *r, const cJSON *object, const char *key, size_t *n);

/* The heap of a place; of a file, which has sums only; of the run. NULL: it has none. (stored_heap.c) */
struct heap_measures *read_heap_measures(struct json_reader *r, const cJSON *object);
struct heap_measures *read_heap_sums(struct json_reader *r, const cJSON *object);
struct profile_heap *read_heap(struct json_reader *r, const cJSON *details);

/* Counts of calls, or NULL. (stored_calls.c) */
struct profile_calls *read_calls(struct json_reader *r, const cJSON *details);

#endif
