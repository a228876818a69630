/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of this room only: which BPF programs a run loads, and what they are told before that.
 */
#ifndef FIXINGAHOLE_CHOOSE_H
#define FIXINGAHOLE_CHOOSE_H

#include "capture/capture.h"
#include "capture/library_probes.h"

struct fixingahole_bpf;

#define LIBRARY_PROBES 6

/* What the preload library calls, and what hears of it. */
void choose_library_list(const struct fixingahole_bpf *skeleton, struct library_probe list[LIBRARY_PROBES]);
/* Of an object that is open, and not loaded yet. */
void choose_programs(struct fixingahole_bpf *skeleton, const struct capture_options *options);

#endif
