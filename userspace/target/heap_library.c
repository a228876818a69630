// SPDX-License-Identifier: Apache-2.0
#include "target/heap_library.h"

#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/heap_probe.h"
#include "target/strv.h"
#include "util/cleanup.h"

#define NAME "libfixingahole-heap.so"
/* Bytes per sample at precision 0; the most and the least of them. */
#define STRIDE (128 << 10)
#define STRIDE_MAX (16 << 20)
#define STRIDE_MIN 4096 /* of the library's */
#define FINEST 5 /* the precision that comes to it */
#define SAMPLES_PER_S 1000

int heap_library__find(const struct identity *id, char **path)
{
	return preload_library__find(id, NAME, path);
}

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

void heap_library__sampling(int precision, uint64_t *stride, uint64_t *rate)
{
	uint64_t bytes = precision < 0 ? (uint64_t)STRIDE << -precision : (uint64_t)STRIDE >> precision;

	*stride = bytes > STRIDE_MAX ? STRIDE_MAX : bytes < STRIDE_MIN ? STRIDE_MIN : bytes;
	/* finer strides need more samples, or the sampler would widen them again */
	*rate = (uint64_t)SAMPLES_PER_S << (precision < 0 ? 0 : precision > FINEST ? FINEST : precision);
}

int heap_library__environment(char ***environment, const char *library, int precision)
{
	struct strv env = { .items = *environment };
	const char *old = environment_get(*environment, "LD_PRELOAD");
	_cleanup_free_ char *preload = NULL;
	uint64_t stride, rate;
	char number[32];
	int err;

	while (env.items[env.n])
		env.n++;
	if (asprintf(&preload, "%s%s%s", library, old ? ":" : "", old ? old : "") < 0) {
		preload = NULL;
		return -ENOMEM;
	}
	heap_library__sampling(precision, &stride, &rate);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)stride);
	err = strv_set(&env, "LD_PRELOAD", preload);
	if (!err)
		err = strv_set(&env, HEAP_ENV_STRIDE, number);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)rate);
	if (!err)
		err = strv_set(&env, HEAP_ENV_RATE, number);
	*environment = env.items;
	return err;
}
