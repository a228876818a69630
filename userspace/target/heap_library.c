// SPDX-License-Identifier: Apache-2.0
#include "target/heap_library.h"

#include <linux/types.h>
#include <stdio.h>

#include "preload/heap_probe.h"
#include "target/preload_library.h"
#include "target/strv.h"

/* Bytes per sample at precision 0; the most and the least of them. */
#define STRIDE (128 << 10)
#define STRIDE_MAX (16 << 20)
#define STRIDE_MIN 4096 /* of the library's */
#define FINEST 5 /* the precision that comes to it */
#define SAMPLES_PER_S 500

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
	uint64_t stride, rate;
	char number[32];
	int err;

	while (env.items[env.n])
		env.n++;
	heap_library__sampling(precision, &stride, &rate);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)stride);
	err = preload_library__add(&env, library);
	if (!err)
		err = strv_set(&env, HEAP_ENV_STRIDE, number);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)rate);
	if (!err)
		err = strv_set(&env, HEAP_ENV_RATE, number);
	*environment = env.items;
	return err;
}
