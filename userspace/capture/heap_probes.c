// SPDX-License-Identifier: Apache-2.0
#include "capture/heap_probes.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/guard.h"
#include "capture/probe_cost.h"
#include "capture/probe_set.h"
#include "image/allocator.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

/* The linker is asked again every millisecond at first, then less and less often, then no more. */
#define FIRST_PAUSE_NS 1000000ULL
#define GIVE_UP_NS 3000000000ULL
/* Processes at a time, and new ones per second: to put probes on takes 10 ms, and a process that lives no longer has no use for them. */
#define PROCESSES_MAX 256
#define NEW_PER_SECOND 40
/* Spaces that have ended, before their blocks are looked for. */
#define ENDED_MAX 16

/* Calls whose return gives an address. */
#define RETURNS (1U << HEAP_CALL_MALLOC | 1U << HEAP_CALL_CALLOC | 1U << HEAP_CALL_REALLOC | 1U << HEAP_CALL_REALLOCARRAY | 1U << HEAP_CALL_MEMALIGN | \
		 1U << HEAP_CALL_POSIX_MEMALIGN | 1U << HEAP_CALL_MMAP | 1U << HEAP_CALL_MREMAP | 1U << HEAP_CALL_RETURN)

_Static_assert(ALLOCATOR_PLACES <= PROBE_SET_MAX, "a part fits into a set");

struct watched {
	pid_t pid;
	struct allocator allocator;
	struct probe_set sets[ALLOCATOR_PARTS];
	struct guard guard;
	struct heap_cost cost;           /* at the last look, as the next two */
	uint64_t cpu_ns, cost_ns;
	bool looking;                    /* for the allocator */
	uint64_t since_ns, look_ns;      /* since then; again then */
};

struct heap_probes {
	struct heap_probes_programs kernel;
	struct probe_programs programs;
	struct heap_probes_options options;
	struct probe_costs costs;
	struct watched *watched[PROCESSES_MAX];
	size_t n;
	uint64_t second_ns, in_second; /* new ones in this second */
	uint32_t ended[ENDED_MAX];
	size_t n_ended;
	struct heap_watch total;       /* of what has ended */
	double seen_cpu;               /* sum of seen x CPU time */
};

static int fresh_state(struct heap_probes *h)
{
	_cleanup_free_ struct heap_state *state = calloc(1, sizeof(*state));
	uint64_t stride = 1;
	__u32 zero = 0;

	if (!state)
		return -ENOMEM;
	while (stride * 2 <= h->options.stride && stride < HEAP_STRIDE_LIMIT)
		stride *= 2;
	state->rate.floor = stride;
	state->rate.budget = state->rate.saved = h->options.rate;
	for (unsigned int i = 0; i < SAMPLER_CLASSES; i++)
		state->rate.stride[i] = stride;
	return bpf_map_update_elem(bpf_map__fd(h->kernel.fresh), &zero, state, BPF_ANY);
}

int heap_probes__new(struct heap_probes **out, const struct heap_probes_programs *kernel, const struct heap_probes_options *options)
{
	struct heap_probes *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->kernel = *kernel;
	h->options = *options;
	h->programs = (struct probe_programs){ .call = kernel->call, .enter = kernel->enter, .leave = kernel->leave };
	err = fresh_state(h);
	if (!err)
		err = probe_cost__measure(&h->programs, RETURNS, &h->costs);
	if (err) {
		free(h);
		return err;
	}
	log_debug("a probe costs %.2f to %.2f us, single-stepped %.2f to %.2f us; %.2f to %.2f us more if its return is looked at%s", h->costs.hot.call_ns / 1e3, h->costs.cold.call_ns / 1e3,
		  h->costs.hot.stepped_ns / 1e3, h->costs.cold.stepped_ns / 1e3, h->costs.hot.return_ns / 1e3, h->costs.cold.return_ns / 1e3, h->programs.sessions ? "" : ", as it always is on this kernel");
	*out = h;
	return 0;
}

bool heap_probes__sessions(const struct heap_probes *h)
{
	return h->programs.sessions;
}

static struct watched *find(struct heap_probes *h, pid_t pid, size_t *at)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->watched[i]->pid == pid) {
			*at = i;
			return h->watched[i];
		}
	}
	return NULL;
}

void heap_probes__sample(struct heap_probes *h, pid_t pid, uint64_t time_ns, bool kernel)
{
	size_t at;
	struct watched *w = find(h, pid, &at);

	if (w && w->guard.sliced)
		guard_sample(&w->guard, time_ns, kernel);
}

/* What the process has used, and of that the probes. A process that is gone has what it had at the last look. */
static void look_at_cost(struct heap_probes *h, struct watched *w)
{
	_cleanup_free_ struct heap_state *state = malloc(sizeof(*state));
	uint64_t cpu = 0, spent = 0;
	__u32 key = w->pid;
	clockid_t clock;

	if (!clock_getcpuclockid(w->pid, &clock))
		cpu = clock_ns(clock);
	if (cpu > w->cpu_ns) {
		spent = cpu - w->cpu_ns;
		w->cpu_ns = cpu;
	}
	if (!state || bpf_map_lookup_elem(bpf_map__fd(h->kernel.states), &key, state))
		return;
	w->cost_ns += (uint64_t)probe_cost_of(&h->costs, state->cost.calls - w->cost.calls, state->cost.stepped - w->cost.stepped, state->cost.returns - w->cost.returns, spent) +
		      state->cost.work_ns - w->cost.work_ns;
	w->cost = state->cost;
}

/* slice NULL: everything is looked at. */
static int control(struct heap_probes *h, const struct watched *w, const struct guard_slice *slice)
{
	const struct probed_image *blocks = &w->allocator.part[ALLOCATOR_BLOCKS], *mappings = &w->allocator.part[ALLOCATOR_MAPPINGS];
	struct heap_control c = { .own = { { blocks->start, blocks->end }, { mappings->start, mappings->end } }, .sliced = w->guard.sliced };
	__u32 key = w->pid;

	if (slice) {
		c.begin_ns = slice->begin_ns;
		c.end_ns = slice->end_ns;
		c.scale_q16 = (uint64_t)(slice->scale * HEAP_SCALE_ONE);
	}
	return bpf_map_update_elem(bpf_map__fd(h->kernel.controls), &key, &c, BPF_ANY);
}

static int put_on(struct heap_probes *h, struct watched *w, enum allocator_part part)
{
	const struct probed_image *image = &w->allocator.part[part];
	const struct probe_places places = { .fd = image->fd, .offset = image->offset, .cookie = image->cookie, .n = image->n };

	if (image->fd < 0 || !image->n || probe_set_is_on(&w->sets[part]))
		return 0;
	return probe_set__attach(&w->sets[part], &h->programs, &places, RETURNS, w->pid);
}

static void note_failure(struct heap_probes *h, const struct watched *w, const char *why)
{
	h->total.failed++;
	snprintf(h->total.problem, sizeof(h->total.problem), "process %d: %.100s", w->pid, why);
}

/* Probes where the process has its allocator now. */
static int settle(struct heap_probes *h, struct watched *w)
{
	struct allocator found;
	int err = allocator__find(w->pid, &found);

	if (err)
		return err;
	for (enum allocator_part part = 0; part < ALLOCATOR_PARTS; part++) {
		if (!allocator__same(&w->allocator, &found, part))
			probe_set__detach(&w->sets[part]);
	}
	allocator__release(&w->allocator);
	w->allocator = found;
	if (w->guard.state != GUARD_SLICE)
		err = control(h, w, NULL);
	for (enum allocator_part part = 0; part < ALLOCATOR_PARTS && !err; part++) {
		if (part != ALLOCATOR_BLOCKS || w->guard.state != GUARD_GAP)
			err = put_on(h, w, part);
	}
	return err;
}

static void look_for_allocator(struct heap_probes *h, struct watched *w, uint64_t now)
{
	uint64_t age = now - w->since_ns;
	int err = settle(h, w);

	w->looking = err == -EAGAIN || err == -ENOENT;
	if (w->looking && age > GIVE_UP_NS) {
		w->looking = false;
		note_failure(h, w, "no malloc is found in it");
	} else if (err && !w->looking && err != -ESRCH) {
		note_failure(h, w, strerror(-err));
	}
	w->look_ns = now + (age < 30 * FIRST_PAUSE_NS ? FIRST_PAUSE_NS : age / 10);
}

static struct watched *add(struct heap_probes *h, pid_t pid, uint64_t now)
{
	struct watched *w = h->n < PROCESSES_MAX ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	w->pid = pid;
	for (int i = 0; i < ALLOCATOR_PARTS; i++) {
		w->allocator.part[i].fd = -1;
		w->sets[i] = (struct probe_set)PROBE_SET_NONE;
	}
	w->since_ns = now;
	guard_init(&w->guard, h->options.budget, now, now ^ (uint64_t)pid << 32);
	h->watched[h->n++] = w;
	h->total.processes++;
	return w;
}

int heap_probes__follow(struct heap_probes *h, pid_t pid, uint64_t now)
{
	struct watched *w = add(h, pid, now);
	int err = w ? control(h, w, NULL) : -ENOMEM;

	if (!err)
		look_for_allocator(h, w, now);
	return err;
}

void heap_probes__forked(struct heap_probes *h, pid_t parent, pid_t child, uint64_t now)
{
	const struct watched *from;
	struct watched *w;
	size_t at;
	int err = 0;

	from = find(h, parent, &at);
	if (!from)
		return;
	if (now - h->second_ns > 1000000000ULL) {
		h->second_ns = now;
		h->in_second = 0;
	}
	w = h->in_second++ < NEW_PER_SECOND ? add(h, child, now) : NULL;
	if (!w) {
		h->total.failed++;
		snprintf(h->total.problem, sizeof(h->total.problem), "too many processes at once");
		return;
	}
	from = find(h, parent, &at);
	if (from->allocator.part[ALLOCATOR_BLOCKS].fd < 0 || allocator__copy(&from->allocator, &w->allocator)) {
		heap_probes__executed(h, child, 0, now);
		return;
	}
	err = control(h, w, NULL);
	for (enum allocator_part part = 0; part < ALLOCATOR_PARTS && !err; part++)
		err = put_on(h, w, part);
	if (err && err != -ESRCH)
		note_failure(h, w, strerror(-err));
}

/* Blocks of spaces that are no more make room. */
static void forget_blocks(struct heap_probes *h)
{
	int fd = bpf_map__fd(h->kernel.blocks);
	struct heap_key key, next;
	bool more = !bpf_map_get_next_key(fd, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(fd, &key, &next);
		for (size_t i = 0; i < h->n_ended; i++) {
			if (key.space == h->ended[i])
				bpf_map_delete_elem(fd, &key);
		}
	}
	h->n_ended = 0;
}

static void end_space(struct heap_probes *h, uint32_t space)
{
	if (!space)
		return;
	h->ended[h->n_ended++] = space;
	if (h->n_ended == ENDED_MAX)
		forget_blocks(h);
}

void heap_probes__executed(struct heap_probes *h, pid_t pid, uint32_t old_space, uint64_t now)
{
	size_t at;
	struct watched *w = find(h, pid, &at);

	if (!w)
		return;
	end_space(h, old_space);
	w->looking = true;
	w->since_ns = now;
	look_for_allocator(h, w, now);
}

/* w and what it comes to, into the totals of what has ended. */
static void sum_up(const struct watched *w, uint64_t now, struct heap_watch *total, double *seen_cpu)
{
	total->cpu_ns += w->cpu_ns;
	total->cost_ns += w->cost_ns;
	total->calls += w->cost.calls;
	total->sliced += w->guard.sliced;
	*seen_cpu += guard_seen(&w->guard, now) * (double)w->cpu_ns;
}

static void watched_free(struct watched *w, bool at_once)
{
	for (int i = 0; i < ALLOCATOR_PARTS; i++) {
		if (at_once)
			probe_set__release(&w->sets[i]);
		else
			probe_set__detach(&w->sets[i]);
	}
	allocator__release(&w->allocator);
	free(w);
}

void heap_probes__ended(struct heap_probes *h, pid_t pid, uint32_t space)
{
	size_t at;
	struct watched *w = find(h, pid, &at);
	__u32 key = pid;

	if (!w)
		return;
	look_at_cost(h, w);
	sum_up(w, clock_ns(CLOCK_MONOTONIC), &h->total, &h->seen_cpu);
	h->watched[at] = h->watched[--h->n];
	watched_free(w, false);
	bpf_map_delete_elem(bpf_map__fd(h->kernel.controls), &key);
	bpf_map_delete_elem(bpf_map__fd(h->kernel.states), &key);
	end_space(h, space);
}

/* The probes on blocks come and go; those on mappings, of which there are few, stay. */
static void guard(struct heap_probes *h, struct watched *w, uint64_t now)
{
	struct guard_slice slice;

	look_at_cost(h, w);
	switch (guard_look(&w->guard, now, w->cpu_ns, w->cost_ns)) {
	case GUARD_KEEP:
		break;
	case GUARD_STAY:
		control(h, w, NULL);
		break;
	case GUARD_CLOSE:
		control(h, w, &(struct guard_slice){ .begin_ns = 1, .end_ns = 1, .scale = 1 });
		probe_set__detach(&w->sets[ALLOCATOR_BLOCKS]);
		guard_closed(&w->guard, clock_ns(CLOCK_MONOTONIC), w->cpu_ns);
		break;
	case GUARD_OPEN:
		if (put_on(h, w, ALLOCATOR_BLOCKS))
			log_debug("process %d: its probes could not be put on again", w->pid);
		look_at_cost(h, w);
		guard_opened(&w->guard, clock_ns(CLOCK_MONOTONIC), w->cpu_ns, w->cost_ns, &slice);
		control(h, w, &slice);
		break;
	}
}

uint64_t heap_probes__poll(struct heap_probes *h, uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < h->n; i++) {
		struct watched *w = h->watched[i];

		if (w->looking && now >= w->look_ns)
			look_for_allocator(h, w, now);
		if (now >= w->guard.next_ns)
			guard(h, w, now);
		if (w->looking && w->look_ns < next)
			next = w->look_ns;
		if (w->guard.next_ns < next)
			next = w->guard.next_ns;
	}
	return next;
}

void heap_probes__watch(struct heap_probes *h, uint64_t now, struct heap_watch *out)
{
	double seen_cpu = h->seen_cpu;

	*out = h->total;
	for (size_t i = 0; i < h->n; i++) {
		look_at_cost(h, h->watched[i]);
		sum_up(h->watched[i], now, out, &seen_cpu);
	}
	out->seen = out->cpu_ns ? seen_cpu / (double)out->cpu_ns : 1;
}

void heap_probes__free(struct heap_probes *h)
{
	if (!h)
		return;
	while (h->n)
		watched_free(h->watched[--h->n], true);
	free(h);
}
