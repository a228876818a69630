// SPDX-License-Identifier: Apache-2.0
/* What goes over time: levels and moments of samples. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "merge/joined.h"
#include "util/cleanup.h"

#define MOMENTS_MAX (2 * CPU_SAMPLES_MAX)

static int by_time(const void *a, const void *b)
{
	const struct curve_step *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

/* Hostile numbers may turn around; that is no harm. */
static int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Of each pair of neighbours one step, at the later time. */
static void coarsen(struct curve *curve)
{
	size_t n = 0;

	qsort(curve->steps, curve->n, sizeof(*curve->steps), by_time);
	for (size_t i = 0; i < curve->n; i += 2) {
		struct curve_step step = curve->steps[i];

		if (i + 1 < curve->n) {
			step.ns = curve->steps[i + 1].ns;
			step.change = plus(step.change, curve->steps[i + 1].change);
			step.end = false;
		}
		curve->steps[n++] = step;
	}
	curve->n = n;
}

static int add_step(struct curve *curve, int64_t ns, int64_t change, bool end)
{
	if (curve->n >= (curve->limit ? curve->limit : CURVE_STEPS))
		coarsen(curve);
	if (!ROOM(curve->steps, curve->n, curve->room))
		return -ENOMEM;
	curve->steps[curve->n++] = (struct curve_step){ns, change, curve->serial++, end};
	return 0;
}

int curve_add(struct curve *curve, const struct moment *moments, size_t n, int64_t offset_ns, bool ends, int64_t end_ns)
{
	int64_t level = 0, last = offset_ns;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		last = offset_ns + (int64_t)moments[i].since_start_ns;
		err = add_step(curve, last, (int64_t)moments[i].bytes - level, false);
		level = (int64_t)moments[i].bytes;
	}
	if (!err && ends && level)
		err = add_step(curve, end_ns > last ? end_ns : last, -level, true);
	return err;
}

/* One moment in place of several. */
static struct moment pick(const struct moment *moments, size_t n, bool highest)
{
	struct moment best = moments[n - 1];

	for (size_t i = 0; highest && i < n; i++) {
		if (moments[i].bytes > best.bytes)
			best = moments[i];
	}
	return best;
}

struct moment *curve_moments(struct curve *curve, struct arena *arena, int64_t start_ns, int64_t last_ns, bool highest, size_t *n, bool *failed)
{
	_cleanup_free_ struct moment *all = calloc(curve->n + 1, sizeof(*all));
	int64_t level = 0;
	size_t total = 0;
	struct moment *made;

	*n = 0;
	if (!all) {
		*failed = true;
		return NULL;
	}
	if (curve->n)
		qsort(curve->steps, curve->n, sizeof(*curve->steps), by_time);
	for (size_t i = 0; i < curve->n; i++) {
		const struct curve_step *step = &curve->steps[i];

		if (step->end && step->ns >= last_ns)
			continue; /* the end of all */
		level = plus(level, step->change);
		all[total++] = (struct moment){step->ns > start_ns ? (uint64_t)(step->ns - start_ns) : 0, level > 0 ? (uint64_t)level : 0};
	}
	*n = total < TIMELINE_MAX ? total : TIMELINE_MAX;
	made = *n ? arena_array(arena, *n, sizeof(*made)) : NULL;
	*failed |= *n && !made;
	for (size_t i = 0; made && i < *n; i++)
		made[i] = pick(&all[i * total / *n], (i + 1) * total / *n - i * total / *n, highest);
	if (!made)
		*n = 0;
	return made;
}

int sample_times_add(struct sample_times *times, const double *seconds, size_t n, double shift)
{
	if (!times->stride)
		times->stride = 1;
	for (size_t i = 0; i < n; i++) {
		if (times->phase++ % times->stride)
			continue;
		if (times->n == MOMENTS_MAX) {
			for (size_t k = 0; k < MOMENTS_MAX / 2; k++)
				times->seconds[k] = times->seconds[2 * k];
			times->n /= 2;
			times->stride *= 2;
		}
		if (!ROOM(times->seconds, times->n, times->room))
			return -ENOMEM;
		times->seconds[times->n++] = seconds[i] + shift;
	}
	return 0;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double *sample_times_take(struct sample_times *times, struct arena *arena, double shift, size_t *n, bool *failed)
{
	double *made;

	*n = times->n < CPU_SAMPLES_MAX ? times->n : CPU_SAMPLES_MAX;
	made = *n ? arena_array(arena, *n, sizeof(*made)) : NULL;
	if (!made) {
		*failed |= *n > 0;
		*n = 0;
		return NULL;
	}
	qsort(times->seconds, times->n, sizeof(*times->seconds), by_double);
	for (size_t i = 0; i < *n; i++) {
		double moment = times->seconds[i * times->n / *n] + shift;

		made[i] = moment > 0 ? moment : 0;
	}
	return made;
}
