// SPDX-License-Identifier: Apache-2.0
#include "image/remote.h"

#include <errno.h>
#include <sys/uio.h>

int remote__read(pid_t pid, uint64_t address, void *buffer, size_t size)
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

#define BATCH 64

/* The first pieces, up to one that cannot be read. How many, or -errno. */
static ssize_t read_batch(pid_t pid, struct peek *peeks, size_t n)
{
	struct iovec local[BATCH], remote[BATCH];
	ssize_t got;
	size_t i;

	for (i = 0; i < n; i++) {
		local[i] = (struct iovec){ peeks[i].to, peeks[i].size };
		remote[i] = (struct iovec){ (void *)(uintptr_t)peeks[i].address, peeks[i].size };
	}
	got = process_vm_readv(pid, local, n, remote, n, 0);
	if (got < 0 && errno != EFAULT)
		return -errno;
	for (i = 0; i < n && got >= (ssize_t)peeks[i].size; i++) {
		got -= peeks[i].size;
		peeks[i].ok = true;
	}
	return i;
}

int remote__read_many(pid_t pid, struct peek *peeks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		peeks[i].ok = false;
	for (size_t at = 0; at < n;) {
		size_t batch = n - at < BATCH ? n - at : BATCH;
		ssize_t done = read_batch(pid, peeks + at, batch);

		if (done < 0)
			return done;
		at += (size_t)done < batch ? done + 1 : done;
	}
	return 0;
}
