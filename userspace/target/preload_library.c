// SPDX-License-Identifier: Apache-2.0
#include "target/preload_library.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

int preload_library__find(const struct identity *id, const char *name, char **path)
{
	static const char *const places[] = { "", "/../lib/fixingahole" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int err = n < 0 ? -errno : identity__enter(id);

	if (err)
		return err;
	self[n] = 0;
	*strrchr(self, '/') = 0;
	err = -ENOENT;
	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && err == -ENOENT; i++) {
		_cleanup_free_ char *candidate = NULL;

		if (asprintf(&candidate, "%s%s/%s", self, places[i], name) < 0) {
			candidate = NULL;
			err = -ENOMEM;
			break;
		}
		*path = realpath(candidate, NULL);
		/* the loader splits LD_PRELOAD at both of these */
		if (*path && (access(*path, R_OK) || strpbrk(*path, ": ")))
			free(steal_ptr(*path));
		if (*path)
			err = 0;
	}
	identity__leave(id);
	return err;
}

int preload_library__add(struct strv *environment, const char *library)
{
	const char *old = environment_get(environment->items, "LD_PRELOAD");
	_cleanup_free_ char *preload = NULL;

	if (asprintf(&preload, "%s%s%s", library, old ? ":" : "", old ? old : "") < 0) {
		preload = NULL;
		return -ENOMEM;
	}
	return strv_set(environment, "LD_PRELOAD", preload);
}
