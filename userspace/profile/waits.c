// SPDX-License-Identifier: Apache-2.0
#include "profile/waits.h"

#include <arpa/inet.h>
#include <string.h>

const char *wait_call(const struct event_wait *event, char buffer[32])
{
	const char *name;

	if (event->wait_kind == WAIT_RUNNABLE)
		return "run queue";
	if (event->wait_kind == WAIT_PAGE_IN)
		return "page-in";
	if (event->syscall < 0)
		return "waiting";
	name = syscall_name(event->syscall);
	if (name)
		return name;
	snprintf(buffer, 32, "system call %d", event->syscall);
	return buffer;
}

/* Components innermost first, each ended by NUL. */
static bool path_text(const struct wait_object *o, char *buffer, size_t size)
{
	const char *parts[FD_NAME_SIZE / 2];
	size_t n = 0, at = 0, used = 0;

	while (at < FD_NAME_SIZE && n < sizeof(parts) / sizeof(parts[0])) {
		size_t length = strnlen(o->name + at, FD_NAME_SIZE - at);

		if (at + length >= FD_NAME_SIZE || !length)
			break;
		parts[n++] = o->name + at;
		at += length + 1;
	}
	if (!n && o->whole) {
		snprintf(buffer, size, "/");
		return true;
	}
	if (!n)
		return false;
	buffer[0] = 0;
	if (!o->whole)
		used = snprintf(buffer, size, "...");
	while (n-- && used < size)
		used += snprintf(buffer + used, size - used, "/%s", parts[n]);
	return true;
}

static bool inet_text(const struct wait_object *o, int family, char *buffer, size_t size)
{
	static const uint8_t none[16];
	char address[INET6_ADDRSTRLEN];

	if (!o->peer_port && !memcmp(o->peer, none, sizeof(none))) {
		/* not connected: it listens, or receives from anybody */
		if (!o->local_port)
			return false;
		snprintf(buffer, size, "port %u", o->local_port);
		return true;
	}
	if (!inet_ntop(family, o->peer, address, sizeof(address)))
		return false;
	snprintf(buffer, size, family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, o->peer_port);
	return true;
}

bool wait_object_text(const struct wait_object *o, char *buffer, size_t size)
{
	char name[FD_NAME_SIZE + 1];

	memcpy(name, o->name, FD_NAME_SIZE);
	name[FD_NAME_SIZE] = 0;
	switch (o->kind) {
	case FD_FILE:
		return path_text(o, buffer, size);
	case FD_PIPE:
		snprintf(buffer, size, "pipe:[%u]", o->inode);
		return true;
	case FD_SOCKET_INET:
		return inet_text(o, AF_INET, buffer, size);
	case FD_SOCKET_INET6:
		return inet_text(o, AF_INET6, buffer, size);
	case FD_SOCKET_UNIX:
		snprintf(buffer, size, "unix:%s", name[0] ? name : "(unnamed)");
		return true;
	case FD_SOCKET_OTHER:
		snprintf(buffer, size, "socket:[%u]", o->inode);
		return true;
	case FD_OTHER:
		if (!name[0])
			return false;
		snprintf(buffer, size, "%s", name);
		return true;
	default:
		return false;
	}
}
