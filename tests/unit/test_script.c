// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/script.h"
#include "target/strv.h"

/* A folder with made-up interpreters: executables that nobody runs. The user's PATH is its bin/. */
struct fixture {
	char folder[64];
	struct identity id;
	struct strv env;
};

static const char *below(const struct fixture *f, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", f->folder, name);
	return path;
}

static void put(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
	const char *path = below(f, name);
	char command[PATH_MAX + 64];
	int fd;

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\"", path);
	assert_int_equal(system(command), 0);
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];

	strcpy(f->folder, "/tmp/test-script-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	chmod(f->folder, 0755);
	f->id.uid = geteuid();
	snprintf(path, sizeof(path), "/nonexistent:%s/bin", f->folder);
	strv_set(&f->env, "PATH", path);
	f->id.environment = f->env.items;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	strv_release(&f->env);
	if (system(command))
		return -1;
	free(f);
	return 0;
}

static void set(struct fixture *f, const char *name, const char *value)
{
	assert_int_equal(strv_set(&f->env, name, value), 0);
	f->id.environment = f->env.items;
}

static void chooses(struct fixture *f, const char *option, const char *script, const char *path, const char *why)
{
	const char *reason = NULL;
	char *chosen = NULL;

	assert_int_equal(script__choose_python(&f->id, option, script ? below(f, script) : NULL, below(f, "root"), &chosen, &reason), 0);
	assert_string_equal(chosen, below(f, path));
	assert_string_equal(reason, why);
	free(chosen);
}

static int error_of(struct fixture *f, const char *option)
{
	const char *reason = "untouched";
	char *chosen = NULL;
	int r = script__choose_python(&f->id, option, NULL, below(f, "root"), &chosen, &reason);

	assert_null(chosen);
	assert_string_equal(reason, "untouched");
	return r;
}

static void test_path(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(error_of(f, NULL), -ENOENT);
	put(f, "bin/python", "", 0755);
	chooses(f, NULL, "root/x.py", "bin/python", "PATH");
	put(f, "bin/python3", "", 0644);
	chooses(f, NULL, "root/x.py", "bin/python", "PATH");
	put(f, "bin/python3", "", 0755);
	chooses(f, NULL, "root/x.py", "bin/python3", "PATH");
	chooses(f, NULL, NULL, "bin/python3", "PATH");
}

static void test_option(void **state)
{
	struct fixture *f = *state;
	char cwd[PATH_MAX];

	put(f, "bin/python3.9", "", 0755);
	put(f, "bin/plain", "", 0644);
	put(f, "other/py", "", 0755);
	chooses(f, "python3.9", "root/x.py", "bin/python3.9", "--python");
	chooses(f, below(f, "other/py"), "root/x.py", "other/py", "--python");
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(f->folder), 0);
	chooses(f, "other/py", "root/x.py", "other/py", "--python");
	set(f, "PATH", ":/nonexistent");
	put(f, "here", "", 0755);
	chooses(f, "here", "root/x.py", "here", "--python");
	assert_int_equal(chdir(cwd), 0);
	set(f, "PATH", below(f, "bin"));
	assert_int_equal(error_of(f, "python4"), -ENOENT);
	assert_int_equal(error_of(f, ""), -ENOENT);
	assert_int_equal(error_of(f, "plain"), -EACCES);
	assert_int_equal(error_of(f, below(f, "nothing")), -ENOENT);
	assert_int_equal(error_of(f, f->folder), -EACCES);
	assert_int_equal(error_of(f, below(f, "bin/plain")), -EACCES);
}

static void test_environments(void **state)
{
	struct fixture *f = *state;

	put(f, "bin/python3", "", 0755);
	put(f, "root/venv/bin/python", "", 0755);
	put(f, ".venv/bin/python", "", 0755); /* above root */
	chooses(f, NULL, "root/a/b/x.py", "root/venv/bin/python", "project's virtual environment");
	chooses(f, NULL, NULL, "root/venv/bin/python", "project's virtual environment");
	put(f, "root/a/.venv/bin/python3", "", 0755);
	chooses(f, NULL, "root/a/b/x.py", "root/a/.venv/bin/python3", "project's virtual environment");
	chooses(f, NULL, "root/x.py", "root/venv/bin/python", "project's virtual environment");
	/* a folder whose name only begins like root's, then */
	put(f, "rooted/venv/bin/python", "", 0755);
	chooses(f, NULL, "rooted/x.py", "rooted/venv/bin/python", "project's virtual environment");
	chooses(f, NULL, "rooted/a/x.py", "root/venv/bin/python", "project's virtual environment");
	/* active: before the project's; stale and relative ones do not count */
	set(f, "CONDA_PREFIX", "relative");
	set(f, "VIRTUAL_ENV", "/nonexistent");
	chooses(f, NULL, "root/x.py", "root/venv/bin/python", "project's virtual environment");
	put(f, "conda/bin/python", "", 0755);
	set(f, "CONDA_PREFIX", below(f, "conda"));
	chooses(f, NULL, "root/x.py", "conda/bin/python", "active virtual environment");
	assert_int_equal(symlink(below(f, "bin/python3"), below(f, "conda/bin/link")), 0);
	put(f, "active/bin/x", "", 0755);
	assert_int_equal(symlink(below(f, "bin/python3"), below(f, "active/bin/python")), 0);
	set(f, "VIRTUAL_ENV", below(f, "active"));
	chooses(f, NULL, "root/x.py", "active/bin/python", "active virtual environment");
}

static void test_shebang(void **state)
{
	struct fixture *f = *state;
	char line[256];

	put(f, "bin/python3", "", 0755);
	put(f, "bin/python3.9", "", 0755);
	put(f, "root/x.py", "#!/usr/bin/env python3.9\nprint()\n", 0644);
	chooses(f, NULL, "root/x.py", "bin/python3.9", "shebang");
	snprintf(line, sizeof(line), "#! %s -u\n", below(f, "bin/python3.9"));
	put(f, "root/x.py", line, 0644);
	chooses(f, NULL, "root/x.py", "bin/python3.9", "shebang");
	put(f, "root/x.py", "#!/usr/bin/env python3.99\n", 0644);
	chooses(f, NULL, "root/x.py", "bin/python3", "PATH; the shebang's is not there");
	put(f, "root/x.py", "#!/bin/sh\n", 0644);
	chooses(f, NULL, "root/x.py", "bin/python3", "PATH");
	chooses(f, NULL, "root", "bin/python3", "PATH");
}

static void shebang(const char *line, const char *wanted)
{
	char *program = shebang_program(line);

	if (wanted)
		assert_string_equal(program, wanted);
	else
		assert_null(program);
	free(program);
}

static void test_shebang_lines(void **state)
{
	shebang("#!/usr/bin/python3\nx", "/usr/bin/python3");
	shebang("#! /usr/bin/python3.13t -u", "/usr/bin/python3.13t");
	shebang("#!/usr/bin/env python3\r\n", "python3");
	shebang("#!/usr/bin/env python", "python");
	shebang("#!/usr/bin/env -S python3 -u\n", "python3");
	shebang("#!/usr/bin/env -Spython3 -u\n", "python3");
	shebang("#!/usr/bin/env -i A=1 python3", "python3");
	shebang("#!/usr/bin/env bash\npython3", NULL);
	shebang("#!/usr/bin/env", NULL);
	shebang("#!/usr/bin/env -S", NULL);
	shebang("#!/usr/bin/python2", NULL);
	shebang("#!/usr/bin/python3-config", NULL);
	shebang("#!\n/usr/bin/python3", NULL);
	shebang("#!", NULL);
	shebang("", NULL);
	shebang("# /usr/bin/python3", NULL);
}

static void test_environment(void **state)
{
	struct fixture *f = *state;
	char **env = script__environment(&f->id, NULL);

	assert_string_equal(environment_get(env, "FIXINGAHOLE_PROFILE"), "1");
	assert_null(environment_get(env, "PYTHONPATH"));
	strv__free(env);
	env = script__environment(&f->id, "/hook");
	assert_string_equal(environment_get(env, "PYTHONPATH"), "/hook");
	strv__free(env);
	set(f, "PYTHONPATH", "");
	set(f, "FIXINGAHOLE_PROFILE", "7");
	env = script__environment(&f->id, "/hook");
	assert_string_equal(environment_get(env, "PYTHONPATH"), "/hook");
	assert_string_equal(environment_get(env, "FIXINGAHOLE_PROFILE"), "1");
	strv__free(env);
	set(f, "PYTHONPATH", "/a:/b");
	env = script__environment(&f->id, "/hook");
	assert_string_equal(environment_get(env, "PYTHONPATH"), "/hook:/a:/b");
	strv__free(env);
}

static void test_hook(void **state)
{
	struct fixture *f = *state;
	struct hook_options options = { .logs_path = "/a 'b'\n\\\xff.log", .log_level = 20, .no_plotly = true };
	static const char wanted[] = "PYTHONPATH = b'/x:/\\x27y'\nLOGS = b'/a \\x27b\\x27\\x0a\\x5c\\xff.log'\nLEVEL = 20\n"
				     "WANTED = {'logging', 'plotly.io._renderers', 'plotly.offline.offline'}\nNOTEBOOK = None\nPARTS = {'watch': b'# SPDX";
	char path[PATH_MAX], text[512] = {}, *directory;
	struct stat st;
	int fd;

	set(f, "PYTHONPATH", "/x:/'y");
	assert_int_equal(hook__create(&f->id, &options, &directory), 0);
	assert_non_null(strstr(directory, "/fixingahole-"));
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof(path), "%s/sitecustomize.py", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_memory_equal(text, wanted, strlen(wanted));
	hook__remove(&f->id, directory);
	assert_int_equal(access(directory, F_OK), -1);
	hook__remove(&f->id, directory);
	hook__remove(&f->id, NULL);
	free(directory);
}

static bool is_put_below(struct fixture *f, const char *tmpdir, const char *place)
{
	struct hook_options options = { .logs_path = "/x", .log_level = 20 };
	char *directory;
	bool r;

	if (strv_set(&f->env, "TMPDIR", tmpdir))
		return false;
	f->id.environment = f->env.items;
	if (hook__create(&f->id, &options, &directory))
		return false;
	r = !strncmp(directory, place, strlen(place));
	hook__remove(&f->id, directory);
	free(directory);
	return r;
}

/* In a mount name space of its own, where /dev/shm takes nothing. */
static int without_shm(struct fixture *f)
{
	static const char *const bad[] = { "relative", "/nonexistent", "/tmp:/x", "" };

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/dev/shm", "tmpfs", MS_RDONLY, NULL))
		return 77;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!is_put_below(f, bad[i], "/tmp/fixingahole-"))
			return 1;
	return is_put_below(f, f->folder, f->folder) ? 0 : 2;
}

static void test_hook_places(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(without_shm(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: cannot mount over /dev/shm\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_hook_of_another_user(void **state)
{
	struct hook_options options = { .logs_path = "/x", .log_level = 20 };
	struct identity id;
	char *directory;
	struct stat st;

	if (getuid())
		skip();
	unsetenv("TMPDIR");
	assert_int_equal(identity__resolve(&id, "12345"), 0);
	assert_int_equal(hook__create(&id, &options, &directory), 0);
	assert_int_equal(stat(directory, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 12345);
	hook__remove(&id, directory);
	assert_int_equal(access(directory, F_OK), -1);
	free(directory);
	identity__release(&id);
}

static void test_count(void **state)
{
	struct fixture *f = *state;
	size_t n = 77, warnings = 77;

	assert_int_equal(logs__count(below(f, "nothing"), &n, &warnings), -ENOENT);
	assert_int_equal(logs__count(f->folder, &n, &warnings), -EINVAL);
	assert_int_equal(n, 77);
	assert_int_equal(warnings, 77);
	put(f, "logs", "2026-01-02 03:04:05 WARNING a: b\nmore\n2026-01-02\n2026-01-02 03:04:0x ERROR\n2026-01-02 03:04:05 ERROR root: x", 0644);
	assert_int_equal(logs__count(below(f, "logs"), &n, &warnings), 0);
	assert_int_equal(n, 2);
	assert_int_equal(warnings, 2);
	put(f, "logs", "2026-01-02 03:04:05 INFO a: b\nWARNING\n2026-01-02 03:04:05 DEBUG \n2026-01-02 03:04:05 CRITICAL a: b\n2026-01-02 03:04:05 \n", 0644);
	assert_int_equal(logs__count(below(f, "logs"), &n, &warnings), 0);
	assert_int_equal(n, 4);
	assert_int_equal(warnings, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_path, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_option, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_environments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shebang, set_up, tear_down),
		cmocka_unit_test(test_shebang_lines),
		cmocka_unit_test_setup_teardown(test_environment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hook, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hook_places, set_up, tear_down),
		cmocka_unit_test(test_hook_of_another_user),
		cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
