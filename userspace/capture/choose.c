// SPDX-License-Identifier: Apache-2.0
#include "capture/choose.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "capture/probe_set.h"

#include "fixingahole.skel.h"

#define RING_BYTES (8U << 20)
/* From this rate on the buffer must hold more between two drains. */
#define RING_FAST_HZ 2000
#define RING_FAST_BYTES (16U << 20)
/* At 1000 Hz a CPU may walk 250 stacks a second that stop; at lower rates fewer, down to a part. */
#define BUDGET_HZ 1000
#define BUDGET_PART_MAX 50
/* There, waits are sent when they add up to this, and at the end of each window. */
#define ALL_WAIT_NS 2000000000ULL
/* And there are many threads to be met for the first time. */
#define ALL_NEW_TIMES 4
/* Growth of memory is charged in pieces of a MB. */
#define ALL_RSS_PAGES 256
/* Pieces are four times as large from this rate down: at 100 Hz more stacks would be read for pages than for time. */
#define RSS_COARSE_HZ 250
#define RSS_COARSE_SHIFT 2

void choose_library_list(const struct fixingahole_bpf *s, struct library_probe list[LIBRARY_PROBES])
{
	const struct library_probe all[LIBRARY_PROBES] = {
		{ s->progs.heap_alloc, "fixingahole_heap_alloc" },
		{ s->progs.heap_free, "fixingahole_heap_free" },
		{ s->progs.heap_moved, "fixingahole_heap_moved" },
		{ s->progs.heap_failed, "fixingahole_heap_failed" },
		{ s->progs.heap_sums, "fixingahole_heap_totals" },
		{ s->progs.heap_copy, "fixingahole_heap_copy" },
	};

	memcpy(list, all, sizeof(all));
}

static void choose_library_probes(struct fixingahole_bpf *s, const struct capture_options *o)
{
	struct library_probe list[LIBRARY_PROBES];

	choose_library_list(s, list);
	for (size_t i = 0; i < LIBRARY_PROBES; i++) {
		if (o->heap_library)
			library_probe_prepare(list[i].program);
		else
			bpf_program__set_autoload(list[i].program, false);
	}
}

static void choose_heap_probes(struct fixingahole_bpf *s, const struct capture_options *o)
{
	struct bpf_program *const programs[] = { s->progs.heap_call, s->progs.heap_enter, s->progs.heap_leave, s->progs.heap_fork, s->progs.heap_exec, s->progs.heap_exit };
	struct bpf_map *const maps[] = { s->maps.heap_controls, s->maps.heap_states, s->maps.heap_blocks };

	if (o->heap_probes) {
		probe_set_prepare(s->progs.heap_call);
		return;
	}
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		bpf_program__set_autoload(programs[i], false);
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		bpf_map__set_max_entries(maps[i], 1);
}

static void choose_calls_probes(struct fixingahole_bpf *s, const struct capture_options *o)
{
	if (o->calls_probes) {
		probe_set_prepare(s->progs.calls_call);
		probe_set_prepare_plain(s->progs.calls_enter);
		return;
	}
	bpf_program__set_autoload(s->progs.calls_call, false);
	bpf_program__set_autoload(s->progs.calls_enter, false);
	bpf_program__set_autoload(s->progs.calls_exit, false);
	bpf_map__set_max_entries(s->maps.calls_controls, 1);
	bpf_map__set_max_entries(s->maps.calls_costs, 1);
	bpf_map__set_max_entries(s->maps.calls_counts, 1);
}

/* A look at a whole machine costs it less. */
static void choose_all(struct fixingahole_bpf *s, const struct capture_options *o)
{
	int part = BUDGET_HZ / o->rate_hz;

	if (!o->all)
		return;
	s->bss->follow_all = getpid();
	s->data->wait_long_ns = s->data->wait_sum_ns = ALL_WAIT_NS;
	s->data->rss_batch_pages = ALL_RSS_PAGES;
	s->data->budget_new *= ALL_NEW_TIMES;
	s->data->budget_unit_ns *= part < 1 ? 1 : part > BUDGET_PART_MAX ? BUDGET_PART_MAX : part;
}

void choose_programs(struct fixingahole_bpf *s, const struct capture_options *o)
{
	bpf_map__set_max_entries(s->maps.events, o->rate_hz > RING_FAST_HZ ? RING_FAST_BYTES : RING_BYTES);
	if (o->empty) {
		struct bpf_program *program;

		bpf_object__for_each_program(program, s->obj)
			bpf_program__set_autoload(program, program == s->progs.cpu_empty);
	} else {
		bpf_program__set_autoload(s->progs.cpu_empty, false);
	}
	choose_library_probes(s, o);
	bpf_program__set_autoload(s->progs.attach_tasks, (o->attach || o->live) && !o->empty);
	if (!o->attach)
		bpf_map__set_max_entries(s->maps.places, 1);
	choose_heap_probes(s, o);
	choose_calls_probes(s, o);
	if (o->rate_hz <= RSS_COARSE_HZ) {
		s->data->rss_batch_pages <<= RSS_COARSE_SHIFT;
		s->data->rss_grown_shift -= RSS_COARSE_SHIFT;
	}
	choose_all(s, o);
}
