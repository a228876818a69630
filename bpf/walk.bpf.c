// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * The steps of the CPython walker as functions that the verifier checks once
 * each (see walker.h), and the records about code objects.
 */
#if defined(FIXINGAHOLE_REMOTE_WALKER)
#include "python/remote_walk_host.h"
#elif defined(FIXINGAHOLE_HOST_WALKER)
#include "tests/walker/host.h"
#else
#include "maps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Marks the code object as sent. Returns the slot to undo it, or 0 when it was sent before. */
static __always_inline u64 *walk_code_slot(u64 key)
{
	u32 index = key & (SEEN_SLOTS - 1);
	u64 *slot = bpf_map_lookup_elem(&seen, &index);

	return slot && *slot != key ? slot : 0;
}

/* The slot for a code object with this tag. */
static __always_inline struct known_code *walk_known_slot(u64 tag)
{
	u32 index = tag & (KNOWN_CODE_SLOTS - 1);

	return bpf_map_lookup_elem(&known_codes, &index);
}

static __always_inline void walk_doubt(u32 frames)
{
	struct counters *c = counters_get();

	if (c)
		c->doubtful += frames;
}

/* Sends w->blob with `length` bytes of data. */
static __always_inline int walk_send_blob(struct walk *w, u32 length)
{
	return send(&w->blob, sizeof(w->blob.head) + length, false) ? -1 : 0;
}

static __always_inline int walk_send_head(struct walk *w)
{
	return send(&w->code, sizeof(w->code), false) ? -1 : 0;
}
#endif

/* Does this thread state belong to the thread? Then its head is in w->head: one read for both. */
__attribute__((noinline)) int walk_owns(struct walk *w, u64 tstate)
{
	u32 id, head, low, size;

	if (!w || !tstate)
		return 0;
	id = w->layout.tstate_thread_id;
	head = w->layout.tstate_frame;
	low = id < head ? id : head;
	id -= low;
	head -= low;
	size = id + head; /* one of them is 0 */
	barrier_var(size);
	if (size > WALK_WINDOW - 8)
		return 0;
	if (READ_USER(w->window, size + 8, tstate + low))
		return 0;
	/* both are aligned in any real layout */
	w->head = *(u64 *)((u8 *)w->window + (head & (WALK_WINDOW - 8)));
	return *(u64 *)((u8 *)w->window + (id & (WALK_WINDOW - 8))) == w->fsbase;
}

static __always_inline u64 walk_next_tstate(struct walk *w, u64 tstate)
{
	u64 next = 0;

	return READ_USER(&next, sizeof(next), tstate + w->layout.tstate_next) ? 0 : next;
}

/* From w->tstate on, which becomes the thread's own, if it is there, or where to go on. 0: go on; 1: no need. */
__attribute__((noinline)) int walk_scan_some(struct walk *w)
{
	if (!w)
		return 1;
	for (int i = 0; i < WALK_SCAN_STEPS; i++) {
		if (!w->tstate || walk_owns(w, w->tstate))
			return 1;
		w->tstate = walk_next_tstate(w, w->tstate);
	}
	return 0;
}

/* Looks through the threads of the first interpreter, less and less often. Two loops: see walk_steps(). */
__attribute__((noinline)) u64 walk_scan(struct walk *w, struct walk_process *p, struct thread_cache *cache)
{
	u64 interp = 0;

	if (!w || !p || !cache || w->now_ns < cache->next_scan_ns)
		return 0;
	cache->scan_pause_ns = cache->scan_pause_ns ? 2 * cache->scan_pause_ns : WALK_SCAN_PAUSE_NS;
	if (cache->scan_pause_ns > WALK_SCAN_PAUSE_MAX_NS)
		cache->scan_pause_ns = WALK_SCAN_PAUSE_MAX_NS;
	cache->next_scan_ns = w->now_ns + cache->scan_pause_ns;
	if (READ_USER(&interp, sizeof(interp), p->runtime + w->layout.interpreters_head) || !interp)
		return 0;
	if (READ_USER(&w->tstate, sizeof(w->tstate), interp + w->layout.interp_threads_head))
		return 0;
	for (int i = 0; i < WALK_SCAN_STEPS; i++) {
		if (walk_scan_some(w))
			return w->tstate;
	}
	return 0;
}

/*
 * 3.11 and 3.12: every activation of the eval loop has a cframe, chained from the thread state.
 * It is hung in before its frame is set; for some nanoseconds that is whatever lay
 * there. So the walk later checks that the first entry frame leads to the activation
 * below (walk_step), and begins there if it does not (walk_all).
 */
static __always_inline int walk_begin_cframe(struct walk *w, u64 cframe)
{
	u64 frame_below[2];

	if (!cframe)
		return 0;
	if (READ_USER(frame_below, sizeof(frame_below), cframe + w->layout.cframe_frame))
		return STACK_UNREADABLE;
	w->frame = frame_below[0];
	if (frame_below[1] && !READ_USER(&w->below, sizeof(w->below), frame_below[1] + w->layout.cframe_frame))
		w->entry_pending = 1;
	return 0;
}

__attribute__((noinline)) int walk_begin(struct walk *w, struct walk_process *p, struct thread_cache *cache)
{
	u64 tstate = 0;

	if (!w || !p || !cache)
		return STACK_NO_TSTATE;
	w->n_frames = 0;
	w->flags = 0;
	w->hash = WALK_HASH_START;
	w->instr = 0;
	w->frame = 0;
	w->entry_pending = 0;
	if (w->layout.tss_key)
		tstate = walk_tss(w, p);
	if (!walk_owns(w, tstate)) {
		tstate = cache->tstate;
		if (!walk_owns(w, tstate)) {
			tstate = walk_scan(w, p, cache);
		}
	}
	cache->tstate = tstate;
	w->tstate = tstate;
	w->window_size = 0;
	if (!tstate)
		return STACK_NO_TSTATE;
	if (w->layout.flags & PY_CFRAME)
		return walk_begin_cframe(w, w->head);
	w->frame = w->head;
	return 0;
}

static __always_inline void walk_blob_head(struct walk *w, u16 part, u32 char_size, u64 total)
{
	w->blob.head.head = w->code.head;
	w->blob.head.head.kind = EVENT_BLOB;
	w->blob.head.head.flags = 0;
	w->blob.head.code = w->code.code;
	w->blob.head.fingerprint = w->code.fingerprint;
	w->blob.head.part = part;
	w->blob.head.char_size = char_size;
	w->blob.head.total = total > 0xffffffffULL ? 0xffffffffU : total;
	w->blob.head.pad = 0;
}

/* Sends the piece from `start` on of `total` bytes at `address`. Nonzero: no more to do. */
__attribute__((noinline)) int walk_send_piece(struct walk *w, u64 address, u32 start, u32 total)
{
	u32 length;

	if (!w || (start && start >= total))
		return 1;
	length = total - start;
	barrier_var(length);
	if (length > BLOB_DATA_MAX)
		length = BLOB_DATA_MAX;
	if (length && READ_USER(w->blob.data, length, address + start))
		return -1;
	w->blob.head.start = start;
	w->blob.head.length = length;
	w->blob.head.head.size = sizeof(w->blob.head) + length;
	return walk_send_blob(w, length);
}

/* Sends `total` bytes at `address`, the first BLOB_TOTAL_MAX of them. */
static __always_inline int walk_send_pieces(struct walk *w, u64 address, u64 total)
{
	u32 size = total > BLOB_TOTAL_MAX ? BLOB_TOTAL_MAX : total;
	int done = 0;

	for (u32 i = 0; i < BLOB_TOTAL_MAX / BLOB_DATA_MAX && !done; i++)
		done = walk_send_piece(w, address, i * BLOB_DATA_MAX, size);
	return done < 0 ? -1 : 0;
}

__attribute__((noinline)) int walk_send_string(struct walk *w, u64 object, u32 part)
{
	u64 length = 0, address;
	u32 state = 0, size;

	if (!w || !object)
		return -1;
	if (READ_USER(&length, sizeof(length), object + w->layout.str_length) ||
	    READ_USER(&state, sizeof(state), object + w->layout.str_state))
		return -1;
	size = (state >> 2) & 7;
	/* compact strings of 1, 2 or 4 bytes a character; others are left to userspace */
	if (!(state & (1 << 5)) || (size != 1 && size != 2 && size != 4) || length > 0x10000000)
		return -1;
	address = object + (state & (1 << 6) ? w->layout.str_ascii : w->layout.str_compact);
	walk_blob_head(w, part, size, length * size);
	return walk_send_pieces(w, address, length * size);
}

__attribute__((noinline)) int walk_send_table(struct walk *w, u64 object)
{
	u64 size = 0;

	if (!w || !object)
		return -1;
	if (READ_USER(&size, sizeof(size), object + w->layout.bytes_size) || size > 0x10000000)
		return -1;
	walk_blob_head(w, BLOB_LINETABLE, 1, size);
	return walk_send_pieces(w, object + w->layout.bytes_data, size);
}

/* All that userspace needs of the code object in w->code_bytes; w->code has its identity. */
__attribute__((noinline)) int walk_send_code(struct walk *w)
{
	u64 name, filename, table;
	int failed = 0;

	if (!w)
		return -1;
	name = WALK_U64(w->code_bytes, w->layout.code_name - PY_CODE_WINDOW_START);
	if (w->layout.code_qualname)
		name = WALK_U64(w->code_bytes, w->layout.code_qualname - PY_CODE_WINDOW_START);
	filename = WALK_U64(w->code_bytes, w->layout.code_filename - PY_CODE_WINDOW_START);
	table = WALK_U64(w->code_bytes, w->layout.code_linetable - PY_CODE_WINDOW_START);
	w->code.head = w->stack.head;
	w->code.head.kind = EVENT_CODE;
	w->code.head.flags = 0;
	w->code.head.size = sizeof(w->code);
	if (walk_send_head(w))
		return -1;
	failed |= walk_send_string(w, filename, BLOB_FILENAME);
	failed |= walk_send_string(w, name, BLOB_NAME);
	failed |= walk_send_table(w, table);
	return failed;
}

/* Notes that the code object has this tag. */
static __always_inline void walk_known_note(struct walk *w, struct known_code *known, u64 tag)
{
	if (known->tag == tag) {
		if (known->checks < KNOWN_CHECKS)
			known->checks++;
		known->taken = 0;
		return;
	}
	if (known->tag >> 32 == tag >> 32) {
		w->changed = 1;
		walk_doubt(known->taken);
	}
	known->checks = 0;
	known->taken = 0;
	known->since = w->now_ns >> KNOWN_TICK_SHIFT;
	known->tag = tag;
}

/* Fills in *id of the code object whose bytes are in w->code_bytes. Returns its fingerprint; *told: all has been sent about it. */
static __always_inline u32 walk_fingerprint(struct walk *w, u64 code, struct py_code_identity *id, bool *told)
{
	struct known_code *known;
	u32 fingerprint;
	u64 tag;

	walk_identity_here(&w->layout, w->code_bytes, id);
	fingerprint = py_code_fingerprint(id);
	if (w->layout.flags & PY_CODE_VERSION)
		return fingerprint;
	tag = py_mix64(py_mix64(w->stack.head.space, code), fingerprint);
	known = walk_known_slot(tag);
	if (known && known->checks == KNOWN_CHECKS && known->taken < KNOWN_TAKEN && known->tag >> 32 == tag >> 32 && !w->changed &&
	    (u32)(w->now_ns >> KNOWN_TICK_SHIFT) - known->since >= KNOWN_TICKS) {
		known->taken++;
		*told = true;
		return (u32)known->tag;
	}
	walk_identity_content(&w->layout, id);
	fingerprint = py_code_fingerprint(id);
	if (known)
		walk_known_note(w, known, (tag & ~0xffffffffULL) | fingerprint);
	return fingerprint;
}

__attribute__((noinline)) int walk_step(struct walk *w)
{
	struct py_code_identity id = {};
	u64 code, key, *slot;
	u32 fingerprint = 0, n;
	bool told = false;
	s32 offset = -1;

	if (!w || !w->frame)
		return 1;
	n = w->n_frames;
	if (n >= PY_MAX_DEPTH) {
		w->flags |= STACK_CUT;
		return 1;
	}
	if (walk_read_frame(w)) {
		w->flags |= STACK_UNREADABLE;
		return 1;
	}
	w->frame = FRAME_U64(w, w->layout.frame_prev);
	if (w->entry_pending && walk_is_entry(w)) {
		if (w->frame != w->below)
			return 1; /* not a frame of this activation */
		w->entry_pending = 0;
	}
	if (walk_is_shim(w))
		return 0;
	code = walk_frame_code(w);
	if (!code)
		return 0; /* a frame half made */
	if (READ_USER(w->code_bytes, PY_CODE_WINDOW_SIZE, code + PY_CODE_WINDOW_START)) {
		code = 0;
	} else {
		fingerprint = walk_fingerprint(w, code, &id, &told);
		offset = walk_offset(w, code);
		key = py_mix64(py_mix64(w->stack.head.space, code), fingerprint);
		slot = told ? 0 : walk_code_slot(key);
		if (slot) {
			w->code.code = code;
			w->code.fingerprint = fingerprint;
			w->code.firstlineno = id.firstlineno;
			/* what could not be read now is retried by userspace, not at each sample */
			walk_send_code(w);
			*slot = key;
		}
	}
	n &= PY_MAX_DEPTH - 1;
	w->frames[n].code = code;
	w->frames[n].fingerprint = fingerprint;
	w->frames[n].offset = offset;
	w->hash = py_mix64(w->hash, code ^ ((u64)fingerprint << 32) ^ (u32)offset);
	w->n_frames = n + 1;
	return 0;
}

/*
 * All frames from w->frame on; where the steps do not suffice, the rest counts as cut. Two loops, one in a function of its own: the
 * verifier follows every turn of a loop, and 32 + 32 are fewer than 1024.
 */
__attribute__((noinline)) int walk_steps(struct walk *w)
{
	for (int i = 0; i < WALK_STEPS; i++) {
		if (walk_step(w))
			return 1;
	}
	return 0;
}

__attribute__((noinline)) int walk_all(struct walk *w, struct walk_process *p)
{
	if (!w || !p)
		return 0;
	w->changed = p->changed;
	for (int attempt = 0; attempt < 2; attempt++) {
		int i;

		for (i = 0; i < WALK_STEPS; i++) {
			if (walk_steps(w))
				break;
		}
		if (i == WALK_STEPS && w->frame)
			w->flags |= STACK_CUT;
		if (!w->entry_pending || (w->flags & STACK_CUT))
			break;
		/* the activation is half made: see walk_begin_cframe() */
		w->entry_pending = 0;
		w->n_frames = 0;
		w->flags &= ~STACK_UNREADABLE;
		w->hash = WALK_HASH_START;
		w->instr = 0;
		w->frame = w->below;
	}
	if (w->changed)
		p->changed = 1;
	return 0;
}
