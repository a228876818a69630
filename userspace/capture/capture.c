// SPDX-License-Identifier: Apache-2.0
#include "capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bpf/shared.h"
#include "capture/choose.h"
#include "capture/library_probes.h"
#include "capture/probe_set.h"
#include "capture/timers.h"
#include "util/capability.h"
#include "util/cleanup.h"
#include "util/log.h"

/* What the skeleton refers to: only sizes matter here. */
#include "fixingahole.skel.h"

/* We take less to close what is ours. */
#define CLOSE_GRACE_US 300000

struct capture {
	struct fixingahole_bpf *skeleton;
	struct ring_buffer *ring;
	struct capture_options options;
	struct timers timers;
	struct heap_probes *heap_probes;
	struct calls_probes *calls_probes;
	struct library_probes library_probes;
	struct py_layout layouts[PY_MAX_LAYOUTS];
	unsigned int n_layouts;
	uint64_t bad;
	int timer_err; /* why a timer could not be put on, the last time */
	/* during a drain */
	record_sink sink;
	void *context;
	int n_drained;
};

static int libbpf_log(enum libbpf_print_level level, const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	/* the verifier's log comes as one text of many lines */
	n = vasprintf(&text, format, args);
	if (n < 0) {
		text = NULL;
		return 0;
	}
	if (n && text[n - 1] == '\n')
		text[n - 1] = 0;
	log_debug("%s", text);
	return 0;
}

static int on_record(void *context, void *data, size_t size)
{
	struct capture *c = context;

	if (record_valid(data, size)) {
		c->sink(c->context, data);
		c->n_drained++;
	} else {
		c->bad++;
	}
	return 0;
}

static const char *remedy_of(int err)
{
	/* the capabilities were checked before */
	if (err == -EPERM || err == -EACCES)
		return "this kernel, or a container's or security module's rules, refuse it; 'fixingahole doctor' finds out";
	if (err == -ENOENT || err == -ESRCH || err == -EINVAL)
		return "this needs Linux 6.1 or later with BTF (/sys/kernel/btf/vmlinux)";
	if (err == -EMFILE || err == -ENFILE)
		return "raise the limit of open files ('ulimit -n')";
	return "--verbose tells more";
}

static int describe(char problem[512], int err, const char *what)
{
	snprintf(problem, 512, "cannot %s: %s: %s", what, strerror(-err), remedy_of(err));
	return err;
}

/* Debian's and Ubuntu's kernels know levels that upstream does not, at which CAP_PERFMON is not enough for a timer. True: this may be one. */
static bool timers_want_admin(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level;

	return file && fscanf(file, "%d", &level) == 1 && level > 2;
}

void capture__explain(const struct capture *c, const char *what, int err, char problem[512])
{
	if (err == -EACCES && err == c->timer_err && !capability_effective(CAP_SYS_ADMIN) && timers_want_admin())
		snprintf(problem, 512, "cannot %s: %s: kernel.perf_event_paranoid is above 2, for which this kernel may want CAP_SYS_ADMIN: 'sudo sysctl kernel.perf_event_paranoid=2'", what, strerror(-err));
	else
		describe(problem, err, what);
}

static int attach_library(struct capture *c)
{
	struct library_probe list[LIBRARY_PROBES];

	choose_library_list(c->skeleton, list);
	return library_probes__attach(&c->library_probes, c->options.heap_library, list, LIBRARY_PROBES);
}

/* What the heap's probes need to hear of processes, before on_exec and on_exit change their state. */
static int attach_heap_processes(struct capture *c)
{
	struct fixingahole_bpf *s = c->skeleton;

	s->links.heap_exec = bpf_program__attach(s->progs.heap_exec);
	s->links.heap_exit = bpf_program__attach(s->progs.heap_exit);
	return s->links.heap_exec && s->links.heap_exit ? 0 : -errno;
}

/* The heap's probes themselves come with the processes. */
static int open_heap_probes(struct capture *c)
{
	struct fixingahole_bpf *s = c->skeleton;
	const struct heap_probes_programs kernel = {
		.call = s->progs.heap_call, .enter = s->progs.heap_enter, .leave = s->progs.heap_leave,
		.controls = s->maps.heap_controls, .states = s->maps.heap_states, .fresh = s->maps.heap_fresh, .blocks = s->maps.heap_blocks,
	};

	s->links.heap_fork = bpf_program__attach(s->progs.heap_fork);
	return s->links.heap_fork ? heap_probes__new(&c->heap_probes, &kernel, c->options.heap_probes) : -errno;
}

/* They come with the interpreters that are found. */
static int open_calls_probes(struct capture *c)
{
	struct fixingahole_bpf *s = c->skeleton;
	const struct calls_probes_programs kernel = {
		.call = s->progs.calls_call, .enter = s->progs.calls_enter, .controls = s->maps.calls_controls, .costs = s->maps.calls_costs, .counts = s->maps.calls_counts,
	};

	s->links.calls_exit = bpf_program__attach(s->progs.calls_exit);
	return s->links.calls_exit ? calls_probes__new(&c->calls_probes, &kernel, c->options.calls_budget) : -errno;
}

/* The programs that see every switch, page and process; the timer comes with the target. */
static int attach_all(struct capture *c)
{
	struct fixingahole_bpf *s = c->skeleton;

	if (c->options.heap_probes) {
		int err = attach_heap_processes(c);

		if (err)
			return err;
	}
	s->links.on_fork = bpf_program__attach(s->progs.on_fork);
	s->links.on_exec = bpf_program__attach(s->progs.on_exec);
	s->links.on_exit = bpf_program__attach(s->progs.on_exit);
	s->links.on_switch = bpf_program__attach(s->progs.on_switch);
	s->links.on_rss_stat = bpf_program__attach(s->progs.on_rss_stat);
	if (!s->links.on_fork || !s->links.on_exec || !s->links.on_exit || !s->links.on_switch || !s->links.on_rss_stat)
		return -errno;
	if (c->options.live) /* while we may; --live without it lacks what still waits */
		s->links.attach_tasks = bpf_program__attach_iter(s->progs.attach_tasks, NULL);
	return 0;
}

/* Which PIDs ours are. */
static int learn_namespace(struct capture *c)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	return bpf_prog_test_run_opts(bpf_program__fd(c->skeleton->progs.learn_namespace), &options);
}

static int load(struct capture *c, char problem[512])
{
	int err;

	libbpf_set_print(libbpf_log);
	/* before 5.11 only; failure shows at load */
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL & ~LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK);
	c->skeleton = fixingahole_bpf__open();
	if (!c->skeleton)
		return describe(problem, -errno, "open the BPF object");
	choose_programs(c->skeleton, &c->options);
	err = fixingahole_bpf__load(c->skeleton);
	if (err)
		return describe(problem, err, "load the BPF programs");
	if (c->options.empty)
		return 0;
	err = learn_namespace(c);
	if (err)
		return describe(problem, err, "tell the PID namespace");
	err = attach_all(c);
	if (err)
		return describe(problem, err, "attach to the kernel's tracepoints");
	err = c->options.heap_library ? attach_library(c) : c->options.heap_probes ? open_heap_probes(c) : 0;
	if (err == -EACCES || err == -EPERM)
		snprintf(problem, 512, "cannot put the heap's probes on functions: %s: before Linux %s this takes CAP_SYS_ADMIN; run it with sudo", strerror(-err), c->options.heap_library ? "6.6" : "6.13");
	else if (err)
		describe(problem, err, "put a probe on a function");
	if (err)
		return err;
	err = c->options.calls_probes ? open_calls_probes(c) : 0;
	if (err == -EACCES || err == -EPERM)
		snprintf(problem, 512, "cannot put probes that count calls on functions: %s: before Linux 6.13 this takes CAP_SYS_ADMIN; run it with sudo", strerror(-err));
	else if (err)
		describe(problem, err, "put a probe on a function");
	if (err)
		return err;
	if (c->options.all || (c->options.attach && timers__cpus_fit(c->options.rate_hz)))
		timers__only_cpus(&c->timers, c->options.rate_hz, bpf_program__fd(c->skeleton->progs.cpu_sample));
	c->ring = ring_buffer__new(bpf_map__fd(c->skeleton->maps.events), on_record, c, NULL);
	return c->ring ? 0 : describe(problem, -errno, "map the ring buffer");
}

int capture__open(struct capture **out, const struct capture_options *options, char problem[512])
{
	struct capture *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return describe(problem, -ENOMEM, "load the BPF programs");
	c->options = *options;
	c->timers = (struct timers)TIMERS_INIT;
	c->timers.threads_only = options->no_children;
	err = load(c, problem);
	if (err) {
		capture__free(c);
		return err;
	}
	*out = c;
	return 0;
}

int capture__follow(struct capture *c, pid_t pid, char problem[512])
{
	struct bpf_program *program = c->options.empty ? c->skeleton->progs.cpu_empty : c->skeleton->progs.cpu_sample;
	_cleanup_free_ void *empty = NULL;
	_cleanup_close_ int pidfd = -1;
	int err;

	if (!c->options.empty) {
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		empty = calloc(1, bpf_map__value_size(c->skeleton->maps.threads));
		if (pidfd < 0 || !empty)
			return describe(problem, pidfd < 0 ? -errno : -ENOMEM, "open the target process");
		err = bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.threads), &pidfd, empty, BPF_ANY);
		if (err)
			return describe(problem, err, "follow the target process");
		c->skeleton->bss->first_tid = pid;
	}
	err = timers__open(&c->timers, pid, c->options.rate_hz, bpf_program__fd(program), c->options.empty);
	c->timer_err = err;
	if (err)
		capture__explain(c, "put a timer on the target", err, problem);
	return err;
}

int capture__mark(struct capture *c, int pidfd, uint32_t *space)
{
	c->skeleton->bss->ignore_children = c->options.no_children;
	return adopt_mark(c->skeleton, pidfd, space);
}

int capture__adopt(struct capture *c)
{
	__u32 *adopted = &c->skeleton->bss->adopted, before, start = __atomic_load_n(adopted, __ATOMIC_SEQ_CST);
	int err;

	do {
		before = __atomic_load_n(adopted, __ATOMIC_SEQ_CST);
		err = adopt_step(c->skeleton, ATTACH_ADOPT, NULL, NULL);
	} while (!err && __atomic_load_n(adopted, __ATOMIC_SEQ_CST) != before);
	return err ? err : (int)(before - start);
}

int capture__attach_timer(struct capture *c, pid_t tid)
{
	return c->timer_err = timers__attach(&c->timers, tid, c->options.rate_hz, bpf_program__fd(c->skeleton->progs.cpu_sample));
}

int capture__look(struct capture *c, thread_sink sink, void *context)
{
	return adopt_step(c->skeleton, ATTACH_LOOK, sink, context);
}

int capture__place(struct capture *c, const struct attach_thread *thread, uint64_t stack_id)
{
	return adopt_place(c->skeleton, thread, stack_id);
}

static void note_all_cpus(struct capture *c)
{
	c->skeleton->bss->all_cpus_period_ns = c->timers.all_cpus ? c->timers.cpus_period_ns : 0;
}

int capture__start(struct capture *c, bool again)
{
	int err = adopt_step(c->skeleton, again ? ATTACH_AGAIN : ATTACH_START, NULL, NULL);

	c->skeleton->bss->attach_step = ATTACH_OFF;
	if (!err && !again)
		err = c->timer_err = timers__enable(&c->timers);
	if (!err)
		note_all_cpus(c);
	return err;
}

int capture__flush(struct capture *c, bool goes_on)
{
	int err = adopt_step(c->skeleton, goes_on ? ATTACH_PEEK : ATTACH_FLUSH, NULL, NULL);

	c->skeleton->bss->attach_step = ATTACH_OFF;
	return err;
}

struct heap_probes *capture__heap_probes(struct capture *c)
{
	return c->heap_probes;
}

struct calls_probes *capture__calls_probes(struct capture *c)
{
	return c->calls_probes;
}

bool capture__needs_admin(struct capture *c)
{
	bool probes = (c->heap_probes && !heap_probes__sessions(c->heap_probes)) || (c->calls_probes && !calls_probes__sessions(c->calls_probes));

	return probes || (!c->timers.only_cpus && timers_want_admin());
}

void capture__shift(struct capture *c, uint64_t now_ns)
{
	const struct fixingahole_bpf__bss *state = c->skeleton->bss;

	timers__shift(&c->timers, now_ns, !state->first_gone && !state->other_threads);
	note_all_cpus(c);
}

bool capture__all_cpus(struct capture *c, bool on)
{
	if (!timers__all_cpus(&c->timers, on))
		return false;
	note_all_cpus(c);
	return true;
}

bool capture__all_cpus_for_good(struct capture *c)
{
	if (!timers__all_cpus_for_good(&c->timers))
		return false;
	note_all_cpus(c);
	return true;
}

uint64_t capture__switches(const struct capture *c)
{
	int n = libbpf_num_possible_cpus();
	_cleanup_free_ struct cpu_state *cpus = n > 0 ? calloc(n, sizeof(*cpus)) : NULL;
	uint64_t switches = 0;
	__u32 zero = 0;

	if (!cpus || bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.cpus), &zero, cpus))
		return 0;
	for (int i = 0; i < n; i++)
		switches += cpus[i].switches;
	return switches;
}

static int layout_index(struct capture *c, const struct py_layout *layout)
{
	unsigned int i;
	int err;

	for (i = 0; i < c->n_layouts; i++) {
		if (!memcmp(&c->layouts[i], layout, sizeof(*layout)))
			return i;
	}
	if (i == PY_MAX_LAYOUTS)
		return -ENOSPC;
	err = bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.layouts), &i, layout, BPF_ANY);
	if (err)
		return err;
	c->layouts[i] = *layout;
	c->n_layouts++;
	return i;
}

int capture__set_interp(struct capture *c, pid_t pid, uint32_t space, const struct interp_binary *binary, uint64_t bias)
{
	struct interp_entry entry = {
		.space = space,
		.runtime = binary->runtime + bias,
		.text_start = binary->text_start + bias,
		.text_end = binary->text_end + bias,
	};
	int index = layout_index(c, &binary->layout), err;
	__u32 key = pid;

	if (index < 0)
		return index;
	entry.layout = index + 1;
	err = bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.interps), &key, &entry, BPF_ANY);
	if (!err && c->calls_probes)
		calls_probes__found(c->calls_probes, pid, space, binary, bias);
	return err;
}

void capture__know_program(struct capture *c, const struct program *program)
{
	struct program_entry entry = program__entry(program);
	int index = layout_index(c, &program->binary->layout);

	/* without it, userspace is asked at every exec */
	if (index < 0)
		return;
	entry.layout = index + 1;
	bpf_map_update_elem(bpf_map__fd(c->skeleton->maps.programs), &program->file, &entry, BPF_ANY);
}

void capture__forget(struct capture *c, pid_t pid)
{
	__u32 key = pid;

	bpf_map_delete_elem(bpf_map__fd(c->skeleton->maps.interps), &key);
}

int capture__fd(const struct capture *c)
{
	return c->ring ? ring_buffer__epoll_fd(c->ring) : -1;
}

int capture__drain(struct capture *c, record_sink sink, void *context)
{
	int err;

	if (!c->ring)
		return 0;
	c->sink = sink;
	c->context = context;
	c->n_drained = 0;
	err = ring_buffer__consume(c->ring);
	return err < 0 ? err : c->n_drained;
}

void capture__losses(const struct capture *c, struct capture_losses *losses)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ struct counters *values = NULL;
	__u32 zero = 0;

	memset(losses, 0, sizeof(*losses));
	losses->bad = c->bad;
	values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	if (!values || bpf_map_lookup_elem(bpf_map__fd(c->skeleton->maps.counters), &zero, values))
		return;
	for (int i = 0; i < cpus; i++) {
		losses->dropped += values[i].dropped;
		losses->busy += values[i].busy;
		losses->no_storage += values[i].no_storage;
		losses->doubtful += values[i].doubtful;
	}
}

/*
 * To close a uprobe takes 0.1 s, one after the other. A process that nobody waits for keeps them open until we have closed
 * ours, and closes them in its own time.
 */
static void close_probes_elsewhere(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* readers of our output must not wait for it */
		close_range(STDIN_FILENO, STDERR_FILENO, 0);
		if (!fork())
			usleep(CLOSE_GRACE_US);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

void capture__free(struct capture *c)
{
	if (!c)
		return;
	if (c->library_probes.n_fds || c->library_probes.n_links || c->heap_probes || c->calls_probes)
		close_probes_elsewhere();
	heap_probes__free(c->heap_probes);
	calls_probes__free(c->calls_probes);
	library_probes__release(&c->library_probes);
	probe_set_settle();
	timers__close(&c->timers);
	ring_buffer__free(c->ring);
	fixingahole_bpf__destroy(c->skeleton);
	free(c);
}
