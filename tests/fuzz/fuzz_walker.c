// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF walker in hostile memory: layout, thread and contents are the input's. Whatever stands there, a walk ends
 * after a bounded number of reads, and what it sends are records.
 */
#include <stdlib.h>
#include <string.h>

#define FIXINGAHOLE_HOST_WALKER
#include "tests/walker/host.h"
#include "bpf/walk.bpf.c"

#include "capture/sample.h"
#include "python/layout.h"

/* Per step: frame, code window, two for the identity; then per code object 3 parts of 2 + 16 reads. Before: key, slots, list. */
#define READS_MAX (WALK_STEPS * WALK_STEPS * (4 + 3 * (2 + BLOB_TOTAL_MAX / BLOB_DATA_MAX)) + 3 * WALK_THREADS_MAX)

struct memory { const uint8_t *bytes; size_t size; };

/* Most pointers that the input makes up should lead somewhere, so its bytes repeat; but low and negative addresses hold nothing. */
static int memory_read(void *context, void *to, size_t size, uint64_t address)
{
	const struct memory *m = context;

	if (!m->size || address < 256 || address >> 63)
		return -1;
	for (size_t done = 0; done < size;) {
		size_t at = (address + done) % m->size, n = size - done < m->size - at ? size - done : m->size - at;

		memcpy((uint8_t *)to + done, m->bytes + at, n);
		done += n;
	}
	return 0;
}

static int check_record(void *context, const struct event_header *record)
{
	if (!record_valid(record, record->size))
		abort();
	return 0;
}

static void layout_from(struct py_layout *layout, uint8_t choice, const uint8_t **data, size_t *size)
{
	const struct py_layout *known = layout_for(0x0307 + choice % 8);

	if (known) {
		*layout = *known;
		if (choice & 8)
			layout->flags |= PY_TAGGED;
		if (choice & 16)
			layout->tss_key = 0;
		return;
	}
	/* not even the layout can be trusted */
	memset(layout, 0, sizeof(*layout));
	memcpy(layout, *data, *size < sizeof(*layout) ? *size : sizeof(*layout));
	*data += *size < sizeof(*layout) ? *size : sizeof(*layout);
	*size -= *size < sizeof(*layout) ? *size : sizeof(*layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct walk walk;
	struct walk_process process = {};
	struct thread_cache cache = {};
	struct memory memory;
	uint64_t start[2];
	uint8_t choice;

	if (size < 1 + sizeof(start))
		return 0;
	memset(&walk, 0, sizeof(walk));
	memset(host.seen, 0, sizeof(host.seen));
	choice = data[0];
	memcpy(start, data + 1, sizeof(start));
	data += 1 + sizeof(start);
	size -= 1 + sizeof(start);
	layout_from(&walk.layout, choice, &data, &size);
	walk.fsbase = start[0];
	walk.now_ns = 1;
	process.runtime = start[1];
	memory = (struct memory){ data, size };
	host.read = memory_read;
	host.send = check_record;
	host.context = &memory;
	for (int i = 0; i < 2; i++) {
		host.reads = 0;
		if (walk_begin(&walk, &process, &cache))
			continue;
		walk_mark(&walk.layout, &cache);
		walk_all(&walk, &process);
		if (walk.n_frames > PY_MAX_DEPTH || host.reads > READS_MAX)
			abort();
	}
	return 0;
}
