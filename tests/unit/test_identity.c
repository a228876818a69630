// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/identity.h"
#include "target/strv.h"
#include "target/sudo.h"

static void need_root(void)
{
	if (getuid() || geteuid())
		skip();
}

static int no_sudo(void **state)
{
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
	unsetenv("SUDO_USER");
	return 0;
}

static void test_self(void **state)
{
	struct identity id;

	assert_int_equal(identity__resolve(&id, NULL), 0);
	assert_int_equal(id.uid, getuid());
	assert_int_equal(id.gid, getgid());
	assert_false(id.from_sudo);
	assert_non_null(id.name);
	assert_non_null(id.home);
	assert_string_equal(environment_get(id.environment, "PATH"), getenv("PATH"));
	/* nothing to do, nothing to undo */
	assert_int_equal(identity__enter(&id), 0);
	assert_int_equal(geteuid(), id.uid);
	identity__leave(&id);
	assert_int_equal(geteuid(), id.uid);
	identity__release(&id);
	identity__release(&id);
}

static void test_sudo(void **state)
{
	struct identity id;

	need_root();
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "12346", 1);
	setenv("SUDO_USER", "somebody", 1);
	assert_int_equal(identity__resolve(&id, NULL), 0);
	assert_true(id.from_sudo);
	assert_int_equal(id.uid, 12345);
	assert_int_equal(id.gid, 12346);
	assert_int_equal(id.n_groups, 1);
	assert_int_equal(id.groups[0], 12346);
	assert_string_equal(id.name, "12345");
	/* no sudo process above us: our own environment, as that user's */
	assert_string_equal(environment_get(id.environment, "HOME"), id.home);
	assert_string_equal(environment_get(id.environment, "USER"), "12345");
	assert_string_equal(environment_get(id.environment, "LOGNAME"), "12345");
	assert_null(environment_get(id.environment, "SUDO_UID"));
	assert_null(environment_get(id.environment, "SUDO_USER"));
	assert_string_equal(environment_get(id.environment, "PATH"), getenv("PATH"));
	identity__release(&id);
}

static void test_sudo_lies(void **state)
{
	static const char *const bad[] = { "", "-1", "4294967295", "4294967296", "99999999999999999999", "12x", " 1", "0x10", "root" };
	struct identity id = { .uid = 77 };

	need_root();
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		setenv("SUDO_UID", bad[i], 1);
		assert_int_equal(identity__resolve(&id, NULL), -EINVAL);
	}
	/* nobody's id and no usable group: not root's group */
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "x", 1);
	assert_int_equal(identity__resolve(&id, NULL), -EINVAL);
	assert_int_equal(id.uid, 77);
	/* --user does without */
	setenv("SUDO_UID", "x", 1);
	assert_int_equal(identity__resolve(&id, "daemon"), 0);
	assert_string_equal(id.name, "daemon");
	identity__release(&id);
}

static void test_named(void **state)
{
	struct identity id = { .uid = 77 };

	need_root();
	assert_int_equal(identity__resolve(&id, "no such user"), -ENOENT);
	assert_int_equal(identity__resolve(&id, ""), -ENOENT);
	assert_int_equal(identity__resolve(&id, "-1"), -ENOENT);
	assert_int_equal(id.uid, 77);
	assert_int_equal(identity__resolve(&id, "12345"), 0);
	assert_int_equal(id.uid, 12345);
	assert_int_equal(id.gid, 12345);
	identity__release(&id);
	assert_int_equal(identity__resolve(&id, "root"), 0);
	assert_int_equal(id.uid, 0);
	assert_string_equal(environment_get(id.environment, "PATH"), getenv("PATH"));
	identity__release(&id);
	setenv("SUDO_UID", "12345", 1);
	setenv("SUDO_GID", "12346", 1);
	assert_int_equal(identity__resolve(&id, "12345"), 0);
	assert_true(id.from_sudo);
	assert_int_equal(id.gid, 12346);
	identity__release(&id);
	assert_int_equal(identity__resolve(&id, "0"), 0);
	assert_false(id.from_sudo);
	assert_null(environment_get(id.environment, "SUDO_UID"));
	identity__release(&id);
}

static void test_enter_and_leave(void **state)
{
	char folder[] = "/tmp/test-identity-XXXXXX", path[64];
	gid_t before[64], after[64];
	struct identity id;
	struct stat st;
	int n, fd;

	need_root();
	n = getgroups(64, before);
	assert_int_equal(identity__resolve(&id, "12345"), 0);
	assert_int_equal(identity__enter(&id), 0);
	assert_int_equal(geteuid(), 12345);
	assert_int_equal(getegid(), 12345);
	assert_int_equal(getgroups(64, after), 1);
	assert_int_equal(after[0], 12345);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x", folder);
	fd = open(path, O_CREAT | O_WRONLY | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	fstat(fd, &st);
	close(fd);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 12345);
	assert_int_equal(open("/proc/1/environ", O_RDONLY | O_CLOEXEC), -1);
	identity__leave(&id);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(getegid(), getgid());
	assert_int_equal(getgroups(64, after), n);
	assert_memory_equal(before, after, (size_t)n * sizeof(gid_t));
	unlink(path);
	rmdir(folder);
	identity__release(&id);
}

/* In a child, for it is for good. Returns the child's exit status. */
static int in_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
#define CHECK(what) do { if (!(what)) _exit(__LINE__ & 0xff ?: 1); } while (0)

static void become_run(void)
{
	struct identity id, other;
	char text[128];

	CHECK(!identity__missing_capabilities(text, sizeof(text)));
	CHECK(!identity__resolve(&id, "12345") && !identity__resolve(&other, "12346"));
	CHECK(!identity__become(&id));
	CHECK(seteuid(0) < 0 && setuid(0) < 0 && setgid(0) < 0);
	CHECK(getgroups(0, NULL) == 1);
	CHECK(identity__enter(&other) == -EPERM && geteuid() == 12345);
	CHECK(identity__become(&other) == -EPERM);
	CHECK(identity__missing_capabilities(text, sizeof(text)) == -EPERM);
	CHECK(!strcmp(text, "CAP_BPF, CAP_PERFMON"));
	CHECK(identity__missing_capabilities(text, 9) == -EPERM && !strcmp(text, "CAP_BPF,"));
	/* SUDO_UID is now anybody's word, and other users are out of reach */
	identity__release(&id);
	setenv("SUDO_UID", "0", 1);
	CHECK(!identity__resolve(&id, NULL) && id.uid == 12345 && !id.from_sudo);
	identity__release(&id);
	CHECK(!identity__resolve(&id, "12345") && id.uid == 12345);
	identity__release(&id);
	CHECK(identity__resolve(&id, "root") == -EPERM);
	identity__release(&other);
}

static void test_become(void **state)
{
	need_root();
	assert_int_equal(in_child(become_run), 0);
}

static void drop_run(void)
{
	struct identity id;
	char text[128];

	CHECK(!identity__resolve(&id, "12345"));
	CHECK(!identity__drop_capabilities(false));
	CHECK(!identity__missing_capabilities(text, sizeof(text)));
	/* still able to work as the user and to come back, but not to rule the machine */
	CHECK(!identity__enter(&id));
	identity__leave(&id);
	CHECK(geteuid() == 0);
	CHECK(unshare(CLONE_NEWNS) < 0);
	identity__release(&id);
}

static void test_drop(void **state)
{
	need_root();
	assert_int_equal(in_child(drop_run), 0);
}

static void test_parse_environ(void **state)
{
	static const char data[] = "A=1\0\0=bad\0NONE\0B=\0C=x=y\0D=no end";
	struct strv env = {};

	assert_int_equal(sudo__parse_environ(&env, data, sizeof(data) - 1), 0);
	assert_int_equal(env.n, 4);
	assert_string_equal(environment_get(env.items, "A"), "1");
	assert_string_equal(environment_get(env.items, "B"), "");
	assert_string_equal(environment_get(env.items, "C"), "x=y");
	assert_string_equal(environment_get(env.items, "D"), "no end");
	assert_null(environment_get(env.items, "NONE"));
	strv_release(&env);
	assert_int_equal(sudo__parse_environ(&env, "", 0), 0);
	assert_non_null(env.items);
	assert_null(env.items[0]);
	strv_release(&env);
}

static void cmdline(const char *data, size_t size, const char *wanted)
{
	struct strv env = {};

	assert_int_equal(sudo__parse_environ(&env, "A=0", 3), 0);
	assert_int_equal(sudo__apply_cmdline(&env, data, size), 0);
	assert_string_equal(environment_get(env.items, "A"), wanted);
	strv_release(&env);
}
#define CMDLINE(text, wanted) cmdline(text, sizeof(text) - 1, wanted)

static void test_sudo_cmdline(void **state)
{
	CMDLINE("sudo\0A=1\0fixingahole\0A=2", "1");
	CMDLINE("sudo\0-u\0A=3\0-E\0A=1\0x", "1");
	CMDLINE("sudo\0-uroot\0A=1\0x\0", "1");
	CMDLINE("sudo\0--\0A=1\0x", "1");
	CMDLINE("sudo\0fixingahole\0A=2", "0");
	CMDLINE("A=1", "0");
	CMDLINE("", "0");
}

/* Many strings: the vector grows at the right moments. */
static void test_strv(void **state)
{
	struct strv v = {};
	char text[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "N%d=%d", i, i);
		assert_int_equal(strv_add(&v, text), 0);
		assert_null(v.items[v.n]);
	}
	assert_int_equal(strv_set(&v, "N500", "x"), 0);
	assert_int_equal(strv_set(&v, "N", "y"), 0);
	assert_int_equal(v.n, 1001);
	assert_string_equal(v.items[500], "N500=x");
	assert_string_equal(v.items[1000], "N=y");
	assert_int_equal(strv_take(&v, NULL), -ENOMEM);
	strv_release(&v);
	strv__free(NULL);
}

/*
 * A program that is called sudo, set-user-ID and root's: this one, copied. It starts us again with another
 * environment, as sudo does, and that child looks for what it was.
 */
static int play_sudo(const char *self)
{
	char *const argv[] = { "test_identity", "--below-sudo", NULL }, *const envp[] = { "CLEANED=1", NULL };
	int status;
	pid_t pid = fork();

	if (!pid) {
		execve(self, argv, envp);
		_exit(99);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int play_below_sudo(void)
{
	char **env = sudo__environment_before();
	const char *a = environment_get(env, "A"), *b = environment_get(env, "B");
	int r = !env ? 2 : a && b && !strcmp(a, "of the user") && !strcmp(b, "typed") && !environment_get(env, "CLEANED") ? 0 : 3;

	strv__free(env);
	return r;
}

static int run_fake_sudo(const char *path)
{
	char *const argv[] = { "sudo", "B=typed", "--play-sudo", NULL }, *const envp[] = { "A=of the user", "B=0", NULL };
	int status;
	pid_t pid = fork();

	if (!pid) {
		execve(path, argv, envp);
		_exit(97);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void copy_self(const char *to, mode_t mode)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	char buffer[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		assert_int_equal(write(out, buffer, (size_t)n), n);
	assert_int_equal(fchmod(out, mode), 0);
	close(in);
	close(out);
}

static void test_environment_before_sudo(void **state)
{
	char folder[] = "/tmp/test-identity-XXXXXX", path[64];

	need_root();
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sudo", folder);
	copy_self(path, 04755);
	assert_int_equal(run_fake_sudo(path), 0);
	/* one that anybody can make is passed over */
	chmod(path, 0755);
	assert_int_equal(run_fake_sudo(path), 2);
	assert_int_equal(chown(path, 12345, 12345), 0);
	chmod(path, 04755);
	assert_int_equal(run_fake_sudo(path), 2);
	unlink(path);
	rmdir(folder);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_self, no_sudo, no_sudo),
		cmocka_unit_test_setup_teardown(test_sudo, no_sudo, no_sudo),
		cmocka_unit_test_setup_teardown(test_sudo_lies, no_sudo, no_sudo),
		cmocka_unit_test_setup_teardown(test_named, no_sudo, no_sudo),
		cmocka_unit_test_setup_teardown(test_enter_and_leave, no_sudo, no_sudo),
		cmocka_unit_test_setup_teardown(test_become, no_sudo, no_sudo),
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_parse_environ),
		cmocka_unit_test(test_sudo_cmdline),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_environment_before_sudo),
	};

	if (argc == 3 && !strcmp(argv[2], "--play-sudo"))
		_exit(play_sudo("/proc/self/exe")); /* a leak checker could not look into this one */
	if (argc == 2 && !strcmp(argv[1], "--below-sudo"))
		_exit(play_below_sudo());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
