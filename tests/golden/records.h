/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records made by hand, each checked by record_valid() and played at once, or written to an event file. Include after <cmocka.h>.
 *
 * A script of one process: maker_exec(), maker_interp(), then functions (maker_function()) and samples. All are of the
 * process, thread and address space in the maker; change those to play another one.
 */
#ifndef FIXINGAHOLE_GOLDEN_RECORDS_H
#define FIXINGAHOLE_GOLDEN_RECORDS_H

#include <string.h>

#include "replay.h"

#define SECOND 1000000000ULL
#define MILLISECOND 1000000ULL
#define MAKER_START (1000 * SECOND)

/* Where the interpreter of maker_interp() lies. */
#define MAKER_EVAL 0x401000ULL    /* in the eval loop */
#define MAKER_TEXT 0x480000ULL    /* elsewhere in the interpreter */
#define MAKER_LIBRARY 0x7f0000ULL /* in another image */

/* Line `line` of the function `code` (maker_function()). */
#define AT(code, first, line) { (code), MAKER_FINGERPRINT, 2 * ((line) - (first)) }
#define MAKER_FINGERPRINT 77
#define MAKER_LINES 100

struct maker {
	struct replay *replay;
	FILE *file; /* if set, records go there and are not played */
	record_sink sink; /* if set, they go there, with the context */
	void *context;
	uint64_t now_ns;
	uint32_t pid, tid, space;
	uint32_t version;
	uint64_t mark; /* allocations of the thread so far */
};

static inline struct maker maker_of(struct replay *replay)
{
	return (struct maker){ .replay = replay, .now_ns = MAKER_START, .pid = 100, .tid = 100, .space = 1, .version = 0x0309 };
}

static inline struct event_header maker_head(const struct maker *m, uint16_t kind, size_t size)
{
	return (struct event_header){ .kind = kind, .size = size, .time_ns = m->now_ns, .pid = m->pid, .tid = m->tid, .space = m->space };
}

static inline void maker_play(struct maker *m, const void *record)
{
	const struct event_header *head = record;

	assert_true(record_valid(head, head->size));
	if (m->file)
		assert_int_equal(recording__append(m->file, head), 0);
	else if (m->sink)
		m->sink(m->context, head);
	else
		replay_record(m->replay, head);
}

static inline void maker_exec(struct maker *m, uint32_t old_space, const char *path)
{
	struct event_exec event = { .head = maker_head(m, EVENT_EXEC, sizeof(event)), .old_space = old_space };

	snprintf(event.path, sizeof(event.path), "%s", path);
	maker_play(m, &event);
}

static inline void maker_interp(struct maker *m)
{
	struct event_interp event = {
		.head = maker_head(m, EVENT_INTERP, sizeof(event)),
		.version = m->version,
		.n_eval = 1,
		.text_start = 0x400000,
		.text_end = 0x500000,
		.eval[0] = { MAKER_EVAL, MAKER_EVAL + 0x1000 },
	};

	maker_play(m, &event);
}

static inline void maker_code(struct maker *m, uint64_t code, uint32_t fingerprint, uint32_t firstlineno)
{
	struct event_code event = { .head = maker_head(m, EVENT_CODE, sizeof(event)), .code = code, .fingerprint = fingerprint, .firstlineno = firstlineno };

	maker_play(m, &event);
}

static inline void maker_piece(struct maker *m, uint64_t code, uint32_t fingerprint, uint16_t part, const void *data, uint32_t total, uint32_t start, uint32_t length)
{
	struct { struct event_blob head; uint8_t data[BLOB_DATA_MAX]; } event = {
		.head = { .head = maker_head(m, EVENT_BLOB, sizeof(event.head) + length), .code = code, .fingerprint = fingerprint, .part = part, .char_size = 1, .total = total, .start = start, .length = length },
	};

	memcpy(event.data, (const char *)data + start, length);
	maker_play(m, &event);
}

static inline void maker_text(struct maker *m, uint64_t code, uint32_t fingerprint, uint16_t part, const char *text)
{
	maker_piece(m, code, fingerprint, part, text, strlen(text), 0, strlen(text));
}

/* One line per instruction of two bytes, MAKER_LINES of them. The version must be 3.9 or earlier. */
static inline void maker_table(struct maker *m, uint64_t code, uint32_t fingerprint)
{
	uint8_t table[2 * MAKER_LINES];

	for (size_t i = 0; i < sizeof(table); i += 2) {
		table[i] = 2;
		table[i + 1] = 1;
	}
	maker_piece(m, code, fingerprint, BLOB_LINETABLE, table, sizeof(table), 0, sizeof(table));
}

static inline void maker_function(struct maker *m, uint64_t code, const char *file, const char *name, uint32_t firstlineno)
{
	maker_code(m, code, MAKER_FINGERPRINT, firstlineno);
	maker_text(m, code, MAKER_FINGERPRINT, BLOB_FILENAME, file);
	maker_text(m, code, MAKER_FINGERPRINT, BLOB_NAME, name);
	maker_table(m, code, MAKER_FINGERPRINT);
}

/* kind: EVENT_CPU, EVENT_BLOCK or EVENT_RSS; the frames innermost first. */
static inline void maker_stack(struct maker *m, uint16_t kind, uint64_t weight, uint16_t flags, uint64_t ip, uint64_t rss, const struct raw_frame *frames, size_t n)
{
	static struct { struct event_stack head; struct raw_frame frames[PY_MAX_DEPTH]; } event;

	assert_true(n <= PY_MAX_DEPTH);
	event.head = (struct event_stack){ .head = maker_head(m, kind, sizeof(event.head) + n * sizeof(*frames)), .weight = weight, .user_ip = ip, .rss_bytes = rss, .n_frames = n, .running = 1 };
	event.head.head.flags = flags;
	if (n)
		memcpy(event.frames, frames, n * sizeof(*frames));
	maker_play(m, &event);
}

#define FRAMES(...) (const struct raw_frame[]){ __VA_ARGS__ }, sizeof((const struct raw_frame[]){ __VA_ARGS__ }) / sizeof(struct raw_frame)

/* A tick of a millisecond in Python, native code or the kernel; time goes on by as much. */
static inline void maker_cpu(struct maker *m, uint16_t flags, uint64_t ip, const struct raw_frame *frames, size_t n)
{
	m->now_ns += MILLISECOND;
	maker_stack(m, EVENT_CPU, MILLISECOND, flags, ip, 0, frames, n);
}

static inline void maker_block(struct maker *m, uint64_t id, const struct raw_frame *frames, size_t n)
{
	maker_stack(m, EVENT_BLOCK, id, STACK_KERNEL, MAKER_LIBRARY, 0, frames, n);
}

static inline void maker_wait(struct maker *m, uint64_t stack_id, uint64_t wait_ns, uint32_t kind, int32_t syscall)
{
	struct event_wait event = { .head = maker_head(m, EVENT_WAIT, sizeof(event)), .stack_id = stack_id, .wait_ns = wait_ns, .count = 1, .wait_kind = kind, .syscall = syscall, .object = { .fd = -1 } };

	m->now_ns += wait_ns;
	event.head.time_ns = m->now_ns;
	maker_play(m, &event);
}

/* The process grows by `bytes` to `rss`. */
static inline void maker_rss(struct maker *m, uint64_t bytes, uint64_t rss, const struct raw_frame *frames, size_t n)
{
	maker_stack(m, EVENT_RSS, bytes, STACK_KERNEL, MAKER_LIBRARY, rss, frames, n);
}

/* The maker becomes the child. */
static inline void maker_fork(struct maker *m, uint32_t child_pid, uint32_t child_space)
{
	struct event_fork event = { .parent_pid = m->pid, .parent_space = m->space };

	m->pid = m->tid = child_pid;
	m->space = child_space;
	event.head = maker_head(m, EVENT_FORK, sizeof(event));
	maker_play(m, &event);
}

static inline void maker_exit(struct maker *m, int status)
{
	struct event_exit event = { .head = maker_head(m, EVENT_EXIT, sizeof(event)), .status = status, .utime_ns = 5, .stime_ns = 6, .max_rss_bytes = 7 };

	maker_play(m, &event);
}

/* An allocation that stands for `weight` bytes; the frames innermost first. */
static inline void maker_heap(struct maker *m, uint32_t kind, uint64_t address, uint64_t size, uint64_t weight, const struct raw_frame *frames, size_t n)
{
	static struct { struct event_heap head; struct raw_frame frames[PY_MAX_DEPTH]; } event;
	size_t inner = sizeof(event.head.stack) + n * sizeof(*frames);

	assert_true(n <= PY_MAX_DEPTH);
	m->mark++;
	event.head = (struct event_heap){
		.head = maker_head(m, EVENT_HEAP, sizeof(event.head) + n * sizeof(*frames)), .address = address, .size = size, .count = weight * HEAP_COUNT_ONE / size, .mark = m->mark,
		.kind = kind, .heap_flags = weight == size ? HEAP_EXACT : 0, .stack = { .head = maker_head(m, EVENT_HEAP, inner), .weight = weight, .n_frames = n },
	};
	if (n)
		memcpy(event.frames, frames, n * sizeof(*frames));
	maker_play(m, &event);
}

static inline void maker_heap_free(struct maker *m, uint64_t address, uint16_t flags)
{
	struct event_heap_free event = { .head = maker_head(m, EVENT_HEAP_FREE, sizeof(event)), .address = address, .mark = m->mark };

	event.head.flags = flags;
	maker_play(m, &event);
}

static inline void maker_heap_type(struct maker *m, uint64_t address, const char *name, uint32_t part)
{
	struct event_heap_type event = { .head = maker_head(m, EVENT_HEAP_TYPE, sizeof(event)), .address = address, .part = part };

	strcpy(event.name, name);
	maker_play(m, &event);
}

static inline void maker_heap_totals(struct maker *m, uint64_t c_bytes, uint64_t python_bytes)
{
	struct event_heap_totals event = { .head = maker_head(m, EVENT_HEAP_TOTALS, sizeof(event)), .version = 1, .bytes = { c_bytes, python_bytes }, .count = { 5, 1000 }, .untracked = 1, .untracked_bytes = 131072 };

	maker_play(m, &event);
}

#endif
