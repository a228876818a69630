// SPDX-License-Identifier: Apache-2.0
/* Names of addresses in running processes: this one, and children of files that are gone or that only they can see. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbols/functions.h"
#include "symbols/native.h"
#include "util/clock.h"

#define SPACE 7

/* Not inlined, and with a name that only .symtab has. */
__attribute__((noinline)) static uint64_t a_static_function(uint64_t x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 3;
}

/* As a C++ compiler would call it. */
uint64_t basket_add(uint64_t x) __asm__("_ZN4shop6basket3addEid");
__attribute__((noinline)) uint64_t basket_add(uint64_t x)
{
	__asm__ volatile("" : "+r"(x));
	return x * 5;
}

static uint64_t address_of(const void *function)
{
	return (uint64_t)(uintptr_t)function;
}

/* libc's own: a sanitizer has some of these names, too. */
static void *in_libc(const char *name)
{
	return dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), name);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void test_ourselves(void **state)
{
	struct native *native = native__new(0);
	const char *image, *function;

	assert_int_equal(a_static_function(2), 6);
	assert_true(native__name(native, getpid(), SPACE, address_of(a_static_function) + 1, &image, &function));
	assert_string_equal(function, "a_static_function");
	assert_string_equal(base(image), "test_native");
	assert_true(native__name(native, getpid(), SPACE, address_of(a_static_function), &image, &function));
	assert_string_equal(function, "a_static_function");
	native__free(native);
}

static void test_cplusplus(void **state)
{
	struct native *native = native__new(0);
	const char *image, *function;

	assert_int_equal(basket_add(2), 10);
	assert_true(native__name(native, getpid(), SPACE, address_of(basket_add) + 1, &image, &function));
	assert_string_equal(function, "shop::basket::add(int, double)");
	native__free(native);
}

/* Debian's libraries are stripped: what they export is known, and nothing else. */
static void test_shared_library(void **state)
{
	static const char *const names[] = { "qsort", "getaddrinfo", "fopencookie", "strtoull" };
	struct native *native = native__new(0);
	const char *image, *function;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *at = in_libc(names[i]);

		assert_non_null(at);
		assert_true(native__name(native, getpid(), SPACE, address_of(at) + 2, &image, &function));
		assert_string_equal(base(image), "libc.so.6");
		/* it may have several names */
		assert_non_null(function);
		assert_ptr_equal(in_libc(function), at);
	}
	native__free(native);
}

static void test_vdso(void **state)
{
	struct native *native = native__new(0);
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	const char *image, *function;
	bool named = false;

	if (!vdso) {
		native__free(native);
		skip();
	}
	for (uint64_t at = vdso; at < vdso + 8192; at += 16) {
		if (!native__name(native, getpid(), SPACE, at, &image, &function))
			break;
		assert_string_equal(image, "[vdso]");
		named |= function && strstr(function, "clock_gettime");
	}
	assert_true(named);
	native__free(native);
}

static void test_unknown(void **state)
{
	struct native *native = native__new(0);
	const char *image = "image", *function = "function";
	void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(page != MAP_FAILED);
	assert_false(native__name(native, getpid(), SPACE, 16, &image, &function));
	assert_false(native__name(native, getpid(), SPACE, 0xffffffff81000000ULL, &image, &function));
	assert_false(native__name(native, getpid(), SPACE, address_of(&image), &image, &function)); /* no code */
	assert_string_equal(image, "image");
	assert_true(native__name(native, getpid(), SPACE, address_of(page), &image, &function));
	assert_string_equal(image, "[anon]");
	assert_null(function);
	munmap(page, 4096);
	/* a process that there is not */
	assert_false(native__name(native, 4194305, SPACE + 1, address_of(page), &image, &function));
	assert_int_equal(native__spaces(native), 2);
	native__end(native, SPACE);
	native__end(native, SPACE + 1);
	native__end(native, SPACE + 2);
	assert_int_equal(native__spaces(native), 0);
	native__free(native);
}

/* Code that comes later is found, but not at the price of a reading per miss. */
static void test_new_mapping(void **state)
{
	struct native *native = native__new(0);
	const char *image, *function;
	struct link_map *libc = NULL;
	uint64_t begin, offset, spent;
	void *page;
	int fd;

	assert_true(native__name(native, getpid(), SPACE, address_of(a_static_function), &image, &function));
	assert_int_equal(dlinfo(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), RTLD_DI_LINKMAP, &libc), 0);
	fd = open(libc->l_name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	offset = (address_of(in_libc("qsort")) - libc->l_addr) & ~4095ULL;
	page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (off_t)offset); /* its text has one place in file and memory */
	assert_true(page != MAP_FAILED);
	close(fd);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < 100000; i++)
		native__name(native, getpid(), SPACE, 4096 + i, &image, &function);
	spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin;
	assert_true(spent < 1000000000);
	native__end(native, SPACE);
	assert_true(native__name(native, getpid(), SPACE, address_of(page) + (address_of(in_libc("qsort")) & 4095), &image, &function));
	assert_string_equal(base(image), base(libc->l_name));
	assert_ptr_equal(in_libc(function), in_libc("qsort"));
	munmap(page, 4096);
	/* and without being told of an end, after a while */
	page = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 500 && !native__name(native, getpid(), SPACE, address_of(page) + 4096, &image, &function); i++)
		usleep(10000);
	assert_true(native__name(native, getpid(), SPACE, address_of(page) + 4096, &image, &function));
	munmap(page, 8192);
	native__free(native);
}

/* With room for few, all are still named, and the bound holds; but an image that takes half of the room has no functions. */
static void test_bounded(void **state)
{
	static const char *const names[] = { "qsort", "elf_begin", "ceil", "inflate", "cJSON_Parse", "bpf_object__open" };
	const char *image, *function;
	char known[6][64] = {};
	struct native *all = native__new(0), *few;
	size_t sizes[6] = {}, bytes, n = 0;

	for (size_t i = 0; i < 6; i++) {
		void *at = dlsym(RTLD_DEFAULT, names[i]);

		bytes = native__bytes(all);
		if (at) {
			assert_true(native__name(all, getpid(), SPACE, address_of(at), &image, &function));
			snprintf(known[i], sizeof(known[i]), "%s", function ? function : "");
		}
		sizes[i] = native__bytes(all) - bytes;
	}
	bytes = native__bytes(all) - 1000;
	few = native__new(bytes);
	for (int i = 0; i < 18; i++) {
		void *at = dlsym(RTLD_DEFAULT, names[i % 6]);

		if (!at || sizes[i % 6] > bytes / 2 - 1000 || !*known[i % 6])
			continue;
		assert_true(native__name(few, getpid(), SPACE, address_of(at), &image, &function));
		assert_true(native__bytes(few) <= bytes);
		assert_non_null(function);
		assert_string_equal(function, known[i % 6]);
		n++;
	}
	assert_true(n >= 9);
	native__free(all);
	native__free(few);
}

static void test_speed(void **state)
{
	const uint64_t places[] = { address_of(a_static_function), address_of(in_libc("qsort")), address_of(test_ourselves) };
	struct native *native = native__new(0);
	const char *image, *function;
	uint64_t begin, each;

	native__name(native, getpid(), SPACE, places[0], &image, &function);
	native__name(native, getpid(), SPACE, places[1], &image, &function);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (int i = 0; i < 200000; i++)
		assert_true(native__name(native, getpid(), SPACE, places[i % 3] + (uint64_t)i % 4, &image, &function));
	each = (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin) / 200000;
	print_message("%lu ns per lookup, %zu bytes of functions\n", (unsigned long)each, native__bytes(native));
	assert_true(each < 20000);
	native__free(native);
}

/* --- other processes --- */

static void copy_self(const char *to)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	struct stat st;

	if (from < 0 || fd < 0 || fstat(from, &st) < 0)
		_exit(3);
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(fd, from, NULL, (size_t)left);

		if (n <= 0)
			_exit(3);
		left -= n;
	}
	close(from);
	close(fd);
}

struct child { pid_t pid; uint64_t address; int quit; };

/* In the child: tells where its function is, and waits for its end. */
static int be_child(int out, int quit)
{
	uint64_t address = address_of(a_static_function);
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (write(out, &address, sizeof(address)) != sizeof(address))
		return 1;
	return read(quit, &c, 1) != 0;
}

/* Runs a copy of this program; hidden: one that lies in a file system which only the child has. */
static struct child start(const char *folder, bool hidden)
{
	struct child child = {};
	int out[2], quit[2];
	char path[256], fds[2][16];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(quit), 0);
	snprintf(path, sizeof(path), "%s/copy", folder);
	child.pid = fork();
	if (!child.pid) {
		close(quit[1]);
		close(out[0]);
		if (hidden && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmpfs", folder, "tmpfs", 0, NULL)))
			_exit(4);
		copy_self(path);
		snprintf(fds[0], sizeof(fds[0]), "%d", out[1]);
		snprintf(fds[1], sizeof(fds[1]), "%d", quit[0]);
		execl(path, path, "child", fds[0], fds[1], NULL);
		_exit(5);
	}
	close(out[1]);
	close(quit[0]);
	child.quit = quit[1];
	if (read(out[0], &child.address, sizeof(child.address)) != sizeof(child.address))
		child.address = 0;
	close(out[0]);
	return child;
}

static int stop(const struct child *child)
{
	int status;

	close(child->quit);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_deleted(void **state)
{
	char folder[] = "/tmp/fixingahole-native-XXXXXX", path[64];
	struct native *native = native__new(0);
	const char *image, *function;
	struct child child;

	assert_non_null(mkdtemp(folder));
	child = start(folder, false);
	snprintf(path, sizeof(path), "%s/copy", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_true(child.address);
	if (geteuid() == 0) { /* others may not open what has no name */
		assert_true(native__name(native, child.pid, SPACE, child.address + 3, &image, &function));
		assert_string_equal(image, path);
		assert_non_null(function);
		assert_string_equal(function, "a_static_function");
	}
	assert_int_equal(stop(&child), 0);
	/* what is known of a process that has ended stays right until its end is told */
	if (geteuid() == 0)
		assert_true(native__name(native, child.pid, SPACE, child.address, &image, &function));
	native__free(native);
}

static void test_other_mount_namespace(void **state)
{
	char folder[] = "/tmp/fixingahole-native-XXXXXX";
	struct native *native = native__new(0);
	const char *image, *function;
	struct child child;

	assert_non_null(mkdtemp(folder));
	child = start(folder, true);
	if (!child.address) {
		assert_int_equal(stop(&child), 4);
		rmdir(folder);
		native__free(native);
		skip(); /* not root */
	}
	assert_int_equal(rmdir(folder), 0); /* here, it is empty */
	assert_true(native__name(native, child.pid, SPACE, child.address, &image, &function));
	assert_string_equal(base(image), "copy");
	assert_non_null(function);
	assert_string_equal(function, "a_static_function");
	assert_int_equal(stop(&child), 0);
	native__free(native);
}

static void *outlive(void *quit)
{
	char c;

	while (read(*(int *)quit, &c, 1) < 0)
		;
	_exit(0);
}

/* The main thread may end before the process. */
static void test_ended_main_thread(void **state)
{
	struct native *native = native__new(0);
	const char *image, *function;
	char path[64], text[512] = "";
	int quit[2];
	pid_t pid;

	assert_int_equal(pipe(quit), 0);
	pid = fork();
	if (!pid) {
		pthread_t thread;

		close(quit[1]);
		if (pthread_create(&thread, NULL, outlive, &quit[0]))
			_exit(1);
		pthread_exit(NULL);
	}
	close(quit[0]);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (!strstr(text, ") Z ")) {
		FILE *stat = fopen(path, "r");

		assert_non_null(stat);
		assert_non_null(fgets(text, sizeof(text), stat));
		fclose(stat);
		usleep(1000);
	}
	assert_true(native__name(native, pid, SPACE, address_of(a_static_function), &image, &function));
	assert_non_null(function);
	assert_string_equal(function, "a_static_function");
	close(quit[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	native__free(native);
}

/* One file, many processes: read once. */
static void test_shared_by_processes(void **state)
{
	struct native *native = native__new(0);
	const char *image, *function;
	size_t bytes = 0;

	for (uint32_t i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid) {
			pause();
			_exit(0);
		}
		assert_true(native__name(native, pid, SPACE + i, address_of(a_static_function), &image, &function));
		assert_string_equal(function, "a_static_function");
		if (i)
			assert_int_equal(native__bytes(native), bytes);
		bytes = native__bytes(native);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	assert_int_equal(native__spaces(native), 5);
	native__free(native);
}

static void test_no_elf(void **state)
{
	struct functions *functions;
	int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	assert_int_equal(functions__new(fd, 1 << 20, &functions), -ENOEXEC);
	/* no room: an image without functions */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(functions__new(fd, 100, &functions), 0);
	assert_int_equal(functions__count(functions), 0);
	functions__free(functions);
	functions__free(NULL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ourselves),
		cmocka_unit_test(test_cplusplus), cmocka_unit_test(test_shared_library), cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_unknown), cmocka_unit_test(test_new_mapping), cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_speed), cmocka_unit_test(test_deleted), cmocka_unit_test(test_other_mount_namespace),
		cmocka_unit_test(test_ended_main_thread), cmocka_unit_test(test_shared_by_processes), cmocka_unit_test(test_no_elf),
	};

	if (argc == 4 && !strcmp(argv[1], "child"))
		return be_child(atoi(argv[2]), atoi(argv[3]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
