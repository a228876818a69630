// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export/place.h"

static struct curl_api curl;

static int load(void **state)
{
	char problem[512];

	return curl_api_load(&curl, problem);
}

static int unload(void **state)
{
	curl_api_release(&curl);
	curl_api_release(&curl);
	return 0;
}

static void server(const char *word, const char *protocol, enum protocol wanted, const char *url, const char *shown)
{
	char problem[512];
	struct place place;

	assert_int_equal(place_parse(&place, &curl, word, protocol, "/here", problem), 0);
	assert_null(place.folder);
	assert_int_equal(place.protocol, wanted);
	assert_string_equal(place.url, url);
	assert_string_equal(place.shown, shown);
	place_release(&place);
}

static void folder(const char *word, const char *wanted)
{
	char problem[512];
	struct place place;

	assert_int_equal(place_parse(&place, NULL, word, NULL, "/here", problem), 0);
	assert_string_equal(place.folder, wanted);
	assert_null(place.url);
	place_release(&place);
}

static void refused(const char *word, const char *protocol, const char *why)
{
	struct place place = { .url = (char *)"untouched" };
	char problem[512] = "";

	assert_int_equal(place_parse(&place, &curl, word, protocol, "/here", problem), -EINVAL);
	assert_string_equal(place.url, "untouched");
	if (!strstr(problem, why))
		fail_msg("'%s' says: %s", word, problem);
	assert_null(strchr(problem, '\n'));
	assert_null(strstr(problem, "secret"));
}

static void test_folders(void **state)
{
	folder("/var/lib/x/", "/var/lib/x");
	folder("profiles", "/here/profiles");
	folder("./a:b", "/here/a:b");
}

static void test_servers(void **state)
{
	server("pyroscope+https://host/", NULL, PROTOCOL_PYROSCOPE, "https://host/ingest", "https://host/ingest");
	server("pyroscope+http://host:4040", NULL, PROTOCOL_PYROSCOPE, "http://host:4040/ingest", "http://host:4040/ingest");
	server("http://host/sub/ingest?name=shop%7Benv=prod%7D", "pyroscope", PROTOCOL_PYROSCOPE, "http://host/sub/ingest?name=shop%7Benv=prod%7D", "http://host/sub/ingest");
	server("parca+http://host:7070/p/", NULL, PROTOCOL_PARCA, "http://host:7070/p/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw",
	       "http://host:7070/p/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw");
	server("otlp+http://[::1]:4318", NULL, PROTOCOL_OTLP, "http://[::1]:4318/v1development/profiles", "http://[::1]:4318/v1development/profiles");
	server("otlp+https://host/api/org/v1/profiles", NULL, PROTOCOL_OTLP, "https://host/api/org/v1/profiles", "https://host/api/org/v1/profiles");
	/* what the URL says counts more than the option; a fragment is nobody's */
	server("pprof+HTTP://Host/Upload?key=1#x", "otlp", PROTOCOL_PPROF, "http://Host/Upload?key=1", "http://Host/Upload");
}

static void test_credentials(void **state)
{
	char problem[512];
	struct place place;

	assert_int_equal(place_parse(&place, &curl, "pprof+https://me:a%40secret%3A@host/x", NULL, "/", problem), 0);
	assert_string_equal(place.url, "https://host/x");
	assert_string_equal(place.shown, "https://host/x");
	assert_string_equal(place.user, "me");
	assert_string_equal(place.password, "a@secret:");
	place_release(&place);
	assert_int_equal(place_parse(&place, &curl, "pprof+https://token@host/x", NULL, "/", problem), 0);
	assert_string_equal(place.user, "token");
	assert_string_equal(place.password, "");
	place_release(&place);
	place_release(&place);
}

static void test_refused(void **state)
{
	char url[5000];

	refused("http://me:secret@host/", NULL, "--protocol");
	refused("zipkin+http://me:secret@host/", NULL, "no such protocol: 'zipkin'");
	refused("otlp+ftp://me:secret@host/", NULL, "http and https");
	refused("otlp+file:///etc/passwd", NULL, "cannot be pushed to");
	refused("otlp+http://me:secret@ho st/", NULL, "no URL");
	refused("otlp+http://host:99999999/", NULL, "no URL");
	refused("otlp+http://", NULL, "no URL");
	refused("otlp+http://host/\nX: y", NULL, "no URL");
	refused("://", NULL, "protocol");
	refused("+http://x", NULL, "protocol");
	memset(url, 'a', sizeof(url) - 1);
	memcpy(url, "otlp+http://h/", 14);
	url[sizeof(url) - 1] = '\0';
	refused(url, NULL, "too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_folders), cmocka_unit_test(test_servers), cmocka_unit_test(test_credentials), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
