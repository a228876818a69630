// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <string.h>
#include <sys/syscall.h>

#include "profile/waits.h"

static void check_object(const struct wait_object *object, const char *expected)
{
	char text[512];

	if (!expected) {
		assert_false(wait_object_text(object, text, sizeof(text)));
		return;
	}
	assert_true(wait_object_text(object, text, sizeof(text)));
	assert_string_equal(text, expected);
}

/* Names as the kernel side packs them: each ended by NUL; they reach up to the root. */
static struct wait_object file_object(const char *names, size_t size)
{
	struct wait_object object = { .kind = FD_FILE, .whole = 1 };

	memcpy(object.name, names, size);
	return object;
}

static void files_are_named_by_their_path(void **state)
{
	struct wait_object object = file_object("passwd\0etc\0\0", 12);
	char expected[600] = "...";

	check_object(&object, "/etc/passwd");
	object = file_object("a\0\0", 3);
	check_object(&object, "/a");
	object = file_object("\0", 1);
	check_object(&object, "/");
	object.whole = 0;
	check_object(&object, NULL);
	/* too deep: the outer folders were not looked at */
	object = file_object("numpy\0site-packages\0\0", 21);
	object.whole = 0;
	check_object(&object, ".../site-packages/numpy");
	/* what did not fit: the outer part is missing */
	memset(object.name, 'x', FD_NAME_SIZE);
	memcpy(object.name, "file\0dir", 9);
	check_object(&object, ".../dir/file");
	/* not even one name fits */
	memset(object.name, 'x', FD_NAME_SIZE);
	check_object(&object, NULL);
	/* as many names as there can be, and no empty one at the end */
	for (int i = 0; i < FD_NAME_SIZE; i++)
		object.name[i] = i & 1 ? 0 : 'd';
	for (int i = 0; i < FD_NAME_SIZE / 2; i++)
		strcat(expected, "/d");
	check_object(&object, expected);
}

static void a_small_buffer_is_not_overrun(void **state)
{
	struct wait_object object = file_object("passwd\0etc\0usr\0\0", 16);

	for (size_t size = 1; size < 32; size++) {
		char text[33];

		memset(text, '#', sizeof(text));
		assert_true(wait_object_text(&object, text, size));
		assert_true(strlen(text) < size);
		assert_int_equal(text[size], '#');
	}
}

static void sockets_are_named_by_their_peer(void **state)
{
	struct wait_object object = { .kind = FD_SOCKET_INET, .peer_port = 5432, .local_port = 40000, .peer = { 10, 0, 0, 5 } };

	check_object(&object, "10.0.0.5:5432");
	object = (struct wait_object){ .kind = FD_SOCKET_INET, .local_port = 8080 };
	check_object(&object, "port 8080");
	object.local_port = 0;
	check_object(&object, NULL);
	object = (struct wait_object){ .kind = FD_SOCKET_INET6, .peer_port = 443 };
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", object.peer), 1);
	check_object(&object, "[2001:db8::1]:443");
	object = (struct wait_object){ .kind = FD_SOCKET_INET6, .local_port = 8080 };
	check_object(&object, "port 8080");
	object = (struct wait_object){ .kind = FD_SOCKET_UNIX, .name = "/run/x.sock" };
	check_object(&object, "unix:/run/x.sock");
	object = (struct wait_object){ .kind = FD_SOCKET_UNIX, .name = "@abstract" };
	check_object(&object, "unix:@abstract");
	object = (struct wait_object){ .kind = FD_SOCKET_UNIX };
	check_object(&object, "unix:(unnamed)");
	object = (struct wait_object){ .kind = FD_SOCKET_OTHER, .inode = 12 };
	check_object(&object, "socket:[12]");
}

static void other_objects(void **state)
{
	struct wait_object object = { .kind = FD_PIPE, .inode = UINT32_MAX };
	char expected[FD_NAME_SIZE + 1];

	check_object(&object, "pipe:[4294967295]");
	object = (struct wait_object){ .kind = FD_OTHER, .name = "[eventpoll]" };
	check_object(&object, "[eventpoll]");
	object.name[0] = 0;
	check_object(&object, NULL);
	/* a name that fills its field has no NUL */
	memset(object.name, 'n', FD_NAME_SIZE);
	memset(expected, 'n', FD_NAME_SIZE);
	expected[FD_NAME_SIZE] = 0;
	check_object(&object, expected);
	object = (struct wait_object){ .kind = FD_NONE };
	check_object(&object, NULL);
	object.kind = 77;
	check_object(&object, NULL);
}

static void check_call(uint32_t kind, int32_t number, const char *expected)
{
	const struct event_wait event = { .wait_kind = kind, .syscall = number };
	char buffer[32];

	assert_string_equal(wait_call(&event, buffer), expected);
}

static void calls_have_names(void **state)
{
	check_call(WAIT_BLOCKED, SYS_read, "read");
	check_call(WAIT_BLOCKED, SYS_nanosleep, "sleep");
	check_call(WAIT_BLOCKED, SYS_clock_nanosleep, "sleep");
	check_call(WAIT_BLOCKED, SYS_futex, "futex");
	check_call(WAIT_BLOCKED, SYS_wait4, "wait4");
	check_call(WAIT_BLOCKED, SYS_recvfrom, "recvfrom");
	check_call(WAIT_BLOCKED, SYS_epoll_wait, "epoll_wait");
	check_call(WAIT_BLOCKED, SYS_pidfd_getfd, "pidfd_getfd");
	check_call(WAIT_BLOCKED, -1, "waiting");
	check_call(WAIT_BLOCKED, 400, "system call 400"); /* a gap in the numbers */
	check_call(WAIT_BLOCKED, INT32_MAX, "system call 2147483647");
	check_call(WAIT_PAGE_IN, SYS_read, "page-in");
	assert_null(syscall_name(-5));
	assert_null(syscall_name(100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_named_by_their_path),
		cmocka_unit_test(a_small_buffer_is_not_overrun),
		cmocka_unit_test(sockets_are_named_by_their_peer),
		cmocka_unit_test(other_objects),
		cmocka_unit_test(calls_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
