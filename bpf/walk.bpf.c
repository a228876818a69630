// SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause)
/*
 * The steps of the CPython walker as functions that the verifier checks once
 * each (see walker.h), and the records about code objects.
 */
#ifdef FIXINGAHOLE_HOST_WALKER
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

static __always_inline long walk_send(void *record, u64 size)
{
	return send(record, size, false);
}
#endif

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

/* Sends `total` bytes at `address` in pieces, the first BLOB_TOTAL_MAX of them. */
static __always_inline int walk_send_pieces(struct walk *w, u64 address, u64 total)
{
	if (total > BLOB_TOTAL_MAX)
		total = BLOB_TOTAL_MAX;
	for (u32 i = 0; i < BLOB_TOTAL_MAX / BLOB_DATA_MAX; i++) {
		u64 start = (u64)i * BLOB_DATA_MAX, length;

		if (start >= total && i)
			break;
		length = total - start;
		if (length > BLOB_DATA_MAX)
			length = BLOB_DATA_MAX;
		if (length && READ_USER(w->blob.data, length, address + start))
			return -1;
		w->blob.head.start = start;
		w->blob.head.length = length;
		w->blob.head.head.size = sizeof(w->blob.head) + length;
		if (walk_send(&w->blob, sizeof(w->blob.head) + length))
			return -1;
	}
	return 0;
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
	if (walk_send(&w->code, sizeof(w->code)))
		return -1;
	failed |= walk_send_string(w, filename, BLOB_FILENAME);
	failed |= walk_send_string(w, name, BLOB_NAME);
	failed |= walk_send_table(w, table);
	return failed;
}

/* One frame: w->frame is recorded and w->frame becomes the next one out. Nonzero ends the walk. */
__attribute__((noinline)) int walk_step(struct walk *w)
{
	struct py_code_identity id = {};
	u64 code, key, *slot;
	u32 fingerprint = 0, n;
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
	w->frame = WALK_U64(w->frame_bytes, w->layout.frame_prev);
	if (walk_is_shim(w))
		return 0;
	code = walk_frame_code(w);
	if (!code)
		return 0; /* a frame half made */
	if (READ_USER(w->code_bytes, PY_CODE_WINDOW_SIZE, code + PY_CODE_WINDOW_START)) {
		code = 0;
	} else {
		walk_identity(w, &id);
		fingerprint = py_code_fingerprint(&id);
		offset = walk_offset(w, code);
		key = py_mix64(py_mix64(w->stack.head.space, code), fingerprint);
		slot = walk_code_slot(key);
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

/* A cheap mark of where the thread is: the innermost frames' places and instructions. Leaves w->frame alone. */
__attribute__((noinline)) u64 walk_light(struct walk *w)
{
	u64 hash = 0x9ae16a3b2f90404fULL, first;

	if (!w)
		return 0;
	first = w->frame;
	for (int i = 0; i < LIGHT_DEPTH && w->frame; i++) {
		if (walk_read_frame(w))
			break;
		hash = py_mix64(hash, w->frame);
		hash = py_mix64(hash, WALK_U64(w->frame_bytes, w->layout.frame_code));
		hash = py_mix64(hash, w->layout.flags & (PY_LASTI_BYTES | PY_LASTI_UNITS)
					      ? WALK_U32(w->frame_bytes, w->layout.frame_instr)
					      : WALK_U64(w->frame_bytes, w->layout.frame_instr));
		w->frame = WALK_U64(w->frame_bytes, w->layout.frame_prev);
	}
	w->frame = first;
	return hash;
}
