// SPDX-License-Identifier: Apache-2.0
#include "export/place.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/paths.h"
#include "util/cleanup.h"

#define URL_MAX 4096

static const char *const names[PROTOCOLS] = { "pyroscope", "parca", "otlp", "pprof" };

static const struct { const char *path, *ends_in; } paths[PROTOCOLS] = {
	[PROTOCOL_PYROSCOPE] = { "/ingest", "/ingest" },
	[PROTOCOL_PARCA] = { "/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw", "/WriteRaw" },
	[PROTOCOL_OTLP] = { "/v1development/profiles", "/profiles" },
};

static inline void cleanup_url(CURLU **url) { curl_url_cleanup(*url); }
static inline void cleanup_curl_text(char **text) { curl_free(*text); }
#define _cleanup_url_ __attribute__((cleanup(cleanup_url)))
#define _cleanup_curl_text_ __attribute__((cleanup(cleanup_curl_text)))

__attribute__((format(printf, 2, 3))) static int explain(char problem[512], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, 512, format, args);
	va_end(args);
	return -EINVAL;
}

/* What may be shown of a URL that is wrong: nothing of what stands before an '@', which may be a password. */
static const char *shown_word(const char *word, char buffer[96])
{
	const char *at = strrchr(word, '@');

	path_shown(at ? at + 1 : word, buffer, 96);
	return buffer;
}

static int protocol_named(const char *name, size_t length)
{
	for (int i = 0; i < PROTOCOLS; i++)
		if (strlen(names[i]) == length && !strncmp(names[i], name, length))
			return i;
	return -1;
}

/* The protocol, and what follows it and its '+'. */
static int take_protocol(struct place *place, const char **word, const char *protocol, char problem[512])
{
	size_t scheme = (size_t)(strstr(*word, "://") - *word);
	const char *plus = memchr(*word, '+', scheme);
	char shown[96];
	int named;

	if (plus)
		named = protocol_named(*word, (size_t)(plus - *word));
	else
		named = protocol ? protocol_named(protocol, strlen(protocol)) : -1;
	if (named < 0 && plus)
		return explain(problem, "no such protocol: '%.*s'; there are pyroscope, parca, otlp and pprof", (int)(plus - *word > 60 ? 60 : plus - *word), *word);
	if (named < 0)
		return explain(problem, "what does the server at '%s' speak? Say it as in 'otlp+http://…', or with --protocol: pyroscope, parca, otlp or pprof", shown_word(*word, shown));
	place->protocol = (enum protocol)named;
	if (plus)
		*word = plus + 1;
	return 0;
}

static int take_credentials(struct place *place, CURLU *url)
{
	_cleanup_curl_text_ char *user = NULL, *password = NULL;

	if (!curl_url_get(url, CURLUPART_USER, &user, CURLU_URLDECODE)) {
		place->user = strdup(user);
		if (curl_url_get(url, CURLUPART_PASSWORD, &password, CURLU_URLDECODE))
			place->password = strdup("");
		else
			place->password = strdup(password);
		if (!place->user || !place->password)
			return -ENOMEM;
	}
	return curl_url_set(url, CURLUPART_USER, NULL, 0) || curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) ||
	       curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) ? -ENOMEM : 0;
}

static int complete_path(struct place *place, CURLU *url)
{
	_cleanup_curl_text_ char *path = NULL;
	_cleanup_free_ char *whole = NULL;
	const char *more = paths[place->protocol].path, *end = paths[place->protocol].ends_in;
	size_t length;

	if (!more)
		return 0;
	if (curl_url_get(url, CURLUPART_PATH, &path, 0))
		return -ENOMEM;
	length = strlen(path);
	if (length >= strlen(end) && !strcmp(path + length - strlen(end), end))
		return 0;
	while (length && path[length - 1] == '/')
		length--;
	if (asprintf(&whole, "%.*s%s", (int)length, path, more) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	return curl_url_set(url, CURLUPART_PATH, whole, 0) ? -ENOMEM : 0;
}

static int copy_whole(CURLU *url, char **text)
{
	_cleanup_curl_text_ char *whole = NULL;

	if (curl_url_get(url, CURLUPART_URL, &whole, 0))
		return -ENOMEM;
	*text = strdup(whole);
	return *text ? 0 : -ENOMEM;
}

static int parse_url(struct place *place, const char *word, char problem[512])
{
	_cleanup_url_ CURLU *url = curl_url();
	_cleanup_curl_text_ char *scheme = NULL;
	char shown[96];
	CURLUcode wrong;
	int err;

	if (!url)
		return -ENOMEM;
	if (strlen(word) > URL_MAX)
		return explain(problem, "the URL of '%s' is too long: %d characters at most", shown_word(word, shown), URL_MAX);
	wrong = curl_url_set(url, CURLUPART_URL, word, CURLU_NON_SUPPORT_SCHEME);
	if (wrong == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (wrong)
		return explain(problem, "'%s' is no URL: %s", shown_word(word, shown), curl_url_strerror(wrong));
	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0))
		return -ENOMEM;
	if (strcmp(scheme, "http") && strcmp(scheme, "https"))
		return explain(problem, "'%s' cannot be pushed to: http and https can", shown_word(word, shown));
	err = take_credentials(place, url);
	err = err ? err : complete_path(place, url);
	err = err ? err : copy_whole(url, &place->url);
	if (!err && curl_url_set(url, CURLUPART_QUERY, NULL, 0))
		err = -ENOMEM;
	return err ? err : copy_whole(url, &place->shown);
}

int place_parse(struct place *out, const char *word, const char *protocol, const char *directory, char problem[512])
{
	struct place place = {};
	int err = 0;

	*problem = '\0';
	if (!strstr(word, "://")) {
		place.folder = path_absolute(directory, word);
		place.shown = place.folder ? strdup(place.folder) : NULL;
		err = place.shown ? 0 : -ENOMEM;
	} else {
		err = take_protocol(&place, &word, protocol, problem);
		err = err ? err : parse_url(&place, word, problem);
	}
	if (err) {
		place_release(&place);
		return err;
	}
	*out = place;
	return 0;
}

void place_release(struct place *place)
{
	free(place->folder);
	free(place->url);
	free(place->shown);
	free(place->user);
	free(place->password);
	*place = (struct place){};
}
