// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export/sinks.h"
#include "report/window_json.h"
#include "report/window_text.h"
#include "service.h"
#include "util/clock.h"
#include "util/log.h"
#include "watch.h"

/* At the end, what waits for a server may take this long. */
#define GRACE_NS 5000000000ULL

struct record {
	const struct config *config;
	struct sinks *sinks; /* NULL: none */
	struct service *service;
	int failed;
};

static void print(struct record *r, const struct window *window)
{
	struct report_options options = { .absolute = r->config->duration == DURATION_ABSOLUTE, .top_n = r->config->top_n, .threshold_percent = r->config->threshold_percent };
	char host[256] = "";
	int err;

	gethostname(host, sizeof(host) - 1);
	report_fit_terminal(&options);
	err = r->config->json ? report_window_json(stdout, window, host) : report_window(stdout, window, &options);
	if (!err && fflush(stdout))
		err = -errno;
	if (err && err != -EPIPE)
		log_error("cannot write the summary: %s", strerror(-err));
	r->failed |= err && err != -EPIPE;
}

static enum watch_action on_window(void *context, const struct window *window, bool last)
{
	struct record *r = context;

	if (r->sinks)
		sinks__window(r->sinks, window);
	service__window(r->service);
	/* one of the whole time, or, where nobody else gets them, each */
	if (!r->config->quiet && (!r->config->interval_s || !r->sinks))
		print(r, window);
	return WATCH_GO_ON;
}

static void on_started(void *context, size_t processes)
{
	struct record *r = context;

	service__started(r->service);
	if (!r->config->quiet)
		log_notice("watching %zu process%s%s", processes, processes == 1 ? "" : "es", r->config->seconds ? "" : "; Ctrl-C ends it");
}

static enum watch_action on_step(void *context, uint64_t now_ns, bool readable, uint64_t *next_ns)
{
	struct record *r = context;

	*next_ns = service__step(r->service, now_ns);
	return WATCH_GO_ON;
}

/* One that goes on for ever tells its losses meanwhile, and ends well all the same. */
static bool lost(const struct record *r)
{
	struct sinks_state state;

	if (r->config->interval_s && !r->config->seconds)
		return false;
	sinks__state(r->sinks, &state);
	return state.dropped;
}

int record_run(const struct config *config, const struct identity *identity)
{
	struct record r = { .config = config };
	const struct watch_options options = {
		.config = config, .identity = identity, .detailed = config->detailed, .tell_attached = true, .window_ns = config->interval_s * 1e9, .window = on_window, .input_fd = -1, .step = on_step, .started = on_started,
		.context = &r,
	};
	char problem[512] = "out of memory", line[256];
	int err = config->n_outputs ? sinks__new(&r.sinks, config, problem) : 0;

	err = err ? err : service__new(&r.service, config, identity, r.sinks);
	err = err ? err : watch_run(&options, problem);
	service__stopping(r.service);
	if (err)
		log_error("%s", *problem ? problem : strerror(-err));
	else if (r.sinks)
		sinks__finish(r.sinks, GRACE_NS);
	r.failed |= !err && r.sinks && lost(&r);
	service__window(r.service);
	if (!err && r.sinks && !config->quiet) {
		sinks__summary(r.sinks, line);
		log_notice("%s", line);
	}
	service__free(r.service);
	sinks__free(r.sinks);
	return err == -EINVAL ? 2 : err || r.failed ? 1 : 0;
}
