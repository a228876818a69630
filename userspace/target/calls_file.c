// SPDX-License-Identifier: Apache-2.0
#include "target/calls_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "preload/calls_file.h"
#include "target/preload_library.h"
#include "target/scratch.h"
#include "target/strv.h"
#include "util/cleanup.h"

_Static_assert(CALLS_PATTERN_LENGTH == CALLS_PATTERN_MAX - 1, "room for the pattern");

struct calls_file {
	char *directory, *path;
	int fd;
	int lock; /* of the directory: it is in use, whoever cannot see our process */
};

/* --- making it --- */

static int write_header(int fd, const char *pattern)
{
	_cleanup_free_ struct calls_header *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->magic = CALLS_MAGIC;
	h->chunk_size = CALLS_CHUNK;
	h->n_chunks = 1;
	h->max_chunks = CALLS_CHUNKS_MAX;
	snprintf(h->pattern, sizeof(h->pattern), "%s", pattern ? pattern : "");
	if (pwrite(fd, h, sizeof(*h), 0) != sizeof(*h))
		return -EIO;
	return ftruncate(fd, (off_t)CALLS_CHUNK * CALLS_CHUNKS_MAX) ? -errno : 0;
}

/*
 * A process of the target may give up its user, so everybody may write to the file, whose name in a directory that only its owner can list
 * nobody else knows.
 */
static int fill_directory(struct calls_file *file, const char *directory, const char *pattern)
{
	uint64_t random;

	file->lock = scratch__lock(directory);
	if (file->lock < 0)
		return file->lock;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	if (asprintf(&file->path, "%s/%016llx", directory, (unsigned long long)random) < 0) {
		file->path = NULL;
		return -ENOMEM;
	}
	file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (file->fd < 0 || fchmod(file->fd, 0666) || fchmod(file->lock, 0711))
		return -errno;
	return write_header(file->fd, pattern);
}

static void close_all(struct calls_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->lock >= 0)
		close(file->lock);
	file->fd = file->lock = -1;
	free(steal_ptr(file->path));
}

struct making { struct calls_file *file; const char *pattern; };

static int fill(void *context, const char *directory)
{
	struct making *m = context;
	int err = fill_directory(m->file, directory, m->pattern);

	if (err)
		close_all(m->file);
	return err;
}

/* The path passes through a shell's command as it is. */
static bool plain(const char *place)
{
	return strlen(place) <= 100 && !place[strspn(place, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./")];
}

int calls_file__create(struct calls_file **out, const struct identity *id, const char *pattern)
{
	static const struct scratch_kind kind = { .prefix = "fixingahole-calls-", .fits = plain, .fill = fill };
	struct calls_file *file = calloc(1, sizeof(*file));
	struct making making = { file, pattern };
	int err = file ? identity__enter(id) : -ENOMEM;

	if (err) {
		free(file);
		return err;
	}
	file->fd = file->lock = -1;
	err = scratch__create(&kind, id, &making, &file->directory);
	identity__leave(id);
	if (err)
		free(file);
	else
		*out = file;
	return err;
}

void calls_file__free(struct calls_file *file, const struct identity *id)
{
	if (!file)
		return;
	if (!identity__enter(id)) {
		scratch__remove(file->directory);
		identity__leave(id);
	}
	close_all(file);
	free(file->directory);
	free(file);
}

int calls_file__environment(const struct calls_file *file, char ***environment, const char *library)
{
	struct strv env = { .items = *environment };
	int err;

	while (env.items[env.n])
		env.n++;
	err = preload_library__add(&env, library);
	if (!err)
		err = strv_set(&env, CALLS_ENV_FILE, file->path);
	*environment = env.items;
	return err;
}

/* --- reading it --- */

struct reading {
	const struct calls_file *file;
	record_sink sink;
	void *context;
	char *chunk; /* one at a time */
	uint32_t number;
	uint64_t bad;
	struct event_calls_process processes[CALLS_PROCESSES];
	uint32_t n_processes;
};

static struct event_header head_of(uint16_t kind, size_t size)
{
	return (struct event_header){ .kind = kind, .size = size };
}

static void send_code(struct reading *r, uint32_t at, const struct calls_code *code)
{
	char buffer[sizeof(struct event_calls_code) + CALLS_PATH_MAX + CALLS_NAME_MAX] __attribute__((aligned(8)));
	struct event_calls_code *event = (void *)buffer;
	size_t text = (size_t)code->file_size + code->name_size;

	if (code->file_size > CALLS_PATH_MAX || code->name_size > CALLS_NAME_MAX || text > code->size - sizeof(*code)) {
		r->bad++;
		return;
	}
	*event = (struct event_calls_code){
		.head = head_of(EVENT_CALLS_CODE, sizeof(*event) + text),
		.id = ((uint64_t)r->number * CALLS_CHUNK + at) / 8,
		.firstlineno = code->firstlineno,
		.file_size = code->file_size,
		.name_size = code->name_size,
	};
	memcpy(event + 1, code + 1, text);
	r->sink(r->context, &event->head);
}

static void send_codes(struct reading *r, uint32_t used)
{
	uint32_t at = sizeof(struct calls_chunk);

	while (at + sizeof(struct calls_code) <= used) {
		const struct calls_code *code = (const void *)(r->chunk + at);

		if (code->size < sizeof(*code) || code->size % 8 || code->size > used - at) {
			r->bad++;
			return;
		}
		send_code(r, at, code);
		at += code->size;
	}
}

static void send_pairs(struct reading *r, uint32_t used, uint32_t process)
{
	for (uint32_t at = sizeof(struct calls_chunk); at + sizeof(struct calls_pair) <= used; at += sizeof(struct calls_pair)) {
		const struct calls_pair *pair = (const void *)(r->chunk + at);
		const struct event_calls_pair event = {
			.head = head_of(EVENT_CALLS_PAIR, sizeof(event)),
			.caller = pair->caller,
			.callee = pair->callee,
			.calls = pair->calls,
			.resumptions = pair->resumptions,
		};

		if (!pair->calls && !pair->resumptions)
			continue;
		if (process < r->n_processes) {
			r->processes[process].calls += pair->calls;
			r->processes[process].resumptions += pair->resumptions;
		}
		r->sink(r->context, &event.head);
	}
}

static void read_chunks(struct reading *r, uint32_t n, enum calls_kind kind)
{
	for (r->number = 1; r->number < n; r->number++) {
		const struct calls_chunk *head = (const void *)r->chunk;
		ssize_t size = pread(r->file->fd, r->chunk, sizeof(*head), (off_t)r->number * CALLS_CHUNK);
		uint32_t used = head->used;

		if (size != sizeof(*head) || head->kind != kind)
			continue;
		if (used < sizeof(*head) || used > CALLS_CHUNK || pread(r->file->fd, r->chunk + size, used - size, (off_t)r->number * CALLS_CHUNK + size) != (ssize_t)(used - size))
			r->bad++;
		else if (kind == CALLS_CODES)
			send_codes(r, used);
		else
			send_pairs(r, used, head->process);
	}
}

static void note_processes(struct reading *r, const struct calls_header *h)
{
	r->n_processes = h->n_processes < CALLS_PROCESSES ? h->n_processes : CALLS_PROCESSES;
	for (uint32_t i = 0; i < r->n_processes; i++) {
		const struct calls_process *p = &h->processes[i];

		r->processes[i] = (struct event_calls_process){
			.head = head_of(EVENT_CALLS_PROCESS, sizeof(r->processes[i])),
			.version = p->version,
			.how = p->how,
			.flags = p->flags,
		};
		r->processes[i].head.pid = p->pid;
	}
}

int calls_file__read(const struct calls_file *file, record_sink sink, void *context)
{
	_cleanup_free_ struct calls_header *h = malloc(sizeof(*h));
	_cleanup_free_ char *chunk = malloc(CALLS_CHUNK);
	_cleanup_free_ struct reading *r = calloc(1, sizeof(*r));
	struct event_calls_lost lost = { .head = head_of(EVENT_CALLS_LOST, sizeof(lost)) };
	uint32_t n;

	if (!h || !chunk || !r)
		return -ENOMEM;
	if (pread(file->fd, h, sizeof(*h), 0) != sizeof(*h))
		return -EIO;
	r->file = file;
	r->sink = sink;
	r->context = context;
	r->chunk = chunk;
	n = h->n_chunks < CALLS_CHUNKS_MAX ? h->n_chunks : CALLS_CHUNKS_MAX;
	note_processes(r, h);
	read_chunks(r, n, CALLS_CODES);
	read_chunks(r, n, CALLS_PAIRS);
	for (uint32_t i = 0; i < r->n_processes; i++)
		sink(context, &r->processes[i].head);
	lost.calls = h->lost.calls + h->lost.resumptions;
	lost.processes = h->n_processes - r->n_processes;
	lost.bad = r->bad;
	sink(context, &lost.head);
	return 0;
}
