// SPDX-License-Identifier: Apache-2.0
#include "export/curl_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#define LIBRARY "libcurl.so.4"

static bool find(const struct curl_api *api, const char *name, void *function)
{
	*(void **)function = dlsym(api->library, name);
	return *(void **)function;
}

int curl_api_load(struct curl_api *out, char problem[512])
{
	struct curl_api api = { .library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL) };
	bool whole = api.library;

#define X(name) whole = whole && find(&api, "curl_" #name, &api.name);
	CURL_FUNCTIONS(X)
#undef X
	if (whole && !api.global_init(CURL_GLOBAL_DEFAULT)) {
		*out = api;
		return 0;
	}
	if (api.library)
		dlclose(api.library);
	snprintf(problem, 512, "pushing to servers needs " LIBRARY ", 7.87 or later, which cannot be loaded: install libcurl4");
	return -ENOENT;
}

void curl_api_release(struct curl_api *api)
{
	if (!api->library)
		return;
	api->global_cleanup();
	dlclose(api->library);
	*api = (struct curl_api){};
}
