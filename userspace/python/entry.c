// SPDX-License-Identifier: Apache-2.0
#include "python/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bpf/calls_source.h"
#include "image/maps.h"
#include "image/probe_point.h"

/* The static probe is passed by, or not there, before. */
#define STATIC_FROM 0x030f
/* A probe on a function may not be on its last bytes. */
#define CODE_MIN 16

struct place { pid_t pid; uint64_t address, offset; int fd; };

static int find_code(const struct mapping *m, void *arg)
{
	struct place *p = arg;

	if (!m->executable || !m->inode || p->address < m->start || p->address >= m->end)
		return 0;
	p->fd = maps__open(p->pid, m);
	p->offset = p->address - m->start + m->offset;
	return 1;
}

/* Opens the file that an address of the process comes from. */
static int open_code(pid_t pid, uint64_t address, struct place *out)
{
	int err;

	*out = (struct place){ .pid = pid, .address = address, .fd = -ENOENT };
	err = maps__each(pid, find_code, out);
	return err < 0 ? err : out->fd < 0 ? out->fd : 0;
}

static int at_function(const struct place *place, uint32_t version, struct python_entry *out)
{
	uint8_t code[PROBE_POINT_LOOK];
	ssize_t size = pread(place->fd, code, sizeof(code), place->offset);
	struct probe_point point;

	if (size < CODE_MIN || !probe_point__choose_three(code, size, &point))
		return size < 0 ? -errno : -ENOENT;
	out->offset[0] = place->offset + point.offset;
	out->address = place->address + point.offset;
	out->cookie[0] = (version < 0x0309 ? CALLS_PLACE_FRAME : CALLS_PLACE_THREAD_FRAME) | (point.stepped ? CALLS_PLACE_STEPPED : 0);
	out->n = 1;
	return 0;
}

static int at_static(const struct place *place, const struct usdt *usdt, struct python_entry *out)
{
	for (uint32_t i = 0; i < usdt->n; i++) {
		uint8_t code;

		/* code of one segment keeps its distances */
		out->offset[i] = place->offset + (usdt->address[i] - usdt->address[0]);
		out->cookie[i] = CALLS_PLACE_CURRENT;
		out->semaphore[i] = usdt->semaphore[i];
		out->has_semaphores |= usdt->semaphore[i] != 0;
		if (pread(place->fd, &code, 1, out->offset[i]) != 1 || code != 0x90)
			return -ENOENT;
	}
	out->n = usdt->n;
	out->address = place->address;
	return 0;
}

bool python_entry__is_static(const struct interp_binary *b)
{
	return b->layout.version >= STATIC_FROM && b->function_entry.n;
}

bool python_entry__sees_all(const struct interp_binary *b)
{
	return b->layout.version <= 0x030a || python_entry__is_static(b);
}

uint32_t python_entry__return_generator(uint32_t version)
{
	switch (version) {
	case 0x030b:
	case 0x030c:
		return 75;
	case 0x030d:
		return 35;
	case 0x030e:
		return 34;
	case 0x030f:
		return 32;
	}
	return 0;
}

int python_entry__find(pid_t pid, const struct interp_binary *b, uint64_t bias, struct python_entry *out)
{
	struct python_entry found = { .fd = -1 };
	bool is_static = python_entry__is_static(b);
	struct place place;
	int err;

	if (!is_static && !b->evaluate)
		return -ENOENT;
	err = open_code(pid, (is_static ? b->function_entry.address[0] : b->evaluate) + bias, &place);
	if (err)
		return err;
	err = is_static ? at_static(&place, &b->function_entry, &found) : at_function(&place, b->layout.version, &found);
	if (err) {
		close(place.fd);
		return err;
	}
	found.fd = place.fd;
	*out = found;
	return 0;
}

int python_entry__copy(const struct python_entry *entry, struct python_entry *out)
{
	*out = *entry;
	out->fd = fcntl(entry->fd, F_DUPFD_CLOEXEC, 3);
	return out->fd < 0 ? -errno : 0;
}

void python_entry__release(struct python_entry *entry)
{
	if (entry->fd >= 0)
		close(entry->fd);
	entry->fd = -1;
	entry->n = 0;
}
