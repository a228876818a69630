// SPDX-License-Identifier: Apache-2.0
#include "preload/heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "preload/blocks.h"
#include "preload/hot.h"
#include "preload/lock.h"
#include "preload/marks.h"
#include "preload/real.h"
#include "preload/slots.h"

#define RANGE_SIZE (64ULL << 30)
#define TOTALS_NS 1000000000ULL

__thread struct heap_thread heap_thread;
_Static_assert(offsetof(struct heap_thread, copy_left) == HOT_COPY, "hot.S");
_Static_assert(offsetof(struct heap_thread, shut) == 0 && HOT_SHUT == SAMPLER_CLASSES, "hot.S");
struct sampler_rate heap_rate = {
	.stride = { [0 ... SAMPLER_CLASSES - 1] = SAMPLER_STRIDE_DEFAULT },
	.floor = SAMPLER_STRIDE_DEFAULT,
	.budget = SAMPLER_RATE_DEFAULT,
	.saved = SAMPLER_RATE_DEFAULT,
};
struct heap_totals heap_totals = { .version = HEAP_TOTALS_VERSION };

static uint64_t seed;
static uint64_t totals_told_ns;
static pthread_key_t exit_key;
static bool exit_key_made;

uint64_t heap_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

uint64_t heap_arenas;

/*
 * Grows as the process's physical memory does, or pymalloc's arenas, whichever grows more: in the former the kernel counts what
 * the program before exec had, and a forked child its parent's. Starts at 0 with the library.
 */
static uint64_t footprint(void)
{
	static uint64_t sum, physical = UINT64_MAX, arenas;
	uint64_t now = __atomic_load_n(&heap_arenas, __ATOMIC_RELAXED), most = 0;
	struct rusage usage;

	if (now > arenas) {
		most = now - arenas;
		arenas = now;
	}
	if (!getrusage(RUSAGE_SELF, &usage)) {
		now = (uint64_t)usage.ru_maxrss << 10;
		if (now > physical && now - physical > most)
			most = now - physical;
		physical = now;
	}
	sum += most;
	return sum;
}

static uint64_t seed_next(void)
{
	/* the time stamp is for threads that start before the constructor has run */
	uint64_t z = __atomic_add_fetch(&seed, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED) ^ __builtin_ia32_rdtsc();

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) | 1;
}

bool heap_enter(struct heap_thread *t)
{
	if (t->busy)
		return false;
	t->busy = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (unlikely(!t->random)) {
		t->random = seed_next();
		if (exit_key_made)
			pthread_setspecific(exit_key, t);
	}
	return true;
}

void heap_leave(struct heap_thread *t)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->busy = false;
}

static void add(__u64 *to, uint64_t n)
{
	__atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static void totals_note(bool python, uint64_t bytes, uint64_t count)
{
	enum heap_source source = python ? HEAP_SOURCE_PYTHON : HEAP_SOURCE_C;

	add(&heap_totals.bytes[source], bytes);
	add(&heap_totals.count[source], count);
}

static void totals_tell(bool final)
{
	heap_totals.stride = sampler_rate_stride(&heap_rate);
	heap_totals.final = final;
	fixingahole_heap_totals(&heap_totals);
}

struct sample heap_take(struct heap_thread *t, bool python, size_t size)
{
	unsigned class = sampler_class(size);
	union sampler_hot *h = python ? &t->py_hot[class] : &t->c_hot[class];
	struct sampler *s = python ? &t->py[class] : &t->c[class];
	uint64_t bytes = sampler_passed(h, s) + size, count = h->count + 1;
	struct sample sample = sampler_take(h, s, size, &heap_rate, &t->random, heap_clock_ns);

	totals_note(python, bytes, count);
	t->count += count;
	if (unlikely(!python_settled)) {
		python_look();
		/* look at the next one as well: an interpreter that brings its own malloc has few for us */
		h->left = s->set = 0;
	}
	return sample;
}

struct sample heap_take_block(struct heap_thread *t, size_t size)
{
	struct blocks_passed passed;
	struct sample sample = blocks_take(size, &heap_rate, &t->random, heap_clock_ns, &passed);

	totals_note(true, passed.bytes, passed.count);
	if (unlikely(!python_settled)) {
		python_look();
		blocks_look_again(size);
	}
	return sample;
}

/* An event's mark: the thread's allocations so far; of those that count on the process's lines, everybody's. */
static uint64_t allocations(const struct heap_thread *t)
{
	uint64_t n = t->count + blocks_count();

	for (unsigned i = 0; i < SAMPLER_CLASSES; i++)
		n += t->c_hot[i].count + t->py_hot[i].count;
	return n;
}

/* --- blocks that do not live long --- */

static void recent_note(struct heap_thread *t, void *p, size_t size, uint64_t weight)
{
	uint32_t i = t->next_recent++ % HEAP_RECENT;

	t->recent[i].p = p;
	t->recent[i].live = weight > HEAP_LIVE_AT_ONCE ? size : weight;
}

/* The slots whose end has been told by now. */
static void late_release(struct heap_thread *t)
{
	for (uint64_t i = 0; i < t->late.n; i++)
		if (!slots_free((void *)t->late.free[i].address))
			heap_invalid("free()");
	t->late.n = t->late_live = 0;
}

static void late_flush(struct heap_thread *t)
{
	if (!t->late.n)
		return;
	fixingahole_heap_free((uintptr_t)&t->late, 0, 0, 0, HEAP_WITH_FREES, 0);
	late_release(t);
}

/* False: to be told of and released at once. */
static bool late_put(struct heap_thread *t, void *p)
{
	uint32_t i = 0;

	for (uint64_t k = 0; k < t->late.n; k++)
		if (t->late.free[k].address == (uintptr_t)p)
			heap_invalid("free()");
	while (i < HEAP_RECENT && t->recent[i].p != p)
		i++;
	if (i == HEAP_RECENT || python_finalizing() || !heap_enter(t))
		return false;
	add(&heap_totals.freed, 1);
	t->recent[i].p = NULL;
	t->late_live += t->recent[i].live;
	t->late.free[t->late.n].address = (uintptr_t)p;
	t->late.free[t->late.n++].mark = allocations(t);
	if (t->late.n == HEAP_LATE_MAX || t->late_live > HEAP_LIVE_AT_ONCE)
		late_flush(t);
	heap_leave(t);
	return true;
}

void heap_tell_alloc(struct heap_thread *t, void *p, bool slot, size_t size, const struct sample *sample, uint64_t info)
{
	struct mark mark = { .size = size, .weight = sample->weight, .count_q8 = sample->count_q8, .info = info };
	uint64_t now, told = __atomic_load_n(&totals_told_ns, __ATOMIC_RELAXED);

	if (!slot && !marks_insert(p, &mark)) {
		add(&heap_totals.untracked, 1);
		add(&heap_totals.untracked_bytes, sample->weight);
		return;
	}
	add(&heap_totals.sampled, 1);
	fixingahole_heap_alloc((uintptr_t)p, size, sample->weight, sample->count_q8, info | (t->late.n ? HEAP_WITH_FREES : 0), allocations(t), &t->late);
	late_release(t);
	if (slot)
		recent_note(t, p, size, sample->weight);
	now = heap_clock_ns();
	if (now - told >= TOTALS_NS && __atomic_compare_exchange_n(&totals_told_ns, &told, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		totals_tell(false);
}

void heap_tell_free(struct heap_thread *t, void *p, uint64_t info)
{
	add(&heap_totals.freed, 1);
	if (python_finalizing())
		info |= HEAP_FINALIZING;
	fixingahole_heap_free((uintptr_t)p, 0, 0, 0, info, allocations(t));
}

void heap_tell_failed(size_t size, uint64_t info)
{
	fixingahole_heap_failed(size, info);
}

void *heap_memory(size_t size, bool zero, bool *slot, uint64_t info)
{
	void *p = size <= SLOTS_MAX ? slots_alloc(size) : NULL;

	*slot = p != NULL;
	if (p)
		return zero ? memset(p, 0, size) : p;
	p = zero ? real.calloc(1, size) : real.malloc(size);
	if (!p)
		heap_tell_failed(size, info);
	return p;
}

void *heap_sampled(struct heap_thread *t, size_t size, bool zero, const struct sample *sample, uint64_t info)
{
	bool slot;
	void *p = heap_memory(size, zero, &slot, info);

	if (p)
		heap_tell_alloc(t, p, slot, size, sample, info);
	return p;
}

void heap_invalid(const char *function)
{
	static const char text[] = ": invalid pointer or double free\n";

	if (write(2, function, strlen(function)) < 0 || write(2, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

static void slot_end(struct heap_thread *t, void *p, uint64_t info, const char *function)
{
	if (!info && late_put(t, p))
		return;
	heap_tell_free(t, p, info);
	if (!slots_free(p))
		heap_invalid(function);
}

/* Takes the mark of p, if it has one, and tells of it. */
static bool mark_end(struct heap_thread *t, void *p, struct mark *mark, uint64_t info)
{
	switch (marks_take(p, mark)) {
	case MARKS_TAKEN:
		heap_tell_free(t, p, (mark->info & HEAP_DOMAIN_MASK) | info);
		return true;
	case MARKS_BUSY:
		add(&heap_totals.missed_frees, 1);
		return false;
	default:
		return false;
	}
}

void heap_free_slow(void *p)
{
	struct heap_thread *t = &heap_thread;
	int error = errno;
	struct mark mark;
	size_t room;

	if (slots_own(p)) {
		slot_end(t, p, 0, "free()");
	} else if (p && !real_boot_own(p, &room)) {
		mark_end(t, p, &mark, 0);
		real.free(p);
	}
	errno = error;
}

static void *realloc_slot(struct heap_thread *t, void *p, size_t size, const struct sample *sample, uint64_t info, void *(*plain)(size_t))
{
	size_t old = slots_size(p);
	bool slot = false;
	void *to = sample->weight ? heap_memory(size, false, &slot, info) : plain(size);

	if (!to)
		return NULL;
	memcpy(to, p, old < size ? old : size);
	slot_end(t, p, info | HEAP_RESIZED, "realloc()");
	if (sample->weight)
		heap_tell_alloc(t, to, slot, size, sample, info | HEAP_RESIZED);
	return to;
}

void *heap_realloc_slow(struct heap_thread *t, void *p, size_t size, const struct sample *sample, uint64_t info, void *(*plain)(size_t))
{
	struct mark mark;
	bool marked;
	size_t old;
	void *to;

	if (slots_own(p))
		return realloc_slot(t, p, size, sample, info, plain);
	to = sample->weight ? slots_alloc(size) : NULL;
	if (to) {
		old = real.usable_size(p);
		memcpy(to, p, old < size ? old : size);
		mark_end(t, p, &mark, HEAP_RESIZED);
		real.free(p);
		heap_tell_alloc(t, to, true, size, sample, info | HEAP_RESIZED);
		return to;
	}
	marked = mark_end(t, p, &mark, HEAP_RESIZED);
	to = real.realloc(p, size);
	if (!to && size) {
		if (marked && marks_insert(p, &mark))
			fixingahole_heap_moved((uintptr_t)p, (uintptr_t)p, mark.size, mark.weight, mark.info);
		heap_tell_failed(size, info);
	} else if (to && sample->weight) {
		heap_tell_alloc(t, to, false, size, sample, info | HEAP_RESIZED);
	}
	return to;
}

/* --- start and end --- */

static void lines_clear(struct heap_thread *t)
{
	memset(t->c_hot, 0, sizeof(t->c_hot) / 2); /* the other half is zero already */
	memset(t->py_hot, 0, sizeof(t->py_hot));
	memset(t->c, 0, sizeof(t->c));
	memset(t->py, 0, sizeof(t->py));
}

/* Inside only. */
static void thread_end(struct heap_thread *t)
{
	late_flush(t);
	memset(t->recent, 0, sizeof(t->recent));
	for (unsigned i = 0; i < SAMPLER_CLASSES; i++) {
		totals_note(false, sampler_passed(&t->c_hot[i], &t->c[i]), t->c_hot[i].count);
		totals_note(true, sampler_passed(&t->py_hot[i], &t->py[i]), t->py_hot[i].count);
		t->count += t->c_hot[i].count + t->py_hot[i].count;
	}
	lines_clear(t);
}

static void thread_exit(void *data)
{
	struct heap_thread *t = data;

	if (heap_enter(t)) {
		thread_end(t);
		heap_leave(t);
	}
}

static void seed_renew(void)
{
	uint64_t fresh = (uint64_t)getpid() << 32;

	if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) < 0)
		fresh ^= heap_clock_ns();
	__atomic_store_n(&seed, seed ^ fresh, __ATOMIC_RELAXED);
}

static void child_begin(void)
{
	struct heap_thread *t = &heap_thread;
	struct blocks_passed passed;

	lock_after_fork();
	/* the parent's points and the sums stay with the parent */
	seed_renew();
	t->random = seed_next();
	lines_clear(t);
	blocks_clear(&passed);
	heap_totals = (struct heap_totals){ .version = HEAP_TOTALS_VERSION, .pid = getpid(), .python = heap_totals.python };
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	uint64_t n;

	if (!text || *text < '0' || *text > '9')
		return otherwise;
	n = strtoull(text, &end, 10);
	return *end ? otherwise : n;
}

static void process_end(void)
{
	struct heap_thread *t = &heap_thread;
	struct blocks_passed passed;

	/* after vfork we are in our parent's memory */
	if ((pid_t)heap_totals.pid != getpid())
		return;
	if (heap_enter(t)) {
		thread_end(t);
		blocks_clear(&passed);
		totals_note(true, passed.bytes, passed.count);
		heap_leave(t);
	}
	totals_tell(true);
}

__attribute__((constructor)) static void process_begin(void)
{
	struct heap_thread *t = &heap_thread;

	heap_enter(t);
	real_init();
	copy_init();
	sampler_rate_init(&heap_rate, environment(HEAP_ENV_STRIDE, SAMPLER_STRIDE_DEFAULT), environment(HEAP_ENV_RATE, SAMPLER_RATE_DEFAULT), footprint);
	environment_take();
	heap_totals.pid = getpid();
	seed_renew();
	exit_key_made = !pthread_key_create(&exit_key, thread_exit);
	pthread_atfork(lock_before_fork, lock_after_fork, child_begin);
	slots_init(RANGE_SIZE);
	maps_init();
	python_look();
	heap_leave(t);
}

__attribute__((destructor)) static void process_finish(void)
{
	process_end();
}

/* Python's children of multiprocessing and os.fork end here, without destructors. */
EXPORT void _exit(int status)
{
	process_end();
	for (;;)
		syscall(SYS_exit_group, status);
}

EXPORT void _Exit(int status)
{
	_exit(status);
}
