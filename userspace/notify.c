// SPDX-License-Identifier: Apache-2.0
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"

struct notify {
	int fd;
	struct sockaddr_un address;
	socklen_t length;
	uint64_t watchdog_ns;
};

static uint64_t number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long number;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	number = strtoull(text, &end, 10);
	return *end || errno ? 0 : number;
}

static uint64_t watchdog_ns(void)
{
	uint64_t us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

	if (us > UINT64_MAX / 1000 || (getenv("WATCHDOG_PID") && pid != (uint64_t)getpid()))
		return 0;
	return us * 1000;
}

int notify__new(struct notify **out)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name ? strlen(name) : 0;
	struct notify *n;

	if (!length) {
		*out = NULL;
		return 0;
	}
	/* vsock and what else may come is not ours */
	if (*name != '/' && *name != '@')
		return -EAFNOSUPPORT;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	if (length >= sizeof(n->address.sun_path)) {
		free(n);
		return -ENAMETOOLONG;
	}
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, name, length);
	if (*name == '@')
		n->address.sun_path[0] = '\0';
	/* an abstract name has its length, a path a NUL behind it */
	n->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*name == '/'));
	n->watchdog_ns = watchdog_ns();
	/* a manager that does not read must not stop the recording */
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0) {
		int err = -errno;

		free(n);
		return err;
	}
	*out = n;
	return 0;
}

void notify__free(struct notify *n)
{
	if (!n)
		return;
	close(n->fd);
	free(n);
}

static int tell(struct notify *n, const char *text)
{
	if (!n)
		return 0;
	return sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->address, n->length) < 0 ? -errno : 0;
}

/* Lines end a variable: none within. */
static int tell_status(struct notify *n, const char *before, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "%sSTATUS=%s", before, status ? status : "");
	for (char *c = text + strlen(before); *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	return tell(n, text);
}

int notify__ready(struct notify *n, const char *status)
{
	return status ? tell_status(n, "READY=1\n", status) : tell(n, "READY=1");
}

int notify__reloading(struct notify *n)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(clock_ns(CLOCK_MONOTONIC) / 1000));
	return tell(n, text);
}

int notify__stopping(struct notify *n)
{
	return tell(n, "STOPPING=1");
}

int notify__status(struct notify *n, const char *status)
{
	return tell_status(n, "", status);
}

int notify__watchdog(struct notify *n)
{
	return n && !n->watchdog_ns ? 0 : tell(n, "WATCHDOG=1");
}

uint64_t notify__watchdog_ns(const struct notify *n)
{
	return n ? n->watchdog_ns : 0;
}
