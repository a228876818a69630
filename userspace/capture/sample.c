// SPDX-License-Identifier: Apache-2.0
#include "capture/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* No record is larger: a full stack, or a full blob. */
#define RECORD_MAX 65536

static bool stack_valid(const struct event_stack *stack, size_t size)
{
	return size >= sizeof(*stack) && stack->n_frames <= PY_MAX_DEPTH && size == sizeof(*stack) + stack->n_frames * sizeof(struct raw_frame);
}

/* The stack within says the same of whose it is: what names frames looks there. */
static bool heap_valid(const struct event_heap *heap, size_t size)
{
	const struct event_header *head = &heap->head, *inner = &heap->stack.head;
	size_t prefix = offsetof(struct event_heap, stack);

	if (size < sizeof(*heap) || inner->size != size - prefix || !stack_valid(&heap->stack, size - prefix))
		return false;
	if (inner->kind != EVENT_HEAP || inner->pid != head->pid || inner->tid != head->tid || inner->space != head->space)
		return false;
	if (heap->size > HEAP_BYTES_MAX || heap->stack.weight > HEAP_BYTES_MAX || heap->count > HEAP_BYTES_MAX || heap->kind >= HEAP_KIND_COUNT)
		return false;
	return !(heap->heap_flags & HEAP_EXACT) || (heap->stack.weight == heap->size && heap->count == HEAP_COUNT_ONE);
}

static bool moved_valid(const struct event_heap_moved *moved, size_t size)
{
	return size == sizeof(*moved) && moved->size <= HEAP_BYTES_MAX && moved->weight <= HEAP_BYTES_MAX;
}

static bool type_valid(const struct event_heap_type *type, size_t size)
{
	return size == sizeof(*type) && type->part <= HEAP_PART_BUFFER && type->name[0] && memchr(type->name, 0, sizeof(type->name));
}

static bool blob_valid(const struct event_blob *blob, size_t size)
{
	return size >= sizeof(*blob) && blob->length <= BLOB_DATA_MAX && size == sizeof(*blob) + blob->length && blob->part < BLOB_PARTS &&
	       (blob->char_size == 1 || blob->char_size == 2 || blob->char_size == 4) && blob->start <= blob->total && blob->length <= blob->total - blob->start;
}

static bool calls_code_valid(const struct event_calls_code *code, size_t size)
{
	return size >= sizeof(*code) && size == sizeof(*code) + code->file_size + code->name_size && code->id;
}

static bool interp_valid(const struct event_interp *interp, size_t size)
{
	return size == sizeof(*interp) && interp->n_eval <= INTERP_EVAL_RANGES && interp->n_runtime <= INTERP_RUNTIME_RANGES;
}

static bool exec_valid(const struct event_exec *exec, size_t size)
{
	return size == sizeof(*exec) && memchr(exec->path, 0, sizeof(exec->path)) && memchr(exec->comm, 0, sizeof(exec->comm)) && exec->args_size <= EXEC_ARGS_SIZE;
}

bool record_valid(const void *data, size_t size)
{
	const struct event_header *head = data;

	if (size < sizeof(*head) || size > RECORD_MAX || head->size != size)
		return false;
	switch (head->kind) {
	case EVENT_CPU:
	case EVENT_BLOCK:
	case EVENT_RSS:
		return stack_valid(data, size);
	case EVENT_HEAP_COPY:
		return stack_valid(data, size) && ((const struct event_stack *)data)->weight <= HEAP_BYTES_MAX;
	case EVENT_HEAP:
		return heap_valid(data, size);
	case EVENT_HEAP_FREE:
		return size == sizeof(struct event_heap_free) || size == sizeof(struct event_heap_free) + HEAP_FREE_WORDS * sizeof(__u64);
	case EVENT_HEAP_MOVED:
		return moved_valid(data, size);
	case EVENT_HEAP_TYPE:
		return type_valid(data, size);
	case EVENT_HEAP_TOTALS:
		return size == sizeof(struct event_heap_totals);
	case EVENT_WAIT:
		return size == sizeof(struct event_wait);
	case EVENT_CODE:
		return size == sizeof(struct event_code);
	case EVENT_BLOB:
		return blob_valid(data, size);
	case EVENT_FORK:
		return size == sizeof(struct event_fork);
	case EVENT_EXEC:
		return exec_valid(data, size);
	case EVENT_ATTACH:
		return size == sizeof(struct event_attach) && memchr(((const struct event_attach *)data)->path, 0, EXEC_PATH_SIZE);
	case EVENT_EXIT:
		return size == sizeof(struct event_exit);
	case EVENT_THREAD_EXIT:
		return size == sizeof(struct event_thread_exit);
	case EVENT_INTERP:
		return interp_valid(data, size);
	case EVENT_LIBRARY:
		return size == sizeof(struct event_library);
	case EVENT_CALLS_CODE:
		return calls_code_valid(data, size);
	case EVENT_CALLS_PAIR:
		return size == sizeof(struct event_calls_pair);
	case EVENT_CALLS_PROCESS:
		return size == sizeof(struct event_calls_process);
	case EVENT_CALLS_LOST:
		return size == sizeof(struct event_calls_lost);
	case EVENT_CALLS_SEEN:
		return size == sizeof(struct event_calls_seen);
	default:
		return false;
	}
}

int recording__begin(FILE *file, uint32_t period_ns)
{
	const struct event_file_header header = { .magic = EVENT_FILE_MAGIC, .version = 1, .period_ns = period_ns };

	return fwrite(&header, sizeof(header), 1, file) == 1 ? 0 : -EIO;
}

int recording__append(FILE *file, const struct event_header *record)
{
	static const char zeros[8];
	size_t padding = -record->size & 7;

	if (fwrite(record, record->size, 1, file) != 1 || (padding && fwrite(zeros, padding, 1, file) != 1))
		return -EIO;
	return 0;
}

int recording__read(FILE *file, uint32_t *period_ns, record_sink sink, void *context, uint64_t *bad)
{
	struct event_file_header header;
	_cleanup_free_ struct event_header *record = malloc(RECORD_MAX + 8);

	if (!record)
		return -ENOMEM;
	if (fread(&header, sizeof(header), 1, file) != 1 || header.magic != EVENT_FILE_MAGIC || header.version != 1)
		return -EPROTO;
	*period_ns = header.period_ns;
	*bad = 0;
	while (fread(record, sizeof(*record), 1, file) == 1) {
		size_t rest;

		if (record->size < sizeof(*record) || record->size > RECORD_MAX)
			return -EPROTO;
		rest = record->size - sizeof(*record) + (-record->size & 7);
		if (rest && fread(record + 1, rest, 1, file) != 1)
			return -EPROTO;
		if (record_valid(record, record->size))
			sink(context, record);
		else
			++*bad;
	}
	return ferror(file) ? -EIO : 0;
}
