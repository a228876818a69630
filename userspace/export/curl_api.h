/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when there is a server to push to: with what it brings along it would cost every other start of the program 17 ms.
 */
#ifndef FIXINGAHOLE_EXPORT_CURL_API_H
#define FIXINGAHOLE_EXPORT_CURL_API_H

#include <curl/curl.h>

#define CURL_FUNCTIONS(X) \
	X(global_init) X(global_cleanup) X(free) \
	X(easy_init) X(easy_cleanup) X(easy_reset) X(easy_setopt) X(easy_getinfo) X(easy_perform) X(easy_strerror) X(easy_header) \
	X(slist_append) X(slist_free_all) \
	X(url) X(url_cleanup) X(url_get) X(url_set) X(url_strerror)

struct curl_api {
	void *library; /* NULL: not loaded */
#define X(name) __typeof__(&curl_##name) name;
	CURL_FUNCTIONS(X)
#undef X
};

/* Loads it, and sets it up for all threads. 0, or -ENOENT and one line in problem. */
int curl_api_load(struct curl_api *api, char problem[512]);
/* Takes one that was never loaded, too. */
void curl_api_release(struct curl_api *api);

#endif
