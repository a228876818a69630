/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows (profile/window.h) are valid for a call only: here the last ones are kept, as copies, for as long as a
 * screen may show them. Bounded in time and in bytes; the newest is always there.
 */
#ifndef FIXINGAHOLE_VIEW_HISTORY_H
#define FIXINGAHOLE_VIEW_HISTORY_H

#include "profile/window.h"
#include "util/arena.h"

#define HISTORY_NS 60000000000ULL
#define HISTORY_BYTES (32u << 20)

/* Which frame of a stack is charged. */
enum charge {
	CHARGE_OWN,       /* the innermost of the program's own code (window_stack.site) */
	CHARGE_INNERMOST, /* the innermost one, libraries and native code, too */
	CHARGES
};

/* Keys tell things apart by what they are called, so they hold from window to window. 0 is no key. */
struct kept_stack {
	const struct window_frame *frames; /* INNERMOST first */
	uint32_t n_frames;
	bool cut;
	uint64_t key;
	struct charged {
		uint32_t frame;          /* index; n_frames: none */
		uint64_t function, line; /* keys */
	} charged[CHARGES];
};

struct kept_process {
	struct window_process process; /* .times: of its rows in this window */
	uint64_t key;                  /* of its number and start: a number that is given out again is another process */
};

struct kept_row {
	uint32_t process, stack;
	const char *reason;     /* NULL: on CPU, or memory */
	uint64_t key;           /* of stack and reason */
	struct times times;
	uint64_t samples, rss_bytes;
};

struct kept_window {
	uint64_t start_ns, end_ns;
	double end_epoch_s;
	struct times whole;
	uint64_t cpu_samples;
	uint64_t losses[LOSS_COUNT];
	struct kept_process *processes;
	uint32_t n_processes;
	struct kept_stack *stacks;
	uint32_t n_stacks;
	struct kept_row *rows;
	uint32_t n_rows;
	struct arena arena;
	size_t bytes;
};

struct history {
	struct kept_window **windows; /* oldest first */
	size_t n;
	size_t bytes;
};

/* Copies a window and drops what is too old, or too much. -ENOMEM, -EINVAL (indices out of range): nothing has changed. */
int history_take(struct history *history, const struct window *window);
void history_release(struct history *history);

/* Index of the oldest window of which at least a half lies within the last span_ns; the newest one at least. 0 if there is none. */
size_t history_since(const struct history *history, uint64_t span_ns);

#endif
