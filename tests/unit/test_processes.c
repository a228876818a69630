// SPDX-License-Identifier: Apache-2.0
/* What a process was called with, what /proc says of it, and who is whose child. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/process_command.h"
#include "target/processes.h"

/* Words with blanks between them, "_" for an empty one. */
static struct process_command parse(const char *words)
{
	struct process_command c;
	size_t size = strlen(words) + 1;
	char *text = strdup(words);

	assert_non_null(text);
	for (size_t i = 0; i < size; i++) {
		if (text[i] == ' ')
			text[i] = 0;
	}
	assert_int_equal(process_command__parse(&c, text, size), 0);
	return c;
}

static void check(const char *words, const char *script, const char *module, size_t n_args)
{
	struct process_command c = parse(words);

	if (script)
		assert_string_equal(c.script, script);
	else
		assert_null(c.script);
	if (module)
		assert_string_equal(c.module, module);
	else
		assert_null(c.module);
	assert_int_equal(c.n_args, n_args);
	process_command__release(&c);
}

static bool is_commanded(const char *words)
{
	struct process_command c = parse(words);
	bool commanded = c.commanded;

	process_command__release(&c);
	return commanded;
}

/* A python without a file of its own; nothing is known of what is called otherwise. */
static void test_commanded(void **state)
{
	struct process_command c;

	assert_true(is_commanded("python3 -c import(x) a.py"));
	assert_true(is_commanded("python3 -u -"));
	assert_true(is_commanded("/usr/bin/python3.13 -i"));
	assert_false(is_commanded("python3 a.py -c"));
	assert_false(is_commanded("python3 -m http.server"));
	assert_false(is_commanded("gunicorn: master [app]"));
	assert_false(is_commanded("bash -c true"));
	c = parse("python3 -uc import(x) a.py");
	assert_string_equal(c.code, "import(x)");
	process_command__release(&c);
	c = parse("python3 -c");
	assert_null(c.code);
	process_command__release(&c);
}

static void test_command(void **state)
{
	struct process_command c;

	check("python3 a.py 1 2", "a.py", NULL, 2);
	check("/usr/bin/python3.11 -u -X dev -Wignore -W error /x/a.py", "/x/a.py", NULL, 0);
	check("python -uBm http.server 80", NULL, "http.server", 1);
	check("python3.13t -mhttp.server", NULL, "http.server", 0);
	check("python3 -c import(x) a.py", NULL, NULL, 0);
	check("python3 --check-hash-based-pycs always a.py -m b", "a.py", NULL, 2);
	check("python3 -", NULL, NULL, 0);
	check("python3 -m", NULL, NULL, 0);
	check("python3", NULL, NULL, 0);
	check("vim a.py", NULL, NULL, 0);
	check("pythonic a.py", NULL, NULL, 0);
	check("gunicorn: master [app]", NULL, NULL, 0);
	assert_int_equal(process_command__parse(&c, NULL, 0), 0);
	assert_null(c.program);
	process_command__release(&c);
}

static void test_stat(void **state)
{
	struct process_stat stat;
	char problem[512];
	pid_t pid;

	assert_int_equal(process_stat(getpid(), &stat), 0);
	assert_int_equal(stat.parent, getppid());
	assert_false(stat.kernel);
	assert_int_equal(process_check(getpid(), problem), -EINVAL);
	assert_true(process_status_bytes(getpid(), "VmRSS") > 0);
	assert_int_equal(process_status_bytes(getpid(), "VmNothing"), 0);

	/* a name that looks like the fields behind it */
	pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, "x) Z 1 (\n");
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	assert_int_equal(process_stat(pid, &stat), 0);
	assert_string_equal(stat.name, "x) Z 1 (\n");
	assert_int_equal(stat.state, 'T');
	assert_int_equal(stat.parent, getpid());
	assert_int_equal(process_check(pid, problem), 0);
	kill(pid, SIGKILL);
	/* a zombie, then nothing */
	waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	assert_int_equal(process_check(pid, problem), -ESRCH);
	assert_non_null(strstr(problem, "has ended"));
	waitpid(pid, NULL, 0);
	assert_int_equal(process_stat(pid, &stat), -ESRCH);
	assert_int_equal(process_check(pid, problem), -ESRCH);
	assert_non_null(strstr(problem, "there is no process"));
}

static void test_descendants(void **state)
{
	struct pid_list list = {};
	pid_t child, grandchild = 0;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (!child) {
		grandchild = fork();
		if (!grandchild) {
			pause();
			_exit(0);
		}
		if (write(ready[1], &grandchild, sizeof(grandchild)) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &grandchild, sizeof(grandchild)), sizeof(grandchild));
	assert_int_equal(pid_list_add(&list, child), 1);
	assert_int_equal(pid_list_add(&list, child), 0);
	assert_int_equal(processes_add_descendants(&list), 0);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.pids[1], grandchild);
	kill(grandchild, SIGKILL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	pid_list_release(&list);
	close(ready[0]);
	close(ready[1]);
}

static void test_names(void **state)
{
	struct pid_list list = {};
	char problem[512] = "";
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NAME, "hole-test-name");
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	assert_int_equal(processes_by_name("hole-test-na*", &list, problem), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.pids[0], pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(processes_by_name("hole-test-na*", &list, problem), -ENOENT);
	assert_int_equal(processes_by_cgroup("no/such/group", &list, problem), -ENOENT);
	assert_non_null(strstr(problem, "there is no cgroup 'no/such/group'"));
	pid_list_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commanded),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_descendants),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
