// SPDX-License-Identifier: Apache-2.0
#include "record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "export/sinks.h"
#include "report/window_json.h"
#include "report/window_text.h"
#include "util/clock.h"
#include "util/log.h"
#include "watch.h"

/* At the end, what waits for a server may take this long. */
#define GRACE_NS 5000000000ULL

struct record {
	const struct config *config;
	struct sinks *sinks; /* NULL: none */
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
	/* one of the whole time, or, where nobody else gets them, each */
	if (!r->config->quiet && (!r->config->interval_s || !r->sinks))
		print(r, window);
	return WATCH_GO_ON;
}

static void on_started(void *context, size_t processes)
{
	struct record *r = context;

	if (!r->config->quiet)
		log_notice("watching %zu processes%s", processes, r->config->seconds ? "" : "; Ctrl-C ends it");
}

static void tell_sinks(struct sinks *sinks)
{
	struct sinks_state state;

	sinks__state(sinks, &state);
	log_notice("%llu profiles written, %llu sent, %llu still wait, %llu dropped", (unsigned long long)state.written, (unsigned long long)state.pushed, (unsigned long long)state.waiting, (unsigned long long)state.dropped);
}

int record_run(const struct config *config, const struct identity *identity)
{
	struct record r = { .config = config };
	const struct watch_options options = {
		.config = config, .identity = identity, .window_ns = config->interval_s * 1e9, .window = on_window, .input_fd = -1, .started = on_started, .context = &r,
	};
	char problem[512] = "out of memory";
	int err = config->n_outputs ? sinks__new(&r.sinks, config, problem) : 0;

	err = err ? err : watch_run(&options, problem);
	if (err)
		log_error("%s", problem);
	else if (r.sinks && !config->quiet)
		tell_sinks(r.sinks);
	sinks__free(r.sinks, err ? 0 : GRACE_NS);
	return err == -EINVAL ? 2 : err || r.failed ? 1 : 0;
}
