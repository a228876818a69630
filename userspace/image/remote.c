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
