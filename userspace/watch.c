// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "capture/capture.h"
#include "heap_watch.h"
#include "intake.h"
#include "interps.h"
#include "python/code.h"
#include "symbols/native.h"
#include "target/heap_library.h"
#include "target/process_facts.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* The ring buffer is emptied this often, on average, unless it fills or a process begins or ends. */
#define DRAIN_NS 200000000ULL
/* The timers get other periods this often. */
#define SHIFT_NS 1000000000ULL

static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
	stop_signal = number;
}

struct watch {
	const struct watch_options *options;
	struct attached attached; /* without -a */
	struct strings *strings;
	struct symbols *symbols;
	struct heap_probes_options heap; /* with --memory */
	struct native *native;
	struct windows *windows;
	struct capture *capture;
	struct interps *interps;
	struct intake *intake;
	struct attach *attach;
	struct capture_losses losses; /* told of so far */
	uint64_t lost;                /* of the intake, likewise */
	uint64_t machine_ns;          /* at the window's begin */
	uint64_t now, next_drain, next_shift, next_step, window_end, deadline;
};

/* begins: it was there before us, so nobody has told of its size yet. False: it is gone. */
static bool describe(struct watch *w, pid_t pid, bool python, bool begins)
{
	struct process_facts_text text;
	struct process_facts facts;

	if (process_facts(pid, python, &text))
		return false;
	facts = (struct process_facts){
		.uid = text.uid, .user = text.user, .name = text.name, .command = text.command, .cgroup = text.cgroup,
		.container = text.container[0] ? text.container : NULL,
		.rss_bytes = begins ? process_status_bytes(pid, "VmRSS") : 0,
	};
	windows__describe(w->windows, pid, &facts);
	return true;
}

/* Nearly always the record tells it all, in time for a process that is gone by now. */
static void describe_program(struct watch *w, const struct event_exec *event)
{
	const struct process_facts *before = windows__facts(w->windows, event->head.pid);
	bool told = event->head.flags & EXEC_TOLD && before && !before->unsure;
	bool python = interps__looks_like_one(event->path) || event->head.flags & EXEC_KNOWN;
	struct process_facts_text text;
	struct process_facts facts;

	if (!told && describe(w, event->head.pid, python, false))
		return;
	process_facts_told(event, python, &text);
	facts = (struct process_facts){
		.uid = text.uid, .user = text.user, .name = text.name, .command = text.command, .unsure = !told,
		.cgroup = before ? before->cgroup : "/", .container = before ? before->container : NULL,
	};
	windows__describe(w->windows, event->head.pid, &facts);
}

static void on_record(void *context, const struct event_header *record)
{
	struct watch *w = context;

	windows__record(w->windows, record);
	if (record->kind == EVENT_EXIT)
		native__end(w->native, record->space);
	else if (record->kind == EVENT_EXEC)
		native__end(w->native, ((const struct event_exec *)record)->old_space);
	if (record->kind == EVENT_ATTACH)
		describe(w, record->pid, interps__looks_like_one(((const struct event_attach *)record)->path), true);
	else if (record->kind == EVENT_EXEC)
		describe_program(w, (const void *)record);
}

static void on_found(void *context, uint32_t pid, const char *program)
{
	if (!interps__looks_like_one(program))
		describe(context, pid, true, false);
}

static void on_no_interpreter(void *context, uint32_t pid, const char *reason)
{
	windows__no_interpreter(((struct watch *)context)->windows, pid, reason);
}

static void on_notice(void *context, const char *text)
{
	windows__notice(((struct watch *)context)->windows, text);
}

static void tell_losses(struct watch *w)
{
	struct capture_losses now;
	uint64_t lost = intake__lost(w->intake);

	capture__losses(w->capture, &now);
	windows__lose(w->windows, LOSS_DROPPED_RECORDS, now.dropped - w->losses.dropped + lost - w->lost);
	windows__lose(w->windows, LOSS_BAD_RECORDS, now.bad - w->losses.bad);
	windows__lose(w->windows, LOSS_MISSED_TICKS, now.busy - w->losses.busy);
	windows__lose(w->windows, LOSS_NOT_FOLLOWED, now.no_storage - w->losses.no_storage);
	windows__lose(w->windows, LOSS_DOUBTFUL_NAMES, now.doubtful - w->losses.doubtful);
	w->losses = now;
	w->lost = lost;
}

static bool name_native(void *context, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function)
{
	return native__name(context, pid, space, address, image, function);
}

static bool is_alive(void *context, uint32_t pid)
{
	return !kill(pid, 0) || errno != ESRCH;
}

static void tell_machine(struct watch *w)
{
	uint64_t now = machine_cpu_ns();

	if (w->options->config->all && now > w->machine_ns && w->machine_ns)
		windows__machine(w->windows, now - w->machine_ns);
	w->machine_ns = now;
}

static void tell_heap(struct watch *w)
{
	struct heap_watch heap;

	if (!capture__heap_probes(w->capture))
		return;
	heap_probes__watch(capture__heap_probes(w->capture), clock_ns(CLOCK_MONOTONIC), &heap);
	heap_watch_notices(&heap, w->heap.budget, on_notice, w);
}

static enum watch_action cut(struct watch *w, bool last)
{
	const struct window *window;

	attach__flush(w->attach);
	intake__drain(w->intake);
	tell_losses(w);
	tell_heap(w);
	tell_machine(w);
	w->now = clock_ns(CLOCK_MONOTONIC);
	window = windows__cut(w->windows, w->now, clock_ns(CLOCK_REALTIME) / 1e9);
	if (w->options->window_ns) {
		w->window_end += w->options->window_ns;
		/* the machine slept, or the caller took long */
		if (w->window_end <= w->now)
			w->window_end = w->now + w->options->window_ns;
	}
	if (!window) {
		log_warning("out of memory for a window: it goes on");
		return WATCH_GO_ON;
	}
	return w->options->window(w->options->context, window, last);
}

static void least(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

static struct timespec sleep_time(struct watch *w)
{
	int ms = interps__poll(w->interps, w->now);
	uint64_t at = w->next_drain, ns;

	if (ms >= 0)
		least(&at, w->now + ms * 1000000ULL);
	least(&at, w->window_end);
	least(&at, w->deadline);
	least(&at, w->next_step);
	if (capture__heap_probes(w->capture))
		least(&at, heap_probes__poll(capture__heap_probes(w->capture), w->now));
	ns = at > w->now ? at - w->now : 0;
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static bool over(struct watch *w)
{
	return stop_signal || w->now >= w->deadline || (!w->options->config->all && attach__ended(w->attach));
}

/* One sleep and what came of it. */
static enum watch_action turn(struct watch *w, struct pollfd fds[3])
{
	struct timespec sleep = sleep_time(w);
	enum watch_action action = WATCH_GO_ON;
	int ready = ppoll(fds, 3, &sleep, NULL);

	w->now = clock_ns(CLOCK_MONOTONIC);
	if ((ready > 0 && fds[0].revents) || w->now >= w->next_drain) {
		intake__drain(w->intake);
		/* not in time with anything */
		w->next_drain = w->now + DRAIN_NS / 2 + random() % DRAIN_NS;
	}
	if (w->now >= w->next_shift) {
		capture__shift(w->capture, w->now);
		w->next_shift = w->now + SHIFT_NS;
	}
	if (w->options->step && (ready < 0 || (ready > 0 && fds[2].revents) || w->now >= w->next_step)) {
		w->next_step = UINT64_MAX;
		action = w->options->step(w->options->context, w->now, ready > 0 && fds[2].revents, &w->next_step);
	}
	if (action == WATCH_GO_ON && w->now >= w->window_end)
		action = WATCH_CUT;
	return action;
}

static void follow(struct watch *w)
{
	struct pollfd fds[3] = {
		{ .fd = capture__fd(w->capture), .events = POLLIN },
		{ .fd = w->options->config->all ? -1 : attach__fd(w->attach), .events = POLLIN },
		{ .fd = w->options->input_fd, .events = POLLIN },
	};
	enum watch_action action = WATCH_GO_ON;

	while (action != WATCH_STOP && !over(w)) {
		action = turn(w, fds);
		if (action == WATCH_CUT)
			action = cut(w, false);
	}
	/* what is known of a process that is gone by now may still be in the ring */
	intake__drain(w->intake);
	interps__poll(w->interps, clock_ns(CLOCK_MONOTONIC));
	interps__end(w->interps);
	cut(w, true);
}

static int open_all(struct watch *w, char problem[512])
{
	const struct config *c = w->options->config;
	const struct capture_options capture = { .rate_hz = c->rate_hz, .attach = true, .no_children = !c->children, .all = c->all, .heap_probes = c->memory ? &w->heap : NULL };
	const struct interps_listener listener = { .no_interpreter = on_no_interpreter, .notice = on_notice, .found = on_found, .sparing = true, .unnamed = c->all, .context = w };
	struct window_options window = { .rate_hz = c->rate_hz, .detailed = w->options->detailed, .heap = c->memory, .native = name_native, .alive = is_alive };
	struct intake_options intake = { .sink = on_record, .context = w };
	int err;

	w->heap.budget = c->heap_budget_percent / 100;
	heap_library__sampling(c->precision, &w->heap.stride, &w->heap.rate);
	err = capture__open(&w->capture, &capture, problem);

	if (err)
		return err;
	snprintf(problem, 512, "out of memory");
	w->native = native__new(0);
	if (!w->native)
		return -ENOMEM;
	w->strings = strings__new();
	w->symbols = w->strings ? symbols__new(w->strings, code__read) : NULL;
	window.native_context = w->native;
	w->windows = w->symbols ? windows__new(&window, w->strings, w->symbols, clock_ns(CLOCK_MONOTONIC)) : NULL;
	w->interps = w->windows ? interps__new(w->capture, w->symbols, &listener, NULL) : NULL;
	intake.capture = w->capture;
	intake.symbols = w->symbols;
	intake.interps = w->interps;
	w->intake = w->interps ? intake__new(&intake) : NULL;
	return w->intake ? 0 : -ENOMEM;
}

static int begin(struct watch *w, char problem[512])
{
	const struct config *c = w->options->config;
	const struct attach_tools tools = { .capture = w->capture, .interps = w->interps, .children = c->children, .all = c->all, .sink = on_record, .notice = w->options->tell_attached ? on_notice : NULL, .context = w };
	int err;

	w->attach = attach__new(&w->attached, &tools);
	if (!w->attach)
		return -ENOMEM;
	err = attach__begin(w->attach, problem);
	if (err)
		return err;
	err = identity__drop_capabilities(capture__needs_admin(w->capture));
	if (err)
		log_debug("cannot drop capabilities: %s", strerror(-err));
	if (w->options->started)
		w->options->started(w->options->context, attach__count(w->attach));
	w->now = clock_ns(CLOCK_MONOTONIC);
	windows__begin(w->windows, w->now);
	w->machine_ns = machine_cpu_ns();
	w->deadline = c->seconds ? w->now + (uint64_t)(c->seconds * 1e9) : UINT64_MAX;
	w->window_end = w->options->window_ns ? w->now + w->options->window_ns : UINT64_MAX;
	w->next_step = w->options->step ? w->now : UINT64_MAX;
	return 0;
}

static int check(struct watch *w, char problem[512])
{
	const struct config *c = w->options->config;
	int err = identity__may_profile(problem);

	if (err)
		return err;
	if (!c->all)
		return attached__find(&w->attached, c, w->options->identity, problem);
	if (process_all_allowed())
		return 0;
	snprintf(problem, 512, "only root, or who was given the capabilities himself, may watch all processes: run it with sudo");
	return -EPERM;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }, old;

	sigemptyset(&action.sa_mask);
	sigaction(SIGTERM, &action, NULL);
	/* in the background of a plain shell it is ignored: the Ctrl-C there is for others */
	if (!sigaction(SIGINT, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int watch_run(const struct watch_options *options, char problem[512])
{
	struct watch w = { .options = options };
	int err = check(&w, problem);

	if (!err) {
		catch_signals();
		err = open_all(&w, problem);
	}
	err = err ? err : begin(&w, problem);
	if (!err)
		follow(&w);
	attach__free(w.attach);
	intake__free(w.intake);
	interps__free(w.interps);
	windows__free(w.windows);
	native__free(w.native);
	symbols__free(w.symbols);
	strings__free(w.strings);
	capture__free(w.capture);
	attached__release(&w.attached);
	return err;
}
