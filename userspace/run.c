// SPDX-License-Identifier: Apache-2.0
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heap_watch.h"
#include "intake.h"
#include "interps.h"
#include "pacing.h"
#include "spinner.h"
#include "target/memory_limit.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Without a call for it, the ring buffer is not emptied more often than this. */
#define DRAIN_MIN_NS 25000000ULL
/* Told to stop: this long the target may take to end by itself. */
#define GRACE_NS 5000000000ULL
/* A SIGINT that a program sent to us alone is passed on after this time. */
#define PASS_ON_NS 500000000ULL

/* Set by the handler: how many Ctrl-Cs, how many of them by kill(2), and any signal to terminate. */
static volatile sig_atomic_t signal_interrupts, signal_sent, signal_terminate;

static void on_signal(int number, siginfo_t *info, void *context)
{
	bool sent = info->si_code == SI_USER || info->si_code == SI_QUEUE;

	if (number == SIGINT) {
		signal_interrupts++;
		signal_sent += sent;
	} else if (number != SIGQUIT || sent) {
		signal_terminate = number;
	}
	/* else Ctrl-\: the script got it as well, and what it does about it decides */
}

void run_catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigaction old;

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	/* with nohup, or in the background of a plain shell, these are ignored: leave it so */
	if (!sigaction(SIGINT, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	if (!sigaction(SIGHUP, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
	if (!sigaction(SIGQUIT, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGQUIT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

struct run {
	const struct run_options *options;
	struct run_result *result;
	struct interps *interps;
	struct intake *intake;
	struct heap_probes *heap_probes; /* NULL: none */
	struct calls_probes *calls_probes; /* NULL: none */
	struct pacing pacing;
	uint64_t start_ns;
	uint64_t deadline_ns; /* attached: until then; 0: for ever */
	uint64_t stop_ns;   /* told to stop at; 0: not */
	bool passed_on;
	bool idle;          /* the last drain found nothing */
};

static void on_no_interpreter(void *context, uint32_t pid, const char *reason)
{
	builder__no_interpreter(((struct run *)context)->options->builder, pid, reason);
}

static void on_notice(void *context, const char *text)
{
	builder__notice(((struct run *)context)->options->builder, text);
}

static void on_record(void *context, const struct event_header *record)
{
	builder__record(((struct run *)context)->options->builder, record);
}

static void on_record_at_once(void *context, const struct event_header *record)
{
	struct run *run = context;

	if (record->kind == EVENT_THREAD_EXIT)
		pacing_thread_exit(&run->pacing, ((const struct event_thread_exit *)record)->run_ns);
}

static void drain(struct run *run)
{
	run->idle = !intake__drain(run->intake);
}

/* True: do not wait for the target any longer. */
static bool handle_signals(struct run *run, uint64_t now)
{
	pid_t pid;

	if (run->result->attach) {
		/* they are none of ours: we go, they stay */
		run->result->interrupted = signal_interrupts || signal_terminate;
		return run->result->interrupted || (run->deadline_ns && now >= run->deadline_ns);
	}
	pid = launch__pid(run->options->launch);
	if (signal_interrupts && !run->result->interrupted) {
		run->result->interrupted = true;
		run->stop_ns = now;
	}
	if (signal_terminate) {
		run->result->interrupted = true;
		run->stop_ns = now;
		kill(pid, signal_terminate);
		signal_terminate = 0;
		signal_interrupts = 3; /* the grace period counts */
	}
	if (!run->stop_ns)
		return false;
	if (signal_sent && !run->passed_on && now - run->stop_ns > PASS_ON_NS) {
		run->passed_on = true;
		kill(pid, SIGINT);
	}
	/* a program may take its time over one Ctrl-C; not over three, or a request to terminate */
	return signal_interrupts >= 3 && now - run->stop_ns > GRACE_NS;
}

static struct timespec sleep_time(struct run *run, uint64_t now)
{
	int ms = interps__poll(run->interps, now);
	uint64_t ns = pacing_sleep_ns(&run->pacing, run->idle);

	if (ms >= 0 && ms * 1000000ULL < ns)
		ns = ms * 1000000ULL;
	if (run->deadline_ns && run->deadline_ns < now + ns)
		ns = run->deadline_ns > now ? run->deadline_ns - now : 0;
	if (run->heap_probes || run->calls_probes) {
		uint64_t next = run->heap_probes ? heap_probes__poll(run->heap_probes, now) : UINT64_MAX;
		uint64_t calls = run->calls_probes ? calls_probes__poll(run->calls_probes, now) : UINT64_MAX;

		if (calls < next)
			next = calls;
		now = clock_ns(CLOCK_MONOTONIC);
		if (next < now + ns)
			ns = next > now ? next - now : 0;
	}
	return (struct timespec){ .tv_nsec = ns };
}

/* The script, or all that was attached to. */
static bool target_ended(struct run *run)
{
	struct run_result *result = run->result;

	result->ended = result->attach ? attach__ended(result->attach) : launch__poll(run->options->launch, &result->status, &result->usage) != 0;
	return result->ended;
}

static void show_live(struct run *run, uint64_t now)
{
	int err = capture__flush(run->options->capture, !run->result->attach);

	if (err)
		log_debug("cannot tell what waits now: %s", strerror(-err));
	drain(run);
	run->options->live(run->options->live_context, now - run->start_ns);
}

static void follow(struct run *run)
{
	const struct run_options *o = run->options;
	uint64_t live_ns = o->config->live_s * 1e9, next_live = run->start_ns + live_ns, now = run->start_ns, drained = 0;
	struct spinner spinner;
	struct timespec sleep;
	struct attach *attach = run->result->attach;
	pid_t script = attach ? getpid() : launch__pid(o->launch);
	/* the end of the target wakes us as well */
	_cleanup_close_ int pidfd = attach ? -1 : syscall(SYS_pidfd_open, script, 0);
	struct pollfd fds[] = { { .fd = capture__fd(o->capture), .events = POLLIN }, { .fd = attach ? attach__fd(attach) : pidfd, .events = POLLIN } };

	spinner_init(&spinner, !o->config->quiet && !o->config->live_s, script);
	pacing_init(&run->pacing, o->capture, o->config->rate_hz, now);
	while (!target_ended(run)) {
		int ready;

		sleep = sleep_time(run, now);
		ready = ppoll(fds, 2, &sleep, NULL);
		now = clock_ns(CLOCK_MONOTONIC);
		if (ready > 0 || now - drained >= DRAIN_MIN_NS) {
			drain(run);
			drained = now;
		}
		pacing_step(&run->pacing, now);
		if (handle_signals(run, now))
			break;
		if (!run->result->interrupted)
			spinner_update(&spinner, now - run->start_ns, builder__samples(o->builder));
		if (live_ns && now >= next_live) {
			show_live(run, now);
			next_live += live_ns;
		}
	}
	run->result->wall_ns = clock_ns(CLOCK_MONOTONIC) - run->start_ns;
	if (attach)
		attach__flush(attach);
	spinner_clear(&spinner);
	drain(run);
	interps__poll(run->interps, clock_ns(CLOCK_MONOTONIC));
	if (attach)
		interps__end(run->interps);
	if (run->heap_probes) {
		heap_probes__watch(run->heap_probes, clock_ns(CLOCK_MONOTONIC), &run->result->heap_watch);
		heap_watch_notices(&run->result->heap_watch, o->config->heap_budget_percent / 100, on_notice, run);
	}
}

static int attach(struct run *run, char problem[512])
{
	const struct run_options *o = run->options;
	const struct attach_tools tools = { .capture = o->capture, .interps = run->interps, .recording = o->recording, .children = o->config->children, .sink = on_record, .notice = on_notice, .context = run };
	int err;

	run->result->attach = attach__new(o->attached, &tools);
	if (!run->result->attach) {
		snprintf(problem, 512, "out of memory");
		return -ENOMEM;
	}
	err = attach__begin(run->result->attach, problem);
	/* before that they are needed: some kernels want more than CAP_PERFMON for a timer */
	if (!err && identity__drop_capabilities(capture__needs_admin(o->capture)))
		log_debug("cannot drop capabilities");
	return err;
}

static int launch(struct run *run, char problem[512])
{
	const struct run_options *o = run->options;
	const char *step;
	int err;

	if (!identity__enter(o->spec->identity)) {
		interps__foretell(run->interps, o->spec->program, environment_get(o->spec->envp, "LD_LIBRARY_PATH"));
		identity__leave(o->spec->identity);
	}
	err = launch__start(o->launch, o->spec, &step);
	if (err)
		snprintf(problem, 512, "cannot start '%s': %s: %s", o->spec->program, step, strerror(-err));
	return err;
}

/* The clock runs from a script's start, but only from when processes are attached to. */
static void set_start(struct run *run)
{
	run->result->start_epoch_s = clock_ns(CLOCK_REALTIME) / 1e9;
	run->start_ns = clock_ns(CLOCK_MONOTONIC);
	run->result->start_monotonic_s = run->start_ns / 1e9;
	if (run->options->config->seconds)
		run->deadline_ns = run->start_ns + run->options->config->seconds * 1e9;
}

int run_target(const struct run_options *options, struct run_result *result, char problem[512])
{
	struct run run = { .options = options, .result = result };
	const struct interps_listener listener = { .no_interpreter = on_no_interpreter, .notice = on_notice, .context = &run };
	struct intake_options intake = { .capture = options->capture, .symbols = options->symbols, .recording = options->recording, .heap = options->config->memory, .sink = on_record, .at_once = on_record_at_once, .context = &run };
	struct memory_limits *limits;
	int err;

	memset(result, 0, sizeof(*result));
	run.heap_probes = capture__heap_probes(options->capture);
	run.calls_probes = capture__calls_probes(options->capture);
	run.interps = interps__new(options->capture, options->symbols, &listener, options->recording);
	intake.interps = run.interps;
	run.intake = run.interps ? intake__new(&intake) : NULL;
	if (!run.intake) {
		interps__free(run.interps);
		snprintf(problem, 512, "out of memory");
		return -ENOMEM;
	}
	set_start(&run);
	limits = memory_limits__new(options->attached ? options->attached->named.pids[0] : launch__pid(options->launch));
	err = options->attached ? attach(&run, problem) : launch(&run, problem);
	if (!err && options->attached)
		set_start(&run);
	if (!err)
		follow(&run);
	result->memory_limit = memory_limits__reached(limits);
	memory_limits__free(limits);
	interps__free(run.interps);
	builder__lose(options->builder, LOSS_DROPPED_RECORDS, intake__lost(run.intake));
	intake__free(run.intake);
	capture__losses(options->capture, &result->losses);
	return err;
}
