// SPDX-License-Identifier: Apache-2.0
#include "image/remote.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

static bool has_program(pid_t tid)
{
	char path[64], target[8];

	snprintf(path, sizeof(path), "/proc/%d/exe", tid);
	return readlink(path, target, sizeof(target)) > 0;
}

pid_t remote__thread(pid_t pid)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	const struct dirent *entry;
	char path[64];

	if (has_program(pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && tid != pid && has_program(tid))
			return tid;
	}
	return pid;
}

static int read_memory(pid_t pid, uint64_t address, void *buffer, size_t size)
{
	size_t done = 0;

	if (address + size < address)
		return -EFAULT;
	while (done < size) {
		struct iovec local = { (char *)buffer + done, size - done };
		/* an address of another process: never followed here */
		struct iovec remote = { (void *)(uintptr_t)(address + done), size - done };
		ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);

		if (n < 0)
			return -errno;
		if (n == 0)
			return -EFAULT;
		done += n;
	}
	return 0;
}

int remote__read(pid_t pid, uint64_t address, void *buffer, size_t size)
{
	int err = read_memory(pid, address, buffer, size);
	pid_t thread = err == -ESRCH ? remote__thread(pid) : pid;

	return thread != pid ? read_memory(thread, address, buffer, size) : err;
}

/*
 * Each range that is asked for costs the kernel a look-up of its page, which is most of what a read costs; small pieces that lie
 * close to each other are read as one range.
 */
#define BATCH 64
#define PIECE_MAX 512
#define GAP_MAX 128

struct range { uint64_t start, size; };

static int by_address(const void *a, const void *b)
{
	const struct peek *const *x = a, *const *y = b;

	return ((*x)->address > (*y)->address) - ((*x)->address < (*y)->address);
}

/* The ranges, one after the other in buffer. Returns how many were read, from the first on, or -errno. */
static ssize_t read_ranges(pid_t pid, const struct range *ranges, size_t n, char *buffer)
{
	struct iovec local = { buffer, 0 }, remote[BATCH];
	ssize_t got;
	size_t i;

	for (i = 0; i < n; i++) {
		remote[i] = (struct iovec){ (void *)(uintptr_t)ranges[i].start, ranges[i].size };
		local.iov_len += ranges[i].size;
	}
	got = process_vm_readv(pid, &local, 1, remote, n, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
	for (i = 0; i < n && got >= (ssize_t)ranges[i].size; i++)
		got -= ranges[i].size;
	return i;
}

static bool fits(const struct range *range, const struct peek *p)
{
	return p->address <= range->start + range->size + GAP_MAX && p->size <= PIECE_MAX && range->size <= PIECE_MAX * 8;
}

/* A batch that is sorted by address. */
static int read_sorted(pid_t pid, struct peek *const *peeks, size_t n)
{
	char buffer[BATCH * (PIECE_MAX + GAP_MAX)];
	struct range ranges[BATCH];
	size_t first[BATCH + 1], m = 0, at = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t end = peeks[i]->address + peeks[i]->size;

		if (m && fits(&ranges[m - 1], peeks[i])) {
			if (end > ranges[m - 1].start + ranges[m - 1].size)
				ranges[m - 1].size = end - ranges[m - 1].start;
			continue;
		}
		first[m] = i;
		ranges[m++] = (struct range){ peeks[i]->address, peeks[i]->size };
	}
	first[m] = n;
	while (at < m) {
		ssize_t done = read_ranges(pid, ranges + at, m - at, buffer);
		size_t offset = 0;

		if (done < 0)
			return done;
		for (size_t r = at; r < at + done; r++) {
			for (size_t i = first[r]; i < first[r + 1]; i++) {
				memcpy(peeks[i]->to, buffer + offset + (peeks[i]->address - ranges[r].start), peeks[i]->size);
				peeks[i]->ok = true;
			}
			offset += ranges[r].size;
		}
		at += done;
		/* the next one cannot be read as a whole */
		for (size_t i = first[at]; at < m && i < first[at + 1]; i++)
			peeks[i]->ok = !remote__read(pid, peeks[i]->address, peeks[i]->to, peeks[i]->size);
		at += at < m;
	}
	return 0;
}

int remote__read_many(pid_t pid, struct peek *peeks, size_t n)
{
	struct peek *sorted[BATCH];
	int err = 0;

	for (size_t i = 0; i < n; i++)
		peeks[i].ok = false;
	for (size_t i = 0; i < n && !err;) {
		size_t batch = 0;

		for (; i < n && batch < BATCH; i++) {
			if (peeks[i].size <= PIECE_MAX && peeks[i].address + peeks[i].size >= peeks[i].address)
				sorted[batch++] = &peeks[i];
		}
		qsort(sorted, batch, sizeof(*sorted), by_address);
		err = read_sorted(pid, sorted, batch);
		/* the main thread has ended, but not the process */
		if (err == -ESRCH && remote__thread(pid) != pid) {
			pid = remote__thread(pid);
			err = read_sorted(pid, sorted, batch);
		}
	}
	return err;
}
