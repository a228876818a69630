/* SPDX-License-Identifier: Apache-2.0 */
/* The merge's own state, of merge.c and end.c. */
#ifndef FIXINGAHOLE_MERGE_STATE_H
#define FIXINGAHOLE_MERGE_STATE_H

#include "merge/joined.h"
#include "merge/notes.h"

/* CPUs that runs on one machine may use: those of the run that may use most. */
struct machine { const char *host; uint32_t cpus; };

struct merge {
	struct strings *strings;
	struct arena arena;
	struct profile profile;          /* the sums, then the result */
	struct profile_merge made_of;
	size_t room_inputs, room_skipped, room_processes, room_machines, n_machines;
	struct profile_skipped *skipped;
	struct machine *machines;
	struct joined_measures outside;
	struct joined_files files;
	struct joined_stacks stacks;
	struct whole_heap heap;
	struct joined_calls calls;
	struct curve rss;
	struct notes notes;
	struct map64 seen;               /* runs */
	double first_epoch_s;            /* of the first run: zero of the offsets */
	struct place_in_time earliest;
	int64_t last_ns, last_wall_ns;   /* latest end of what was profiled, and with the start of the script around it */
	bool same_program, same_args, same_root, same_directory;
	size_t n_runs, n_heaps, n_calls;
};

#endif
