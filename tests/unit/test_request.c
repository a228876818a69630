// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "export/request.h"

static enum verdict judged(enum protocol protocol, long status, const char *body, size_t size, char why[200])
{
	/* behind the answer nothing may be read */
	uint8_t *copy = malloc(size ? size : 1);
	struct answer answer = { .status = status, .body = copy, .size = size };
	enum verdict verdict;

	memcpy(copy, body, size);
	verdict = request_judge(protocol, &answer, why);
	free(copy);
	return verdict;
}

static void test_status(void **state)
{
	static const struct { long status; enum verdict verdict; } cases[] = {
		{ 200, VERDICT_TAKEN }, { 202, VERDICT_TAKEN }, { 204, VERDICT_TAKEN }, { 301, VERDICT_AGAIN }, { 400, VERDICT_REFUSED },
		{ 401, VERDICT_AGAIN }, { 403, VERDICT_REFUSED }, { 404, VERDICT_REFUSED }, { 407, VERDICT_AGAIN }, { 408, VERDICT_AGAIN },
		{ 413, VERDICT_REFUSED }, { 422, VERDICT_REFUSED }, { 429, VERDICT_AGAIN }, { 500, VERDICT_AGAIN }, { 503, VERDICT_AGAIN }, { 0, VERDICT_AGAIN },
	};
	char why[200];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(judged(PROTOCOL_PPROF, cases[i].status, "no  room\r\n\x1b[1m\xff", 15, why), cases[i].verdict);
		if (cases[i].verdict == VERDICT_TAKEN)
			assert_string_equal(why, "");
	}
	judged(PROTOCOL_PPROF, 503, "no  room\r\n\x1b[1m\xff", 15, why);
	assert_string_equal(why, "HTTP 503: no room [1m?");
	judged(PROTOCOL_PPROF, 500, "", 0, why);
	assert_string_equal(why, "HTTP 500");
}

static void test_grpc(void **state)
{
	static const char taken[] = "\0\0\0\0\0\x80\0\0\0\x0fgrpc-status:0\r\n";
	static const char bad[] = "\x80\0\0\0\x28Grpc-Status: 3\r\ngrpc-message: no name\r\n\r\n";
	static const char later[] = "\x80\0\0\0\x0egrpc-status:14";
	struct answer answer = { .status = 200, .body = (const uint8_t *)"", .grpc_status = "7", .grpc_message = "not you" };
	char why[200];

	assert_int_equal(judged(PROTOCOL_PARCA, 200, taken, sizeof(taken) - 1, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_PARCA, 200, bad, sizeof(bad) - 1, why), VERDICT_REFUSED);
	assert_string_equal(why, "gRPC status 3: no name");
	assert_int_equal(judged(PROTOCOL_PARCA, 200, later, sizeof(later) - 1, why), VERDICT_AGAIN);
	assert_int_equal(judged(PROTOCOL_PARCA, 404, taken, sizeof(taken) - 1, why), VERDICT_REFUSED);
	/* a web page is no success; nor is a frame that is cut, at any byte */
	assert_int_equal(judged(PROTOCOL_PARCA, 200, "<html>", 6, why), VERDICT_AGAIN);
	assert_non_null(strstr(why, "Parca"));
	for (size_t n = 0; n < sizeof(taken) - 3; n++)
		assert_int_equal(judged(PROTOCOL_PARCA, 200, taken, n, why), VERDICT_AGAIN);
	assert_int_equal(judged(PROTOCOL_PARCA, 200, "\x80\xff\xff\xff\xffgrpc-status:0\r\n", 20, why), VERDICT_AGAIN);
	/* in the headers, when there is no body */
	assert_int_equal(request_judge(PROTOCOL_PARCA, &answer, why), VERDICT_REFUSED);
	assert_string_equal(why, "gRPC status 7: not you");
}

static void test_otlp(void **state)
{
	/* partial_success { rejected_profiles: 3, error_message: "old" }, behind a field that nobody knows */
	static const char partial[] = "\x12\x01x\x0a\x07\x08\x03\x12\x03old";
	char why[200];

	assert_int_equal(judged(PROTOCOL_OTLP, 200, "", 0, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_OTLP, 200, "\x0a\x00", 2, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_OTLP, 200, "\x0a\x05\x12\x03" "old", 7, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_OTLP, 200, partial, sizeof(partial) - 1, why), VERDICT_REFUSED);
	assert_string_equal(why, "3 profiles rejected: old");
	for (size_t n = 0; n < sizeof(partial) - 1; n++)
		assert_int_equal(judged(PROTOCOL_OTLP, 200, partial, n, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_OTLP, 200, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, why), VERDICT_TAKEN);
	assert_int_equal(judged(PROTOCOL_OTLP, 200, "\x0b\x0c\x0d\x09", 4, why), VERDICT_TAKEN);
}

static void test_urls(void **state)
{
	struct place place = { .protocol = PROTOCOL_PYROSCOPE, .url = (char *)"https://h/ingest" };
	const struct request_times times = { 1790000000500000000, 1790000060500000000, 99 };
	char *url = request_url(&place, &times, "web 1,x}");

	assert_string_equal(url, "https://h/ingest?name=fixingahole%7Bhost%3Dweb_1_x_%7D&from=1790000000&until=1790000061&sampleRate=99&format=pprof&spyName=fixingahole");
	free(url);
	place.url = (char *)"https://h/ingest?a=1&name=shop";
	url = request_url(&place, &times, "x");
	assert_string_equal(url, "https://h/ingest?a=1&name=shop&from=1790000000&until=1790000061&sampleRate=99&format=pprof&spyName=fixingahole");
	free(url);
	place.protocol = PROTOCOL_OTLP;
	url = request_url(&place, &times, "x");
	assert_string_equal(url, place.url);
	free(url);
}

static void test_bodies(void **state)
{
	/* by hand: a gRPC frame, series, set of two labels, sample */
	static const char wanted[] = "\0\0\0\0\x39\x12\x37\x0a\x2e\x0a\x17\x0a\x08__name__\x12\x0b" "fixingahole\x0a\x13\x0a\x04node\x12\x0b" "h.example.x\x12\x05\x0a\x03raw";
	struct encoded window = { (uint8_t *)"raw", 3 }, body;
	z_stream z = {};
	uint8_t text[16];

	assert_int_equal(request_body(PROTOCOL_PPROF, &window, "h", &body), 0);
	assert_int_equal(body.size, 3);
	assert_memory_equal(body.data, "raw", 3);
	free(body.data);
	assert_int_equal(request_body(PROTOCOL_PARCA, &window, "h.example.x", &body), 0);
	assert_int_equal(body.size, sizeof(wanted) - 1);
	assert_memory_equal(body.data, wanted, body.size);
	free(body.data);
	assert_int_equal(request_body(PROTOCOL_OTLP, &window, "h", &body), 0);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = body.data;
	z.avail_in = (uInt)body.size;
	z.next_out = text;
	z.avail_out = sizeof(text);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, 3);
	assert_memory_equal(text, "raw", 3);
	inflateEnd(&z);
	free(body.data);
	window.size = 1ull << 40;
	assert_int_equal(request_body(PROTOCOL_OTLP, &window, "h", &body), -EFBIG);
}

/* Parca's, for lengths that need more than one byte: taken apart again. */
static uint64_t varint(const uint8_t **at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0;; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
}

static void test_large_body(void **state)
{
	struct encoded window = { calloc(1, 70000), 70000 }, body;
	const uint8_t *at, *end;
	uint64_t length;

	window.data[69999] = 7;
	assert_int_equal(request_body(PROTOCOL_PARCA, &window, "h", &body), 0);
	end = body.data + body.size;
	assert_int_equal((size_t)body.data[1] << 24 | (size_t)body.data[2] << 16 | (size_t)body.data[3] << 8 | body.data[4], body.size - 5);
	at = body.data + 5;
	assert_int_equal(*at++, 0x12);
	length = varint(&at);
	assert_ptr_equal(at + length, end);
	assert_int_equal(*at++, 0x0a);
	length = varint(&at);
	at += length;
	assert_int_equal(*at++, 0x12);
	length = varint(&at);
	assert_ptr_equal(at + length, end);
	assert_int_equal(*at++, 0x0a);
	assert_int_equal(varint(&at), 70000);
	assert_ptr_equal(at + 70000, end);
	assert_int_equal(end[-1], 7);
	free(body.data);
	free(window.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status), cmocka_unit_test(test_grpc), cmocka_unit_test(test_otlp),
		cmocka_unit_test(test_urls), cmocka_unit_test(test_bodies), cmocka_unit_test(test_large_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
