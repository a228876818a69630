// SPDX-License-Identifier: Apache-2.0
#include "report/json_write.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "report/text.h"

void json_begin(struct json *json, FILE *out, unsigned spread)
{
	json->out = out;
	json->used = 0;
	json->error = 0;
	json->depth = 0;
	json->spread = spread;
	json->is_array = json->has_members = 0;
}

/* The first failure is kept: afterwards the stream knows that there was one, but not which. */
static void hand_over(struct json *json, const char *bytes, size_t size)
{
	errno = 0;
	if (fwrite(bytes, 1, size, json->out) < size && !json->error)
		json->error = errno ? -errno : -EIO;
}

static void flush(struct json *json)
{
	hand_over(json, json->buffer, json->used);
	json->used = 0;
}

static void put(struct json *json, const char *bytes, size_t size)
{
	if (size > JSON_BUFFER - json->used)
		flush(json);
	if (size > JSON_BUFFER) {
		hand_over(json, bytes, size);
		return;
	}
	memcpy(json->buffer + json->used, bytes, size);
	json->used += size;
}

static void put_char(struct json *json, char c)
{
	if (json->used == JSON_BUFFER)
		flush(json);
	json->buffer[json->used++] = c;
}

int json_finish(struct json *json)
{
	put_char(json, '\n');
	flush(json);
	return json->error ? json->error : stream_result(json->out);
}

static void new_line(struct json *json)
{
	put_char(json, '\n');
	for (unsigned i = 0; i < json->depth; i++)
		put_char(json, ' ');
}

/* What comes before a member: a comma, a line break, its key. */
static void begin_member(struct json *json, const char *key)
{
	uint32_t bit = 1u << json->depth;

	if (json->has_members & bit)
		put_char(json, ',');
	json->has_members |= bit;
	if (json->depth && json->depth <= json->spread)
		new_line(json);
	if (key) {
		put_char(json, '"');
		put(json, key, strlen(key));
		put(json, "\": ", 3);
	}
}

static void open_container(struct json *json, const char *key, bool array)
{
	assert(json->depth < JSON_DEPTH_MAX);
	begin_member(json, key);
	put_char(json, array ? '[' : '{');
	json->depth++;
	json->has_members &= ~(1u << json->depth);
	json->is_array &= ~(1u << json->depth);
	json->is_array |= (uint32_t)array << json->depth;
}

void json_object(struct json *json, const char *key) { open_container(json, key, false); }
void json_array(struct json *json, const char *key) { open_container(json, key, true); }

void json_object_named(struct json *json, const char *key)
{
	json_text_begin(json, NULL);
	json_text_piece(json, key, strlen(key));
	json_text_end(json);
	put(json, ": {", 3);
	json->depth++;
	json->has_members &= ~(1u << json->depth);
	json->is_array &= ~(1u << json->depth);
}

void json_close(struct json *json)
{
	uint32_t bit = 1u << json->depth;
	bool had = json->has_members & bit, array = json->is_array & bit, spread = json->depth <= json->spread;

	json->depth--;
	if (had && spread)
		new_line(json);
	put_char(json, array ? ']' : '}');
}

void json_text_begin(struct json *json, const char *key)
{
	begin_member(json, key);
	put_char(json, '"');
}

void json_text_end(struct json *json) { put_char(json, '"'); }
void json_text_plain(struct json *json, const char *text, size_t size) { put(json, text, size); }

void json_text_piece(struct json *json, const char *text, size_t size)
{
	size_t plain = 0, at = 0;

	while (at < size) {
		unsigned char c = (unsigned char)text[at];
		char escape[8];
		uint32_t character;
		size_t taken = 1;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			at++;
			continue;
		}
		if (c >= 0x80) {
			taken = utf8_decode(text + at, size - at, &character);
			if (character != 0xfffd || taken == 3) {
				at += taken;
				continue;
			}
		}
		put(json, text + plain, at - plain);
		if (c >= 0x80)
			put(json, "\xef\xbf\xbd", 3);
		else if (c == '"' || c == '\\')
			put(json, (char[]){'\\', (char)c}, 2);
		else if (c == '\n')
			put(json, "\\n", 2);
		else
			put(json, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
		at += taken;
		plain = at;
	}
	put(json, text + plain, at - plain);
}

void json_string_n(struct json *json, const char *key, const char *text, size_t size)
{
	json_text_begin(json, key);
	json_text_piece(json, text, size);
	json_text_end(json);
}

void json_string_named(struct json *json, const char *key, const char *text)
{
	json_text_begin(json, NULL);
	json_text_piece(json, key, strlen(key));
	put(json, "\": \"", 4);
	json_text_piece(json, text, strlen(text));
	json_text_end(json);
}

void json_string(struct json *json, const char *key, const char *text)
{
	if (text)
		json_string_n(json, key, text, strlen(text));
	else
		json_null(json, key);
}

static void put_unsigned(struct json *json, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put(json, digits + at, sizeof(digits) - at);
}

void json_text_number(struct json *json, uint64_t value) { put_unsigned(json, value); }

void json_unsigned(struct json *json, const char *key, uint64_t value)
{
	begin_member(json, key);
	put_unsigned(json, value);
}

void json_integer(struct json *json, const char *key, int64_t value)
{
	begin_member(json, key);
	if (value < 0)
		put_char(json, '-');
	put_unsigned(json, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_number(struct json *json, const char *key, double value, int decimals)
{
	static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
	uint64_t scaled, fraction;
	char digits[32];

	begin_member(json, key);
	if (!isfinite(value))
		value = 0;
	if (fabs(value) >= 9e9) {
		put(json, digits, (size_t)snprintf(digits, sizeof(digits), "%.17g", value));
		return;
	}
	scaled = (uint64_t)(fabs(value) * (double)powers[decimals] + 0.5);
	if (value < 0 && scaled)
		put_char(json, '-');
	put_unsigned(json, scaled / powers[decimals]);
	fraction = scaled % powers[decimals];
	if (!fraction)
		return;
	for (; fraction % 10 == 0; decimals--)
		fraction /= 10;
	digits[0] = '.';
	for (int i = decimals; i > 0; i--, fraction /= 10)
		digits[i] = (char)('0' + fraction % 10);
	put(json, digits, (size_t)decimals + 1);
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_member(json, key);
	if (value)
		put(json, "true", 4);
	else
		put(json, "false", 5);
}

void json_null(struct json *json, const char *key)
{
	begin_member(json, key);
	put(json, "null", 4);
}
