// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heap_watch.h"
#include "prepare.h"
#include "reports.h"
#include "run.h"
#include "target/calls_file.h"
#include "target/memory_limit.h"
#include "target/ranks.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* What several runs share. */
struct session {
	const struct config *config;
	const struct identity *identity;
	struct preparation prep;
	struct report_options report;
	char host[HOST_NAME_MAX + 1];
	struct profile_rank ranks[RANKS_MAX];
};

/* What one run needs for its reports while it goes on (--live) and afterwards. */
struct view {
	struct session *session;
	struct builder *builder;
};

static void show_live(void *context, uint64_t elapsed_ns)
{
	struct view *view = context;
	struct profile *profile = builder__profile(view->builder);

	if (!profile)
		return;
	profile->elapsed_ns = elapsed_ns;
	report_live(stderr, profile, &view->session->report);
	fflush(stderr);
	profile__free(profile);
}

static uint32_t allowed_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

/* A signal that says by itself that somebody wanted an end. */
static bool asks_to_end(int number)
{
	return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

static void describe_end(struct strings *strings, struct profile *profile, const struct run_result *result)
{
	char text[128];

	if (result->attach) {
		attach__facts(result->attach, profile, strings);
		return;
	}
	if (!result->ended)
		snprintf(text, sizeof(text), "The script still ran when the profiler was told to stop.");
	else if (WIFSIGNALED(result->status))
		snprintf(text, sizeof(text), "The script was ended by signal %d (%s)%s.", WTERMSIG(result->status), strsignal(WTERMSIG(result->status)), result->interrupted && !asks_to_end(WTERMSIG(result->status)) ? " after an interrupt" : "");
	else if (WEXITSTATUS(result->status))
		snprintf(text, sizeof(text), "The script ended with exit status %d%s.", WEXITSTATUS(result->status), result->interrupted ? " after an interrupt" : "");
	else if (result->interrupted)
		snprintf(text, sizeof(text), "The script was interrupted.");
	else
		return;
	profile->ended_how = strings__intern(strings, text);
}

/* Where this run stands among others, for those who merge them. */
static void fill_place(struct session *s, struct strings *strings, struct profile *p, bool attached)
{
	if (!gethostname(s->host, sizeof(s->host) - 1) && *s->host)
		p->host = s->host;
	p->ranks = s->ranks;
	p->n_ranks = attached ? ranks_of_process(s->prep.attached.named.pids[0], strings, s->ranks) : ranks_of(s->identity->environment, strings, s->ranks);
}

static void fill_facts(struct session *s, struct strings *strings, struct profile *p, const struct run_result *r)
{
	const struct config *c = s->config;
	struct rusage own;

	p->command_line = s->prep.command_line;
	p->program = s->prep.program ? s->prep.program : c->module ? c->module : c->file;
	p->args = r->attach ? s->prep.attached.command.args : (const char **)c->script_argv;
	p->n_args = r->attach ? s->prep.attached.command.n_args : (size_t)c->script_argc;
	p->entrypoint_dir = s->prep.entrypoint_dir;
	fill_place(s, strings, p, r->attach);
	p->start_epoch_s = r->start_epoch_s;
	p->start_monotonic_s = r->start_monotonic_s;
	p->wall_ns = r->wall_ns;
	p->utime_ns = r->usage.ru_utime.tv_sec * 1000000000ULL + r->usage.ru_utime.tv_usec * 1000ULL;
	p->stime_ns = r->usage.ru_stime.tv_sec * 1000000000ULL + r->usage.ru_stime.tv_usec * 1000ULL;
	p->max_rss_bytes = (uint64_t)r->usage.ru_maxrss * 1024;
	p->status = r->status;
	p->interrupted = r->interrupted;
	p->memory_limit = r->memory_limit;
	p->rate_hz = c->rate_hz;
	if (!getrusage(RUSAGE_SELF, &own)) {
		p->profiler_cpu_ns = (own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1000000000ULL + (own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1000ULL;
		p->profiler_max_rss_bytes = (uint64_t)own.ru_maxrss * 1024;
	}
	p->losses[LOSS_DROPPED_RECORDS] += r->losses.dropped;
	p->losses[LOSS_BAD_RECORDS] += r->losses.bad;
	p->losses[LOSS_MISSED_TICKS] += r->losses.busy;
	p->losses[LOSS_NOT_FOLLOWED] += r->losses.no_storage;
	p->losses[LOSS_DOUBTFUL_NAMES] += r->losses.doubtful;
	describe_end(strings, p, r);
	prepare_logs(&s->prep, p);
}

/* The summary on stdout comes after the script's own output. */
static int show_summary(struct session *s, const struct profile *profile)
{
	if (s->config->quiet)
		return 0;
	/* the script may have left its last line open */
	fputc('\n', stdout);
	return reports_show(profile, &s->report);
}

/* Descendants that outlive the script are left alone, but not passed over in silence. */
static void note_survivors(struct builder *builder)
{
	uint32_t running = builder__running(builder);
	char text[128];

	if (!running)
		return;
	snprintf(text, sizeof(text), "%u process%s still ran when the script had ended; what came later was not seen", running, running > 1 ? "es" : "");
	builder__notice(builder, text);
}

static int finish(struct session *s, struct strings *strings, struct builder *builder, const struct run_result *result, int run)
{
	struct profile *profile;
	int err, shown;

	if (!result->attach)
		note_survivors(builder);
	/* sources of attached processes are opened with their owners' rights, one by one */
	err = result->attach ? 0 : identity__enter(s->identity);
	if (err)
		return err;
	profile = builder__profile(builder);
	if (!profile) {
		identity__leave(s->identity);
		log_error("out of memory for the report");
		return -ENOMEM;
	}
	fill_facts(s, strings, profile, result);
	if (s->prep.heap_probes)
		heap_watch_fill(&result->heap_watch, profile);
	identity__leave(s->identity);
	/* each file is opened with the user's rights by outputs__write() */
	err = reports_write(s->prep.outputs, profile, &s->report, s->config->output_file, run);
	shown = show_summary(s, profile);
	if (!err && !s->config->quiet && shown != -EPIPE)
		log_notice("reports in '%s'", outputs__path(s->prep.outputs));
	profile__free(profile);
	return err ? err : shown == -EPIPE ? 0 : shown;
}

static FILE *open_recording(const struct session *s)
{
	const char *path = getenv("FIXINGAHOLE_RECORD");
	FILE *file;

	if (!path || !*path || identity__enter(s->identity))
		return NULL;
	file = fopen(path, "wxe");
	identity__leave(s->identity);
	if (!file)
		log_warning("cannot record to '%s': %s", path, strerror(errno));
	else
		recording__begin(file, 1000000000U / s->config->rate_hz);
	return file;
}

static void on_calls(void *context, const struct event_header *record)
{
	const struct run_options *options = context;

	if (options->recording)
		recording__append(options->recording, record);
	builder__record(options->builder, record);
}

/* Before the script's exec: most interpreters use the libc that we use, and then nothing of them is missed. */
static void follow_heap(struct capture *capture, pid_t pid)
{
	int err = heap_probes__follow(capture__heap_probes(capture), pid, clock_ns(CLOCK_MONOTONIC));

	if (err)
		log_warning("cannot put probes on the script's allocator: %s", strerror(-err));
}

/* One run of the script and its reports. Returns 0 and the script's exit status, or -errno after a line on stderr. */
static int run_once(struct session *s, struct launch *launch, int run, int *exit_status)
{
	const struct capture_options capture_options = {
		.rate_hz = s->config->rate_hz,
		.empty = s->prep.bench_empty,
		.attach = !launch,
		.live = launch && s->config->live_s > 0,
		.no_children = !launch && !s->config->children,
		.heap_library = s->prep.heap_library,
		.heap_probes = s->prep.heap_probes ? &s->prep.heap_probes_options : NULL,
		.calls_probes = !launch && s->config->calls_pattern,
		.calls_budget = s->config->heap_budget_percent / 100,
	};
	_cleanup_fclose_ FILE *recording = open_recording(s);
	struct strings *strings = strings__new();
	struct symbols *symbols = strings ? symbols__new(strings, code__read) : NULL;
	struct builder *builder = symbols ? builder__new(&s->prep.builder_options, strings, symbols) : NULL;
	struct view view = { s, builder };
	struct run_options options = { .config = s->config, .attached = launch ? NULL : &s->prep.attached, .launch = launch, .spec = &s->prep.spec, .symbols = symbols, .builder = builder, .recording = recording, .live = show_live, .live_context = &view };
	struct run_result result = {};
	char problem[512] = "out of memory";
	int err = -ENOMEM;

	if (builder)
		err = capture__open(&options.capture, &capture_options, problem);
	if (!err && launch)
		err = capture__follow(options.capture, launch__pid(launch), problem);
	if (!err && launch && capture_options.heap_probes)
		follow_heap(options.capture, launch__pid(launch));
	if (!err) {
		prepare_notices(&s->prep, builder);
		/* all is attached; another run would have to attach again */
		err = launch && run == s->config->repeat - 1 ? identity__drop_capabilities(capture__needs_admin(options.capture)) : 0;
		if (err)
			log_debug("cannot drop capabilities: %s", strerror(-err));
		err = run_target(&options, &result, problem);
		if (!err && s->prep.calls_file && calls_file__read(s->prep.calls_file, on_calls, &options))
			log_warning("cannot read the counts of calls");
		if (!err && capture__calls_probes(options.capture))
			calls_probes__finish(capture__calls_probes(options.capture), on_calls, &options);
	}
	capture__free(options.capture);
	if (err) {
		log_error("%s", problem);
		if (!run)
			prepare_discard(&s->prep, s->identity);
	} else {
		*exit_status = result.attach ? 0 : !result.ended ? 1 : WIFSIGNALED(result.status) ? 128 + WTERMSIG(result.status) : WEXITSTATUS(result.status);
		if (!s->prep.bench_empty)
			err = finish(s, strings, builder, &result, run);
	}
	attach__free(result.attach);
	builder__free(builder);
	symbols__free(symbols);
	strings__free(strings);
	return err;
}

static int write_stats(FILE *out, const void *arg)
{
	const struct session *s = arg;
	const struct stats_options options = { .root = s->config->root, .metadata = s->config->metadata, .sort = s->config->sort };
	char problem[512];
	int err = report_stats(out, outputs__path(s->prep.outputs), &options, problem);

	if (err)
		log_error("%s", problem);
	return err;
}

/* Each run reads the same input. A pipe can be read only once. */
static void rewind_input(int run, off_t start)
{
	struct stat st;

	if (!run)
		return;
	if (start >= 0)
		lseek(STDIN_FILENO, start, SEEK_SET);
	else if (run == 1 && !fstat(STDIN_FILENO, &st) && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		log_warning("with --repeat, only the first run gets what is piped into it; give it a file");
}

static int run_all(struct session *s, struct launch **launches)
{
	off_t input = lseek(STDIN_FILENO, 0, SEEK_CUR);
	int exit_status = 0, err = 0, run;

	for (run = 0; run < s->config->repeat && !err; run++) {
		struct launch *launch = run < LAUNCHES_MAX ? launches[run] : NULL;
		struct launch *own = NULL;

		if (!launch) {
			oom_shield_off();
			err = launch__prepare(&own);
			oom_shield_on();
			if (err) {
				log_error("cannot fork: %s", strerror(-err));
				break;
			}
			launch = own;
		}
		rewind_input(run, input);
		err = prepare_run(&s->prep, s->config, s->identity);
		if (!err)
			err = run_once(s, launch, run, &exit_status);
		prepare_run_release(&s->prep, s->identity);
		launch__free(own);
		if (exit_status > 128) /* ended by a signal: not again */
			break;
	}
	if (!err && s->config->repeat > 1 && !s->prep.bench_empty) {
		err = outputs__write(s->prep.outputs, "function_stats.json", write_stats, s);
		if (err)
			log_error("cannot write '%s/function_stats.json': %s", outputs__path(s->prep.outputs), strerror(-err));
	}
	return err && !exit_status ? 1 : exit_status;
}

/* Processes that run already. */
static int run_attached(struct session *s)
{
	int exit_status = 0, err = run_once(s, NULL, 0, &exit_status);

	return err ? 1 : exit_status;
}

int session__profile(const struct config *config, const struct identity *identity, struct launch **launches)
{
	struct session s = { .config = config, .identity = identity };
	char problem[512];
	int status = 1;

	if (identity__may_profile(problem)) {
		log_error("%s", problem);
		return 1;
	}
	s.report = (struct report_options){
		.absolute = config->duration == DURATION_ABSOLUTE,
		.trace = config->trace,
		.top_n = config->top_n,
		.threshold_percent = config->threshold_percent,
	};
	if (attached_wanted(config)) {
		run_catch_signals();
		if (!prepare_attach(&s.prep, config, identity))
			status = run_attached(&s);
	} else if (!prepare(&s.prep, config, identity, allowed_cpus())) {
		run_catch_signals();
		oom_shield_on();
		status = run_all(&s, launches);
	}
	preparation_release(&s.prep, identity);
	return status;
}
