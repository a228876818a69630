// SPDX-License-Identifier: Apache-2.0
/*
 * Sums over several places: times, samples, curves and reasons to wait.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/finish.h"

uint64_t since_start(const struct builder *b, uint64_t ns)
{
	return ns > b->start_ns ? ns - b->start_ns : 0;
}

struct moment *moments(struct owned *o, const struct builder *b, const struct series *s, size_t limit, size_t *n)
{
	size_t count = s->count < limit ? s->count : limit;
	struct moment *out = profile_take(o, count, sizeof(*out));

	*n = out ? count : 0;
	for (size_t i = 0; i < *n; i++) {
		const struct point *p = &s->points[(i + 1) * s->count / count - 1];

		out[i] = (struct moment){ since_start(b, p->ns), p->value };
	}
	return out;
}

static int by_reason_ns(const void *a, const void *b)
{
	const struct wait_reason *x = a, *y = b;

	return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : strcmp(x->what, y->what);
}

static void reasons_add(struct owned *o, struct measures *m, const struct gauge *g)
{
	struct wait_reason *all = profile_take(o, m->n_waits_for + g->n_reasons, sizeof(*all));

	if (!all)
		return;
	if (m->n_waits_for)
		memcpy(all, m->waits_for, m->n_waits_for * sizeof(*all));
	m->waits_for = all;
	for (uint32_t i = 0; i < g->n_reasons; i++) {
		const struct reason *r = &g->reasons[i];
		size_t at = 0;

		while (at < m->n_waits_for && all[at].what != r->what)
			at++;
		if (at == m->n_waits_for)
			all[m->n_waits_for++] = (struct wait_reason){ .what = r->what, .call = r->call, .object = r->object };
		all[at].ns += r->ns;
		all[at].count += r->count;
	}
	qsort(all, m->n_waits_for, sizeof(*all), by_reason_ns);
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int by_moment(const void *a, const void *b)
{
	uint64_t x = ((const struct moment *)a)->since_start_ns, y = ((const struct moment *)b)->since_start_ns;

	return x < y ? -1 : x > y;
}

static void cpu_samples_add(struct owned *o, struct measures *m, const struct series *s)
{
	double *all = profile_take(o, m->n_cpu_samples + s->count, sizeof(*all));
	size_t n = m->n_cpu_samples;

	if (!all)
		return;
	if (n)
		memcpy(all, m->cpu_samples_s, n * sizeof(*all));
	for (uint32_t i = 0; i < s->count; i++)
		all[n++] = s->points[i].ns / 1e9;
	if (m->n_cpu_samples)
		qsort(all, n, sizeof(*all), by_double);
	if (n > CPU_SAMPLES_MAX) {
		for (size_t i = 0; i < CPU_SAMPLES_MAX; i++)
			all[i] = all[i * n / CPU_SAMPLES_MAX];
		n = CPU_SAMPLES_MAX;
	}
	m->cpu_samples_s = all;
	m->n_cpu_samples = n;
}

/* Curves of the parts are put one after the other and added up again. */
static void rss_timeline_add(struct owned *o, const struct builder *b, struct measures *m, const struct gauge *g)
{
	size_t n, total = m->n_rss_timeline;
	struct moment *part = moments(o, b, &g->rss, TIMELINE_MAX, &n), *all;

	if (!total) {
		m->rss_timeline = part;
		m->n_rss_timeline = n;
		return;
	}
	all = profile_take(o, total + n, sizeof(*all));
	if (!all || !n)
		return;
	/* as increments, sorted, then cumulated */
	for (size_t i = 0; i < total; i++)
		all[i] = (struct moment){ m->rss_timeline[i].since_start_ns, m->rss_timeline[i].bytes - (i ? m->rss_timeline[i - 1].bytes : 0) };
	for (size_t i = 0; i < n; i++)
		all[total + i] = (struct moment){ part[i].since_start_ns, part[i].bytes - (i ? part[i - 1].bytes : 0) };
	total += n;
	qsort(all, total, sizeof(*all), by_moment);
	for (size_t i = 1; i < total; i++)
		all[i].bytes += all[i - 1].bytes;
	if (total > TIMELINE_MAX) {
		for (size_t i = 0; i < TIMELINE_MAX; i++)
			all[i] = all[(i + 1) * total / TIMELINE_MAX - 1];
		total = TIMELINE_MAX;
	}
	m->rss_timeline = all;
	m->n_rss_timeline = total;
}

void measures_add(struct owned *o, const struct builder *b, struct measures *m, const struct gauge *g)
{
	double before = m->core_utilization * times_total(&m->times), cpus = b->options->allowed_cpus ? b->options->allowed_cpus : 1;

	times_sum(&m->times, &g->times);
	m->samples += g->samples;
	m->waits += g->waits;
	m->rss_bytes += g->rss_bytes;
	if (times_total(&m->times))
		m->core_utilization = (before + g->running_ns / cpus) / times_total(&m->times);
	if (m->core_utilization > 1)
		m->core_utilization = 1;
	if (g->cpu.count)
		cpu_samples_add(o, m, &g->cpu);
	if (g->rss.count)
		rss_timeline_add(o, b, m, g);
	if (g->n_reasons)
		reasons_add(o, m, g);
}

void file_measures_add(struct owned *o, struct measures *m, const struct gauge *g)
{
	times_sum(&m->times, &g->times);
	m->samples += g->samples;
	m->waits += g->waits;
	m->rss_bytes += g->rss_bytes;
	if (g->n_reasons)
		reasons_add(o, m, g);
}
