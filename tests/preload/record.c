// SPDX-License-Identifier: Apache-2.0
/* The probes of the test build: each call is a record in the file that the environment names. */
#include "preload/record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/heap.h"

/* Whether the interpreter's own table of free blocks is in use. */
extern uintptr_t python_pools;
EXPORT int preload_test_pools(void)
{
	return python_pools != 0;
}

static void put(const struct record *record)
{
	static int fd = -2;
	const char *name;

	if (fd == -2) {
		name = getenv(RECORD_ENV);
		fd = name ? open(name, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
		/* out of the way of programs that close or count theirs */
		if (fd >= 0)
			fd = fcntl(fd, F_DUPFD_CLOEXEC, 700);
	}
	if (fd >= 0 && write(fd, record, sizeof(*record)) != (ssize_t)sizeof(*record))
		abort();
}

#define PUT(number, ...) put(&(struct record){ .kind = number, .pid = getpid(), .tid = syscall(SYS_gettid), .args = { __VA_ARGS__ } })

static void put_late(const struct heap_late *late)
{
	if (!late->n || late->n > HEAP_LATE_MAX)
		abort();
	for (uint64_t i = 0; i < late->n; i++)
		PUT(RECORD_FREE, late->free[i].address, 0, 0, 0, 0, late->free[i].mark);
}

void fixingahole_heap_alloc(uint64_t address, uint64_t size, uint64_t weight, uint64_t count_q8, uint64_t info, uint64_t mark, const struct heap_late *late)
{
	if (info & HEAP_WITH_FREES)
		put_late(late);
	PUT(RECORD_ALLOC, address, size, weight, count_q8, info & ~HEAP_WITH_FREES, mark);
}

void fixingahole_heap_free(uint64_t address, uint64_t zero1, uint64_t zero2, uint64_t zero3, uint64_t info, uint64_t mark)
{
	if (info & HEAP_WITH_FREES)
		put_late((const struct heap_late *)address);
	else
		PUT(RECORD_FREE, address, 0, 0, 0, info, mark);
}

void fixingahole_heap_moved(uint64_t from, uint64_t to, uint64_t size, uint64_t weight, uint64_t info)
{
	PUT(RECORD_MOVED, from, to, size, weight, info);
}

void fixingahole_heap_failed(uint64_t size, uint64_t info)
{
	PUT(RECORD_FAILED, size, info);
}

void fixingahole_heap_copy(uint64_t bytes)
{
	PUT(RECORD_COPY, bytes);
}

void fixingahole_heap_totals(const struct heap_totals *totals)
{
	struct record record = { .kind = RECORD_TOTALS, .pid = getpid() };

	_Static_assert(sizeof(*totals) <= sizeof(record.args), "room for the totals");
	memcpy(record.args, totals, sizeof(*totals));
	put(&record);
}
