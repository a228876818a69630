// SPDX-License-Identifier: Apache-2.0
#include "image/link_map.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "image/remote.h"
#include "util/cleanup.h"

#define SEGMENTS_MAX 64
#define DYNAMIC_MAX 256

/* Where the kernel put the program's headers. */
static int read_auxv(pid_t pid, uint64_t *headers, uint64_t *count)
{
	char path[64];
	_cleanup_close_ int fd = -1;
	Elf64_auxv_t entry;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*headers = *count = 0;
	while (read(fd, &entry, sizeof(entry)) == sizeof(entry) && entry.a_type != AT_NULL) {
		if (entry.a_type == AT_PHDR)
			*headers = entry.a_un.a_val;
		if (entry.a_type == AT_PHNUM)
			*count = entry.a_un.a_val;
	}
	return *headers ? 0 : -ESRCH;
}

/* The program's dynamic section; 0: it has none. */
static int find_dynamic(pid_t pid, uint64_t *dynamic, bool *has_linker)
{
	uint64_t headers = 0, count = 0, bias = 0, found = 0;
	int err = read_auxv(pid, &headers, &count);

	*has_linker = false;
	for (uint64_t i = 0; !err && i < count && i < SEGMENTS_MAX; i++) {
		Elf64_Phdr header;

		err = remote__read(pid, headers + i * sizeof(header), &header, sizeof(header));
		if (err)
			break;
		if (header.p_type == PT_PHDR)
			bias = headers - header.p_vaddr;
		else if (header.p_type == PT_DYNAMIC)
			found = header.p_vaddr;
		else if (header.p_type == PT_INTERP)
			*has_linker = true;
	}
	*dynamic = found ? found + bias : 0;
	return err;
}

/* The linker's struct r_debug; 0: it has not told yet. */
static int find_debug(pid_t pid, uint64_t dynamic, uint64_t *debug)
{
	*debug = 0;
	for (int i = 0; i < DYNAMIC_MAX; i++) {
		Elf64_Dyn entry;
		int err = remote__read(pid, dynamic + i * sizeof(entry), &entry, sizeof(entry));

		if (err)
			return err;
		if (entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG) {
			*debug = entry.d_un.d_ptr;
			return 0;
		}
	}
	return 0;
}

int link_map__each(pid_t pid, link_map_fn *fn, void *arg)
{
	uint64_t dynamic, address, next;
	struct r_debug debug;
	bool has_linker;
	int result = find_dynamic(pid, &dynamic, &has_linker);

	if (result)
		return result;
	if (!dynamic || !has_linker)
		return -ENOENT;
	result = find_debug(pid, dynamic, &address);
	if (result)
		return result;
	if (!address)
		return -EAGAIN;
	result = remote__read(pid, address, &debug, sizeof(debug));
	if (result)
		return result;
	if (debug.r_state != RT_CONSISTENT || !debug.r_map)
		return -EAGAIN;
	next = (uintptr_t)debug.r_map;
	for (int i = 0; next && i < LINK_MAP_MAX && !result; i++) {
		struct link_map entry;

		result = remote__read(pid, next, &entry, sizeof(entry));
		if (result)
			return result;
		result = fn((uintptr_t)entry.l_ld, arg);
		next = (uintptr_t)entry.l_next;
	}
	return result;
}
