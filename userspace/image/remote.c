// SPDX-License-Identifier: Apache-2.0
#include "image/remote.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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
