// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/maps.h"
#include "image/remote.h"

struct seen {
	struct mapping mapping;
	char path[512];
	int count, stop_at;
};

static int keep(const struct mapping *m, void *arg)
{
	struct seen *seen = arg;

	seen->mapping = *m;
	snprintf(seen->path, sizeof(seen->path), "%s", m->path);
	return ++seen->count == seen->stop_at ? 7 : 0;
}

static struct seen parse(const char *line)
{
	struct seen seen = { 0 };
	char *text = strdup(line);

	assert_int_equal(maps__parse(text, strlen(text), keep, &seen), 0);
	free(text);
	return seen;
}

static void a_line_has_all_its_parts(void **state)
{
	struct seen s = parse("7f1200000000-7f1200345000 r-xp 0010b000 fd:1f 1234567                    /usr/lib/libpython3.12.so.1.0\n");

	assert_int_equal(s.count, 1);
	assert_true(s.mapping.start == 0x7f1200000000 && s.mapping.end == 0x7f1200345000 && s.mapping.offset == 0x10b000);
	assert_true(s.mapping.readable && !s.mapping.writable && s.mapping.executable && !s.mapping.deleted);
	assert_true(s.mapping.inode == 1234567 && s.mapping.device == makedev(0xfd, 0x1f));
	assert_string_equal(s.path, "/usr/lib/libpython3.12.so.1.0");
}

static void paths_may_be_absent_odd_or_deleted(void **state)
{
	struct seen s = parse("00400000-00401000 rw-p 00000000 00:00 0 \n");

	assert_int_equal(s.count, 1);
	assert_string_equal(s.path, "");
	s = parse("00400000-00401000 rw-p 00000000 00:00 0                          [heap]\n");
	assert_string_equal(s.path, "[heap]");
	s = parse("00400000-00401000 r--s 00000000 08:01 9                          /a b/c (deleted) d (deleted)\n");
	assert_true(s.mapping.deleted);
	assert_string_equal(s.path, "/a b/c (deleted) d");
}

static void lines_that_make_no_sense_are_left_out(void **state)
{
	const char *bad[] = { "", "\n", "hello\n", "10-5 r-xp 0 0:0 1 /x\n", "10000000000000000-2 r-xp 0 0:0 1 /x\n", "1-2\n", "1-2 r\n",
			      "1-2 r-xp\n", "1-2 r-xp 0\n", "1-2 r-xp 0 0:0\n", "1-2 r-xp 0 0:0 99999999999999999999999 /x\n", "1-2 r-xp 0 0:0 1" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i]).count, 0);
}

static void own_memory_is_found_and_the_walk_can_end_early(void **state)
{
	struct seen seen = { .stop_at = 2 };

	assert_int_equal(maps__each(getpid(), keep, &seen), 7);
	assert_int_equal(seen.count, 2);
	seen = (struct seen){ 0 };
	assert_int_equal(maps__each(getpid(), keep, &seen), 0);
	assert_true(seen.count > 10);
	assert_int_equal(maps__each(0x7fffffff, keep, &seen), -ESRCH);
}

struct wanted {
	const void *address;
	const char *path; /* replaces the mapping's own when set */
	int fd;
};

static int open_wanted(const struct mapping *m, void *arg)
{
	struct wanted *wanted = arg;
	struct mapping copy = *m;

	if ((uintptr_t)wanted->address < m->start || (uintptr_t)wanted->address >= m->end)
		return 0;
	if (wanted->path) {
		copy.path = wanted->path;
		copy.start++; /* no such map_files entry: by name only */
	}
	wanted->fd = maps__open(getpid(), &copy);
	return 1;
}

static void mapped_files_open_by_what_they_are_not_by_name(void **state)
{
	char folder[] = "/tmp/maps-XXXXXX", path[64], other[64], link[64];
	struct wanted wanted = { 0 };
	struct stat st, mapped;
	int fd;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a", folder);
	snprintf(other, sizeof(other), "%s/b", folder);
	snprintf(link, sizeof(link), "%s/l", folder);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(fstat(fd, &mapped), 0);
	wanted.address = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	assert_int_equal(symlink(path, link), 0);
	close(open(other, O_RDWR | O_CREAT, 0600));

	assert_int_equal(maps__each(getpid(), open_wanted, &wanted), 1);
	assert_true(wanted.fd >= 0);
	assert_int_equal(fstat(wanted.fd, &st), 0);
	assert_true(st.st_ino == mapped.st_ino);
	close(wanted.fd);
	wanted.path = path;
	maps__each(getpid(), open_wanted, &wanted);
	assert_true(wanted.fd >= 0);
	close(wanted.fd);
	wanted.path = other;
	maps__each(getpid(), open_wanted, &wanted);
	assert_int_equal(wanted.fd, -ESTALE);
	wanted.path = link;
	maps__each(getpid(), open_wanted, &wanted);
	assert_int_equal(wanted.fd, -ELOOP);
	wanted.path = "/dev/null";
	maps__each(getpid(), open_wanted, &wanted);
	assert_int_equal(wanted.fd, -EINVAL);

	munmap((void *)wanted.address, 4096);
	unlink(path);
	unlink(other);
	unlink(link);
	rmdir(folder);
}

static void remote_memory_is_read_whole_or_not_at_all(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), buffer[64];

	strcpy(page, "here");
	munmap(page + 4096, 4096);
	assert_int_equal(remote__read(getpid(), (uintptr_t)page, buffer, 5), 0);
	assert_string_equal(buffer, "here");
	assert_int_equal(remote__read(getpid(), (uintptr_t)page + 4090, buffer, 20), -EFAULT);
	assert_int_equal(remote__read(getpid(), 8, buffer, 8), -EFAULT);
	assert_int_equal(remote__read(getpid(), UINT64_MAX - 3, buffer, 8), -EFAULT);
	assert_int_equal(remote__read(0x7fffffff, (uintptr_t)page, buffer, 8), -ESRCH);
	munmap(page, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_all_its_parts),
		cmocka_unit_test(paths_may_be_absent_odd_or_deleted),
		cmocka_unit_test(lines_that_make_no_sense_are_left_out),
		cmocka_unit_test(own_memory_is_found_and_the_walk_can_end_early),
		cmocka_unit_test(mapped_files_open_by_what_they_are_not_by_name),
		cmocka_unit_test(remote_memory_is_read_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
