// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "notify.h"
#include "util/clock.h"

static char path[64];

static int clean(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

/* What systemd would have, at a path or an abstract name. */
static int listens(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + (*name != '@'));

	strcpy(address.sun_path, name);
	if (*name == '@')
		address.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *heard(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? NULL : text;
}

static void says_all(const char *name)
{
	unsigned long long before = clock_ns(CLOCK_MONOTONIC) / 1000, said;
	struct notify *notify = NULL;
	int fd = listens(name);
	char *end;

	assert_int_equal(notify__new(&notify), 0);
	assert_non_null(notify);
	assert_int_equal(notify__ready(notify, NULL), 0);
	assert_string_equal(heard(fd), "READY=1");
	assert_int_equal(notify__ready(notify, "recording"), 0);
	assert_string_equal(heard(fd), "READY=1\nSTATUS=recording");
	assert_int_equal(notify__status(notify, "12 written\nREADY=1\r"), 0);
	assert_string_equal(heard(fd), "STATUS=12 written READY=1 ");
	assert_int_equal(notify__stopping(notify), 0);
	assert_string_equal(heard(fd), "STOPPING=1");
	assert_int_equal(notify__reloading(notify), 0);
	assert_int_equal(strncmp(heard(fd), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	assert_int_equal(notify__reloading(notify), 0);
	said = strtoull(heard(fd) + 27, &end, 10);
	assert_int_equal(*end, '\0');
	assert_true(said >= before && said <= clock_ns(CLOCK_MONOTONIC) / 1000);
	/* no watchdog was asked for */
	assert_int_equal(notify__watchdog(notify), 0);
	assert_null(heard(fd));
	notify__free(notify);
	close(fd);
}

static void test_path(void **state)
{
	strcpy(path, "/tmp/test-notify-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/socket");
	says_all(path);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

static void test_abstract(void **state)
{
	snprintf(path, sizeof(path), "@fixingahole/test/%d", getpid());
	says_all(path);
}

static void test_watchdog(void **state)
{
	struct notify *notify = NULL;
	char pid[16];
	int fd;

	snprintf(path, sizeof(path), "@fixingahole/test/%d", getpid());
	fd = listens(path);
	setenv("WATCHDOG_USEC", "30000000", 1);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify__new(&notify), 0);
	assert_int_equal(notify__watchdog_ns(notify), 30000000000ull);
	assert_int_equal(notify__watchdog(notify), 0);
	assert_string_equal(heard(fd), "WATCHDOG=1");
	notify__free(notify);
	/* another process's, and what is no number */
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify__new(&notify), 0);
	assert_int_equal(notify__watchdog_ns(notify), 0);
	notify__free(notify);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "99999999999999999999", 1);
	assert_int_equal(notify__new(&notify), 0);
	assert_int_equal(notify__watchdog_ns(notify), 0);
	notify__free(notify);
	close(fd);
}

static void test_nobody_listens(void **state)
{
	struct notify *notify = (struct notify *)&path;
	char name[200];

	assert_int_equal(notify__new(&notify), 0);
	assert_null(notify);
	assert_int_equal(notify__ready(NULL, "x"), 0);
	assert_int_equal(notify__watchdog(NULL), 0);
	assert_int_equal(notify__watchdog_ns(NULL), 0);
	notify__free(NULL);
	setenv("NOTIFY_SOCKET", "vsock:1:2", 1);
	assert_int_equal(notify__new(&notify), -EAFNOSUPPORT);
	memset(name, '/', sizeof(name));
	name[199] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify__new(&notify), -ENAMETOOLONG);
	/* gone, and full: said, and it does not wait */
	setenv("NOTIFY_SOCKET", "/nowhere/socket", 1);
	assert_int_equal(notify__new(&notify), 0);
	assert_int_equal(notify__ready(notify, NULL), -ENOENT);
	notify__free(notify);
}

static void test_full(void **state)
{
	struct notify *notify = NULL;
	int fd, err = 0;

	snprintf(path, sizeof(path), "@fixingahole/test/%d", getpid());
	fd = listens(path);
	assert_int_equal(notify__new(&notify), 0);
	for (int i = 0; i < 100000 && !err; i++)
		err = notify__ready(notify, NULL);
	assert_int_equal(err, -EAGAIN);
	notify__free(notify);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, clean, clean)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(test_path), TEST(test_abstract), TEST(test_watchdog), TEST(test_nobody_listens), TEST(test_full) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
