// SPDX-License-Identifier: Apache-2.0
#include "capture/calls_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/calls_source.h"
#include "capture/guard.h"
#include "capture/probe_cost.h"
#include "capture/probe_set.h"
#include "preload/calls_file.h"
#include "python/entry.h"
#include "util/clock.h"
#include "util/log.h"

/* Processes at a time, and new ones per second: to put a probe on takes milliseconds. */
#define PROCESSES_MAX 256
#define NEW_PER_SECOND 40

/* Bytes of a push or a nop. */
#define BEHIND 2
/* When the probe takes so much of the time, what is left of it is too small a difference for good estimates. */
#define DENSE 0.5

_Static_assert(USDT_PLACES <= PROBE_SET_MAX, "an interpreter's places fit into a set");

struct counted {
	pid_t pid;
	uint32_t space, version;
	uint32_t how, flags;       /* enum calls_how, enum calls_flag */
	uint32_t return_generator;
	struct python_entry entry; /* .fd -1: none */
	struct probe_set set;
	struct guard guard;
	struct calls_cost cost;    /* at the last look, as the next two */
	uint64_t cpu_ns, cost_ns;
};

struct calls_probes {
	struct calls_probes_programs kernel;
	struct probe_programs programs;
	struct probe_costs costs;
	double budget;
	struct counted *list[PROCESSES_MAX];
	size_t n;
	uint64_t second_ns, in_second; /* new ones in this second */
	uint64_t lost, unwatched;      /* calls; processes that were too many */
};

int calls_probes__new(struct calls_probes **out, const struct calls_probes_programs *kernel, double budget)
{
	struct calls_probes *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->kernel = *kernel;
	c->budget = budget;
	c->programs = (struct probe_programs){ .call = kernel->call, .enter = kernel->enter, .multi = true };
	err = probe_cost__measure(&c->programs, 0, &c->costs);
	/* the place need not be a function's entry */
	c->programs.plain = true;
	if (err) {
		free(c);
		return err;
	}
	*out = c;
	return 0;
}

bool calls_probes__sessions(const struct calls_probes *c)
{
	return c->programs.sessions;
}

static struct counted *find(struct calls_probes *c, pid_t pid, size_t *at)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i]->pid == pid) {
			*at = i;
			return c->list[i];
		}
	}
	return NULL;
}

/* A timer that fires while the kernel lets no interrupt in is told when the probe is done, at the instruction behind: it was the kernel's. */
static bool is_behind_probe(const struct counted *p, uint64_t ip)
{
	return ip - p->entry.address - 1 < BEHIND;
}

void calls_probes__sample(struct calls_probes *c, pid_t pid, uint64_t time_ns, bool kernel, uint64_t ip)
{
	size_t at;
	struct counted *p = find(c, pid, &at);

	if (p && p->guard.sliced)
		guard_sample(&p->guard, time_ns, kernel || is_behind_probe(p, ip));
}

/* What the process has used, and of that the probe. A process that is gone has what it had at the last look. */
static void look_at_cost(struct calls_probes *c, struct counted *p)
{
	struct calls_cost now;
	uint64_t cpu = 0, spent = 0;
	__u32 key = p->pid;
	clockid_t clock;

	if (!clock_getcpuclockid(p->pid, &clock))
		cpu = clock_ns(clock);
	if (cpu > p->cpu_ns) {
		spent = cpu - p->cpu_ns;
		p->cpu_ns = cpu;
	}
	if (bpf_map_lookup_elem(bpf_map__fd(c->kernel.costs), &key, &now))
		return;
	p->cost_ns += (uint64_t)probe_cost_of(&c->costs, now.calls - p->cost.calls, now.stepped - p->cost.stepped, 0, spent) + now.work_ns - p->cost.work_ns;
	p->cost = now;
}

/* slice NULL: everything is counted. */
static int control(struct calls_probes *c, const struct counted *p, const struct guard_slice *slice)
{
	struct calls_control to = { .return_generator = p->return_generator };
	__u32 key = p->pid;

	if (slice) {
		to.begin_ns = slice->begin_ns;
		to.end_ns = slice->end_ns;
		to.scale_q16 = (uint64_t)(slice->scale * CALLS_SCALE_ONE);
	}
	return bpf_map_update_elem(bpf_map__fd(c->kernel.controls), &key, &to, BPF_ANY);
}

static int put_on(struct calls_probes *c, struct counted *p)
{
	const struct python_entry *e = &p->entry;
	const struct probe_places places = { .fd = e->fd, .offset = e->offset, .cookie = e->cookie, .n = e->n, .reference = e->has_semaphores ? e->semaphore : NULL };

	return probe_set_is_on(&p->set) ? 0 : probe_set__attach(&p->set, &c->programs, &places, 0, p->pid);
}

static struct counted *add(struct calls_probes *c, pid_t pid, uint32_t space, uint64_t now)
{
	struct counted *p = c->n < PROCESSES_MAX ? calloc(1, sizeof(*p)) : NULL;
	__u32 key = pid;

	if (!p) {
		c->unwatched++;
		return NULL;
	}
	p->pid = pid;
	p->space = space;
	p->entry.fd = -1;
	p->set = (struct probe_set)PROBE_SET_NONE;
	bpf_map_update_elem(bpf_map__fd(c->kernel.costs), &key, &p->cost, BPF_ANY);
	guard_init(&p->guard, c->budget, now, now ^ (uint64_t)pid << 32);
	c->list[c->n++] = p;
	return p;
}

static void counted_free(struct counted *p, bool at_once)
{
	if (at_once)
		probe_set__release(&p->set);
	else
		probe_set__detach(&p->set);
	python_entry__release(&p->entry);
	free(p);
}

static void drop(struct calls_probes *c, size_t at)
{
	struct counted *p = c->list[at];
	__u32 key = p->pid;

	c->list[at] = c->list[--c->n];
	counted_free(p, false);
	bpf_map_delete_elem(bpf_map__fd(c->kernel.controls), &key);
	bpf_map_delete_elem(bpf_map__fd(c->kernel.costs), &key);
}

/* It is counted from now on. */
static void begin(struct calls_probes *c, struct counted *p, uint32_t how)
{
	int err;

	look_at_cost(c, p);
	p->cost_ns = 0;
	p->guard.cpu_ns = p->cpu_ns;
	err = control(c, p, NULL);
	if (!err)
		err = put_on(c, p);
	p->how = err ? CALLS_NO_PLACE : how;
	if (err)
		log_debug("process %d: no probe can be put on its interpreter: %s", p->pid, strerror(-err));
}

void calls_probes__found(struct calls_probes *c, pid_t pid, uint32_t space, const struct interp_binary *binary, uint64_t bias)
{
	size_t at;
	struct counted *p = find(c, pid, &at);
	int err;

	if (p && p->space == space)
		return; /* told already */
	/* the record of an exec was lost, and what it had counted before with it */
	if (p) {
		c->unwatched++;
		drop(c, at);
	}
	p = add(c, pid, space, clock_ns(CLOCK_MONOTONIC));
	if (!p)
		return;
	p->version = binary->layout.version;
	p->return_generator = python_entry__return_generator(p->version);
	p->how = CALLS_NO_PLACE;
	err = python_entry__find(pid, binary, bias, &p->entry);
	if (err)
		log_debug("process %d: its interpreter's evaluation is not found: %s", pid, strerror(-err));
	else
		begin(c, p, python_entry__is_static(binary) ? CALLS_STATIC_PROBE : python_entry__sees_all(binary) ? CALLS_ENTRIES : CALLS_ENTRIES_FROM_C);
}

void calls_probes__forked(struct calls_probes *c, pid_t parent, pid_t child, uint32_t space)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const struct counted *from;
	struct counted *p = NULL;
	size_t at;

	from = find(c, parent, &at);
	if (!from || from->entry.fd < 0)
		return;
	if (now - c->second_ns > 1000000000ULL) {
		c->second_ns = now;
		c->in_second = 0;
	}
	if (c->in_second++ < NEW_PER_SECOND)
		p = add(c, child, space, now);
	else
		c->unwatched++;
	if (!p)
		return;
	p->version = from->version;
	p->return_generator = from->return_generator;
	p->flags = CALLS_FORKED;
	if (python_entry__copy(&from->entry, &p->entry))
		p->how = CALLS_NO_PLACE;
	else
		begin(c, p, from->how);
}

/* ---- the counts ---- */

static void send_process(const struct counted *p, uint64_t now, record_sink sink, void *context)
{
	struct event_calls_process event = {
		.head = { .kind = EVENT_CALLS_PROCESS, .size = sizeof(event), .pid = p->pid, .tid = p->pid, .space = p->space },
		.version = p->version,
		.how = p->how,
		.flags = p->flags,
	};

	if (p->guard.sliced) {
		event.flags |= CALLS_SLICED | (guard_taken(&p->guard) > DENSE ? CALLS_DENSE : 0);
		event.seen = (uint32_t)(guard_seen(&p->guard, now) * CALLS_SEEN_ONE);
	}
	sink(context, &event.head);
}

static uint64_t rounded(uint64_t scaled, double correction)
{
	return (uint64_t)(scaled * correction / CALLS_SCALE_ONE + 0.5);
}

static void send_count(const struct calls_key *key, const struct calls_count *count, const struct counted *p, record_sink sink, void *context)
{
	double correction = guard_correction(&p->guard, p->cpu_ns);
	const struct event_calls_seen event = {
		.head = { .kind = EVENT_CALLS_SEEN, .size = sizeof(event), .pid = p->pid, .tid = p->pid, .space = key->space },
		.code = key->code,
		.fingerprint = key->fingerprint,
		.caller = key->caller,
		.caller_fingerprint = key->caller_fingerprint,
		.calls = rounded(count->calls, correction),
		.resumptions = rounded(count->resumptions, correction),
	};

	if (event.calls || event.resumptions)
		sink(context, &event.head);
}

static const struct counted *of_space(const struct calls_probes *c, uint32_t space)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->list[i]->space == space)
			return c->list[i];
	}
	return NULL;
}

/* Of one space, or of all that are counted. They make room. */
static void send_counts(struct calls_probes *c, uint32_t space, record_sink sink, void *context)
{
	int fd = bpf_map__fd(c->kernel.counts);
	struct calls_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		const struct counted *p;
		struct calls_count count;

		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		if (space && key.space != space)
			continue;
		p = of_space(c, key.space);
		if (!p || bpf_map_lookup_elem(fd, &key, &count))
			continue;
		bpf_map_delete_elem(fd, &key);
		send_count(&key, &count, p, sink, context);
	}
}

void calls_probes__ended(struct calls_probes *c, pid_t pid, uint32_t space, record_sink sink, void *context)
{
	size_t at;
	struct counted *p = find(c, pid, &at);

	/* the space that was told of last may be younger than the news */
	if (!p || p->space != space)
		return;
	look_at_cost(c, p);
	c->lost += p->cost.lost;
	send_process(p, clock_ns(CLOCK_MONOTONIC), sink, context);
	send_counts(c, space, sink, context);
	drop(c, at);
}

void calls_probes__finish(struct calls_probes *c, record_sink sink, void *context)
{
	struct event_calls_lost lost = { .head = { .kind = EVENT_CALLS_LOST, .size = sizeof(lost) }, .processes = c->unwatched };
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < c->n; i++) {
		control(c, c->list[i], &(struct guard_slice){ .begin_ns = 1, .end_ns = 1, .scale = 1 });
		look_at_cost(c, c->list[i]);
		c->lost += c->list[i]->cost.lost;
		send_process(c->list[i], now, sink, context);
	}
	send_counts(c, 0, sink, context);
	lost.calls = c->lost;
	sink(context, &lost.head);
}

/* ---- the budget ---- */

static void guard(struct calls_probes *c, struct counted *p, uint64_t now)
{
	struct guard_slice slice;

	look_at_cost(c, p);
	switch (guard_look(&p->guard, now, p->cpu_ns, p->cost_ns)) {
	case GUARD_KEEP:
		break;
	case GUARD_STAY:
		control(c, p, NULL);
		break;
	case GUARD_CLOSE:
		control(c, p, &(struct guard_slice){ .begin_ns = 1, .end_ns = 1, .scale = 1 });
		probe_set__detach(&p->set);
		guard_closed(&p->guard, clock_ns(CLOCK_MONOTONIC), p->cpu_ns);
		break;
	case GUARD_OPEN:
		if (put_on(c, p))
			log_debug("process %d: its probe could not be put on again", p->pid);
		look_at_cost(c, p);
		guard_opened(&p->guard, clock_ns(CLOCK_MONOTONIC), p->cpu_ns, p->cost_ns, &slice);
		control(c, p, &slice);
		break;
	}
}

uint64_t calls_probes__poll(struct calls_probes *c, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < c->n; i++) {
		struct counted *p = c->list[i];

		if (p->entry.fd < 0)
			continue;
		if (now >= p->guard.next_ns)
			guard(c, p, now);
		if (p->guard.next_ns < next)
			next = p->guard.next_ns;
	}
	return next;
}

void calls_probes__free(struct calls_probes *c)
{
	if (!c)
		return;
	while (c->n)
		counted_free(c->list[--c->n], true);
	free(c);
}
