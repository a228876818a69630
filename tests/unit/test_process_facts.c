// SPDX-License-Identifier: Apache-2.0
/* Who a process is: by its cgroup's name, and by /proc. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/process_facts.h"
#include "util/strings.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void check(const char *cgroup, const char *expected)
{
	char name[128] = "as it was";

	if (!expected) {
		assert_false(cgroup_container(cgroup, name, sizeof(name)));
		assert_string_equal(name, "as it was");
		return;
	}
	if (!cgroup_container(cgroup, name, sizeof(name)))
		fail_msg("'%s' was not known", cgroup);
	assert_string_equal(name, expected);
}

static void containers_are_told_by_their_cgroups(void **state)
{
	check("/docker/" ID, "docker:0123456789ab");
	check("/system.slice/docker-" ID ".scope", "docker:0123456789ab");
	check("/system.slice/docker-" ID ".scope/system.slice/nginx.service", "docker:0123456789ab");
	check("/docker/" ID "/docker/f" ID, "docker:0123456789ab"); /* 65 digits are no id */
	check("/machine.slice/libpod-" ID ".scope/container", "podman:0123456789ab");
	check("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope", "podman:0123456789ab");
	check("/libpod_parent/libpod-" ID, "podman:0123456789ab");
	check("/system.slice/crio-" ID ".scope", "crio:0123456789ab");
	check("/system.slice:nerdctl:" ID, "containerd:0123456789ab");
	check("/ecs/0a1b2c/" ID, "container:0123456789ab");
	check("/lxc.payload.web-1/system.slice/ssh.service", "lxc:web-1");
	check("/lxc/db", "lxc:db");
	check("/lxc.monitor.db", NULL);
	check("/machine.slice/machine-qemu\\x2d1\\x2ddebian.scope", "machine:qemu-1-debian");
}

static void pods_are_told_with_their_containers(void **state)
{
	const char *uid = "8f5ca0d2-03b1-4b6a-9bb1-1f5b9a3c2d1e";
	char text[512], expected[128];

	snprintf(text, sizeof(text), "/kubepods/burstable/pod%s/" ID, uid);
	snprintf(expected, sizeof(expected), "pod:%s/0123456789ab", uid);
	check(text, expected);
	check("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod8f5ca0d2_03b1_4b6a_9bb1_1f5b9a3c2d1e.slice/cri-containerd-" ID ".scope", expected);
	check("/system.slice/kubelet.service/kubepods-besteffort-pod8f5ca0d2_03b1_4b6a_9bb1_1f5b9a3c2d1e.slice:cri-containerd:" ID, expected);
	snprintf(expected, sizeof(expected), "pod:%s", uid);
	snprintf(text, sizeof(text), "/kubepods/pod%s", uid);
	check(text, expected);
	check("/kubepods.slice", NULL);
}

static void services_are_told_by_their_units(void **state)
{
	check("/system.slice/nginx.service", "nginx.service");
	check("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service");
	check("/user.slice/user-0.slice/session-3.scope", "session-3.scope");
	check("/user.slice/user-1000.slice/user@1000.service/app.slice/app-a\\x2db.service", "app-a-b.service");
	check("/init.scope", "init.scope");
	check("/", NULL);
	check("", NULL);
	check("//", NULL);
	check("/user.slice", NULL);
	check("/.service", NULL);
	check("/system.slice/x.servic", NULL);
	check("/docker/" "0123", NULL);
	check("/lxc.payload.", NULL);
	check("relative/nginx.service", "nginx.service");
}

static void a_small_buffer_is_enough(void **state)
{
	char name[8] = "unchang";

	assert_false(cgroup_container("/docker/" ID, name, 0));
	assert_string_equal(name, "unchang");
	assert_true(cgroup_container("/docker/" ID, name, 1));
	assert_string_equal(name, "");
	assert_true(cgroup_container("/system.slice/nginx.service", name, sizeof(name)));
	assert_string_equal(name, "nginx.s");
}

/* A process with these words for a command line, that waits: this program itself, which then sees STANDS. */
static pid_t run(char *const *words)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		setenv("STANDS", "1", 1);
		execv("/proc/self/exe", words);
		_exit(127);
	}
	close(ready[1]);
	/* ends with the exec */
	assert_int_equal(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct process_facts_text facts_of(char *const *words, bool python)
{
	struct process_facts_text facts;
	pid_t pid = run(words);

	assert_int_equal(process_facts(pid, python, &facts), 0);
	stop(pid);
	return facts;
}

#define WORDS(...) (char *[]){ __VA_ARGS__, NULL }

static void facts_come_from_proc(void **state)
{
	pid_t pid = run(WORDS("anything", "it's", "", "a b"));
	struct process_facts_text facts;

	assert_int_equal(process_facts(pid, false, &facts), 0);
	assert_int_equal(facts.uid, geteuid());
	if (!facts.uid)
		assert_string_equal(facts.user, "root");
	assert_string_equal(facts.command, "anything 'it'\\''s' '' 'a b'");
	assert_int_equal(facts.cgroup[0], '/');
	stop(pid);
	memset(&facts, 'x', sizeof(facts));
	assert_int_equal(process_facts(pid, false, &facts), -ESRCH);
	assert_int_equal(facts.user[0], 'x');
}

static void pythons_are_called_by_their_scripts(void **state)
{
	assert_string_equal(facts_of(WORDS("python3", "-u", "/srv/my app/serve.py", "x"), true).name, "serve.py");
	assert_string_equal(facts_of(WORDS("/usr/bin/python3.11", "-m", "http.server", "80"), true).name, "http.server");
	assert_string_equal(facts_of(WORDS("python3", "-c", "import x"), true).name, "exe");
	/* no python: by its program */
	assert_string_equal(facts_of(WORDS("python3", "/srv/serve.py"), false).name, "exe");
	assert_string_equal(facts_of(WORDS(""), true).name, "exe");
}

static void hostile_words_are_made_harmless(void **state)
{
	static char huge[20000];
	struct process_facts_text facts = facts_of(WORDS("python3", "/srv/\xff\x1b[31m\n\xc2\x9b.py"), true);

	assert_string_equal(facts.name, "\xef\xbf\xbd [31m   .py");
	assert_string_equal(facts.command, "python3 '/srv/\xef\xbf\xbd [31m   .py'");
	for (size_t i = 0; i + 2 < sizeof(huge); i += 2)
		memcpy(huge + i, "\xc3\xbc", 2);
	facts = facts_of(WORDS("python3", huge, "more"), true);
	assert_true(utf8_valid(facts.command, strlen(facts.command)));
	assert_int_equal(strncmp(facts.command, "python3 '\xc3\xbc\xc3\xbc", 13), 0);
	assert_string_equal(facts.command + strlen(facts.command) - 5, "\xc3\xbc...");
	assert_true(utf8_valid(facts.name, strlen(facts.name)));
	assert_in_range(strlen(facts.name), 60, 63);
}

static struct process_facts_text told(const char *args, size_t size, bool python)
{
	struct event_exec event = { .uid = 0, .args_size = size, .comm = "python3" };
	struct process_facts_text facts;

	memcpy(event.args, args, size);
	process_facts_told(&event, python, &facts);
	return facts;
}

#define TOLD(args, python) told(args, sizeof(args), python)

/* What the kernel tells at an exec is what /proc would have said. */
static void an_exec_tells_the_same(void **state)
{
	struct process_facts_text read = facts_of(WORDS("python3", "-u", "/srv/my app/serve.py", "it's"), true), facts = TOLD("python3\0-u\0/srv/my app/serve.py\0it's", true);
	char full[EXEC_ARGS_SIZE];

	assert_string_equal(facts.command, read.command);
	assert_string_equal(facts.name, read.name);
	assert_string_equal(facts.user, "root");
	assert_string_equal(facts.cgroup, "");
	assert_string_equal(facts.container, "");
	assert_string_equal(TOLD("python3\0-m\0http.server", true).name, "http.server");
	assert_string_equal(TOLD("python3\0/srv/serve.py", false).name, "python3");
	/* hostile: no words, or none that end */
	assert_string_equal(told("", 0, true).command, "[python3]");
	assert_string_equal(told("", 0, true).name, "python3");
	assert_string_equal(TOLD("python3\0/srv/\xff\x1b[31m.py", true).name, "\xef\xbf\xbd [31m.py");
	memset(full, 'x', sizeof(full));
	facts = told(full, sizeof(full), true);
	assert_int_equal(strlen(facts.command), FACTS_TEXT_MAX - 1);
	assert_string_equal(facts.command + FACTS_TEXT_MAX - 4, "...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(containers_are_told_by_their_cgroups),
		cmocka_unit_test(pods_are_told_with_their_containers),
		cmocka_unit_test(services_are_told_by_their_units),
		cmocka_unit_test(a_small_buffer_is_enough),
		cmocka_unit_test(facts_come_from_proc),
		cmocka_unit_test(pythons_are_called_by_their_scripts),
		cmocka_unit_test(hostile_words_are_made_harmless),
		cmocka_unit_test(an_exec_tells_the_same),
	};

	while (getenv("STANDS"))
		pause();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
