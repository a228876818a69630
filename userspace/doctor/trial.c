// SPDX-License-Identifier: Apache-2.0
#include "doctor/trial.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/capture.h"
#include "python/interp.h"
#include "target/launch.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define RATE_HZ 1000
#define PAUSE_US 2000
/* However slow the machine is. */
#define PATIENCE_NS 10000000000ULL
#define ATTACHED_NS 150000000ULL
#define STRIDE (128 << 10)

/* A tenth of a second of work; or as long as one lets it. */
static const char *const short_work = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass";
static const char *const long_work = "import time\nend = time.process_time() + 20\nwhile time.process_time() < end: pass";

struct run {
	struct trial *trial;
	struct capture *capture;
	struct launch *launch;
	struct interp_cache *cache;
	pid_t pid;
	uint32_t space; /* its last one; 0: not heard of */
	bool known;     /* the walker knows its interpreter */
	bool ended;
};

static void on_record(void *context, const struct event_header *record)
{
	struct run *r = context;
	const struct event_stack *stack = (const struct event_stack *)record;

	if (record->kind == EVENT_EXEC && record->pid == (uint32_t)r->pid) {
		r->space = record->space;
		r->known = false;
	} else if (record->kind == EVENT_CPU) {
		r->trial->samples++;
		r->trial->python += stack->n_frames > 0;
	}
}

static void look(struct run *r)
{
	struct interp_process found;

	if (!r->known && r->space && !interp__find(r->cache, r->pid, &found) && found.status == INTERP_OK)
		r->known = !capture__set_interp(r->capture, r->pid, r->space, found.binary, found.bias);
}

static bool poll_end(struct run *r)
{
	int status;
	struct rusage usage;

	r->ended = r->ended || launch__poll(r->launch, &status, &usage) != 0;
	return r->ended;
}

static int start(struct run *r, const struct identity *id, const char *python, const char *work)
{
	char *const argv[] = { (char *)python, "-I", "-S", "-c", (char *)work, NULL };
	const struct launch_spec spec = { .identity = id, .program = python, .argv = argv, .envp = id->environment };
	const char *step;
	int err = launch__start(r->launch, &spec, &step);

	if (err)
		snprintf(r->trial->problem, sizeof(r->trial->problem), "cannot start '%s': %s: %s", python, step, strerror(-err));
	return err;
}

/* The waiting child, and what is needed to know interpreters. */
static int prepare(struct run *r, struct trial *trial)
{
	int err;

	*r = (struct run){ .trial = trial, .cache = interp_cache__new() };
	*trial = (struct trial){};
	err = r->cache ? launch__prepare(&r->launch) : -ENOMEM;
	if (err)
		snprintf(trial->problem, sizeof(trial->problem), "cannot fork: %s", strerror(-err));
	else
		r->pid = launch__pid(r->launch);
	return err;
}

static void release(struct run *r, int err)
{
	r->trial->err = err;
	capture__free(r->capture);
	launch__free(r->launch);
	interp_cache__free(r->cache);
}

void trial_script(struct trial *trial, const struct identity *id, const char *python)
{
	const struct capture_options options = { .rate_hz = RATE_HZ };
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	struct run r;
	int err = prepare(&r, trial);

	if (!err)
		err = capture__open(&r.capture, &options, trial->problem);
	if (!err)
		err = capture__follow(r.capture, r.pid, trial->problem);
	if (!err)
		err = start(&r, id, python, short_work);
	while (!err && !poll_end(&r) && clock_ns(CLOCK_MONOTONIC) - begin < PATIENCE_NS) {
		usleep(PAUSE_US);
		capture__drain(r.capture, on_record, &r);
		look(&r);
	}
	if (!err)
		capture__drain(r.capture, on_record, &r);
	release(&r, err);
}

/* What attach.c does for one process with one thread, which runs all the time. */
static int attach(struct run *r)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, r->pid, 0);
	uint64_t begin;
	int err = pidfd < 0 ? -errno : capture__mark(r->capture, pidfd, &r->space);

	if (!err) {
		err = capture__adopt(r->capture);
		err = err < 0 ? err : 0;
	}
	if (!err)
		look(r);
	if (!err)
		err = capture__attach_timer(r->capture, r->pid);
	for (int again = 0; again < 2 && !err; again++)
		err = capture__start(r->capture, again);
	begin = clock_ns(CLOCK_MONOTONIC);
	/* on a slow machine the interpreter may not have begun with its work */
	while (!err && clock_ns(CLOCK_MONOTONIC) - begin < (r->trial->python ? ATTACHED_NS : PATIENCE_NS / 4)) {
		usleep(PAUSE_US);
		capture__drain(r->capture, on_record, r);
	}
	if (err)
		snprintf(r->trial->problem, sizeof(r->trial->problem), "cannot attach to a process: %s", strerror(-err));
	return err;
}

/* It has its interpreter in its memory. */
static void await(struct run *r)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	struct interp_process found = { .status = INTERP_NOT_PYTHON };

	while (!poll_end(r) && clock_ns(CLOCK_MONOTONIC) - begin < PATIENCE_NS / 2) {
		if (!interp__find(r->cache, r->pid, &found) && found.status == INTERP_OK)
			break;
		usleep(PAUSE_US);
	}
	/* the interpreter's own start */
	usleep(30 * 1000);
}

void trial_attach(struct trial *trial, const struct identity *id, const char *python)
{
	const struct capture_options options = { .rate_hz = RATE_HZ, .attach = true };
	struct run r;
	int err = prepare(&r, trial);
	bool started = false;

	if (!err)
		err = capture__open(&r.capture, &options, trial->problem);
	if (!err)
		err = start(&r, id, python, long_work);
	if (!err) {
		started = true;
		await(&r);
		err = attach(&r);
	}
	if (started && !poll_end(&r)) {
		kill(r.pid, SIGKILL);
		while (!poll_end(&r))
			usleep(PAUSE_US);
	}
	release(&r, err);
}

int trial_library(const char *library, char problem[512])
{
	const struct capture_options options = { .rate_hz = RATE_HZ, .heap_library = library };
	struct capture *capture = NULL;
	int err = capture__open(&capture, &options, problem);

	capture__free(capture);
	return err;
}

int trial_probes(bool *admin, char problem[512])
{
	const struct heap_probes_options probes = { .stride = STRIDE, .rate = RATE_HZ, .budget = 0.03 };
	const struct capture_options options = { .rate_hz = RATE_HZ, .attach = true, .heap_probes = &probes };
	struct capture *capture = NULL;
	int err = capture__open(&capture, &options, problem);

	*admin = !err && capture__needs_admin(capture);
	capture__free(capture);
	return err;
}
