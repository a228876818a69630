// SPDX-License-Identifier: Apache-2.0
#include "export/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/paths.h"
#include "util/cleanup.h"
#include "util/explain.h"

#define URL_MAX 4096

static const char *const names[PROTOCOLS] = { "pyroscope", "parca", "otlp", "pprof" };

static const struct { const char *path, *ends_in; } paths[PROTOCOLS] = {
	[PROTOCOL_PYROSCOPE] = { "/ingest", "/ingest" },
	[PROTOCOL_PARCA] = { "/parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw", "/WriteRaw" },
	[PROTOCOL_OTLP] = { "/v1development/profiles", "/profiles" },
};

/* A URL that is being taken apart. */
struct parts {
	const struct curl_api *curl;
	CURLU *url;
};

static inline void cleanup_parts(struct parts *parts) { parts->curl->url_cleanup(parts->url); }
#define _cleanup_parts_ __attribute__((cleanup(cleanup_parts)))

/* A part as a string of ours, or NULL: there is none. -ENOMEM. */
static int get(const struct parts *parts, CURLUPart part, unsigned int flags, char **text)
{
	char *theirs;
	CURLUcode code = parts->curl->url_get(parts->url, part, &theirs, flags);

	*text = NULL;
	if (code)
		return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : 0;
	*text = strdup(theirs);
	parts->curl->free(theirs);
	return *text ? 0 : -ENOMEM;
}

static int set(const struct parts *parts, CURLUPart part, const char *text)
{
	return parts->curl->url_set(parts->url, part, text, 0) ? -ENOMEM : 0;
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
		return explain(problem, -EINVAL, "no such protocol: '%.*s'; there are pyroscope, parca, otlp and pprof", (int)(plus - *word > 60 ? 60 : plus - *word), *word);
	if (named < 0)
		return explain(problem, -EINVAL, "what does the server at '%s' speak? Say it as in 'otlp+http://…', or with --protocol: pyroscope, parca, otlp or pprof", shown_word(*word, shown));
	place->protocol = (enum protocol)named;
	if (plus)
		*word = plus + 1;
	return 0;
}

static int take_credentials(struct place *place, const struct parts *parts)
{
	int err = get(parts, CURLUPART_USER, CURLU_URLDECODE, &place->user);

	err = err ? err : get(parts, CURLUPART_PASSWORD, CURLU_URLDECODE, &place->password);
	if (!err && place->user && !place->password) {
		place->password = strdup("");
		err = place->password ? 0 : -ENOMEM;
	}
	err = err ? err : set(parts, CURLUPART_USER, NULL);
	err = err ? err : set(parts, CURLUPART_PASSWORD, NULL);
	return err ? err : set(parts, CURLUPART_FRAGMENT, NULL);
}

static int complete_path(struct place *place, const struct parts *parts)
{
	_cleanup_free_ char *path = NULL, *whole = NULL;
	const char *more = paths[place->protocol].path, *end = paths[place->protocol].ends_in;
	size_t length;
	int err;

	if (!more)
		return 0;
	err = get(parts, CURLUPART_PATH, 0, &path);
	if (err || !path)
		return err ? err : -ENOMEM;
	length = strlen(path);
	if (length >= strlen(end) && !strcmp(path + length - strlen(end), end))
		return 0;
	while (length && path[length - 1] == '/')
		length--;
	if (asprintf(&whole, "%.*s%s", (int)length, path, more) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	return set(parts, CURLUPART_PATH, whole);
}

static int parse_url(struct place *place, const struct curl_api *curl, const char *word, char problem[512])
{
	_cleanup_parts_ struct parts parts = { curl, curl->url() };
	_cleanup_free_ char *scheme = NULL;
	char shown[96];
	CURLUcode wrong;
	int err;

	if (!parts.url)
		return -ENOMEM;
	if (strlen(word) > URL_MAX)
		return explain(problem, -EINVAL, "the URL of '%s' is too long: %d characters at most", shown_word(word, shown), URL_MAX);
	wrong = curl->url_set(parts.url, CURLUPART_URL, word, CURLU_NON_SUPPORT_SCHEME);
	if (wrong == CURLUE_OUT_OF_MEMORY)
		return -ENOMEM;
	if (wrong)
		return explain(problem, -EINVAL, "'%s' is no URL: %s", shown_word(word, shown), curl->url_strerror(wrong));
	err = get(&parts, CURLUPART_SCHEME, 0, &scheme);
	if (err)
		return err;
	if (!scheme || (strcmp(scheme, "http") && strcmp(scheme, "https")))
		return explain(problem, -EINVAL, "'%s' cannot be pushed to: http and https can", shown_word(word, shown));
	err = take_credentials(place, &parts);
	err = err ? err : complete_path(place, &parts);
	err = err ? err : get(&parts, CURLUPART_URL, 0, &place->url);
	err = err ? err : set(&parts, CURLUPART_QUERY, NULL);
	err = err ? err : get(&parts, CURLUPART_URL, 0, &place->shown);
	return err || (place->url && place->shown) ? err : -ENOMEM;
}

bool place_is_remote(const char *word)
{
	return strstr(word, "://");
}

int place_parse(struct place *out, const struct curl_api *curl, const char *word, const char *protocol, const char *directory, char problem[512])
{
	struct place place = {};
	int err = 0;

	*problem = '\0';
	if (!place_is_remote(word)) {
		place.folder = path_absolute(directory, word);
		place.shown = place.folder ? strdup(place.folder) : NULL;
		err = place.shown ? 0 : -ENOMEM;
	} else {
		err = take_protocol(&place, &word, protocol, problem);
		err = err ? err : parse_url(&place, curl, word, problem);
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
