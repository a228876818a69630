// SPDX-License-Identifier: Apache-2.0
/*
 * Facts that this rests on. Pyroscope: POST /ingest with name, from, until (seconds), format=pprof, and a pprof file as the body. Parca: its
 * server takes gRPC-Web on the gRPC port, a frame of one flag byte and a big-endian length around a WriteRawRequest; the status comes in a
 * frame with flag 0x80, or in the headers. OTLP/HTTP: ExportProfilesServiceRequest, gzip allowed; what was rejected comes in the answer.
 */
#include "export/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/gzip.h"

#define BODY_MAX (256u << 20)
#define APPLICATION "fixingahole"

/* --- bodies --- */

static int copy_body(const struct encoded *window, struct encoded *body)
{
	uint8_t *data = malloc(window->size + 1);

	if (!data)
		return -ENOMEM;
	memcpy(data, window->data, window->size);
	*body = (struct encoded){ data, window->size };
	return 0;
}

static size_t varint_size(uint64_t value)
{
	size_t n = 1;

	while (value >>= 7)
		n++;
	return n;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

static size_t field_size(size_t length)
{
	return 1 + varint_size(length) + length;
}

/* The head of a length-delimited field. */
static uint8_t *put_field(uint8_t *to, unsigned int number, size_t length)
{
	*to++ = (uint8_t)(number << 3 | 2);
	return put_varint(to, length);
}

static uint8_t *put_text(uint8_t *to, unsigned int number, const void *text, size_t length)
{
	to = put_field(to, number, length);
	memcpy(to, text, length);
	return to + length;
}

/* WriteRawRequest { series = 2 { labels = 1 { labels = 1 { name = 1, value = 2 }… }, samples = 2 { raw_profile = 1 } } } in a gRPC frame */
static int parca_body(const struct encoded *window, const char *host, struct encoded *body)
{
	const struct { const char *name, *value; } labels[] = { { "__name__", APPLICATION }, { "node", host } };
	size_t label[2], set = 0, sample = field_size(window->size), series, message;
	uint8_t *data, *to;

	for (int i = 0; i < 2; i++) {
		label[i] = field_size(strlen(labels[i].name)) + field_size(strlen(labels[i].value));
		set += field_size(label[i]);
	}
	series = field_size(set) + field_size(sample);
	message = field_size(series);
	data = malloc(5 + message);
	if (!data)
		return -ENOMEM;
	to = data;
	*to++ = 0;
	for (int shift = 24; shift >= 0; shift -= 8)
		*to++ = (uint8_t)(message >> shift);
	to = put_field(to, 2, series);
	to = put_field(to, 1, set);
	for (int i = 0; i < 2; i++) {
		to = put_field(to, 1, label[i]);
		to = put_text(to, 1, labels[i].name, strlen(labels[i].name));
		to = put_text(to, 2, labels[i].value, strlen(labels[i].value));
	}
	to = put_field(to, 2, sample);
	put_text(to, 1, window->data, window->size);
	*body = (struct encoded){ data, 5 + message };
	return 0;
}

int request_body(enum protocol protocol, const struct encoded *window, const char *host, struct encoded *body)
{
	if (window->size > BODY_MAX)
		return -EFBIG;
	switch (protocol) {
	case PROTOCOL_PARCA:
		return parca_body(window, host, body);
	case PROTOCOL_OTLP:
		return gzip_bytes(window, body);
	default:
		return copy_body(window, body);
	}
}

/* --- where to --- */

/* A host's name as the value of a label: what separates labels would end it. */
static void label_value(char *to, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < size; text++)
		to[n++] = isalnum((unsigned char)*text) || strchr("._-", *text) ? *text : '_';
	to[n] = '\0';
}

static bool has_name(const char *query)
{
	return query && (!strncmp(query + 1, "name=", 5) || strstr(query, "&name="));
}

char *request_url(const struct place *place, const struct request_times *times, const char *host)
{
	const char *query = strchr(place->url, '?');
	char name[400] = "", label[256], *url;
	int n;

	if (place->protocol != PROTOCOL_PYROSCOPE)
		return strdup(place->url);
	label_value(label, sizeof(label), host);
	if (!has_name(query))
		snprintf(name, sizeof(name), "name=" APPLICATION "%%7Bhost%%3D%s%%7D&", label);
	n = asprintf(&url, "%s%c%sfrom=%llu&until=%llu&sampleRate=%u&format=pprof&spyName=" APPLICATION, place->url, query ? '&' : '?', name,
		     (unsigned long long)(times->start_epoch_ns / 1000000000), (unsigned long long)((times->end_epoch_ns + 999999999) / 1000000000),
		     times->rate_hz);
	return n < 0 ? NULL : url;
}

const char *const *request_headers(enum protocol protocol)
{
	static const char *const of[PROTOCOLS][3] = {
		[PROTOCOL_PYROSCOPE] = { "Content-Type: application/octet-stream" },
		[PROTOCOL_PARCA] = { "Content-Type: application/grpc-web+proto", "X-Grpc-Web: 1" },
		[PROTOCOL_OTLP] = { "Content-Type: application/x-protobuf", "Content-Encoding: gzip" },
		[PROTOCOL_PPROF] = { "Content-Type: application/octet-stream" },
	};

	return of[protocol];
}

/* --- answers --- */

/* What a server says, as one line of printable ASCII. */
static void one_line(char *to, size_t size, const void *from, size_t length)
{
	const unsigned char *text = from;
	size_t n = 0;

	for (size_t i = 0; i < length && n + 1 < size; i++) {
		bool blank = text[i] <= ' ';

		if (!blank || (n && to[n - 1] != ' '))
			to[n++] = blank ? ' ' : text[i] < 0x7f ? (char)text[i] : '?';
	}
	while (n && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}

static void explain_http(const struct answer *a, char why[200])
{
	char text[120];

	one_line(text, sizeof(text), a->body, a->size);
	snprintf(why, 200, "HTTP %ld%s%s", a->status, *text ? ": " : "", text);
}

static enum verdict judge_http(const struct answer *a)
{
	if (a->status >= 200 && a->status < 300)
		return VERDICT_TAKEN;
	if (a->status >= 400 && a->status < 500 && a->status != 401 && a->status != 407 && a->status != 408 && a->status != 429)
		return VERDICT_REFUSED;
	return VERDICT_AGAIN;
}

/* The value of "name:value\r\n" in the text of a trailer frame; "" if it is not there. */
static void trailer(const uint8_t *text, size_t size, const char *name, char *value, size_t value_size)
{
	size_t length = strlen(name);

	*value = '\0';
	while (size) {
		const uint8_t *end = memchr(text, '\n', size);
		size_t line = end ? (size_t)(end - text) : size;

		if (line > length && !strncasecmp((const char *)text, name, length) && text[length] == ':') {
			one_line(value, value_size, text + length + 1, line - length - 1);
			return;
		}
		line += end != NULL;
		text += line;
		size -= line;
	}
}

static enum verdict judge_grpc(const struct answer *a, char why[200])
{
	char status[16] = "", message[120] = "";
	const uint8_t *at = a->body;
	size_t left = a->size;

	if (a->grpc_status) {
		one_line(status, sizeof(status), a->grpc_status, strlen(a->grpc_status));
		if (a->grpc_message)
			one_line(message, sizeof(message), a->grpc_message, strlen(a->grpc_message));
	}
	while (!*status && left >= 5) {
		size_t size = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];

		if (size > left - 5)
			break;
		if (at[0] & 0x80) {
			trailer(at + 5, size, "grpc-status", status, sizeof(status));
			trailer(at + 5, size, "grpc-message", message, sizeof(message));
		}
		at += 5 + size;
		left -= 5 + size;
	}
	if (!strcmp(status, "0"))
		return VERDICT_TAKEN;
	if (!isdigit((unsigned char)*status)) {
		snprintf(why, 200, "the answer is not gRPC-Web's: is this a Parca server?");
		return VERDICT_AGAIN;
	}
	snprintf(why, 200, "gRPC status %s%s%s", status, *message ? ": " : "", message);
	switch (atoi(status)) {
	case 3: /* invalid argument */
	case 5: /* not found */
	case 6: /* exists already */
	case 7: /* permission denied */
	case 9: /* failed precondition */
	case 11: /* out of range */
	case 12: /* unimplemented */
		return VERDICT_REFUSED;
	default:
		return VERDICT_AGAIN;
	}
}

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		*value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* The next field of a message: its number, its kind, and its value or, of kind 2, its bytes. */
struct field { uint64_t number, value; const uint8_t *data; size_t size; unsigned int kind; };

static bool take_field(const uint8_t **at, const uint8_t *end, struct field *f)
{
	uint64_t key;

	if (!take_varint(at, end, &key))
		return false;
	f->number = key >> 3;
	f->kind = key & 7;
	if (f->kind == 0)
		return take_varint(at, end, &f->value);
	f->size = f->kind == 1 ? 8 : f->kind == 5 ? 4 : 0;
	if (f->kind == 2) {
		if (!take_varint(at, end, &f->value) || f->value > (uint64_t)(end - *at))
			return false;
		f->size = (size_t)f->value;
	}
	if ((f->kind != 2 && !f->size) || f->size > (size_t)(end - *at))
		return false;
	f->data = *at;
	*at += f->size;
	return true;
}

/* ExportProfilesServiceResponse { partial_success = 1 { rejected_profiles = 1, error_message = 2 } } */
static enum verdict judge_otlp(const struct answer *a, char why[200])
{
	const uint8_t *at = a->body, *end = at + a->size;
	struct field outer, inner;
	char message[120] = "";
	uint64_t rejected = 0;

	while (at < end && take_field(&at, end, &outer)) {
		if (outer.number != 1 || outer.kind != 2)
			continue;
		for (const uint8_t *in = outer.data; in < outer.data + outer.size && take_field(&in, outer.data + outer.size, &inner);) {
			if (inner.number == 1 && inner.kind == 0)
				rejected = inner.value;
			if (inner.number == 2 && inner.kind == 2)
				one_line(message, sizeof(message), inner.data, inner.size);
		}
	}
	if (!rejected)
		return VERDICT_TAKEN;
	snprintf(why, 200, "%llu profiles rejected%s%s", (unsigned long long)rejected, *message ? ": " : "", message);
	return VERDICT_REFUSED;
}

enum verdict request_judge(enum protocol protocol, const struct answer *answer, char why[200])
{
	enum verdict verdict = judge_http(answer);

	*why = '\0';
	if (verdict != VERDICT_TAKEN) {
		explain_http(answer, why);
		return verdict;
	}
	if (protocol == PROTOCOL_PARCA)
		return judge_grpc(answer, why);
	return protocol == PROTOCOL_OTLP && answer->size ? judge_otlp(answer, why) : VERDICT_TAKEN;
}
