// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "export/folder.h"
#include "scratch_files.h"

/* 2026-02-03 04:05:06 UTC */
#define NOW 1770091506

static struct identity id; /* another user than root, where we are root */

static int set_up(void **state)
{
	unsetenv("SUDO_UID");
	strcpy(scratch_top, "/tmp/test-folder-XXXXXX");
	if (!mkdtemp(scratch_top) || identity__resolve(&id, geteuid() ? NULL : "12345") || chown(scratch_top, id.uid, id.gid))
		return -1;
	return 0;
}

static int tear_down(void **state)
{
	identity__release(&id);
	return scratch_remove();
}

static const char *below(const char *name)
{
	return scratch_path(".", name);
}

static struct folder *opened(const char *name, unsigned int files, uint64_t bytes)
{
	const struct folder_limits limits = { files, bytes };
	char problem[512];
	struct folder *folder;

	if (folder__new(&folder, below(name), &id, &limits, problem))
		fail_msg("%s", problem);
	return folder;
}

/* Names, sorted, with blanks between. */
static void holds(const char *name, const char *wanted)
{
	struct dirent **entries;
	char text[4096] = "";
	int n = scandir(below(name), &entries, NULL, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (strcmp(entries[i]->d_name, ".") && strcmp(entries[i]->d_name, "..")) {
			strcat(text, *text ? " " : "");
			strcat(text, entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	assert_string_equal(text, wanted);
}

static void test_names_and_owner(void **state)
{
	struct folder *f = opened("a/b", 0, 0);
	char text[16] = {};
	struct stat st;
	FILE *file;

	assert_int_equal(folder__put(f, NOW, "one", 3), 0);
	assert_int_equal(folder__put(f, NOW, "two", 3), 0);
	assert_int_equal(folder__put(f, NOW + 1, "three", 5), 0);
	holds("a/b", "20260203_040506.pb.gz 20260203_040506_1.pb.gz 20260203_040507.pb.gz");
	assert_int_equal(stat(below("a/b/20260203_040506_1.pb.gz"), &st), 0);
	assert_int_equal(st.st_uid, id.uid);
	assert_int_equal(st.st_gid, id.gid);
	assert_int_equal(st.st_size, 3);
	file = fopen(below("a/b/20260203_040506_1.pb.gz"), "re");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text), file), 3);
	fclose(file);
	assert_string_equal(text, "two");
	assert_int_equal(folder__put(f, (time_t)1 << 60, "x", 1), -EINVAL);
	assert_int_equal(geteuid(), getuid());
	folder__free(f);
	folder__free(NULL);
}

static void test_rotation(void **state)
{
	struct folder *f = opened("out", 3, 0);

	/* none of these is ours */
	scratch_file(below("out/20260101_000000.pb"), 10);
	scratch_file(below("out/20260101_000000_0.pb.gz"), 10);
	scratch_file(below("out/20260101_000000_.pb.gz"), 10);
	scratch_file(below("out/2026010a_000000.pb.gz"), 10);
	scratch_file(below("out/x20260101_000000.pb.gz"), 10);
	assert_int_equal(mkdir(below("out/20260101_000000.pb.gz"), 0755), 0);
	assert_int_equal(symlink("/etc/passwd", below("out/20260101_000001.pb.gz")), 0);
	for (int i = 0; i < 12; i++)
		assert_int_equal(folder__put(f, NOW + i / 11, "12345678", 8), 0);
	assert_int_equal(folder__removed(f), 9);
	holds("out", "20260101_000000.pb 20260101_000000.pb.gz 20260101_000000_.pb.gz 20260101_000000_0.pb.gz 20260101_000001.pb.gz 2026010a_000000.pb.gz "
	      "20260203_040506_10.pb.gz 20260203_040506_9.pb.gz 20260203_040507.pb.gz x20260101_000000.pb.gz");
	folder__free(f);
}

static void test_rotation_by_bytes(void **state)
{
	const struct folder_limits fewer = { 0, 9 };
	struct folder *f = opened("out", 0, 20);

	for (int i = 0; i < 4; i++)
		assert_int_equal(folder__put(f, NOW + i, "12345678", 8), 0);
	holds("out", "20260203_040508.pb.gz 20260203_040509.pb.gz");
	folder__free(f);
	/* files of an earlier run count, and a clock that went back makes the new one the oldest, which stays all the same */
	f = opened("out", 0, 20);
	assert_int_equal(folder__put(f, NOW, "12345678", 8), 0);
	holds("out", "20260203_040506.pb.gz 20260203_040509.pb.gz");
	folder__limit(f, &fewer);
	assert_int_equal(folder__put(f, NOW + 10, "123456789012", 12), 0);
	holds("out", "20260203_040516.pb.gz");
	assert_int_equal(folder__removed(f), 3);
	folder__free(f);
}

static void test_links_and_leftovers(void **state)
{
	struct folder *f;

	assert_int_equal(mkdir(below("out"), 0777), 0);
	assert_int_equal(chown(below("out"), id.uid, id.gid), 0);
	assert_int_equal(symlink(below("victim"), below("out/20260203_040506.pb.gz")), 0);
	scratch_file(below("out/.part-1-0"), 10);
	scratch_file(below("out/.part-2-0"), 10);
	assert_int_equal(utimensat(AT_FDCWD, below("out/.part-1-0"), (struct timespec[2]){ { .tv_sec = 1 }, { .tv_sec = 1 } }, 0), 0);
	f = opened("out", 0, 0);
	assert_int_equal(folder__put(f, NOW, "x", 1), 0);
	holds("out", ".part-2-0 20260203_040506.pb.gz 20260203_040506_1.pb.gz");
	assert_int_equal(access(below("victim"), F_OK), -1);
	folder__free(f);
}

static void test_gone_and_closed(void **state)
{
	const struct folder_limits none = {};
	struct folder *f = opened("out", 0, 0);
	char problem[512];

	assert_int_equal(rmdir(below("out")), 0);
	assert_int_equal(folder__put(f, NOW, "x", 1), 0);
	holds("out", "20260203_040506.pb.gz");
	folder__free(f);
	scratch_file(below("file"), 1);
	assert_int_equal(folder__new(&f, below("file"), &id, &none, problem), -ENOTDIR);
	assert_non_null(strstr(problem, "--output"));
	if (id.uid) {
		assert_int_equal(mkdir(below("closed"), 0755), 0);
		if (id.uid != getuid())
			assert_int_equal(folder__new(&f, below("closed"), &id, &none, problem), -EACCES);
		assert_int_equal(geteuid(), getuid());
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_and_owner), TEST(test_rotation), TEST(test_rotation_by_bytes), TEST(test_links_and_leftovers), TEST(test_gone_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
