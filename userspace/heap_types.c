// SPDX-License-Identifier: Apache-2.0
#include "heap_types.h"

#include <stdlib.h>
#include <string.h>

#include "image/remote.h"
#include "python/objects.h"
#include "util/clock.h"
#include "util/map64.h"

/* A block is looked at that long after its allocation, and again if it was not complete. */
static const uint64_t look_ns[] = { 10000000, 100000000, 1000000000 };
#define LOOKS (sizeof(look_ns) / sizeof(look_ns[0]))
/* Time of ours: a 500th, saved up to some milliseconds. What it does not suffice for has to wait. */
#define COST 500
#define SAVED_NS 10000000ULL
#define BATCH 64
#define NONE UINT32_MAX

struct entry {
	uint64_t address, size, born_ns, read_ns;
	uint32_t space;
	uint32_t next, previous; /* in its queue; next also of the free ones */
	uint8_t kind;
	uint8_t queue;      /* which one */
	bool found;         /* .name is what it is, if it was still there at read_ns */
	struct object_name name;
};

/* By the number of looks that a block has had; and those of which it is found out what they are, to be confirmed. */
enum { FOUND = LOOKS, QUEUES };
struct queue { uint32_t first, last; };

struct process {
	uint32_t space, pid, entries;
	bool gone;
	struct objects *objects; /* NULL: no interpreter known yet */
};

struct heap_types {
	const struct symbols *symbols;
	record_sink sink;
	void *context;
	struct map64 space_index; /* space -> processes */
	struct process **processes;
	uint32_t n_processes, cap_processes;
	struct map64 index;       /* key() -> entries */
	struct entry *entries;
	uint32_t n_entries, cap_entries, free;
	struct queue queues[QUEUES];
	uint64_t credit_ns, credited_ns;
};

struct heap_types *heap_types__new(const struct symbols *symbols, record_sink sink, void *context)
{
	struct heap_types *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->symbols = symbols;
	t->sink = sink;
	t->context = context;
	t->free = NONE;
	for (size_t i = 0; i < QUEUES; i++)
		t->queues[i] = (struct queue){ NONE, NONE };
	t->credit_ns = SAVED_NS;
	return t;
}

void heap_types__free(struct heap_types *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_processes; i++) {
		objects__free(t->processes[i]->objects);
		free(t->processes[i]);
	}
	free(t->processes);
	free(t->entries);
	map64_release(&t->space_index);
	map64_release(&t->index);
	free(t);
}

static void read_memory(void *context, struct peek *peeks, size_t n)
{
	const struct process *p = context;

	if (p->gone)
		for (size_t i = 0; i < n; i++)
			peeks[i].ok = false;
	else
		remote__read_many(p->pid, peeks, n);
}

static struct process *process_get(struct heap_types *t, uint32_t space, uint32_t pid, bool make)
{
	struct process *p;
	uint32_t i, version;

	if (!map64_get(&t->space_index, space, &i)) {
		if (!make)
			return NULL;
		if (t->n_processes == t->cap_processes) {
			uint32_t capacity = t->cap_processes ? 2 * t->cap_processes : 8;
			struct process **processes = realloc(t->processes, capacity * sizeof(*processes));

			if (!processes)
				return NULL;
			t->processes = processes;
			t->cap_processes = capacity;
		}
		p = calloc(1, sizeof(*p));
		if (!p || map64_put(&t->space_index, space, t->n_processes)) {
			free(p);
			return NULL;
		}
		*p = (struct process){ .space = space, .pid = pid };
		t->processes[t->n_processes++] = p;
	} else {
		p = t->processes[i];
	}
	version = p->objects ? 0 : symbols__version(t->symbols, space);
	if (version >= 0x0308)
		p->objects = objects__new(version, read_memory, p);
	return p;
}

/* Spaces are numbered from 1 on, and addresses of programs have 47 bits. */
static uint64_t key(uint32_t space, uint64_t address)
{
	return (uint64_t)space << 47 ^ address;
}

static void queue_put(struct heap_types *t, unsigned queue, uint32_t i)
{
	struct queue *q = &t->queues[queue];
	struct entry *e = &t->entries[i];

	e->queue = queue;
	e->next = NONE;
	e->previous = q->last;
	if (q->last == NONE)
		q->first = i;
	else
		t->entries[q->last].next = i;
	q->last = i;
}

static void queue_take(struct heap_types *t, uint32_t i)
{
	const struct entry *e = &t->entries[i];
	struct queue *q = &t->queues[e->queue];

	if (e->previous == NONE)
		q->first = e->next;
	else
		t->entries[e->previous].next = e->next;
	if (e->next == NONE)
		q->last = e->previous;
	else
		t->entries[e->next].previous = e->previous;
}

/* Nothing more is to be found out. */
static void entry_end(struct heap_types *t, uint32_t i)
{
	struct entry *e = &t->entries[i];
	struct process *p = process_get(t, e->space, 0, false);
	uint32_t value;

	queue_take(t, i);
	map64_remove(&t->index, key(e->space, e->address), &value);
	if (p)
		p->entries--;
	*e = (struct entry){ .next = t->free };
	t->free = i;
}

static void tell(struct heap_types *t, const struct entry *e, const struct object_name *name, uint64_t time_ns)
{
	const struct process *p = process_get(t, e->space, 0, false);
	struct event_heap_type event = {
		.head = { .kind = EVENT_HEAP_TYPE, .size = sizeof(event), .time_ns = time_ns, .pid = p->pid, .tid = p->pid, .space = e->space },
		.address = e->address,
		.part = name->part,
	};

	memcpy(event.name, name->name, sizeof(event.name));
	t->sink(t->context, &event.head);
}

static void note_alloc(struct heap_types *t, const struct event_heap *event)
{
	uint32_t i = t->free, old;
	struct entry *entries;
	struct process *p;

	if (event->heap_flags & HEAP_FAILED)
		return;
	if (map64_get(&t->index, key(event->head.space, event->address), &old))
		entry_end(t, old);
	if (event->kind != HEAP_KIND_MEM && event->kind != HEAP_KIND_OBJECT)
		return;
	p = process_get(t, event->head.space, event->head.pid, true);
	if (!p)
		return;
	if (i != NONE) {
		t->free = t->entries[i].next;
	} else {
		if (t->n_entries == t->cap_entries) {
			uint32_t capacity = t->cap_entries ? 2 * t->cap_entries : 1024;

			entries = realloc(t->entries, capacity * sizeof(*entries));
			if (!entries)
				return;
			t->entries = entries;
			t->cap_entries = capacity;
		}
		i = t->n_entries++;
	}
	t->entries[i] = (struct entry){ .address = event->address, .size = event->size, .born_ns = event->head.time_ns, .space = event->head.space, .kind = event->kind };
	if (map64_put(&t->index, key(event->head.space, event->address), i)) {
		t->entries[i] = (struct entry){ .next = t->free };
		t->free = i;
		return;
	}
	p->entries++;
	queue_put(t, 0, i);
}

/* What the first words at its free say. */
static bool name_of_freed(struct heap_types *t, const struct entry *e, const struct event_heap_free *event, uint64_t now, struct object_name *name)
{
	struct object_block block = { .size = e->size, .kind = e->kind, .dead = true, .n_words = HEAP_FREE_WORDS };
	struct process *p = process_get(t, e->space, 0, false);

	if (!p || !p->objects || event->head.size < sizeof(*event) + HEAP_FREE_WORDS * sizeof(__u64))
		return false;
	memcpy(block.words, event + 1, HEAP_FREE_WORDS * sizeof(__u64));
	return objects__name(p->objects, event->head.flags & HEAP_FREE_FINALIZING ? 0 : now, &block, name);
}

static void note_free(struct heap_types *t, const struct event_heap_free *event, uint64_t now)
{
	struct object_name name;
	struct entry *e;
	uint32_t i;

	if (!map64_get(&t->index, key(event->head.space, event->address), &i))
		return;
	e = &t->entries[i];
	if (e->found && event->head.time_ns > e->read_ns)
		tell(t, e, &e->name, event->head.time_ns);
	else if (name_of_freed(t, e, event, now, &name))
		tell(t, e, &name, event->head.time_ns);
	entry_end(t, i);
}

static void note_end(struct heap_types *t, uint32_t space, uint64_t time_ns)
{
	struct process *p = process_get(t, space, 0, false);

	if (!p || !space)
		return;
	for (uint32_t i = 0; p->entries && i < t->n_entries; i++) {
		struct entry *e = &t->entries[i];

		if (e->space != space)
			continue;
		if (e->found && time_ns > e->read_ns)
			tell(t, e, &e->name, time_ns);
		entry_end(t, i);
	}
	p->gone = true;
	objects__free(p->objects);
	p->objects = NULL;
}

void heap_types__record(struct heap_types *t, const struct event_header *record, uint64_t now)
{
	const struct event_heap_moved *moved = (const void *)record;
	uint32_t i;

	switch (record->kind) {
	case EVENT_HEAP:
		note_alloc(t, (const void *)record);
		break;
	case EVENT_HEAP_FREE:
		note_free(t, (const void *)record, now);
		break;
	case EVENT_HEAP_MOVED: /* mappings, as a rule; else not worth following */
		if (map64_get(&t->index, key(record->space, moved->address), &i))
			entry_end(t, i);
		break;
	case EVENT_EXEC:
		note_end(t, ((const struct event_exec *)record)->old_space, record->time_ns);
		break;
	case EVENT_EXIT:
		note_end(t, record->space, record->time_ns);
		break;
	}
}

/* Those that were read before the last emptying of the buffer, and have not been freed until then. */
static void confirm(struct heap_types *t)
{
	while (t->queues[FOUND].first != NONE) {
		const struct entry *e = &t->entries[t->queues[FOUND].first];

		tell(t, e, &e->name, e->read_ns);
		entry_end(t, t->queues[FOUND].first);
	}
}

static void look(struct heap_types *t, struct process *p, size_t round, const uint32_t *which, size_t n)
{
	struct object_block blocks[BATCH];
	struct peek peeks[BATCH];

	for (size_t k = 0; k < n; k++) {
		const struct entry *e = &t->entries[which[k]];

		blocks[k] = (struct object_block){ .size = e->size, .kind = e->kind };
		blocks[k].n_words = e->size / 8 < OBJECTS_WORDS ? e->size / 8 : OBJECTS_WORDS;
		peeks[k] = (struct peek){ .address = e->address, .to = blocks[k].words, .size = blocks[k].n_words * 8 };
	}
	read_memory(p, peeks, n);
	for (size_t k = 0; k < n; k++) {
		struct entry *e = &t->entries[which[k]];
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		e->read_ns = now;
		e->found = p->objects && peeks[k].ok && objects__name(p->objects, now, &blocks[k], &e->name);
		if (!e->found && (round + 1 == LOOKS || p->gone)) {
			entry_end(t, which[k]);
			continue;
		}
		/* what a buffer's contents point to was read after the block itself, and so was the time */
		if (e->found)
			e->read_ns = clock_ns(CLOCK_MONOTONIC);
		queue_take(t, which[k]);
		queue_put(t, e->found ? FOUND : round + 1, which[k]);
	}
}

/* The next ones of one process that it is time for, at most BATCH. False: none. */
static bool look_round(struct heap_types *t, size_t round, uint64_t now)
{
	struct process *p = NULL;
	uint32_t which[BATCH];
	size_t n = 0;

	for (uint32_t i = t->queues[round].first; i != NONE && n < BATCH; i = t->entries[i].next) {
		const struct entry *e = &t->entries[i];

		if (e->born_ns + look_ns[round] > now || (p && e->space != p->space))
			break;
		if (!p)
			p = process_get(t, e->space, 0, false);
		which[n++] = i;
	}
	if (n)
		look(t, p, round, which, n);
	return n > 0;
}

void heap_types__poll(struct heap_types *t, uint64_t now)
{
	uint64_t used;

	confirm(t);
	if (t->credited_ns)
		t->credit_ns += (now - t->credited_ns) / COST;
	t->credited_ns = now;
	if (t->credit_ns > SAVED_NS)
		t->credit_ns = SAVED_NS;
	for (size_t round = 0; round < LOOKS; round++) {
		while (t->credit_ns && look_round(t, round, now)) {
			used = clock_ns(CLOCK_MONOTONIC) - now;
			t->credit_ns = used < t->credit_ns ? t->credit_ns - used : 0;
			now += used;
		}
	}
	t->credited_ns = now;
}
