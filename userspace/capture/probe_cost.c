// SPDX-License-Identifier: Apache-2.0
#include "capture/probe_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/heap_source.h"
#include "image/maps.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define ROUNDS 5
#define CALLS 200
#define CALLS_STEPPED 40
/* What the program does for a process of the target, and not for us: look-ups of its state. */
#define LOOK_UPS_NS 70
#define LOOK_UPS_COLD_NS 400
/* More than the nearest caches hold. */
#define OTHER_WORK (1 << 20)
/* From so much work between two calls on they are cold. */
#define COLD_NS 4000.0

/* heap_calibrate.S */
void heap_calibrate_emulated(void);
void heap_calibrate_return(void);
void heap_calibrate_stepped(void);

struct where { uint64_t address, offset; };

static int find_offset(const struct mapping *m, void *arg)
{
	struct where *w = arg;

	if (w->address < m->start || w->address >= m->end)
		return 0;
	w->offset = w->address - m->start + m->offset;
	return 1;
}

static void nothing(void)
{
	clock_ns(CLOCK_MONOTONIC);
}

/* The best of some rounds: the others were interrupted. */
static double time_of(void (*function)(void), int calls)
{
	double best = 1e9;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin = clock_ns(CLOCK_MONOTONIC);
		double each;

		for (int i = 0; i < calls; i++)
			function();
		each = (double)(clock_ns(CLOCK_MONOTONIC) - begin) / calls;
		if (each < best)
			best = each;
	}
	return best;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of single calls. */
static double time_of_cold(void (*function)(void), char *work, int calls)
{
	double each[CALLS], clock = time_of(nothing, CALLS);

	for (int i = 0; i < calls; i++) {
		uint64_t begin;

		memset(work, i, OTHER_WORK);
		__asm__ volatile("" : : "r"(work) : "memory");
		begin = clock_ns(CLOCK_MONOTONIC);
		function();
		each[i] = (double)(clock_ns(CLOCK_MONOTONIC) - begin);
	}
	qsort(each, calls, sizeof(each[0]), by_value);
	return each[calls / 2] > clock ? each[calls / 2] - clock : 0;
}

static void measure(struct probe_costs *out, char *work)
{
	struct probe_cost *hot = &out->hot, *cold = &out->cold;

	hot->call_ns = time_of(heap_calibrate_emulated, CALLS) + LOOK_UPS_NS;
	hot->return_ns = time_of(heap_calibrate_return, CALLS) + LOOK_UPS_NS - hot->call_ns;
	hot->stepped_ns = time_of(heap_calibrate_stepped, CALLS_STEPPED) + LOOK_UPS_NS;
	cold->call_ns = time_of_cold(heap_calibrate_emulated, work, CALLS_STEPPED) + LOOK_UPS_COLD_NS;
	cold->return_ns = time_of_cold(heap_calibrate_return, work, CALLS_STEPPED) + LOOK_UPS_COLD_NS - cold->call_ns;
	cold->stepped_ns = time_of_cold(heap_calibrate_stepped, work, CALLS_STEPPED) + LOOK_UPS_COLD_NS;
	if (hot->return_ns < 0)
		hot->return_ns = 0;
	if (cold->return_ns < hot->return_ns)
		cold->return_ns = hot->return_ns;
	if (cold->call_ns < hot->call_ns)
		cold->call_ns = hot->call_ns;
	if (cold->stepped_ns < hot->stepped_ns)
		cold->stepped_ns = hot->stepped_ns;
}

double probe_cost_of(const struct probe_costs *costs, uint64_t calls, uint64_t stepped, uint64_t returns, uint64_t cpu_ns)
{
	const struct probe_cost *hot = &costs->hot, *cold = &costs->cold;
	double emulated = (double)calls - (double)stepped, work, part;
	double least = emulated * hot->call_ns + (double)stepped * hot->stepped_ns + (double)returns * hot->return_ns;
	double most = emulated * cold->call_ns + (double)stepped * cold->stepped_ns + (double)returns * cold->return_ns;

	if (!calls)
		return 0;
	work = ((double)cpu_ns - least) / (double)calls;
	part = work < 0 ? 0 : work > COLD_NS ? 1 : work / COLD_NS;
	return least + part * (most - least);
}

int probe_cost__measure(struct probe_programs *programs, uint32_t returns, struct probe_costs *out)
{
	void (*const functions[])(void) = { heap_calibrate_emulated, heap_calibrate_return, heap_calibrate_stepped };
	const uint64_t cookies[] = { HEAP_CALL_OTHER, HEAP_CALL_RETURN, HEAP_CALL_OTHER };
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *work = malloc(OTHER_WORK);
	struct probe_set set;
	uint64_t offsets[3];
	struct probe_places places = { .fd = fd, .offset = offsets, .cookie = cookies, .n = 3 };
	int err;

	if (fd < 0 || !work)
		return fd < 0 ? -errno : -ENOMEM;
	for (int i = 0; i < 3; i++) {
		struct where w = { .address = (uintptr_t)functions[i] };

		if (maps__each(getpid(), find_offset, &w) != 1)
			return -ENOENT;
		offsets[i] = w.offset;
	}
	programs->sessions = true;
	err = probe_set__attach(&set, programs, &places, returns, getpid());
	if (err) {
		programs->sessions = false;
		err = probe_set__attach(&set, programs, &places, returns, getpid());
	}
	if (err)
		return err;
	measure(out, work);
	probe_set__detach(&set);
	return 0;
}
