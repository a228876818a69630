/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded reads of another process's memory. The process is not stopped: what comes back may be torn, and is hostile until checked.
 */
#ifndef FIXINGAHOLE_REMOTE_H
#define FIXINGAHOLE_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exactly size bytes, or -errno: -EFAULT (not mapped, also in part), -ESRCH (gone), -EPERM. */
int remote__read(pid_t pid, uint64_t address, void *buffer, size_t size);

/*
 * Whose files in /proc tell of the process: its main thread, or once that has ended another one that has not. pid itself where there is none.
 * remote__read() finds it by itself.
 */
pid_t remote__thread(pid_t pid);

struct peek {
	uint64_t address;
	void *to;
	uint32_t size;
	bool ok; /* read, wholly */
};

/* Many pieces of at most 512 bytes at once; each that cannot be read, or is larger, is marked so. 0, or -errno if the process cannot be read at all. */
int remote__read_many(pid_t pid, struct peek *peeks, size_t n);

static inline int remote__read_u64(pid_t pid, uint64_t address, uint64_t *value)
{
	return remote__read(pid, address, value, sizeof(*value));
}

#endif
