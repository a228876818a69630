// SPDX-License-Identifier: Apache-2.0
#include "report/stored_read.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "report/stored.h"

#define SECONDS_MAX 1e9

void reader_at(struct json_reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->where, sizeof(r->where), format, args);
	va_end(args);
}

static void refuse(struct json_reader *r, const char *key, const char *what)
{
	if (r->err)
		return;
	r->err = -EINVAL;
	set_problem(r->problem, "cannot use the profile: '%s' of %s is %s", key, r->where, what);
}

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static bool absent(const cJSON *item)
{
	return !item || cJSON_IsNull(item);
}

double read_number_of(struct json_reader *r, const cJSON *item, const char *key, double max)
{
	double value = 0;
	const char *wrong = stored_number(item, max, &value);

	if (wrong)
		refuse(r, key, wrong);
	return value;
}

double read_number(struct json_reader *r, const cJSON *object, const char *key, double max)
{
	return r->err ? 0 : read_number_of(r, member(object, key), key, max);
}

uint64_t read_count(struct json_reader *r, const cJSON *object, const char *key)
{
	return (uint64_t)floor(read_number(r, object, key, COUNT_MAX) + 0.5);
}

uint32_t read_small(struct json_reader *r, const cJSON *object, const char *key)
{
	return (uint32_t)read_number(r, object, key, UINT32_MAX);
}

uint64_t read_seconds(struct json_reader *r, const cJSON *object, const char *key)
{
	return (uint64_t)floor(read_number(r, object, key, SECONDS_MAX) * 1e9 + 0.5);
}

bool read_bool(struct json_reader *r, const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	if (!cJSON_IsBool(item))
		refuse(r, key, item ? "not true or false" : "missing");
	return cJSON_IsTrue(item);
}

const char *read_text_of(struct json_reader *r, const cJSON *item, const char *key)
{
	const char *text;

	if (!cJSON_IsString(item)) {
		refuse(r, key, item ? "not a text" : "missing");
		return "";
	}
	text = strings__intern(r->strings, item->valuestring);
	if (text)
		return text;
	r->err = -ENOMEM;
	return "";
}

const char *read_text(struct json_reader *r, const cJSON *object, const char *key)
{
	return read_text_of(r, member(object, key), key);
}

const char *read_optional_text(struct json_reader *r, const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	return absent(item) ? NULL : read_text_of(r, item, key);
}

uint64_t read_optional_seconds(struct json_reader *r, const cJSON *object, const char *key)
{
	return absent(member(object, key)) ? 0 : read_seconds(r, object, key);
}

uint64_t read_optional_count(struct json_reader *r, const cJSON *object, const char *key)
{
	return absent(member(object, key)) ? 0 : read_count(r, object, key);
}

const cJSON *read_list(struct json_reader *r, const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	if (cJSON_IsArray(item))
		return item;
	refuse(r, key, item ? "not a list" : "missing");
	return NULL;
}

const cJSON *read_object(struct json_reader *r, const cJSON *object, const char *key)
{
	const cJSON *item = member(object, key);

	if (cJSON_IsObject(item))
		return item;
	refuse(r, key, item ? "not an object" : "missing");
	return NULL;
}

const cJSON *read_optional_object(struct json_reader *r, const cJSON *object, const char *key)
{
	return absent(member(object, key)) ? NULL : read_object(r, object, key);
}

void *read_new(struct json_reader *r, size_t size)
{
	void *memory = r->err ? NULL : arena_alloc(r->arena, size);

	if (!memory && !r->err)
		r->err = -ENOMEM;
	return memory;
}

void *read_array(struct json_reader *r, const cJSON *list, size_t element, size_t *n)
{
	int size = list ? cJSON_GetArraySize(list) : 0;
	void *array;

	*n = 0;
	if (r->err || size <= 0)
		return NULL;
	array = arena_array(r->arena, (size_t)size, element);
	if (!array) {
		r->err = -ENOMEM;
		return NULL;
	}
	*n = (size_t)size;
	return array;
}

void read_times(struct json_reader *r, const cJSON *object, struct times *times)
{
	times->python_ns = read_seconds(r, object, "python_s");
	times->native_ns = read_seconds(r, object, "native_s");
	times->system_ns = read_seconds(r, object, "system_s");
	times->waiting_ns = read_seconds(r, object, "waiting_s");
	times->runnable_ns = read_seconds(r, object, "runnable_s");
}

struct moment *read_moments(struct json_reader *r, const cJSON *object, const char *key, size_t *n)
{
	const cJSON *list = read_list(r, object, key), *item;
	struct moment *moments = read_array(r, list, sizeof(*moments), n);
	uint64_t last = 0;
	size_t i = 0;

	if (*n > TIMELINE_MAX)
		refuse(r, key, "too long");
	if (!moments || r->err)
		return NULL;
	cJSON_ArrayForEach(item, list) {
		const cJSON *time = cJSON_IsArray(item) ? item->child : NULL, *bytes = time ? time->next : NULL;

		moments[i].since_start_ns = (uint64_t)read_number_of(r, time, key, SECONDS_MAX * 1e9);
		moments[i].bytes = (uint64_t)read_number_of(r, bytes, key, COUNT_MAX);
		if (moments[i].since_start_ns < last)
			refuse(r, key, "not in order");
		last = moments[i++].since_start_ns;
	}
	return moments;
}
