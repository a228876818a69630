// SPDX-License-Identifier: Apache-2.0
/* The BPF walker over hand-made memory: what it sends about code objects, and how it knows them again. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define FIXINGAHOLE_HOST_WALKER
#include "bpf/walk.bpf.c"

#include "layouts.h"

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

/* So many walks, a sample's time apart. */
static uint32_t walks(struct recorder *r, int n)
{
	uint32_t last = 0;

	for (int i = 0; i < n; i++) {
		r->walk.now_ns += 10000000;
		last = fingerprint(r);
	}
	return last;
}

static uint64_t reads_of_walks(struct recorder *r, int n)
{
	host.reads = 0;
	walks(r, n);
	return host.reads;
}

/* What was the same for long is taken for granted; what takes its place after all is found out, and nothing is taken for granted after that. */
static void check_granted(struct recorder *r)
{
	struct image *m = &r->image;
	const struct py_layout *l = &m->layout;
	uint64_t name = image_ascii(m, "f"), file = image_ascii(m, "x.py"), table = image_table(m, "12345678", 8), before, after;
	uint64_t code = image_code(m, &(struct image_code){ name, file, table, 3, 1 });
	uint32_t first, other;
	int late = 0;

	image_set_frame(m, image_frame(m, code, 2, 0));
	first = walks(r, 1);
	before = reads_of_walks(r, KNOWN_CHECKS);
	after = reads_of_walks(r, KNOWN_CHECKS);
	if (l->flags & PY_CODE_VERSION) {
		assert_true(after == before && !host.doubtful);
		return;
	}
	/* the two reads of what the name and the line table consist of are left out seven times out of eight */
	assert_int_equal(before - after, 2 * KNOWN_CHECKS * KNOWN_TAKEN / (KNOWN_TAKEN + 1));
	image_put64(m, name + l->str_hash, 42);
	while (walks(r, 1) == first)
		assert_true(++late <= KNOWN_TAKEN);
	other = walks(r, 1);
	assert_int_not_equal(other, first);
	assert_in_range(host.doubtful, late, KNOWN_TAKEN);
	before = host.doubtful;
	assert_int_equal(walks(r, 10 * KNOWN_CHECKS), other);
	for (int i = 0; i < 3; i++) {
		image_put8(m, table + l->bytes_data, 'a' + i);
		assert_int_not_equal(walks(r, 1), other);
		other = walks(r, 10 * KNOWN_CHECKS);
	}
	assert_int_equal(host.doubtful, before);
}

static void what_was_long_the_same_is_taken_for_granted(void **state)
{
	for_each_layout(check_granted);
}

/* Seen often within a short time, or for long but rarely: read each time. */
static void check_not_granted(struct recorder *r)
{
	struct image *m = &r->image;
	uint64_t name = image_ascii(m, "f"), table = image_table(m, "12345678", 8);
	uint64_t code = image_code(m, &(struct image_code){ name, image_ascii(m, "x.py"), table, 3, 1 });
	uint32_t last;

	if (m->layout.flags & PY_CODE_VERSION)
		return;
	image_set_frame(m, image_frame(m, code, 2, 0));
	last = fingerprint(r);
	for (int i = 0; i < 10 * KNOWN_CHECKS; i++)
		assert_int_equal(fingerprint(r), last);
	image_put64(m, name + m->layout.str_hash, 42);
	assert_int_not_equal(fingerprint(r), last);
	for (int i = 0; i < 5; i++) {
		r->process.changed = 0; /* as if that were the first one */
		last = walks(r, KNOWN_CHECKS - 1);
		image_put8(m, table + m->layout.bytes_data, 'a' + i);
		assert_int_not_equal(fingerprint(r), last);
	}
	assert_int_equal(host.doubtful, 0);
}

static void what_was_not_long_the_same_is_read_each_time(void **state)
{
	for_each_layout(check_not_granted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_every_width_arrive),
		cmocka_unit_test(the_qualified_name_is_sent_where_there_is_one),
		cmocka_unit_test(long_tables_come_in_pieces),
		cmocka_unit_test(hostile_strings_do_no_harm),
		cmocka_unit_test(another_code_object_at_the_same_place_is_another_one),
		cmocka_unit_test(what_was_long_the_same_is_taken_for_granted),
		cmocka_unit_test(what_was_not_long_the_same_is_read_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
