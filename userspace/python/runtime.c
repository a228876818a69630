// SPDX-License-Identifier: Apache-2.0
#include "python/runtime.h"

#include <stdbool.h>
#include <string.h>

#include "image/maps.h"

static bool is_runtime(const char *path)
{
	/* libc.so.6 or libc-2.31.so; musl's libc is its own linker */
	static const char *const names[] = { "libc.so", "libc-", "ld-linux", "ld-2.", "ld-musl", "libm.so", "libm-", "libpthread" };
	const char *base = strrchr(path, '/');

	if (!base)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strncmp(base + 1, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

static int take_mapping(const struct mapping *mapping, void *arg)
{
	struct event_interp *event = arg;

	if (!mapping->executable || !mapping->path || !is_runtime(mapping->path))
		return 0;
	if (event->n_runtime == INTERP_RUNTIME_RANGES)
		return 1;
	event->runtime[event->n_runtime].start = mapping->start;
	event->runtime[event->n_runtime++].end = mapping->end;
	return 0;
}

int runtime__find(pid_t pid, struct event_interp *event)
{
	int err;

	event->n_runtime = 0;
	err = maps__each(pid, take_mapping, event);
	return err < 0 ? err : 0;
}
