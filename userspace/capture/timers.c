// SPDX-License-Identifier: Apache-2.0
#include "capture/timers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rates are random, from this part of the nominal one to as much above it. */
#define RATE_MIN 0.7
/* Threads with a timer of their own; and how many of them get another period at a time. */
#define ATTACHED_MAX 400
#define ATTACHED_AT_ONCE 4

/* On a larger machine, ticks on CPUs that do something else cost more than the target saves. */
#define FOR_GOOD_CPUS_MAX 32

static double random_part(void)
{
	return RATE_MIN + 2 * (1 - RATE_MIN) * ((double)random() / RAND_MAX);
}

static uint64_t random_period(double rate_hz)
{
	return 1e9 / (rate_hz * random_part());
}

static int open_timer(pid_t pid, int cpu, uint64_t period_ns, bool threads_only)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
		.inherit = cpu < 0,
		.inherit_thread = cpu < 0 && threads_only,
		.exclude_idle = cpu >= 0,
	};
	int fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* A timer with the program on it, disabled. */
static int add(int *timer, int *link, int program, pid_t pid, int cpu, uint64_t period_ns, bool threads_only)
{
	*timer = open_timer(pid, cpu, period_ns, threads_only);
	if (*timer < 0)
		return *timer;
	*link = bpf_link_create(program, *timer, BPF_PERF_EVENT, NULL);
	return *link < 0 ? *link : 0;
}

static void close_pair(int link, int timer)
{
	if (link >= 0)
		close(link);
	if (timer >= 0)
		close(timer);
}

static void close_cpus(struct timers *t)
{
	for (int i = 0; i < t->n_cpus; i++)
		close_pair(t->cpu_links[i], t->cpus[i]);
	free(t->cpus);
	free(t->cpu_links);
	t->cpus = t->cpu_links = NULL;
	t->n_cpus = 0;
}

static int open_cpus(struct timers *t)
{
	int n = sysconf(_SC_NPROCESSORS_CONF), err;

	t->cpus_period_ns = random_period(t->rate_hz);
	t->cpus = calloc(n, sizeof(*t->cpus));
	t->cpu_links = calloc(n, sizeof(*t->cpu_links));
	if (!t->cpus || !t->cpu_links)
		return -ENOMEM;
	for (int cpu = 0; cpu < n; cpu++) {
		int at = t->n_cpus++;

		t->cpus[at] = t->cpu_links[at] = -1;
		err = add(&t->cpus[at], &t->cpu_links[at], t->program, -1, cpu, t->cpus_period_ns, false);
		if (err == -ENODEV) /* it is offline */
			t->n_cpus--;
		else if (err)
			return err;
	}
	return 0;
}

int timers__open(struct timers *t, pid_t pid, int rate_hz, int program, bool plain)
{
	int err = 0;

	t->rate_hz = rate_hz;
	t->program = program;
	for (int i = 0; i < (plain ? 1 : TASK_TIMERS) && !err; i++)
		err = add(&t->task[i], &t->task_links[i], program, pid, -1, plain ? 1000000000ULL / rate_hz : random_period(rate_hz), false);
	if (!err && ioctl(t->task[0], PERF_EVENT_IOC_ENABLE, 0))
		err = -errno;
	return err;
}

static void close_attached(struct timers *t)
{
	for (size_t i = 0; i < t->n_attached; i++)
		close_pair(t->attached[i].link, t->attached[i].timer);
	free(t->attached);
	t->attached = NULL;
	t->n_attached = t->cap_attached = 0;
}

int timers__attach(struct timers *t, pid_t tid, int rate_hz, int program)
{
	struct task_timer timer = { -1, -1 };
	int err;

	t->rate_hz = rate_hz;
	t->program = program;
	if (t->only_cpus)
		return 0;
	if (t->n_attached == ATTACHED_MAX) {
		close_attached(t);
		t->only_cpus = true;
		return 0;
	}
	if (t->n_attached == t->cap_attached) {
		size_t capacity = t->cap_attached ? 2 * t->cap_attached : 16;
		struct task_timer *grown = realloc(t->attached, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		t->attached = grown;
		t->cap_attached = capacity;
	}
	err = add(&timer.timer, &timer.link, program, tid, -1, random_period(rate_hz), t->threads_only);
	if (err) {
		close_pair(timer.link, timer.timer);
		return err;
	}
	t->attached[t->n_attached++] = timer;
	return 0;
}

double timers__ticks(int rate_hz)
{
	return (double)rate_hz * sysconf(_SC_NPROCESSORS_ONLN);
}

bool timers__cpus_fit(int rate_hz)
{
	int timer = timers__ticks(rate_hz) <= TICKS_CHEAP ? open_timer(-1, 0, random_period(rate_hz), false) : -1;

	if (timer < 0)
		return false;
	close(timer);
	return true;
}

void timers__only_cpus(struct timers *t, int rate_hz, int program)
{
	t->rate_hz = rate_hz;
	t->program = program;
	t->only_cpus = true;
}

static void switch_attached(struct timers *t, bool on)
{
	for (size_t i = 0; i < t->n_attached; i++)
		ioctl(t->attached[i].timer, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

int timers__enable(struct timers *t)
{
	t->enabled = true;
	if (t->only_cpus)
		return t->all_cpus || timers__all_cpus(t, true) ? 0 : t->failed;
	if (!t->all_cpus)
		switch_attached(t, true);
	return 0;
}

static void set_period(int timer, uint64_t period_ns)
{
	ioctl(timer, PERF_EVENT_IOC_PERIOD, &period_ns);
}

/* lost_hz: ticks that changes of period lose. */
static void shift_cpus(struct timers *t, double lost_hz)
{
	double rate_hz = t->rate_hz * random_part();

	t->cpus_period_ns = 1e9 / rate_hz;
	for (int i = 0; i < t->n_cpus; i++)
		set_period(t->cpus[i], 1e9 / (rate_hz + lost_hz));
}

void timers__shift(struct timers *t, uint64_t now_ns, bool alone)
{
	/* a change breaks off the current period: half a tick is lost each time, on average */
	double lost_hz = now_ns > t->shifted_ns ? 0.5e9 / (now_ns - t->shifted_ns) : 0;

	t->shifted_ns = now_ns;
	if (t->all_cpus) {
		shift_cpus(t, lost_hz);
		return;
	}
	for (size_t i = 0; i < t->n_attached && i < ATTACHED_AT_ONCE; i++)
		set_period(t->attached[t->next_attached++ % t->n_attached].timer, random_period(t->rate_hz + lost_hz));
	if (t->task[!t->current] < 0)
		return;
	set_period(t->task[alone ? t->current : !t->current], random_period(t->rate_hz + lost_hz));
	if (alone)
		return;
	ioctl(t->task[t->current], PERF_EVENT_IOC_DISABLE, 0);
	t->current = !t->current;
	ioctl(t->task[t->current], PERF_EVENT_IOC_ENABLE, 0);
}

bool timers__all_cpus(struct timers *t, bool on)
{
	bool attached = t->enabled;

	if (t->all_cpus == on || t->failed || (!attached && t->task[!t->current] < 0) || (!on && t->only_cpus))
		return false;
	if (on) {
		t->failed = open_cpus(t);
		if (t->failed) {
			close_cpus(t);
			return false;
		}
	}
	t->all_cpus = on;
	if (attached)
		switch_attached(t, !on);
	else
		ioctl(t->task[t->current], on ? PERF_EVENT_IOC_DISABLE : PERF_EVENT_IOC_ENABLE, 0);
	for (int i = 0; on && i < t->n_cpus; i++)
		ioctl(t->cpus[i], PERF_EVENT_IOC_ENABLE, 0);
	if (!on)
		close_cpus(t);
	return true;
}

static void close_task(struct timers *t)
{
	for (int i = 0; i < TASK_TIMERS; i++) {
		close_pair(t->task_links[i], t->task[i]);
		t->task[i] = t->task_links[i] = -1;
	}
}

bool timers__all_cpus_for_good(struct timers *t)
{
	if (t->only_cpus || (!t->enabled && t->task[!t->current] < 0) || sysconf(_SC_NPROCESSORS_ONLN) > FOR_GOOD_CPUS_MAX)
		return false;
	if (!t->all_cpus && !timers__all_cpus(t, true))
		return false;
	close_task(t);
	close_attached(t);
	t->only_cpus = true;
	return true;
}

void timers__close(struct timers *t)
{
	close_task(t);
	close_cpus(t);
	close_attached(t);
	*t = (struct timers)TIMERS_INIT;
}
