// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF walker over hand-made memory, one image per family of layouts. (test_walker_live.c: over that of real
 * interpreters.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define FIXINGAHOLE_HOST_WALKER
#include "bpf/walk.bpf.c"

#include "python/layout.h"
#include "recorder.h"
#include "unit/tiny_elf.h"

#define LAYOUTS 8

/* 3.7 to 3.14. The last has the shape of 3.13 with tagged references, which is what matters to the walker. */
static void all_layouts(struct py_layout layouts[LAYOUTS])
{
	char reason[LAYOUT_REASON_SIZE];
	uint64_t words[128];

	for (uint32_t i = 0; i < 6; i++)
		layouts[i] = *layout_for(0x0307 + i);
	tiny_debug_offsets(words);
	assert_int_equal(layout_from_debug_offsets(words, 73 * 8, &layouts[6], reason), 0);
	layouts[7] = layouts[6];
	layouts[7].version = 0x030e;
	layouts[7].flags |= PY_TAGGED;
	for (int i = 0; i < LAYOUTS; i++)
		assert_int_equal(layout_check(&layouts[i]), 0);
}

static struct py_layout layout_of(uint32_t version)
{
	struct py_layout all[LAYOUTS];

	all_layouts(all);
	return all[version - 0x0307];
}

/* Runs a check for each layout. */
static void for_each_layout(void (*check)(struct recorder *r))
{
	struct py_layout all[LAYOUTS];

	all_layouts(all);
	for (int i = 0; i < LAYOUTS; i++) {
		struct recorder *r = recorder_new(&all[i]);

		check(r);
		recorder_free(r);
	}
}

static uint64_t expected_instruction(struct image *m, uint64_t code, int32_t offset)
{
	uint64_t first;

	if (m->layout.version > 0x030a)
		return code + m->layout.code_first_instr + offset;
	memcpy(&first, image_at(m, code + m->layout.code_first_instr), sizeof(first));
	return first + m->layout.bytes_data + offset;
}

static void check_frames(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t outer = image_simple_code(m, "<module>", 1), inner = image_simple_code(m, "inner", 12);
	uint64_t frame = image_frame(m, inner, 34, image_frame(m, inner, 6, image_frame(m, outer, 258, 0)));

	assert_int_equal(recorder_walk_from(r, frame), 0);
	assert_int_equal(r->walk.flags, 0);
	assert_int_equal(r->walk.n_frames, 3);
	assert_int_equal(r->walk.frames[0].code, inner);
	assert_int_equal(r->walk.frames[0].offset, 34);
	assert_int_equal(r->walk.frames[1].code, inner);
	assert_int_equal(r->walk.frames[1].offset, 6);
	assert_int_equal(r->walk.frames[1].fingerprint, r->walk.frames[0].fingerprint);
	assert_int_equal(r->walk.frames[2].code, outer);
	assert_int_equal(r->walk.frames[2].offset, 258);
	assert_int_not_equal(r->walk.frames[2].fingerprint, r->walk.frames[0].fingerprint);
	assert_int_equal(r->walk.instr, expected_instruction(m, inner, 34));
	assert_int_equal(r->walk.tstate, m->tstate);
	/* each code object is told once, its parts whole */
	assert_int_equal(recorder_count(r, EVENT_CODE), 2);
	assert_int_equal(recorder_count(r, EVENT_BLOB), 6);
	assert_int_equal(recorder_code(r, inner)->firstlineno, 12);
	assert_int_equal(recorder_code(r, inner)->fingerprint, r->walk.frames[0].fingerprint);
	assert_int_equal(recorder_code(r, inner)->head.space, RECORDER_SPACE);
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(recorder_count(r, EVENT_CODE), 2);
	/* in another address space it is another one */
	r->walk.stack.head.space++;
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(recorder_count(r, EVENT_CODE), 4);
}

static void frames_and_offsets_are_right(void **state)
{
	for_each_layout(check_frames);
}

static void check_before_start(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3);

	assert_int_equal(recorder_walk_from(r, image_frame(m, code, -2, 0)), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_true(r->walk.frames[0].offset < 0);
	/* far beyond what a code object can hold */
	if (m->layout.version > 0x030a) {
		uint64_t frame = image_frame(m, code, 0, 0);

		image_put64(m, frame + m->layout.frame_instr, code + (1ULL << 40));
		assert_int_equal(recorder_walk_from(r, frame), 0);
		assert_int_equal(r->walk.frames[0].offset, -1);
	}
}

static void a_frame_that_has_not_begun_has_a_negative_offset(void **state)
{
	for_each_layout(check_before_start);
}

static void check_skipped(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), frame = image_frame(m, code, 8, 0);

	frame = image_frame(m, 0, 0, frame); /* half made */
	if (m->layout.frame_owner)
		frame = image_shim(m, frame);
	frame = image_frame(m, code, 4, frame);
	if (m->layout.frame_owner)
		frame = image_shim(m, frame);
	assert_int_equal(recorder_walk_from(r, frame), 0);
	assert_int_equal(r->walk.flags, 0);
	assert_int_equal(r->walk.n_frames, 2);
	assert_int_equal(r->walk.frames[0].offset, 4);
	assert_int_equal(r->walk.frames[1].offset, 8);
	assert_int_equal(r->walk.instr, expected_instruction(m, code, 4));
}

static void shims_and_frames_half_made_are_skipped(void **state)
{
	for_each_layout(check_skipped);
}

static void a_tagged_integer_is_no_code_object(void **state)
{
	struct py_layout layout = layout_of(0x030e);
	struct recorder *r = recorder_new(&layout);
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), frame = image_frame(m, code, 2, 0);

	for (uint64_t tag = 0; tag < 4; tag++) {
		image_put64(m, frame + layout.frame_code, code | tag);
		assert_int_equal(recorder_walk_from(r, frame), 0);
		assert_int_equal(r->walk.n_frames, tag < 3);
		if (tag < 3)
			assert_int_equal(r->walk.frames[0].code, code);
	}
	recorder_free(r);
}

static uint64_t deep(struct image *m, uint64_t code, int depth, bool shims)
{
	uint64_t frame = 0;

	for (int i = 0; i < depth; i++) {
		frame = image_frame(m, code, 2 * (i % 100), frame);
		if (shims)
			frame = image_shim(m, frame);
	}
	return frame;
}

static void check_depth(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3);

	assert_int_equal(recorder_walk_from(r, deep(m, code, PY_MAX_DEPTH, false)), 0);
	assert_int_equal(r->walk.n_frames, PY_MAX_DEPTH);
	assert_int_equal(r->walk.flags, 0);
	assert_int_equal(recorder_walk_from(r, deep(m, code, PY_MAX_DEPTH + 1, false)), 0);
	assert_int_equal(r->walk.n_frames, PY_MAX_DEPTH);
	assert_int_equal(r->walk.flags, STACK_CUT);
	/* the innermost frames are the ones that are kept */
	assert_int_equal(r->walk.frames[0].offset, 2 * (PY_MAX_DEPTH % 100));
	assert_int_equal(r->walk.frames[PY_MAX_DEPTH - 1].offset, 2);
	if (!m->layout.frame_owner)
		return;
	/* a shim between any two frames takes steps, too; what is not reached counts as cut */
	assert_int_equal(recorder_walk_from(r, deep(m, code, 1200, true)), 0);
	assert_int_equal(r->walk.n_frames, PY_MAX_DEPTH);
	assert_int_equal(r->walk.flags, STACK_CUT);
}

static void deep_stacks_are_cut_and_say_so(void **state)
{
	for_each_layout(check_depth);
}

static void check_cycles(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), a = image_frame(m, code, 2, 0), b = image_frame(m, code, 4, a);

	image_put64(m, a + m->layout.frame_prev, b);
	assert_int_equal(recorder_walk_from(r, b), 0);
	assert_int_equal(r->walk.n_frames, PY_MAX_DEPTH);
	assert_int_equal(r->walk.flags, STACK_CUT);
	/* of frames that are all skipped */
	image_put64(m, a + m->layout.frame_code, 0);
	image_put64(m, b + m->layout.frame_code, 0);
	host.reads = 0;
	assert_int_equal(recorder_walk_from(r, b), 0);
	assert_int_equal(r->walk.n_frames, 0);
	assert_int_equal(r->walk.flags, STACK_CUT);
	assert_in_range(host.reads, WALK_STEPS * WALK_STEPS, WALK_STEPS * WALK_STEPS + 16);
}

static void a_cycle_of_frames_ends(void **state)
{
	for_each_layout(check_cycles);
}

static void check_unreadable(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), frame;

	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 2, IMAGE_NOWHERE)), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_equal(r->walk.flags, STACK_UNREADABLE);
	/* a frame without a code object that can be read stays a frame: one that has no name */
	frame = image_frame(m, code, 4, image_frame(m, IMAGE_NOWHERE & ~3ULL, 6, image_frame(m, code, 8, 0)));
	assert_int_equal(recorder_walk_from(r, frame), 0);
	assert_int_equal(r->walk.flags, 0);
	assert_int_equal(r->walk.n_frames, 3);
	assert_int_equal(r->walk.frames[1].code, 0);
	assert_int_equal(r->walk.frames[1].fingerprint, 0);
	assert_int_equal(r->walk.frames[1].offset, -1);
	assert_int_equal(r->walk.frames[2].offset, 8);
	/* no frame at all */
	assert_int_equal(recorder_walk_from(r, 0), 0);
	assert_int_equal(r->walk.n_frames, 0);
	assert_int_equal(r->walk.flags, 0);
	if (m->layout.flags & PY_CFRAME) {
		image_put64(m, m->tstate + m->layout.tstate_frame, IMAGE_NOWHERE);
		assert_int_equal(recorder_walk(r), STACK_UNREADABLE);
	}
}

static void what_cannot_be_read_is_told(void **state)
{
	for_each_layout(check_unreadable);
}

static void check_part(struct recorder *r, uint64_t code, uint16_t part, const void *text, uint32_t size, uint16_t char_size, size_t pieces)
{
	const struct event_blob *first;
	uint32_t got;
	size_t n;
	uint8_t *data = recorder_part(r, code, part, &first, &got, &n);

	assert_int_equal(n, pieces);
	assert_int_equal(got, size);
	assert_int_equal(first->total, size);
	assert_int_equal(first->char_size, char_size);
	assert_int_equal(first->head.space, RECORDER_SPACE);
	assert_memory_equal(data, text, size);
	free(data);
}

static void check_names(struct recorder *r)
{
	static const uint8_t latin[] = { 'g', 'r', 0xfc, 'n' };
	static const uint16_t two[] = { 0x540d, 0x524d };
	static const uint32_t four[] = { 0x1f40d, 'x' };
	struct image *m = &r->image;
	uint64_t table = image_table(m, "\x80\x01", 2), file = image_ascii(m, "/p/x.py");
	uint64_t a = image_code(m, &(struct image_code){ image_str(m, latin, 4, 1, false, 1), file, table, 1, 101 });
	uint64_t b = image_code(m, &(struct image_code){ image_str(m, two, 2, 2, false, 2), file, table, 2, 102 });
	uint64_t c = image_code(m, &(struct image_code){ image_str(m, four, 2, 4, false, 3), file, table, 3, 103 });
	uint64_t d = image_code(m, &(struct image_code){ image_ascii(m, ""), file, image_table(m, "", 0), 4, 104 });

	assert_int_equal(recorder_walk_from(r, image_frame(m, a, 0, image_frame(m, b, 0, image_frame(m, c, 0, image_frame(m, d, 0, 0))))), 0);
	assert_int_equal(r->walk.n_frames, 4);
	check_part(r, a, BLOB_NAME, latin, 4, 1, 1);
	check_part(r, b, BLOB_NAME, two, 4, 2, 1);
	check_part(r, c, BLOB_NAME, four, 8, 4, 1);
	check_part(r, d, BLOB_NAME, "", 0, 1, 1);
	check_part(r, d, BLOB_LINETABLE, "", 0, 1, 1);
	check_part(r, a, BLOB_FILENAME, "/p/x.py", 7, 1, 1);
	check_part(r, a, BLOB_LINETABLE, "\x80\x01", 2, 1, 1);
}

static void names_of_every_width_arrive(void **state)
{
	for_each_layout(check_names);
}

static void check_qualified(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "method", 3);

	if (!m->layout.code_qualname)
		return;
	image_put64(m, code + m->layout.code_qualname, image_ascii(m, "Class.method"));
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 0, 0)), 0);
	check_part(r, code, BLOB_NAME, "Class.method", 12, 1, 1);
}

static void the_qualified_name_is_sent_where_there_is_one(void **state)
{
	for_each_layout(check_qualified);
}

static void long_tables_come_in_pieces(void **state)
{
	static const size_t sizes[] = { BLOB_DATA_MAX - 1, BLOB_DATA_MAX, BLOB_DATA_MAX + 1, 3 * BLOB_DATA_MAX, BLOB_TOTAL_MAX };
	struct py_layout layout = layout_of(0x030b);
	struct recorder *r = recorder_new(&layout);
	struct image *m = &r->image;
	uint8_t *bytes = malloc(BLOB_TOTAL_MAX + 1);
	const struct event_blob *first;
	uint32_t got;
	uint64_t code;
	size_t n;

	for (size_t i = 0; i <= BLOB_TOTAL_MAX; i++)
		bytes[i] = i * 7 + (i >> 8);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		code = image_code(m, &(struct image_code){ image_ascii(m, "f"), image_ascii(m, "x.py"), image_table(m, bytes, sizes[i]), i, 0 });
		assert_int_equal(recorder_walk_from(r, image_frame(m, code, 0, 0)), 0);
		check_part(r, code, BLOB_LINETABLE, bytes, sizes[i], 1, (sizes[i] + BLOB_DATA_MAX - 1) / BLOB_DATA_MAX);
	}
	/* one byte more than is sent: the first 64 KiB come, and the announced size says that something is missing */
	code = image_code(m, &(struct image_code){ image_ascii(m, "f"), image_ascii(m, "x.py"), image_table(m, bytes, BLOB_TOTAL_MAX + 1), 9, 0 });
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 0, 0)), 0);
	free(recorder_part(r, code, BLOB_LINETABLE, &first, &got, &n));
	assert_int_equal(got, BLOB_TOTAL_MAX);
	assert_int_equal(first->total, BLOB_TOTAL_MAX + 1);
	free(bytes);
	recorder_free(r);
}

static size_t blobs_with_name(struct recorder *r, uint64_t name, uint64_t table)
{
	struct image *m = &r->image;
	static uint32_t line;
	uint64_t code;

	line++; /* each is another one */
	code = image_code(m, &(struct image_code){ name, image_ascii(m, "x.py"), table, line, line });
	recorder_forget(r);
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 0, 0)), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_equal(recorder_count(r, EVENT_CODE), 1);
	return recorder_count(r, EVENT_BLOB);
}

static void check_hostile_strings(struct recorder *r)
{
	const struct py_layout *l = &r->image.layout;
	struct image *m = &r->image;
	uint64_t good = image_ascii(m, "good"), table = image_table(m, "12", 2), bad;

	assert_int_equal(blobs_with_name(r, good, table), 3);
	assert_int_equal(blobs_with_name(r, IMAGE_NOWHERE, table), 2);
	assert_int_equal(blobs_with_name(r, 0, table), 2);
	assert_int_equal(blobs_with_name(r, good, IMAGE_NOWHERE), 2);
	for (uint32_t kind = 0; kind < 8; kind++) {
		bad = image_ascii(m, "bad");
		image_put32(m, bad + l->str_state, kind << 2 | 1 << 5);
		assert_int_equal(blobs_with_name(r, bad, table), kind == 1 || kind == 2 || kind == 4 ? 3 : 2);
	}
	bad = image_ascii(m, "not compact");
	image_put32(m, bad + l->str_state, 1 << 2);
	assert_int_equal(blobs_with_name(r, bad, table), 2);
	/* longer than anything is; the memory for a first piece is there */
	for (int shift = 29; shift < 64; shift++) {
		bad = image_ascii(m, "too long");
		image_alloc(m, BLOB_DATA_MAX);
		image_put64(m, bad + l->str_length, 1ULL << shift);
		assert_int_equal(blobs_with_name(r, bad, table), 2);
		image_put32(m, bad + l->str_state, 4 << 2 | 1 << 5);
		assert_int_equal(blobs_with_name(r, bad, table), 2);
		bad = image_table(m, "too long", 8);
		image_alloc(m, BLOB_DATA_MAX);
		image_put64(m, bad + l->bytes_size, 1ULL << shift);
		assert_int_equal(blobs_with_name(r, good, bad), 2);
	}
	/* it says that it is long, but memory ends before: what can be read comes, and stays incomplete */
	bad = image_alloc(m, BLOB_DATA_MAX * 2);
	image_put64(m, bad + l->str_length, IMAGE_SIZE);
	image_put32(m, bad + l->str_state, 1 << 2 | 1 << 5);
	assert_in_range(blobs_with_name(r, bad, table), 3, 4);
}

static void hostile_strings_do_no_harm(void **state)
{
	for_each_layout(check_hostile_strings);
}

static uint64_t one_frame(struct recorder *r)
{
	uint64_t frame = image_frame(&r->image, image_simple_code(&r->image, "f", 3), 2, 0);

	image_set_frame(&r->image, frame);
	return frame;
}

/* A thread-specific slot for `key`; 0 leaves it empty. */
static void set_key(struct recorder *r, int32_t key, uint64_t value)
{
	struct image *m = &r->image;
	uint64_t block = m->fsbase + GLIBC_TSS_FIRST_BLOCK;

	image_put32(m, m->runtime + m->layout.tss_key, key);
	r->process.tss_known = 0;
	memset(&r->cache, 0, sizeof(r->cache));
	if (key < 0 || key >= GLIBC_TSS_KEYS)
		return;
	if (key >= GLIBC_TSS_PER_BLOCK) {
		block = image_alloc(m, GLIBC_TSS_PER_BLOCK * 16);
		image_put64(m, m->fsbase + GLIBC_TSS_BLOCKS + key / GLIBC_TSS_PER_BLOCK * 8, block);
	}
	image_put64(m, block + key % GLIBC_TSS_PER_BLOCK * 16 + 8, value);
}

/* Unlinks the thread from the list, so that only its slot leads to it. */
static void hide_from_list(struct recorder *r)
{
	image_put64(&r->image, r->image.interp + r->image.layout.interp_threads_head, 0);
}

static void check_keys(struct recorder *r)
{
	static const int32_t keys[] = { 0, 1, 31, 32, 33, 63, 64, 1023 }, invalid[] = { -1, 1024, 0x7fffffff };
	struct image *m = &r->image;

	one_frame(r);
	hide_from_list(r);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		set_key(r, keys[i], m->tstate);
		assert_int_equal(recorder_walk(r), 0);
		assert_int_equal(r->walk.n_frames, 1);
		assert_int_equal(r->process.tss_known, 1);
		assert_int_equal(r->cache.next_scan_ns, 0); /* the list was not looked at */
		set_key(r, keys[i], 0);
		assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	}
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		set_key(r, invalid[i], m->tstate);
		assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
		assert_int_equal(r->process.tss_known, 0);
	}
	/* no second-level block */
	set_key(r, 96, m->tstate);
	image_put64(m, m->fsbase + GLIBC_TSS_BLOCKS + 3 * 8, 0);
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	/* not initialised yet */
	set_key(r, 4, m->tstate);
	image_put32(m, m->runtime + m->layout.tss_key - 4, 0);
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	assert_int_equal(r->process.tss_known, 0);
}

static void every_tss_key_leads_to_the_thread_state(void **state)
{
	for_each_layout(check_keys);
}

static void check_list(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t own;

	one_frame(r);
	r->walk.layout.tss_key = 0;
	/* two other threads in front of it */
	own = image_tstate(m, 1, image_tstate(m, 2, m->tstate));
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.tstate, m->tstate);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_equal(r->cache.tstate, m->tstate);
	/* remembered: the list is not read again */
	hide_from_list(r);
	assert_int_equal(recorder_walk(r), 0);
	/* unless that is not the thread's any more; and then not before the pause is over */
	image_put64(m, m->tstate + m->layout.tstate_thread_id, 3);
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	image_put64(m, m->interp + m->layout.interp_threads_head, own);
	image_put64(m, own + m->layout.tstate_thread_id, m->fsbase);
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	r->walk.now_ns += WALK_SCAN_PAUSE_NS - 1;
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	r->walk.now_ns++;
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.tstate, own);
}

static void without_a_key_the_list_of_threads_is_searched(void **state)
{
	for_each_layout(check_list);
}

static void check_list_bounds(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t tstate = m->tstate;

	one_frame(r);
	r->walk.layout.tss_key = 0;
	for (int i = 1; i < WALK_THREADS_MAX; i++)
		tstate = image_tstate(m, i, tstate);
	assert_int_equal(recorder_walk(r), 0);
	image_tstate(m, WALK_THREADS_MAX, tstate);
	memset(&r->cache, 0, sizeof(r->cache));
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	/* a list that bites its tail */
	image_put64(m, tstate + m->layout.tstate_next, tstate);
	memset(&r->cache, 0, sizeof(r->cache));
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	/* no interpreter yet, or a pointer to nowhere */
	for (int i = 0; i < 2; i++) {
		image_put64(m, m->runtime + m->layout.interpreters_head, i ? IMAGE_NOWHERE : 0);
		memset(&r->cache, 0, sizeof(r->cache));
		assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
	}
	r->process.runtime = IMAGE_NOWHERE;
	memset(&r->cache, 0, sizeof(r->cache));
	assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
}

static void the_search_of_the_list_ends(void **state)
{
	for_each_layout(check_list_bounds);
}

static uint32_t fingerprint(struct recorder *r)
{
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_not_equal(r->walk.frames[0].fingerprint, 0);
	return r->walk.frames[0].fingerprint;
}

/* What makes a code object another one although it lies where the last one lay. */
static void check_fingerprints(struct recorder *r)
{
	const struct py_layout *l = &r->image.layout;
	struct image *m = &r->image;
	uint64_t name = image_ascii(m, "f"), file = image_ascii(m, "x.py"), table = image_table(m, "12345678", 8);
	uint64_t code = image_code(m, &(struct image_code){ name, file, table, 3, 1 });
	uint32_t first, last;

	image_set_frame(m, image_frame(m, code, 2, 0));
	first = last = fingerprint(r);
	assert_int_equal(fingerprint(r), first);
	image_put32(m, code + l->code_firstlineno, 4);
	assert_int_not_equal(fingerprint(r), last);
	last = fingerprint(r);
	image_put64(m, code + l->code_filename, image_ascii(m, "x.py"));
	assert_int_not_equal(fingerprint(r), last);
	last = fingerprint(r);
	if (l->flags & PY_CODE_VERSION) {
		image_put32(m, code + l->code_version, 2);
		assert_int_not_equal(fingerprint(r), last);
	} else {
		/* all at the same addresses: only what stands there tells */
		image_put64(m, name + l->str_hash, 42);
		assert_int_not_equal(fingerprint(r), last);
		last = fingerprint(r);
		image_put8(m, table + l->bytes_data, 'x');
		assert_int_not_equal(fingerprint(r), last);
		last = fingerprint(r);
		image_put64(m, table + l->bytes_size, 7);
		assert_int_not_equal(fingerprint(r), last);
	}
	/* each was told */
	assert_int_equal(recorder_count(r, EVENT_CODE), l->flags & PY_CODE_VERSION ? 4 : 6);
}

static void another_code_object_at_the_same_place_is_another_one(void **state)
{
	for_each_layout(check_fingerprints);
}

static void check_mark(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), outer = image_frame(m, code, 2, 0), inner = image_frame(m, code, 4, outer), mark;

	/* before the first walk nothing is known */
	assert_int_equal(walk_mark(&m->layout, &r->cache), 0);
	assert_int_equal(recorder_walk_from(r, inner), 0);
	mark = walk_mark(&m->layout, &r->cache);
	assert_int_not_equal(mark, 0);
	assert_int_equal(walk_mark(&m->layout, &r->cache), mark);
	image_put32(m, inner + m->layout.frame_instr, m->layout.version > 0x030a ? (uint32_t)(code + m->layout.code_first_instr + 6) : 6);
	assert_int_not_equal(walk_mark(&m->layout, &r->cache), mark);
	/* a thread state that is gone */
	r->cache.tstate = IMAGE_NOWHERE;
	assert_int_equal(walk_mark(&m->layout, &r->cache), 0);
}

static void the_mark_changes_with_the_place(void **state)
{
	for_each_layout(check_mark);
}

static void check_hash(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), outer = image_frame(m, code, 2, 0), other = image_frame(m, code, 4, 0), hash;

	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 6, outer)), 0);
	hash = r->walk.hash;
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.hash, hash);
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 8, outer)), 0);
	assert_int_not_equal(r->walk.hash, hash);
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 6, other)), 0);
	assert_int_not_equal(r->walk.hash, hash);
	assert_int_equal(recorder_walk_from(r, image_frame(m, code, 6, image_frame(m, code, 2, other))), 0);
	assert_int_not_equal(r->walk.hash, hash);
}

static void every_frame_counts_for_a_stacks_hash(void **state)
{
	for_each_layout(check_hash);
}

/* A call into the interpreter hangs a new cframe in before it has a frame: what lay there is no frame. */
static void check_cframe_half_made(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), frame = image_frame(m, code, 4, 0), fresh = image_alloc(m, IMAGE_OBJECT);

	if (!(m->layout.flags & PY_CFRAME))
		return;
	assert_int_equal(recorder_walk_from(r, frame), 0);
	image_put64(m, fresh + m->layout.cframe_frame, IMAGE_NOWHERE);
	image_put64(m, fresh + m->layout.cframe_frame + 8, m->cframe);
	image_put64(m, m->tstate + m->layout.tstate_frame, fresh);
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_equal(r->walk.frames[0].code, code);
	assert_int_equal(r->walk.flags & STACK_UNREADABLE, 0);
	/* nor is there one below */
	image_put64(m, fresh + m->layout.cframe_frame + 8, IMAGE_NOWHERE);
	recorder_walk(r);
	assert_int_equal(r->walk.n_frames, 0);
	assert_int_not_equal(r->walk.flags & STACK_UNREADABLE, 0);
}

static void a_cframe_half_made_is_passed_over(void **state)
{
	for_each_layout(check_cframe_half_made);
}

static void a_full_ring_buffer_does_not_stop_the_walk(void **state)
{
	struct py_layout layout = layout_of(0x030b);
	struct recorder *r = recorder_new(&layout);

	one_frame(r);
	r->full = true;
	assert_int_equal(recorder_walk(r), 0);
	assert_int_equal(r->walk.n_frames, 1);
	assert_int_equal(r->walk.flags, 0);
	recorder_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_and_offsets_are_right),
		cmocka_unit_test(a_frame_that_has_not_begun_has_a_negative_offset),
		cmocka_unit_test(shims_and_frames_half_made_are_skipped),
		cmocka_unit_test(a_tagged_integer_is_no_code_object),
		cmocka_unit_test(deep_stacks_are_cut_and_say_so),
		cmocka_unit_test(a_cycle_of_frames_ends),
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(names_of_every_width_arrive),
		cmocka_unit_test(the_qualified_name_is_sent_where_there_is_one),
		cmocka_unit_test(long_tables_come_in_pieces),
		cmocka_unit_test(hostile_strings_do_no_harm),
		cmocka_unit_test(every_tss_key_leads_to_the_thread_state),
		cmocka_unit_test(without_a_key_the_list_of_threads_is_searched),
		cmocka_unit_test(the_search_of_the_list_ends),
		cmocka_unit_test(another_code_object_at_the_same_place_is_another_one),
		cmocka_unit_test(the_mark_changes_with_the_place),
		cmocka_unit_test(every_frame_counts_for_a_stacks_hash),
		cmocka_unit_test(a_cframe_half_made_is_passed_over),
		cmocka_unit_test(a_full_ring_buffer_does_not_stop_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
