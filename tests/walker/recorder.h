/* SPDX-License-Identifier: Apache-2.0 */
/* The walker over an image, as the BPF programs drive it, and the records that it sends. Include after bpf/walk.bpf.c. */
#ifndef FIXINGAHOLE_WALKER_RECORDER_H
#define FIXINGAHOLE_WALKER_RECORDER_H

#include "capture/sample.h"
#include "image.h"

#define RECORDS_MAX 4096
#define RECORDER_SPACE 7

/* host.context: the image, and what was sent. */
struct recorder {
	struct image image; /* first: image_read() gets it */
	bool full;          /* no room for records */
	struct event_header *records[RECORDS_MAX];
	size_t n;
	struct walk walk;
	struct walk_process process;
	struct thread_cache cache;
};

static inline int recorder_send(void *context, const struct event_header *record)
{
	struct recorder *r = context;
	struct event_header *copy;

	if (r->full)
		return -1;
	if (r->n == RECORDS_MAX || !record_valid(record, record->size))
		abort();
	copy = malloc(record->size);
	if (!copy)
		abort();
	memcpy(copy, record, record->size);
	r->records[r->n++] = copy;
	return 0;
}

static inline void recorder_forget(struct recorder *r)
{
	while (r->n)
		free(r->records[--r->n]);
}

static inline struct recorder *recorder_new(const struct py_layout *layout)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	image_init(&r->image, layout);
	r->walk.layout = *layout;
	r->walk.fsbase = r->image.fsbase;
	r->walk.now_ns = 1000;
	r->walk.stack.head.space = RECORDER_SPACE;
	r->process.runtime = r->image.runtime;
	memset(&host, 0, sizeof(host));
	host.read = image_read;
	host.send = recorder_send;
	host.context = r;
	return r;
}

static inline void recorder_free(struct recorder *r)
{
	recorder_forget(r);
	image_release(&r->image);
	free(r);
}

/* All of a walk. Returns what walk_begin() did. */
static inline int recorder_walk(struct recorder *r)
{
	int result = walk_begin(&r->walk, &r->process, &r->cache);

	if (!result)
		walk_all(&r->walk, &r->process);
	return result;
}

/* A thread at the innermost of these frames. */
static inline int recorder_walk_from(struct recorder *r, uint64_t frame)
{
	image_set_frame(&r->image, frame);
	return recorder_walk(r);
}

static inline size_t recorder_count(const struct recorder *r, uint16_t kind)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->records[i]->kind == kind;
	return n;
}

static inline const struct event_code *recorder_code(const struct recorder *r, uint64_t code)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct event_code *event = (const void *)r->records[i];

		if (event->head.kind == EVENT_CODE && event->code == code)
			return event;
	}
	return NULL;
}

/* One part of a code object put together from its pieces; *n counts them. The result is owned by the caller. */
static inline uint8_t *recorder_part(const struct recorder *r, uint64_t code, uint16_t part, const struct event_blob **first, uint32_t *size, size_t *n)
{
	uint8_t *data = malloc(BLOB_TOTAL_MAX);

	if (!data)
		abort();
	*first = NULL;
	*size = 0;
	*n = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct event_blob *blob = (const void *)r->records[i];

		if (blob->head.kind != EVENT_BLOB || blob->code != code || blob->part != part)
			continue;
		if (blob->start != *size || *size + blob->length > BLOB_TOTAL_MAX || (*first && blob->total != (*first)->total))
			abort();
		*first = *first ? *first : blob;
		memcpy(data + *size, blob_data(blob), blob->length);
		*size += blob->length;
		++*n;
	}
	return data;
}

#endif
