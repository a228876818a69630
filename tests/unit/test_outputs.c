// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
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

#include "target/outputs.h"

/* 2026-02-03 04:05:06 UTC */
#define NOW 1770091506

/* Each test gets a folder of its own, and a user: 12345 where we are root, ourselves where not. */
struct fixture {
	char folder[64];
	struct identity id;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	unsetenv("SUDO_UID");
	strcpy(f->folder, "/tmp/test-outputs-XXXXXX");
	if (!mkdtemp(f->folder) || identity__resolve(&f->id, geteuid() ? NULL : "12345") || chown(f->folder, f->id.uid, f->id.gid))
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	if (system(command))
		return -1;
	identity__release(&f->id);
	free(f);
	return 0;
}

static const char *below(const struct fixture *f, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return path;
}

static void content(const char *path, const char *wanted)
{
	char text[256] = {};
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, file), strlen(wanted));
	fclose(file);
	assert_string_equal(text, wanted);
}

static size_t entries(const char *path)
{
	DIR *dir = opendir(path);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static int say_hello(FILE *stream, const void *arg)
{
	fprintf(stream, "hello %s\n", (const char *)arg);
	return 0;
}

static int refuse_to_write(FILE *stream, const void *arg)
{
	fprintf(stream, "half of it");
	return -EDOM;
}

static void test_folder_and_files(void **state)
{
	struct fixture *f = *state;
	char problem[512], path[PATH_MAX];
	struct outputs *o, *second, *third;
	struct stat st;

	assert_int_equal(outputs__new(&o, &f->id, below(f, "a/b/"), "/x/my script.py", NOW, problem), 0);
	assert_string_equal(outputs__path(o), below(f, "a/b/my script/20260203_040506"));
	assert_int_equal(outputs__write(o, "hello.txt", say_hello, "you"), 0);
	assert_int_equal(outputs__put(o, "bytes", "a\0b", 3), 0);
	assert_int_equal(outputs__put(o, "empty", NULL, 0), 0);
	snprintf(path, sizeof(path), "%s/hello.txt", outputs__path(o));
	content(path, "hello you\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, f->id.uid);
	assert_int_equal(st.st_gid, f->id.gid);
	assert_int_equal(stat(outputs__path(o), &st), 0);
	assert_int_equal(st.st_uid, f->id.uid);
	/* again: replaced */
	assert_int_equal(outputs__write(o, "hello.txt", say_hello, "all"), 0);
	content(path, "hello all\n");
	/* what fails leaves no trace, and the old file */
	assert_int_equal(outputs__write(o, "hello.txt", refuse_to_write, NULL), -EDOM);
	assert_int_equal(outputs__write(o, "other.txt", refuse_to_write, NULL), -EDOM);
	content(path, "hello all\n");
	assert_int_equal(entries(outputs__path(o)), 3);
	/* the same second */
	assert_int_equal(outputs__new(&second, &f->id, below(f, "a/b"), "my script.py", NOW, problem), 0);
	assert_string_equal(outputs__path(second), below(f, "a/b/my script/20260203_040506_1"));
	assert_int_equal(outputs__new(&third, &f->id, below(f, "a/b"), "my script.py", NOW, problem), 0);
	assert_string_equal(outputs__path(third), below(f, "a/b/my script/20260203_040506_2"));
	outputs__free(second);
	outputs__free(third);
	/* the empty ones are gone, the other one stays */
	assert_int_equal(entries(below(f, "a/b/my script")), 1);
	outputs__free(o);
	assert_int_equal(access(path, R_OK), 0);
	outputs__free(NULL);
}

static void test_relative(void **state)
{
	struct fixture *f = *state;
	char problem[512], cwd[PATH_MAX];
	struct outputs *o;

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(f->folder), 0);
	assert_int_equal(outputs__new(&o, &f->id, "out", "x.py", NOW, problem), 0);
	assert_int_equal(chdir(cwd), 0);
	assert_string_equal(outputs__path(o), below(f, "out/x/20260203_040506"));
	outputs__free(o);
	/* nothing was written: the script's folder goes too */
	assert_int_equal(entries(below(f, "out")), 0);
}

static void folder_name(const char *script, const char *wanted)
{
	char *name = outputs_folder_name(script);

	assert_string_equal(name, wanted);
	free(name);
}

static void test_names(void **state)
{
	char file[300], folder[300];

	folder_name("a.py", "a");
	folder_name("/x/y/a.b.py", "a.b");
	folder_name("book.ipynb", "book");
	folder_name("package.module", "package.module");
	folder_name("x.pyw", "x");
	folder_name("", "script");
	folder_name(".py", "script");
	folder_name("..", "script");
	folder_name("/x/...py", "script");
	folder_name("x/", "script");
	folder_name("a\nb\x7f.py", "a_b_");
	folder_name("\xe4\xb8\xad.py", "\xe4\xb8\xad");
	/* 254 bytes, then a character of two */
	memset(file, 'x', 254);
	strcpy(file + 254, "\xc3\xa4.py");
	memset(folder, 'x', 254);
	folder[254] = '\0';
	folder_name(file, folder);
}

static void test_bad_file_names(void **state)
{
	struct fixture *f = *state;
	char problem[512];
	struct outputs *o;

	assert_int_equal(outputs__new(&o, &f->id, f->folder, "x.py", NOW, problem), 0);
	assert_int_equal(outputs__put(o, "../x", "", 0), -EINVAL);
	assert_int_equal(outputs__put(o, "", "", 0), -EINVAL);
	assert_int_equal(outputs__put(o, ".", "", 0), -EINVAL);
	assert_int_equal(outputs__put(o, "..", "", 0), -EINVAL);
	outputs__free(o);
}

static void test_planted_links(void **state)
{
	struct fixture *f = *state;
	char problem[512], out[PATH_MAX], link[PATH_MAX], victim[PATH_MAX], file[PATH_MAX];
	struct outputs *o;

	snprintf(out, sizeof(out), "%s", below(f, "out"));
	snprintf(link, sizeof(link), "%s", below(f, "link"));
	snprintf(victim, sizeof(victim), "%s", below(f, "victim"));
	snprintf(file, sizeof(file), "%s", below(f, "victim/file"));
	assert_int_equal(mkdir(victim, 0777), 0);
	assert_int_equal(mkdir(out, 0777), 0);
	assert_int_equal(chmod(victim, 0777), 0);
	assert_int_equal(chmod(out, 0777), 0);
	assert_int_equal(symlink(victim, below(f, "out/x")), 0);
	assert_int_equal(outputs__new(&o, &f->id, out, "x.py", NOW, problem), -ELOOP);
	assert_non_null(strstr(problem, "/out/x' is a symbolic link"));
	assert_non_null(strstr(problem, "--output-directory"));
	assert_null(strchr(problem, '\n'));
	assert_int_equal(entries(victim), 0);
	/* a link in front of <output> is the user's own choice */
	assert_int_equal(symlink(out, link), 0);
	assert_int_equal(outputs__new(&o, &f->id, link, "y.py", NOW, problem), 0);
	/* at a file's name */
	assert_int_equal(symlink(file, below(f, "out/y/20260203_040506/report.txt")), 0);
	assert_int_equal(outputs__put(o, "report.txt", "x", 1), -ELOOP);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(mkdir(below(f, "out/y/20260203_040506/folder"), 0777), 0);
	assert_int_equal(outputs__put(o, "folder", "x", 1), -EEXIST);
	outputs__free(o);
}

static void test_not_writable(void **state)
{
	struct fixture *f = *state;
	char problem[512], wanted[256];
	struct outputs *o;

	if (!f->id.uid)
		skip();
	assert_int_equal(mkdir(below(f, "closed"), 0500), 0);
	assert_int_equal(chown(f->folder, f->id.uid, f->id.gid), 0);
	assert_int_equal(outputs__new(&o, &f->id, below(f, "closed/out"), "x.py", NOW, problem), -EACCES);
	snprintf(wanted, sizeof(wanted), "cannot create '%s/closed/out': Permission denied; choose another folder with --output-directory", f->folder);
	assert_string_equal(problem, wanted);
	assert_int_equal(outputs__new(&o, &f->id, below(f, "closed"), "x.py", NOW, problem), -EACCES);
	assert_int_equal(outputs__new(&o, &f->id, "/proc/self/status", "x.py", NOW, problem), -ENOTDIR);
	assert_int_equal(geteuid(), getuid());
	assert_int_equal(close(open(below(f, "file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0666)), 0);
	assert_int_equal(outputs__new(&o, &f->id, f->folder, "file.py", NOW, problem), -ENOTDIR);
	assert_non_null(strstr(problem, "/file'"));
}

static int write_much(FILE *stream, const void *arg)
{
	for (int i = 0; i < 100000; i++)
		fprintf(stream, "line %d\n", i);
	return 0; /* as one that never looks */
}

/* In a mount name space of its own, for the file system that it fills. */
static int full_disk(struct fixture *f)
{
	char problem[512];
	struct outputs *o;
	int r;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", f->folder, "tmpfs", 0, "size=64k,mode=777"))
		return 77;
	if (outputs__new(&o, &f->id, f->folder, "x.py", NOW, problem))
		return 1;
	r = outputs__write(o, "big", write_much, NULL);
	if (r != -ENOSPC)
		return 2;
	if (entries(outputs__path(o)))
		return 3;
	if (outputs__put(o, "small", "x", 1))
		return 4;
	outputs__free(o);
	return 0;
}

static void test_full_disk(void **state)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(full_disk(*state));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: cannot mount a small file system\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folder_and_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_relative, set_up, tear_down),
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_bad_file_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_planted_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_writable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_full_disk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
