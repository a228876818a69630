// SPDX-License-Identifier: Apache-2.0
/*
 * In rounds: the processes that are not yet targets are marked, their threads become targets, their interpreters are looked at, each
 * thread gets a timer, the stacks of those that sleep are read, and all of it begins to count. What they forked
 * meanwhile is the next round's; what they fork from then on the kernel side follows.
 */
#include "attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/remote.h"
#include "python/remote_walk.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* Rounds until nothing new is forked; a fork bomb is not worth more. */
#define ROUNDS_MAX 20
/* Processes of which the report says how large they were. */
#define TOLD_MAX 8

struct attachee {
	struct event_attach event;
	uint64_t start_ns;
	bool named, ended, found;
	struct interp_process interp; /* if found */
	int pidfd;                    /* of those named; else -1 */
};

struct attach {
	const struct attached *attached;
	struct attach_tools tools;
	struct remote_walk *walker;
	struct attachee *list;
	size_t n, capacity, first_new; /* those of this round begin there */
	size_t named, ended;
	int epoll;
};

struct attach *attach__new(const struct attached *attached, const struct attach_tools *tools)
{
	struct attach *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->attached = attached;
	a->tools = *tools;
	a->walker = remote_walk__new();
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!a->walker || a->epoll < 0) {
		attach__free(a);
		return NULL;
	}
	return a;
}

void attach__free(struct attach *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].pidfd >= 0)
			close(a->list[i].pidfd);
	}
	if (a->epoll >= 0)
		close(a->epoll);
	remote_walk__free(a->walker);
	free(a->list);
	free(a);
}

static void record(struct attach *a, const struct event_header *event)
{
	if (a->tools.recording)
		recording__append(a->tools.recording, event);
	a->tools.sink(a->tools.context, event);
}

static struct attachee *find(struct attach *a, pid_t pid)
{
	for (size_t i = 0; i < a->n; i++) {
		if (a->list[i].event.head.pid == (uint32_t)pid)
			return &a->list[i];
	}
	return NULL;
}

static void fill_event(struct attach *a, struct event_attach *event, pid_t pid, uint32_t space, const struct process_stat *stat)
{
	char link[64];
	ssize_t n;

	*event = (struct event_attach){
		.head = { .kind = EVENT_ATTACH, .size = sizeof(*event), .time_ns = clock_ns(CLOCK_MONOTONIC), .pid = pid, .tid = pid, .space = space },
		.parent_pid = find(a, stat->parent) ? stat->parent : 0,
		.utime_ns = stat->utime_ns,
		.stime_ns = stat->stime_ns,
	};
	snprintf(link, sizeof(link), "/proc/%d/exe", remote__thread(pid));
	n = readlink(link, event->path, sizeof(event->path) - 1);
	if (n <= 0)
		snprintf(event->path, sizeof(event->path), "%s", stat->name);
}

/* Marks a process that is none of ours yet. -EEXIST: it is; -ESRCH: it is gone. */
static int mark(struct attach *a, pid_t pid, bool named)
{
	_cleanup_close_ int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct epoll_event wanted = { .events = EPOLLIN };
	struct process_stat stat;
	struct attachee new = { .named = named, .pidfd = -1 };
	uint32_t space;
	int err;

	if (pidfd < 0)
		return -errno;
	err = process_stat(pid, &stat);
	if (!err)
		err = capture__mark(a->tools.capture, pidfd, &space);
	if (err)
		return err;
	if (a->n == a->capacity) {
		size_t capacity = a->capacity ? 2 * a->capacity : 16;
		struct attachee *grown = realloc(a->list, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		a->list = grown;
		a->capacity = capacity;
	}
	fill_event(a, &new.event, pid, space, &stat);
	/* the two clocks differ by the time that the machine was suspended */
	new.start_ns = new.event.head.time_ns - (clock_ns(CLOCK_BOOTTIME) - stat.start_ns);
	if (named) {
		wanted.data.u64 = a->n;
		if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, pidfd, &wanted))
			return -errno;
		new.pidfd = pidfd;
		pidfd = -1;
		a->named++;
	}
	a->list[a->n++] = new;
	return 0;
}

/* They come first; then, if wanted, what they have forked. */
static int add_named(struct attach *a, struct pid_list *list)
{
	const struct pid_list *named = &a->attached->named;
	int err = 0;

	for (size_t i = 0; i < named->n && err >= 0; i++)
		err = pid_list_add(list, named->pids[i]);
	return err >= 0 && a->tools.children ? processes_add_descendants(list) : err;
}

/* The processes of this round. */
static int mark_all(struct attach *a)
{
	size_t n_named = a->tools.all ? 0 : a->attached->named.n;
	struct pid_list all = {};
	int err;

	a->first_new = a->n;
	err = a->tools.all ? processes_all(&all) : add_named(a, &all);
	for (size_t i = 0; i < all.n && err >= 0; i++) {
		if (all.pids[i] == getpid() || find(a, all.pids[i]))
			continue;
		err = mark(a, all.pids[i], i < n_named);
		if (err == -EEXIST || err == -ESRCH || err == -EINVAL) {
			log_debug("process %d is not attached to: %s", all.pids[i], strerror(-err));
			err = 0;
		}
	}
	pid_list_release(&all);
	return err < 0 ? err : 0;
}

static void look_at_interpreters(struct attach *a)
{
	for (size_t i = a->first_new; i < a->n; i++) {
		struct attachee *e = &a->list[i];

		record(a, &e->event.head);
		e->found = interps__attach(a->tools.interps, &e->event, e->start_ns, e->named, &e->interp);
	}
}

/* A thread that was born of one with a timer has it too; of others we hear when we list the threads once more. */
static int add_timers(struct attach *a, pid_t pid)
{
	struct pid_list threads = {};
	size_t done = 0;
	int err;

	do {
		err = process_threads(pid, &threads);
		if (err || done == threads.n)
			break;
		for (; done < threads.n && !err; done++) {
			err = capture__attach_timer(a->tools.capture, threads.pids[done]);
			if (err == -ESRCH)
				err = 0;
		}
	} while (!err);
	pid_list_release(&threads);
	return err == -ESRCH ? 0 : err;
}

static void take_thread(void *context, const struct attach_thread *thread)
{
	struct attach *a = context;
	const struct attachee *e = find(a, thread->pid);
	const struct event_header head = { .time_ns = clock_ns(CLOCK_MONOTONIC), .pid = thread->pid, .tid = thread->tid, .space = thread->space };
	const struct event_stack *stack;

	if (!e || !e->found)
		return;
	stack = remote_walk__stack(a->walker, &e->interp, thread->fsbase, &head);
	record(a, &stack->head);
	capture__place(a->tools.capture, thread, stack->weight);
}

/* Where the heap is to be seen. A process that cannot be watched is told of at the end. */
static void follow_heaps(struct attach *a)
{
	struct heap_probes *probes = capture__heap_probes(a->tools.capture);

	for (size_t i = a->first_new; probes && i < a->n; i++) {
		pid_t pid = a->list[i].event.head.pid;
		int err = heap_probes__follow(probes, pid, clock_ns(CLOCK_MONOTONIC));

		if (err)
			log_warning("cannot put probes on the allocator of process %d: %s", pid, strerror(-err));
	}
}

/* One round over the processes from first_new on. */
static int attach_round(struct attach *a, const char **step)
{
	int err;

	*step = "find their threads";
	err = capture__adopt(a->tools.capture);
	if (err < 0)
		return err;
	look_at_interpreters(a);
	*step = "put timers on their threads";
	for (size_t i = a->first_new; i < a->n && !a->tools.all; i++) {
		err = add_timers(a, a->list[i].event.head.pid);
		if (err)
			return err;
	}
	follow_heaps(a);
	*step = "start the timers";
	for (int again = 0; again < 2; again++) {
		err = capture__look(a->tools.capture, take_thread, a);
		err = err ? err : capture__start(a->tools.capture, again);
		if (err)
			return err;
	}
	return 0;
}

/* Two descriptors per thread. */
static void raise_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* The clock starts now, for those that were there from the beginning. A whole machine has no start that would matter. */
static void set_start(struct attach *a)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < a->n && !a->tools.all; i++) {
		a->list[i].event.head.time_ns = now;
		record(a, &a->list[i].event.head);
	}
}

static void tell(struct attach *a)
{
	size_t named = 0, threads = 0;
	char text[512];

	if (a->tools.all || !a->tools.notice)
		return;
	for (size_t i = 0; i < a->n; i++) {
		const struct attachee *e = &a->list[i];
		pid_t pid = e->event.head.pid;
		struct pid_list tasks = {};
		struct process_stat stat;

		process_threads(pid, &tasks);
		threads += tasks.n;
		pid_list_release(&tasks);
		if (!e->named || ++named > TOLD_MAX || process_stat(pid, &stat))
			continue;
		snprintf(text, sizeof(text), "attached to process %d, '%s': its RSS was %.1f MB then, what is reported is its growth", pid, stat.name, process_status_bytes(pid, "VmRSS") / 1048576.0);
		a->tools.notice(a->tools.context, text);
	}
	if (a->n > 1) {
		snprintf(text, sizeof(text), "attached to %zu processes, %zu of them as descendants", a->n, a->n - a->named);
		a->tools.notice(a->tools.context, text);
	}
	log_debug("attached to %zu processes with %zu threads", a->n, threads);
}

int attach__begin(struct attach *a, char problem[512])
{
	const char *step = "mark them";
	char what[64];
	int err = 0;

	raise_limit();
	for (int round = 0; round < ROUNDS_MAX && !err; round++) {
		step = "mark them";
		err = mark_all(a);
		if (!err && a->first_new == a->n)
			break;
		if (!err)
			err = attach_round(a, &step);
		if (!err && !round)
			set_start(a);
	}
	if (!err && !a->n) {
		snprintf(problem, 512, "the process%s ended before it could be attached to", a->attached->named.n > 1 ? "es have" : " has");
		return -ESRCH;
	}
	if (err) {
		snprintf(what, sizeof(what), "attach to the processes: %s", step);
		capture__explain(a->tools.capture, what, err, problem);
		return err;
	}
	tell(a);
	return 0;
}

bool attach__ended(struct attach *a)
{
	struct epoll_event events[16];
	int n;

	while ((n = epoll_wait(a->epoll, events, 16, 0)) > 0) {
		for (int i = 0; i < n; i++) {
			struct attachee *e = &a->list[events[i].data.u64];

			epoll_ctl(a->epoll, EPOLL_CTL_DEL, e->pidfd, NULL);
			a->ended += !e->ended;
			e->ended = true;
		}
	}
	return a->ended == a->named;
}

int attach__fd(const struct attach *a)
{
	return a->epoll;
}

size_t attach__count(const struct attach *a)
{
	return a->n;
}

void attach__flush(struct attach *a)
{
	int err = capture__flush(a->tools.capture, false);

	if (err)
		log_debug("cannot tell what waits now: %s", strerror(-err));
}

/* Less than before: another process has its number by now. */
static uint64_t since(uint64_t ns, uint64_t before)
{
	return ns > before ? ns - before : 0;
}

/* Of a process that goes on, the kernel's figures so far. */
static void update(struct attach *a, struct profile_process *p)
{
	const struct attachee *e = find(a, p->pid);
	struct process_stat stat;

	if (p->end_ns || process_stat(p->pid, &stat))
		return;
	p->utime_ns = since(stat.utime_ns, e ? e->event.utime_ns : 0);
	p->stime_ns = since(stat.stime_ns, e ? e->event.stime_ns : 0);
	p->max_rss_bytes = process_status_bytes(p->pid, "VmHWM");
}

static void describe_status(char *text, size_t size, uint32_t pid, int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "Process %u was ended by signal %d (%s).", pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "Process %u ended with exit status %d.", pid, WEXITSTATUS(status));
}

static void describe(struct attach *a, struct profile *p, char *text, size_t size)
{
	size_t running = a->named - a->ended;
	uint32_t pid = a->n ? a->list[0].event.head.pid : 0;

	if (running) {
		snprintf(text, size, a->named == 1 ? "Detached from process %u, which goes on." : "Detached from process %u and %zu more; %zu of them go on.", pid, a->named - 1, running);
		return;
	}
	snprintf(text, size, "All %zu processes have ended.", a->named);
	for (size_t i = 0; i < p->n_processes && a->named == 1; i++) {
		if (p->processes[i].pid == pid && p->processes[i].end_ns)
			describe_status(text, size, pid, p->processes[i].status);
	}
}

void attach__facts(struct attach *a, struct profile *p, struct strings *strings)
{
	char text[160];

	for (size_t i = 0; i < p->n_processes; i++) {
		struct profile_process *process = &p->processes[i];

		update(a, process);
		p->utime_ns += process->utime_ns;
		p->stime_ns += process->stime_ns;
		if (process->max_rss_bytes > p->max_rss_bytes)
			p->max_rss_bytes = process->max_rss_bytes;
	}
	describe(a, p, text, sizeof(text));
	p->ended_how = strings__intern(strings, text);
}
