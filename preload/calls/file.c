// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/calls/calls.h"

#define STEP 8192u /* bytes of a chunk that get memory at a time */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct calls_header *file_header;

static char file_path[PATH_MAX];

/*
 * By its name each time: an open file would be one that the program did not open, and that it may close and give the number to another.
 */
static void *map_part(uint64_t offset, size_t size)
{
	int fd = syscall(SYS_openat, AT_FDCWD, file_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0);
	void *p;

	if (fd < 0)
		return NULL;
	p = (void *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	syscall(SYS_close, fd);
	return p == MAP_FAILED ? NULL : p;
}

/* Now, with an error where there is no room; a write later would end the program. */
static bool populate(void *p, size_t size)
{
	return !syscall(SYS_madvise, p, size, MADV_POPULATE_WRITE);
}

bool file_open(const char *path)
{
	struct calls_header *h;

	if (strlen(path) >= sizeof(file_path))
		return false;
	strcpy(file_path, path);
	h = map_part(0, CALLS_CHUNK);
	if (!h)
		return false;
	if (!populate(h, CALLS_CHUNK) || h->magic != CALLS_MAGIC || h->chunk_size != CALLS_CHUNK) {
		pages_free(h, CALLS_CHUNK);
		return false;
	}
	file_header = h;
	return true;
}

static bool chunk_take(struct chunk *chunk, enum calls_kind kind, uint32_t process)
{
	uint32_t number = __atomic_fetch_add(&file_header->n_chunks, 1, __ATOMIC_RELAXED);
	struct calls_chunk *head;

	/* far from wrapping around: each process asks again for some pairs only */
	if (number >= file_header->max_chunks || number >= CALLS_CHUNKS_MAX) {
		__atomic_fetch_sub(&file_header->n_chunks, 1, __ATOMIC_RELAXED);
		return false;
	}
	head = map_part((uint64_t)number * CALLS_CHUNK, CALLS_CHUNK);
	if (!head || !populate(head, STEP)) {
		pages_free(head, CALLS_CHUNK);
		return false;
	}
	head->process = process;
	head->used = sizeof(*head);
	__atomic_store_n(&head->kind, kind, __ATOMIC_RELEASE);
	*chunk = (struct chunk){ .head = head, .number = number, .used = sizeof(*head), .ready = STEP };
	return true;
}

void *chunk_reserve(struct chunk *chunk, enum calls_kind kind, uint32_t process, uint32_t size, uint32_t *id)
{
	uint32_t at;

	if (!chunk->head || chunk->used > CALLS_CHUNK - size) {
		if (!chunk_take(chunk, kind, process))
			return NULL;
	}
	at = chunk->used;
	while (at + size > chunk->ready) {
		if (!populate((char *)chunk->head + chunk->ready, STEP))
			return NULL;
		chunk->ready += STEP;
	}
	*id = ((uint64_t)chunk->number * CALLS_CHUNK + at) / 8;
	return (char *)chunk->head + at;
}

void chunk_commit(struct chunk *chunk, uint32_t size)
{
	chunk->used += size;
	__atomic_store_n(&chunk->head->used, chunk->used, __ATOMIC_RELEASE);
}

uint32_t process_register(uint16_t version, enum calls_how how, uint8_t flags)
{
	uint32_t index = __atomic_fetch_add(&file_header->n_processes, 1, __ATOMIC_RELAXED);

	if (index < CALLS_PROCESSES)
		file_header->processes[index] = (struct calls_process){ .pid = getpid(), .version = version, .how = how, .flags = flags };
	return index;
}

void process_note(uint32_t index, enum calls_how how)
{
	if (index < CALLS_PROCESSES)
		file_header->processes[index].how = how;
}

void process_flag(uint32_t index, uint8_t flag)
{
	if (index < CALLS_PROCESSES)
		__atomic_fetch_or(&file_header->processes[index].flags, flag, __ATOMIC_RELAXED);
}
