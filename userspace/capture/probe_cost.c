// SPDX-License-Identifier: Apache-2.0
#include "capture/probe_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
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

int probe_cost__measure(struct probe_programs *programs, uint32_t returns, struct probe_cost *out)
{
	void (*const functions[])(void) = { heap_calibrate_emulated, heap_calibrate_return, heap_calibrate_stepped };
	const uint64_t cookies[] = { HEAP_CALL_OTHER, HEAP_CALL_RETURN, HEAP_CALL_OTHER };
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct probe_set set;
	uint64_t offsets[3];
	struct probe_places places = { fd, offsets, cookies, 3 };
	int err;

	if (fd < 0)
		return -errno;
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
	out->call_ns = time_of(heap_calibrate_emulated, CALLS) + LOOK_UPS_NS;
	out->return_ns = time_of(heap_calibrate_return, CALLS) + LOOK_UPS_NS - out->call_ns;
	out->stepped_ns = time_of(heap_calibrate_stepped, CALLS_STEPPED) + LOOK_UPS_NS;
	if (out->return_ns < 0)
		out->return_ns = 0;
	probe_set__detach(&set);
	return 0;
}
