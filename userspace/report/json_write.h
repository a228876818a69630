/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON straight onto a stream: a profile of 100,000 lines would take hundreds of
 * megabytes as a tree. Keys are ours and printed as they are; texts may hold anything (invalid UTF-8
 * becomes U+FFFD); numbers are always finite. key is NULL inside arrays.
 */
#ifndef FIXINGAHOLE_JSON_WRITE_H
#define FIXINGAHOLE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 31
#define JSON_BUFFER 65536

struct json {
	FILE *out;
	int error;         /* of the stream, 0 or -errno */
	size_t used;       /* of the buffer below */
	unsigned depth;
	unsigned spread;   /* containers above this depth put each member on a line of its own */
	uint32_t is_array; /* one bit per depth */
	uint32_t has_members;
	char buffer[JSON_BUFFER];
};

void json_begin(struct json *json, FILE *out, unsigned spread);
/* Ends the line and hands all to the stream; 0 or -errno. */
int json_finish(struct json *json);

void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
void json_close(struct json *json); /* the innermost one */

void json_string(struct json *json, const char *key, const char *text); /* NULL: null */
void json_string_n(struct json *json, const char *key, const char *text, size_t size);
void json_integer(struct json *json, const char *key, int64_t value);
void json_unsigned(struct json *json, const char *key, uint64_t value);
/* Rounded to that many decimals (at most 9); what is not finite becomes 0. */
void json_number(struct json *json, const char *key, double value, int decimals);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

/* An object, or a text, whose key is foreign text. */
void json_object_named(struct json *json, const char *key);
void json_string_named(struct json *json, const char *key, const char *text);

/* A string in pieces: open, any number of pieces, close. */
void json_text_begin(struct json *json, const char *key);
void json_text_piece(struct json *json, const char *text, size_t size);
void json_text_plain(struct json *json, const char *text, size_t size); /* known to need no escapes */
void json_text_number(struct json *json, uint64_t value);
void json_text_end(struct json *json);

#endif
