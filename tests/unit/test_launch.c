// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/launch.h"

static struct launch *prepare(void)
{
	struct launch *launch;

	assert_int_equal(launch__prepare(&launch), 0);
	assert_true(launch__pid(launch) > 0);
	return launch;
}

static int wait_for(struct launch *launch, struct rusage *usage)
{
	int status;

	/* the test runner's own time limit ends a wait for what never comes */
	for (;;) {
		int r = launch__poll(launch, &status, usage);

		assert_true(r >= 0);
		if (r)
			return status;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

/* Runs a shell script and returns its wait status; its output goes into out. */
static int shell(const struct identity *id, char *const *envp, const char *directory, const char *script, char *out, size_t size)
{
	char *const argv[] = { "sh", "-c", (char *)script, "name", "an argument", NULL };
	struct launch_spec spec = { .identity = id, .program = "/bin/sh", .argv = argv, .envp = envp, .directory = directory };
	const char *step = NULL;
	struct launch *launch;
	struct rusage usage;
	int pipes[2], saved, status;
	size_t used = 0;
	ssize_t n;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	dup2(pipes[1], 1);
	launch = prepare();
	dup2(saved, 1);
	close(saved);
	close(pipes[1]);
	assert_int_equal(launch__start(launch, &spec, &step), 0);
	assert_null(step);
	while ((n = read(pipes[0], out + used, size - used - 1)) > 0)
		used += (size_t)n;
	out[used] = '\0';
	close(pipes[0]);
	status = wait_for(launch, &usage);
	assert_int_equal(launch__poll(launch, &(int){ 0 }, &usage), 1);
	launch__free(launch);
	return status;
}

static void test_runs(void **state)
{
	char *const envp[] = { "A=1 2", "B=", NULL };
	char out[4096];
	int status = shell(NULL, envp, "/usr", "echo \"$0|$1|$A|${B-unset}|$(pwd)|${HOME-unset}\"; exit 7", out, sizeof(out));

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_string_equal(out, "name|an argument|1 2||/usr|unset\n");
}

static void test_identity(void **state)
{
	gid_t groups[] = { 12347, 12346 };
	struct identity id = { .uid = 12345, .gid = 12346, .groups = groups, .n_groups = 2 };
	char *const envp[] = { "PATH=/bin:/usr/bin", NULL };
	char out[4096];

	if (geteuid())
		skip();
	assert_int_equal(shell(&id, envp, "/", "id -u; id -g; id -G; grep -E '^(Uid|CapEff)' /proc/self/status", out, sizeof(out)), 0);
	assert_string_equal(out, "12345\n12346\n12346 12347\nUid:\t12345\t12345\t12345\t12345\nCapEff:\t0000000000000000\n");
}

/* Environments larger than a socket's buffer, many arguments. */
static void test_large(void **state)
{
	static char big[100000];
	char *envp[20], out[4096];

	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "BIG=", 4);
	for (int i = 0; i < 19; i++)
		envp[i] = big;
	envp[19] = NULL;
	assert_int_equal(shell(NULL, envp, NULL, "echo ${#BIG}", out, sizeof(out)), 0);
	assert_string_equal(out, "99995\n");
}

static int start_fails(const struct launch_spec *spec, const char *wanted_step)
{
	struct launch *launch = prepare();
	const char *step = NULL;
	int r = launch__start(launch, spec, &step);

	assert_non_null(step);
	assert_string_equal(step, wanted_step);
	assert_int_equal(launch__start(launch, spec, &step), -EALREADY);
	launch__free(launch);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return r;
}

static void test_errors(void **state)
{
	char *const argv[] = { "x", NULL }, *const envp[] = { NULL };
	struct launch_spec spec = { .program = "/nonexistent", .argv = argv, .envp = envp };
	char folder[] = "/tmp/test-launch-XXXXXX";
	gid_t group = 1;
	struct identity id = { .uid = 12345, .gid = 1, .groups = &group, .n_groups = 1 };

	assert_int_equal(start_fails(&spec, "execute"), -ENOENT);
	spec.program = "/etc/passwd";
	assert_int_equal(start_fails(&spec, "execute"), -EACCES);
	spec.directory = "/nonexistent";
	assert_int_equal(start_fails(&spec, "change to its directory"), -ENOENT);
	if (geteuid())
		return;
	/* the directory is entered with the user's rights */
	spec.identity = &id;
	assert_non_null(mkdtemp(folder)); /* 0700 */
	spec.directory = folder;
	assert_int_equal(start_fails(&spec, "change to its directory"), -EACCES);
	rmdir(folder);
}

static void test_killed_while_waiting(void **state)
{
	char *const argv[] = { "true", NULL }, *const envp[] = { NULL };
	struct launch_spec spec = { .program = "/bin/true", .argv = argv, .envp = envp };
	struct launch *launch = prepare();
	const char *step = NULL;
	siginfo_t info;

	kill(launch__pid(launch), SIGTERM);
	assert_int_equal(waitid(P_PID, (id_t)launch__pid(launch), &info, WEXITED | WNOWAIT), 0);
	assert_true(launch__start(launch, &spec, &step) < 0);
	assert_string_equal(step, "start");
	launch__free(launch);
}

static void test_cancel(void **state)
{
	struct launch *launch = prepare();
	pid_t pid = launch__pid(launch);

	launch__free(launch);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	launch__free(NULL);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* A "profiler" that is killed; the pipe tells when the last process that holds its other end is gone. */
static pid_t profiler(int pipe_end, bool start, const char *script)
{
	pid_t pid = fork();

	if (!pid) {
		char *const argv[] = { "sh", "-c", (char *)script, NULL }, *const envp[] = { NULL };
		struct launch_spec spec = { .program = "/bin/sh", .argv = argv, .envp = envp };
		struct launch *launch;
		const char *step;

		dup2(pipe_end, 1);
		if (launch__prepare(&launch) || (start && launch__start(launch, &spec, &step)) || write(pipe_end, "r", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	return pid;
}

static void test_profiler_dies_before_start(void **state)
{
	int pipes[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = profiler(pipes[1], false, NULL);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* end of file: the waiting child is gone too */
	assert_true(is_readable(pipes[0], 10000));
	assert_int_equal(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
}

static void test_profiler_dies_after_start(void **state)
{
	int pipes[2], gate[2];
	char script[64], c;
	pid_t pid;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(pipe(gate), 0); /* not close-on-exec: such descriptors survive */
	snprintf(script, sizeof(script), "exec %d>&-; read x <&%d; echo done", gate[1], gate[0]);
	pid = profiler(pipes[1], true, script);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &c, 1), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_false(is_readable(pipes[0], 50));
	assert_int_equal(write(gate[1], "\n", 1), 1);
	assert_true(is_readable(pipes[0], 10000));
	assert_int_equal(read(pipes[0], &c, 1), 1);
	assert_int_equal(c, 'd');
	close(pipes[0]);
	close(gate[0]);
	close(gate[1]);
}

static void on_signal(int signal)
{
}

/* Handlers, ignored signals, a mask and limits that the profiler took on are not the script's. */
static void test_signals_and_limits(void **state)
{
	char *const envp[] = { "PATH=/bin:/usr/bin", NULL };
	char before[4096], after[4096];
	struct rlimit files, fewer;
	sigset_t set, old;
	static const char script[] = "grep -E '^(SigBlk|SigIgn|SigCgt)' /proc/self/status; ulimit -n";

	assert_int_equal(shell(NULL, envp, NULL, script, before, sizeof(before)), 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGINT, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	getrlimit(RLIMIT_NOFILE, &files);
	fewer = files;
	fewer.rlim_cur = files.rlim_cur > 100 ? files.rlim_cur - 1 : files.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &fewer);
	assert_int_equal(shell(NULL, envp, NULL, script, after, sizeof(after)), 0);
	setrlimit(RLIMIT_NOFILE, &files);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	assert_string_equal(after, before);
}

static void test_process_group_and_descriptors(void **state)
{
	char *const envp[] = { "PATH=/bin:/usr/bin", NULL };
	char out[4096], wanted[64];
	int kept = open("/etc/passwd", O_RDONLY), own = open("/etc/group", O_RDONLY | O_CLOEXEC);

	assert_true(kept > 2 && own > 2);
	snprintf(wanted, sizeof(wanted), "%d\n%d\n", getpgrp(), kept);
	/* which of our two it has */
	assert_int_equal(shell(NULL, envp, NULL, "cut -d' ' -f5 /proc/$$/stat; for f in /proc/$$/fd/*; do case $(readlink $f) in /etc/passwd|/etc/group) echo ${f##*/};; esac; done; true",
			       out, sizeof(out)), 0);
	close(kept);
	close(own);
	assert_string_equal(out, wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_killed_while_waiting),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_profiler_dies_before_start),
		cmocka_unit_test(test_profiler_dies_after_start),
		cmocka_unit_test(test_signals_and_limits),
		cmocka_unit_test(test_process_group_and_descriptors),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
