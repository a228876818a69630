/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bpf/walk.bpf.c needs when it is built for the host (FIXINGAHOLE_HOST_WALKER): types, reads of "user memory",
 * and what becomes of the records. One walker per program, in `host`.
 *
 * As in the kernel, a read that fails leaves zeros behind.
 */
#ifndef FIXINGAHOLE_WALKER_HOST_H
#define FIXINGAHOLE_WALKER_HOST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/host_types.h"

#define READ_USER(to, size, address) host_read(to, size, address)

static inline int host_read(void *to, size_t size, u64 address);

#include "bpf/walker.h"

/* As many as the kernel's maps have, for the walker's collisions are part of it. */
#define HOST_SEEN_SLOTS 65536
#define HOST_KNOWN_SLOTS 16384

struct host {
	/* The memory. Nonzero: these bytes cannot be read. */
	int (*read)(void *context, void *to, size_t size, uint64_t address);
	/* Where records go; nonzero: no room for it. */
	int (*send)(void *context, const struct event_header *record);
	void *context;
	u64 reads; /* counted, whatever came of them */
	u64 seen[HOST_SEEN_SLOTS];
	struct known_code known[HOST_KNOWN_SLOTS];
	u64 doubtful; /* frames */
};

static struct host host;

static inline int host_read(void *to, size_t size, u64 address)
{
	host.reads++;
	if (address + size < address || host.read(host.context, to, size, address)) {
		memset(to, 0, size);
		return -1;
	}
	return 0;
}

static inline u64 *walk_code_slot(u64 key)
{
	u64 *slot = &host.seen[key & (HOST_SEEN_SLOTS - 1)];

	return *slot != key ? slot : NULL;
}

static inline struct known_code *walk_known_slot(u64 tag)
{
	return &host.known[tag & (HOST_KNOWN_SLOTS - 1)];
}

static inline void walk_doubt(u32 frames)
{
	host.doubtful += frames;
}

static inline int walk_send_blob(struct walk *w, u32 length)
{
	if (w->blob.head.head.size != sizeof(w->blob.head) + length)
		abort();
	return host.send(host.context, &w->blob.head.head) ? -1 : 0;
}

static inline int walk_send_head(struct walk *w)
{
	return host.send(host.context, &w->code.head) ? -1 : 0;
}

#endif
