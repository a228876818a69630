// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF walker over hand-made memory, one image per family of layouts: frames, and the way to a thread's first.
 * (test_walker_code.c: what is sent about code objects; test_walker_live.c: the memory of real interpreters.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define FIXINGAHOLE_HOST_WALKER
#include "bpf/walk.bpf.c"

#include "layouts.h"

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

#define PACKED 20

/* Frames one after the other, as they lie on the stack of a thread from 3.11 on. */
static void check_packed(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t code = image_simple_code(m, "f", 3), area = image_alloc(m, PACKED * 160), previous = 0;
	uint64_t per_frame = m->layout.flags & PY_CODE_VERSION ? 1 : 3;

	for (int i = 0; i < PACKED; i++) {
		uint64_t frame = image_frame(m, code, 2 * i, previous);

		memcpy(image_at(m, area + i * 160), image_at(m, frame), 128);
		previous = area + i * 160;
	}
	assert_int_equal(recorder_walk_from(r, previous), 0);
	host.reads = 0;
	assert_int_equal(recorder_walk_from(r, previous), 0);
	assert_int_equal(r->walk.flags, 0);
	assert_int_equal(r->walk.n_frames, PACKED);
	for (int i = 0; i < PACKED; i++)
		assert_int_equal(r->walk.frames[i].offset, 2 * (PACKED - 1 - i));
	if (m->layout.version > 0x030a)
		assert_true(host.reads <= per_frame * PACKED + PACKED / 2);
}

static void neighbouring_frames_share_reads(void **state)
{
	for_each_layout(check_packed);
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
	/* a thread that never gets one is looked for less and less often */
	image_put64(m, own + m->layout.tstate_thread_id, 3);
	for (uint64_t last = 2 * WALK_SCAN_PAUSE_NS; last < WALK_SCAN_PAUSE_MAX_NS; last = r->cache.scan_pause_ns) {
		r->walk.now_ns = r->cache.next_scan_ns;
		assert_int_equal(recorder_walk(r), STACK_NO_TSTATE);
		assert_int_equal(r->cache.scan_pause_ns, 2 * last > WALK_SCAN_PAUSE_MAX_NS ? WALK_SCAN_PAUSE_MAX_NS : 2 * last);
		assert_int_equal(r->cache.next_scan_ns, r->walk.now_ns + r->cache.scan_pause_ns);
	}
	assert_int_equal(r->cache.scan_pause_ns, WALK_SCAN_PAUSE_MAX_NS);
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
		cmocka_unit_test(every_tss_key_leads_to_the_thread_state),
		cmocka_unit_test(neighbouring_frames_share_reads),
		cmocka_unit_test(without_a_key_the_list_of_threads_is_searched),
		cmocka_unit_test(the_search_of_the_list_ends),
		cmocka_unit_test(the_mark_changes_with_the_place),
		cmocka_unit_test(every_frame_counts_for_a_stacks_hash),
		cmocka_unit_test(a_cframe_half_made_is_passed_over),
		cmocka_unit_test(a_full_ring_buffer_does_not_stop_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
