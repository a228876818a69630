// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
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

#include "export/spool.h"
#include "scratch_files.h"

#define HEAD 64
#define BODY 100

static int set_up(void **state)
{
	strcpy(scratch_top, "/tmp/test-spool-XXXXXX");
	return mkdtemp(scratch_top) ? 0 : -1;
}

static int tear_down(void **state)
{
	return scratch_remove();
}

static const char *below(const char *name)
{
	return scratch_path("queue", name);
}

static struct spool *opened(uint64_t bytes_max)
{
	char problem[512];
	struct spool *spool;
	int err = spool__open(&spool, scratch_top, "queue", bytes_max, problem);

	if (err)
		fail_msg("%s", problem);
	return spool;
}

static int put(struct spool *spool, unsigned int n)
{
	uint8_t body[BODY];
	struct spool_item item = { .times = { n, n + 10, 99 }, .body = body, .size = sizeof(body) };

	memset(body, (int)n, sizeof(body));
	return spool__put(spool, &item);
}

/* The oldest one is that, and is taken out. */
static void take(struct spool *spool, unsigned int n)
{
	struct spool_item item;

	assert_int_equal(spool__peek(spool, &item), 0);
	assert_int_equal(item.times.start_epoch_ns, n);
	assert_int_equal(item.times.end_epoch_ns, n + 10);
	assert_int_equal(item.times.rate_hz, 99);
	assert_int_equal(item.size, BODY);
	assert_int_equal(item.body[0], n & 0xff);
	assert_int_equal(item.body[BODY - 1], n & 0xff);
	spool__done(spool, item.number);
	free(item.body);
}

static void check(struct spool *spool, unsigned int waiting, unsigned int dropped, unsigned int corrupt)
{
	struct spool_state state;

	spool__state(spool, &state);
	assert_int_equal(state.waiting, waiting);
	assert_int_equal(state.waiting_bytes, waiting * (HEAD + BODY));
	assert_int_equal(state.dropped, dropped);
	assert_int_equal(state.corrupt, corrupt);
	assert_int_equal(spool__empty(spool), !waiting);
}

static unsigned int files(void)
{
	DIR *dir = opendir(below(""));
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void test_order_over_restarts(void **state)
{
	struct spool *spool = opened(1 << 20);
	struct spool_item item, again;

	assert_int_equal(spool__peek(spool, &item), -ENOENT);
	for (unsigned int n = 0; n < 200; n++)
		assert_int_equal(put(spool, n), 0);
	check(spool, 200, 0, 0);
	take(spool, 0);
	take(spool, 1);
	/* what is peeked stays, the same each time */
	assert_int_equal(spool__peek(spool, &item), 0);
	spool__keep(spool);
	spool__free(spool);
	spool = opened(1 << 20);
	check(spool, 198, 0, 0);
	assert_int_equal(spool__peek(spool, &again), 0);
	assert_int_equal(item.number, again.number);
	assert_memory_equal(item.key, again.key, SPOOL_KEY_SIZE);
	spool__keep(spool);
	free(item.body);
	free(again.body);
	assert_int_equal(put(spool, 200), 0);
	for (unsigned int n = 2; n <= 200; n++)
		take(spool, n);
	check(spool, 0, 0, 0);
	assert_int_equal(files(), 1); /* the lock */
	spool__free(spool);
	spool__free(NULL);
}

static void test_bound(void **state)
{
	struct spool *spool = opened(10 * (HEAD + BODY));
	struct spool_item item, large = { .body = (uint8_t[10 * (HEAD + BODY)]){}, .size = 10 * (HEAD + BODY) };

	for (unsigned int n = 0; n < 25; n++)
		assert_int_equal(put(spool, n), 0);
	check(spool, 10, 15, 0);
	assert_int_equal(files(), 11);
	/* never fits: counted, and nothing else makes room for it */
	assert_int_equal(spool__put(spool, &large), -EFBIG);
	check(spool, 10, 16, 0);
	/* what is on its way stays, the next oldest goes */
	assert_int_equal(spool__peek(spool, &item), 0);
	assert_int_equal(item.times.start_epoch_ns, 15);
	assert_int_equal(put(spool, 25), 0);
	check(spool, 10, 17, 0);
	spool__done(spool, item.number);
	free(item.body);
	take(spool, 17);
	/* a smaller bound counts from the next one on, and from the next start on */
	spool__limit(spool, 3 * (HEAD + BODY));
	assert_int_equal(put(spool, 26), 0);
	check(spool, 3, 17 + 6, 0);
	spool__free(spool);
	spool = opened(2 * (HEAD + BODY));
	check(spool, 2, 1, 0);
	take(spool, 25);
	take(spool, 26);
	spool__free(spool);
}

/* No room but in the place of the one that is being sent: dropped, and not any more once it arrived. */
static void test_in_flight(void **state)
{
	struct spool *spool = opened(HEAD + BODY);
	struct spool_item item;

	assert_int_equal(put(spool, 1), 0);
	assert_int_equal(spool__peek(spool, &item), 0);
	assert_int_equal(put(spool, 2), 0);
	check(spool, 1, 1, 0);
	spool__done(spool, item.number);
	free(item.body);
	check(spool, 1, 0, 0);
	take(spool, 2);
	spool__free(spool);
}

static void damage(const char *name, long at)
{
	FILE *f = fopen(below(name), "r+");
	int byte;

	assert_non_null(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	byte = fgetc(f);
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	fputc(byte ^ 0xa5, f);
	assert_int_equal(fclose(f), 0);
}

static const char *name_of(unsigned int number)
{
	static char name[32];

	snprintf(name, sizeof(name), "%016x.spool", number);
	return name;
}

/* Every byte of the head, and some of the body: seen, counted, removed, and the next one comes. */
static void test_damaged(void **state)
{
	struct spool *spool = opened(1 << 20);

	for (unsigned int n = 1; n <= HEAD + 2; n++)
		assert_int_equal(put(spool, n), 0);
	for (unsigned int n = 1; n <= HEAD + 1; n++)
		damage(name_of(n), n == HEAD + 1 ? HEAD + BODY - 1 : n - 1);
	take(spool, HEAD + 2);
	check(spool, 0, 0, HEAD + 1);
	assert_int_equal(files(), 1);
	spool__free(spool);
}

static void test_planted(void **state)
{
	struct spool *spool = opened(1 << 20);
	char target[PATH_MAX];

	assert_int_equal(put(spool, 1), 0);
	spool__free(spool);
	snprintf(target, sizeof(target), "%s/target", scratch_top);
	scratch_file(below("../target"), 1000);
	assert_int_equal(symlink(target, below("0000000000000002.spool")), 0);
	assert_int_equal(mkfifo(below("0000000000000003.spool"), 0600), 0);
	assert_int_equal(mkdir(below("0000000000000004.spool"), 0700), 0);
	scratch_file(below("0000000000000005.spool"), 0);
	scratch_file(below("0000000000000006.spool"), HEAD - 1);
	scratch_file(below("0000000000000007.spool"), HEAD);
	scratch_file(below("0000000000000008.spool"), 1ull << 40);
	scratch_file(below("000000000000000A.spool"), 5);  /* these names are not ours */
	scratch_file(below("0000000000000009.spoo"), 5);
	scratch_file(below("ffffffffffffffff.spool"), 500);
	scratch_file(below("notes"), 5);
	scratch_file(below(".part-1-1"), 5);
	spool = opened(1 << 20);
	take(spool, 1);
	assert_int_equal(put(spool, 50), 0);
	take(spool, 50);
	check(spool, 0, 0, 7);
	assert_int_equal(files(), 5); /* four foreign ones, the lock */
	assert_int_equal(access(target, F_OK), 0);
	/* in place of one that is known */
	assert_int_equal(put(spool, 51), 0);
	assert_int_equal(unlink(below(name_of(9))), 0);
	assert_int_equal(symlink(target, below(name_of(9))), 0);
	assert_int_equal(put(spool, 52), 0);
	assert_int_equal(unlink(below(name_of(10))), 0);
	assert_int_equal(put(spool, 53), 0);
	take(spool, 53);
	check(spool, 0, 0, 9);
	spool__free(spool);
}

static void test_folder_is_ours(void **state)
{
	struct spool *spool = opened(1 << 20), *second;
	char problem[512];
	struct stat st;

	assert_int_equal(stat(below("."), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(spool__open(&second, scratch_top, "queue", 1 << 20, problem), -EBUSY);
	assert_non_null(strstr(problem, "--spool"));
	spool__free(spool);
	/* a folder that a link leads to, and, as root, another user's */
	assert_int_equal(symlink(below("."), below("link")), 0);
	assert_int_equal(spool__open(&second, below("."), "link", 1 << 20, problem), -ENOTDIR);
	if (!geteuid()) {
		assert_int_equal(chown(below("."), 12345, 12345), 0);
		assert_int_equal(spool__open(&second, scratch_top, "queue", 1 << 20, problem), -EPERM);
		assert_non_null(strstr(problem, "another user's"));
	}
	assert_int_equal(spool__open(&second, "/proc/self", "queue", 1 << 20, problem), -ENOENT);
}

static void *takes_all(void *argument)
{
	struct spool *spool = argument;

	for (unsigned int n = 0; n < 500;) {
		struct spool_item item;

		if (spool__peek(spool, &item))
			continue;
		assert_int_equal(item.times.start_epoch_ns, n++);
		spool__done(spool, item.number);
		free(item.body);
	}
	return NULL;
}

static void test_two_threads(void **state)
{
	struct spool *spool = opened(1 << 20);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, takes_all, spool), 0);
	for (unsigned int n = 0; n < 500; n++)
		assert_int_equal(put(spool, n), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	check(spool, 0, 0, 0);
	spool__free(spool);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order_over_restarts), TEST(test_bound), TEST(test_in_flight), TEST(test_damaged), TEST(test_planted),
		TEST(test_folder_is_ours), TEST(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
