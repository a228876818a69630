// SPDX-License-Identifier: Apache-2.0
/* Which records are taken for whole, and event files that are not what they should be. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "capture/sample.h"

#define ROOM 70000

static _Alignas(8) uint8_t buffer[ROOM];

/* A zeroed record in the buffer; its body is for the caller to fill in. */
static void *record(uint16_t kind, size_t size)
{
	struct event_header *head = (void *)buffer;

	memset(buffer, 0, sizeof(buffer));
	head->kind = kind;
	head->size = size;
	return head;
}

static bool valid(void)
{
	return record_valid(buffer, ((struct event_header *)buffer)->size);
}

/* Exactly this size, and no other. */
static void check_fixed(uint16_t kind, size_t size)
{
	for (size_t other = 0; other < size + 64; other++) {
		record(kind, other);
		assert_int_equal(record_valid(buffer, other), other == size);
	}
	record(kind, size);
	assert_false(record_valid(buffer, size - 1));
	assert_false(record_valid(buffer, size + 1));
}

static void records_of_one_size(void **state)
{
	check_fixed(EVENT_WAIT, sizeof(struct event_wait));
	check_fixed(EVENT_CODE, sizeof(struct event_code));
	check_fixed(EVENT_FORK, sizeof(struct event_fork));
	check_fixed(EVENT_EXEC, sizeof(struct event_exec));
	check_fixed(EVENT_EXIT, sizeof(struct event_exit));
	check_fixed(EVENT_ATTACH, sizeof(struct event_attach));
	check_fixed(EVENT_THREAD_EXIT, sizeof(struct event_thread_exit));
	check_fixed(EVENT_INTERP, sizeof(struct event_interp));
	check_fixed(EVENT_HEAP_MOVED, sizeof(struct event_heap_moved));
	check_fixed(EVENT_HEAP_TOTALS, sizeof(struct event_heap_totals));
}

/* The first words of the block may follow, all or none. */
static void frees_with_words(void **state)
{
	const size_t bare = sizeof(struct event_heap_free), words = HEAP_FREE_WORDS * sizeof(uint64_t);

	for (size_t size = 0; size < bare + words + 64; size++) {
		record(EVENT_HEAP_FREE, size);
		assert_int_equal(record_valid(buffer, size), size == bare || size == bare + words);
	}
}

static void types_have_names(void **state)
{
	struct event_heap_type *type = record(EVENT_HEAP_TYPE, sizeof(*type));

	assert_false(valid());
	strcpy(type->name, "float");
	assert_true(valid());
	type->part = HEAP_PART_BUFFER;
	assert_true(valid());
	type->part++;
	assert_false(valid());
	type->part = 0;
	memset(type->name, 'x', sizeof(type->name));
	assert_false(valid());
	type->name[sizeof(type->name) - 1] = 0;
	assert_true(valid());
	assert_false(record_valid(type, sizeof(*type) - 1));
}

static void kinds_that_do_not_exist(void **state)
{
	for (uint32_t kind = 0; kind < 0x10000; kind++) {
		record(kind, sizeof(struct event_header));
		assert_false(valid());
		if (kind >= EVENT_CPU && kind <= EVENT_HEAP_MOVED)
			continue;
		record(kind, sizeof(struct event_wait));
		assert_false(valid());
	}
}

static void stacks_hold_as_many_frames_as_they_say(void **state)
{
	static const uint16_t kinds[] = { EVENT_CPU, EVENT_BLOCK, EVENT_RSS, EVENT_HEAP_COPY };

	for (size_t i = 0; i < 4; i++) {
		for (uint32_t n = 0; n <= PY_MAX_DEPTH + 1; n++) {
			size_t size = sizeof(struct event_stack) + n * sizeof(struct raw_frame);
			struct event_stack *stack = record(kinds[i], size);

			stack->n_frames = n;
			assert_int_equal(valid(), n <= PY_MAX_DEPTH);
			stack->n_frames = n + 1;
			assert_false(valid());
			stack->n_frames = n - 1;
			assert_false(valid());
			stack->n_frames = n;
			stack->head.size = size - 1;
			assert_false(record_valid(buffer, size - 1));
			stack->head.size = size + 1;
			assert_false(record_valid(buffer, size + 1));
		}
		record(kinds[i], sizeof(struct event_stack) - 1);
		assert_false(valid());
	}
}

/* A sampled allocation with n frames; what a test is about, it changes. */
static struct event_heap *heap(uint32_t n)
{
	struct event_heap *h = record(EVENT_HEAP, sizeof(*h) + n * sizeof(struct raw_frame));

	h->head.pid = h->stack.head.pid = 1;
	h->head.tid = h->stack.head.tid = 2;
	h->head.space = h->stack.head.space = 3;
	h->stack.head.kind = EVENT_HEAP;
	h->stack.head.size = h->head.size - offsetof(struct event_heap, stack);
	h->stack.n_frames = n;
	h->size = 100;
	h->stack.weight = 1000;
	h->count = 10 * HEAP_COUNT_ONE;
	return h;
}

static void allocations_agree_with_the_stack_within(void **state)
{
	for (uint32_t n = 0; n <= PY_MAX_DEPTH + 1; n++) {
		heap(n);
		assert_int_equal(valid(), n <= PY_MAX_DEPTH);
		heap(n)->stack.n_frames = n + 1;
		assert_false(valid());
		heap(n)->stack.head.size++;
		assert_false(valid());
		heap(n)->head.size++;
		assert_false(valid());
	}
	heap(0)->stack.head.pid = 9;
	assert_false(valid());
	heap(0)->stack.head.tid = 9;
	assert_false(valid());
	heap(0)->stack.head.space = 9;
	assert_false(valid());
	heap(0)->stack.head.kind = EVENT_RSS;
	assert_false(valid());
	heap(0);
	for (size_t size = 0; size < sizeof(struct event_heap); size++) {
		((struct event_heap *)buffer)->head.size = size;
		assert_false(valid());
	}
}

static void allocations_of_sizes_that_can_be(void **state)
{
	heap(0)->size = HEAP_BYTES_MAX;
	assert_true(valid());
	heap(0)->size = HEAP_BYTES_MAX + 1;
	assert_false(valid());
	heap(0)->stack.weight = HEAP_BYTES_MAX + 1;
	assert_false(valid());
	heap(0)->count = HEAP_BYTES_MAX + 1;
	assert_false(valid());
	for (uint32_t kind = 0; kind < 9; kind++) {
		heap(0)->kind = kind;
		assert_int_equal(valid(), kind < HEAP_KIND_COUNT);
	}
	/* what is counted exactly stands for itself */
	heap(0)->heap_flags = HEAP_EXACT;
	assert_false(valid());
	heap(0)->heap_flags = HEAP_EXACT;
	((struct event_heap *)buffer)->stack.weight = 100;
	assert_false(valid());
	((struct event_heap *)buffer)->count = HEAP_COUNT_ONE;
	assert_true(valid());
	record(EVENT_HEAP_MOVED, sizeof(struct event_heap_moved));
	((struct event_heap_moved *)buffer)->weight = HEAP_BYTES_MAX;
	assert_true(valid());
	((struct event_heap_moved *)buffer)->weight++;
	assert_false(valid());
	record(EVENT_HEAP_COPY, sizeof(struct event_stack));
	((struct event_stack *)buffer)->weight = HEAP_BYTES_MAX;
	assert_true(valid());
	((struct event_stack *)buffer)->weight++;
	assert_false(valid());
}

static struct event_blob *blob(uint32_t total, uint32_t start, uint32_t length)
{
	struct event_blob *b = record(EVENT_BLOB, sizeof(*b) + (length > BLOB_DATA_MAX + 1 ? BLOB_DATA_MAX + 1 : length));

	b->char_size = 1;
	b->total = total;
	b->start = start;
	b->length = length;
	return b;
}

static void blobs_lie_within_their_whole(void **state)
{
	blob(0, 0, 0);
	assert_true(valid());
	blob(UINT32_MAX, UINT32_MAX - BLOB_DATA_MAX, BLOB_DATA_MAX);
	assert_true(valid());
	blob(10, 5, 6);
	assert_false(valid());
	blob(10, 11, 0);
	assert_false(valid());
	blob(10, UINT32_MAX, 6); /* start + length would wrap */
	assert_false(valid());
	blob(BLOB_DATA_MAX + 1, 0, BLOB_DATA_MAX + 1);
	assert_false(valid());
	blob(UINT32_MAX, 0, UINT32_MAX);
	assert_false(valid());
	blob(10, 0, 10)->length = 9;
	assert_false(valid());
	for (uint32_t part = 0; part < 8; part++) {
		blob(4, 0, 4)->part = part;
		assert_int_equal(valid(), part < BLOB_PARTS);
	}
	for (uint32_t width = 0; width < 9; width++) {
		blob(4, 0, 4)->char_size = width;
		assert_int_equal(valid(), width == 1 || width == 2 || width == 4);
	}
}

static void text_and_counts_are_bounded(void **state)
{
	struct event_exec *exec = record(EVENT_EXEC, sizeof(*exec));
	struct event_interp *interp;

	memset(exec->path, 'x', sizeof(exec->path));
	assert_false(valid());
	exec->path[EXEC_PATH_SIZE - 1] = 0;
	assert_true(valid());
	interp = record(EVENT_INTERP, sizeof(*interp));
	interp->n_eval = INTERP_EVAL_RANGES;
	interp->n_runtime = INTERP_RUNTIME_RANGES;
	assert_true(valid());
	interp->n_eval++;
	assert_false(valid());
	interp->n_eval = 0;
	interp->n_runtime++;
	assert_false(valid());
	interp->n_runtime = UINT32_MAX;
	assert_false(valid());
}

static void no_record_is_larger_than_64_kib(void **state)
{
	record(EVENT_CPU, 65540);
	assert_false(valid());
	record(EVENT_CPU, 0);
	assert_false(valid());
	record(EVENT_CPU, sizeof(struct event_header) - 1);
	assert_false(valid());
}

struct seen { uint32_t n, sizes; };

static void count(void *context, const struct event_header *head)
{
	struct seen *seen = context;

	seen->n++;
	seen->sizes += head->size;
}

static FILE *begun(void)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(recording__begin(file, 1000), 0);
	return file;
}

static int read_back(FILE *file, struct seen *seen, uint64_t *bad)
{
	uint32_t period = 0;
	int err;

	*seen = (struct seen){};
	rewind(file);
	err = recording__read(file, &period, count, seen, bad);
	assert_int_equal(period, 1000);
	return err;
}

static void what_was_recorded_is_read(void **state)
{
	FILE *file = begun();
	struct seen seen;
	uint64_t bad;

	assert_int_equal(recording__append(file, record(EVENT_FORK, sizeof(struct event_fork))), 0);
	assert_int_equal(recording__append(file, &blob(5, 0, 5)->head), 0); /* 69 bytes: padded */
	assert_int_equal(recording__append(file, record(EVENT_EXIT, sizeof(struct event_exit) - 8)), 0);
	assert_int_equal(recording__append(file, record(99, sizeof(struct event_exit))), 0);
	assert_int_equal(recording__append(file, record(EVENT_EXIT, sizeof(struct event_exit))), 0);
	assert_int_equal(read_back(file, &seen, &bad), 0);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.sizes, sizeof(struct event_fork) + sizeof(struct event_blob) + 5 + sizeof(struct event_exit));
	assert_int_equal(bad, 2);
	fclose(file);
}

static void a_file_that_ends_early_or_is_none_is_refused(void **state)
{
	struct event_file_header header = { .magic = EVENT_FILE_MAGIC, .version = 2 };
	FILE *file = begun();
	struct seen seen;
	uint32_t period;
	uint64_t bad;

	recording__append(file, record(EVENT_FORK, sizeof(struct event_fork)));
	fwrite(record(EVENT_FORK, sizeof(struct event_fork)), sizeof(struct event_header) + 1, 1, file);
	assert_int_equal(read_back(file, &seen, &bad), -EPROTO);
	assert_int_equal(seen.n, 1);
	fclose(file);
	/* sizes that would read beyond the record, or go nowhere */
	for (int i = 0; i < 3; i++) {
		static const uint32_t sizes[] = { 0, 65537, UINT32_MAX };

		file = begun();
		record(EVENT_CPU, 64);
		((struct event_header *)buffer)->size = sizes[i];
		fwrite(buffer, 64, 1, file);
		assert_int_equal(read_back(file, &seen, &bad), -EPROTO);
		fclose(file);
	}
	file = tmpfile();
	assert_int_equal(recording__read(file, &period, count, &seen, &bad), -EPROTO);
	fwrite(&header, sizeof(header), 1, file);
	rewind(file);
	assert_int_equal(recording__read(file, &period, count, &seen, &bad), -EPROTO);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_one_size),
		cmocka_unit_test(frees_with_words),
		cmocka_unit_test(types_have_names),
		cmocka_unit_test(kinds_that_do_not_exist),
		cmocka_unit_test(allocations_agree_with_the_stack_within),
		cmocka_unit_test(allocations_of_sizes_that_can_be),
		cmocka_unit_test(stacks_hold_as_many_frames_as_they_say),
		cmocka_unit_test(blobs_lie_within_their_whole),
		cmocka_unit_test(text_and_counts_are_bounded),
		cmocka_unit_test(no_record_is_larger_than_64_kib),
		cmocka_unit_test(what_was_recorded_is_read),
		cmocka_unit_test(a_file_that_ends_early_or_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
