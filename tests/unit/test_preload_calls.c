// SPDX-License-Identifier: Apache-2.0
/* The counting of calls, without an interpreter: code objects made by hand, the file as the profiler makes and reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/calls/calls.h"
#include "target/calls_file.h"
#include "target/strv.h"

/* --- an interpreter of a kind --- */

struct code {
	uint64_t unused[5];
	const char *file, *name;
	uint32_t line, is_generator;
} __attribute__((aligned(16)));

static ssize_t text_length(const void *text) { return strlen(text); }
static uint32_t text_character(const void *text, ssize_t i) { return ((const unsigned char *)text)[i]; }

struct python_string python_string = { text_length, text_character };

bool python_is_code(uint64_t object) { return true; }
bool python_is_generator(uint64_t code) { return ((const struct code *)code)->is_generator; }
uintptr_t python_stack_limit(void) { return 0; }

static struct calls_file *file;
static struct identity id;
static char path[512];

static void *preloaded(const char *pattern)
{
	struct strv env = {};
	const char *value;

	assert_int_equal(calls_file__create(&file, &id, pattern), 0);
	assert_int_equal(strv_add(&env, "LD_PRELOAD=/x.so"), 0);
	assert_int_equal(calls_file__environment(file, &env.items, "/lib.so"), 0);
	assert_string_equal(environment_get(env.items, "LD_PRELOAD"), "/lib.so:/x.so");
	value = environment_get(env.items, CALLS_ENV_FILE);
	assert_non_null(value);
	snprintf(path, sizeof(path), "%s", value);
	strv__free(env.items);
	assert_true(file_open(path));
	return file_header;
}

static void count(const struct code *caller, const struct code *callee, uint64_t n)
{
	while (n--)
		calls_find((uintptr_t)caller, (uintptr_t)callee)->pair->calls++;
}

/* --- what the profiler reads --- */

struct seen {
	struct { uint32_t id, line; char file[64], name[64]; } codes[20000];
	size_t n_codes;
	struct event_calls_pair pairs[60000];
	size_t n_pairs;
	struct event_calls_process processes[CALLS_PROCESSES];
	size_t n_processes;
	struct event_calls_lost lost;
};

static struct seen *seen;

static void on_record(void *context, const struct event_header *record)
{
	const struct event_calls_code *code = (const void *)record;

	assert_true(record_valid(record, record->size));
	switch (record->kind) {
	case EVENT_CALLS_CODE:
		if (seen->n_codes == 20000)
			return;
		seen->codes[seen->n_codes].id = code->id;
		seen->codes[seen->n_codes].line = code->firstlineno;
		snprintf(seen->codes[seen->n_codes].file, 64, "%.*s", code->file_size, (const char *)(code + 1));
		snprintf(seen->codes[seen->n_codes++].name, 64, "%.*s", code->name_size, (const char *)(code + 1) + code->file_size);
		break;
	case EVENT_CALLS_PAIR:
		if (seen->n_pairs < 60000)
			seen->pairs[seen->n_pairs++] = *(const struct event_calls_pair *)record;
		break;
	case EVENT_CALLS_PROCESS:
		seen->processes[seen->n_processes++] = *(const struct event_calls_process *)record;
		break;
	case EVENT_CALLS_LOST:
		seen->lost = *(const struct event_calls_lost *)record;
		break;
	}
}

static void look(void)
{
	memset(seen, 0, sizeof(*seen));
	assert_int_equal(calls_file__read(file, on_record, NULL), 0);
}

static uint32_t id_named(const char *name)
{
	for (size_t i = 0; name && i < seen->n_codes; i++)
		if (!strcmp(seen->codes[i].name, name))
			return seen->codes[i].id;
	return 0;
}

/* All that is counted of a function; caller "": by whomever. */
static uint64_t counted(const char *caller, const char *callee)
{
	uint32_t from = id_named(caller), to = id_named(callee);
	uint64_t n = 0;

	for (size_t i = 0; i < seen->n_pairs; i++) {
		const struct event_calls_pair *p = &seen->pairs[i];

		if (p->callee == to && ((caller && !*caller) || p->caller == from))
			n += p->calls;
	}
	return n;
}

/* --- tests --- */

static void a_table_like_any_other(void **state)
{
	enum { KEYS = 5000 };
	static uint64_t model[KEYS];
	struct map map = {};
	uint64_t value;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t k = rand() % KEYS, key = (k + 1) << 4;

		if (rand() % 3) {
			assert_true(map_put(&map, key, i + 1));
			model[k] = i + 1;
		} else {
			assert_int_equal(map_remove(&map, key), model[k] != 0);
			model[k] = 0;
		}
	}
	for (uint64_t k = 0; k < KEYS; k++) {
		bool known = map_get(&map, (k + 1) << 4, &value);

		assert_int_equal(known, model[k] != 0);
		if (known)
			assert_int_equal(value, model[k]);
	}
	map_release(&map);
	assert_false(map_get(&map, 16, &value));
	assert_false(map_remove(&map, 16));
}

static void pairs_are_apart(void **state)
{
	static const struct code a = { .file = "/f.py", .name = "a", .line = 1 }, b = { .file = "/f.py", .name = "b", .line = 5 },
				 same = { .file = "/f.py", .name = "b", .line = 5 }, other = { .file = "/f.py", .name = "b", .line = 6 };

	count(NULL, &a, 1);
	count(&a, &b, 100000);
	count(&a, &same, 11);
	count(&b, &b, 7);
	count(&a, &other, 3);
	look();
	assert_int_equal(counted(NULL, "a"), 1);
	assert_int_equal(counted("a", "b"), 100011); /* the first of the two that are named so */
	assert_int_equal(counted("b", "b"), 7);
	assert_int_equal(seen->n_codes, 3); /* equal functions are one */
	assert_int_equal(seen->n_processes, 1);
	assert_int_equal(seen->processes[0].calls, 1 + 100011 + 7 + 3);
	assert_int_equal(seen->lost.calls + seen->lost.bad, 0);
}

/* More functions than the cache has places, each at the address of one before. */
static void an_address_is_not_a_name(void **state)
{
	static struct code codes[50];
	static char names[10000][16];

	for (int i = 0; i < 10000; i++) {
		struct code *c = &codes[i % 50];

		calls_forget((uintptr_t)c);
		snprintf(names[i], sizeof(names[i]), "made%d", i);
		*c = (struct code){ .file = "<string>", .name = names[i], .line = 1 };
		count(i ? &codes[(i + 49) % 50] : NULL, c, 1 + i % 3);
	}
	look();
	for (int i = 60; i < 10000; i += 97) {
		assert_int_equal(counted("", names[i]), 1 + i % 3);
		assert_int_equal(counted(names[i - 1], names[i]), 1 + i % 3);
	}
}

static void *count_in_thread(void *data)
{
	static const struct code work = { .file = "/f.py", .name = "work", .line = 20 };

	count(NULL, &work, 100000);
	return NULL;
}

static void threads_have_their_own(void **state)
{
	pthread_t threads[16];
	uint32_t chunks = 0;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 16; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, count_in_thread, NULL), 0);
		for (int i = 0; i < 16; i++)
			pthread_join(threads[i], NULL);
		if (!round)
			chunks = file_header->n_chunks;
	}
	/* those that came later went on where others had stopped */
	assert_true(file_header->n_chunks <= chunks + 16);
	look();
	assert_int_equal(counted("", "work"), 20 * 16 * 100000);
}

static void a_fork_begins_at_zero(void **state)
{
	static const struct code f = { .file = "/f.py", .name = "forked", .line = 30 }, g = { .file = "/f.py", .name = "only_there", .line = 31 };
	uint64_t before;
	int status;
	pid_t pid;

	count(NULL, &f, 10);
	look();
	before = seen->processes[0].calls;
	pid = fork();
	if (!pid) {
		count(NULL, &f, 5);
		count(&f, &g, 2);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	look();
	assert_int_equal(counted("", "forked"), 15);
	assert_int_equal(counted("forked", "only_there"), 2);
	assert_int_equal(seen->n_processes, 2);
	assert_int_equal(seen->processes[0].calls, before);
	assert_int_equal(seen->processes[1].calls, 7);
	assert_int_equal(seen->processes[1].head.pid, pid);
	assert_true(seen->processes[1].flags & CALLS_FORKED);
}

/* The target can write what it likes. */
static void nonsense_is_survived(void **state)
{
	uint32_t n = file_header->n_chunks;
	int fd = open(path, O_RDWR);
	struct stat st;

	assert_true(fd >= 0 && !fstat(fd, &st));
	srand(7);
	for (int round = 0; round < 150; round++) {
		uint32_t value = rand() % 4 ? (uint32_t)rand() % 70000 : (uint32_t)rand() * 3u;
		off_t at = (off_t)(rand() % n) * CALLS_CHUNK + rand() % (rand() % 2 ? 64 : CALLS_CHUNK);

		/* not what tells a file of ours */
		if (at < 16)
			continue;
		assert_int_equal(pwrite(fd, &value, sizeof(value), at), sizeof(value));
		look();
	}
	assert_int_equal(ftruncate(fd, 3 * CALLS_CHUNK + 100), 0);
	look();
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_int_equal(calls_file__read(file, on_record, NULL), -EIO);
	close(fd);
}

static void only_what_the_pattern_fits(void **state)
{
	static const struct code in = { .file = "/some/where.py", .name = "Scene.draw", .line = 1 }, out = { .file = "/some/where.py", .name = "Scene.redraw", .line = 2 };
	static const char *const fit[] = { "draw", "Scene.d*", "*.draw", "Scene.[a-d]raw" };
	int status;

	for (size_t i = 0; i < sizeof(fit) / sizeof(*fit); i++) {
		/* each in a process that begins anew */
		pid_t pid = fork();

		if (!pid) {
			preloaded(fit[i]);
			assert_true(calls_begin(process_register(0x30b, CALLS_FRAMES, 0)));
			count(NULL, &in, 5);
			count(&out, &in, 2);
			count(&in, &out, 9);
			look();
			assert_int_equal(counted(NULL, "Scene.draw"), 5);
			assert_int_equal(counted("Scene.redraw", "Scene.draw"), 2);
			assert_int_equal(counted("", "Scene.redraw"), 0);
			calls_file__free(file, &id);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	}
}

static void nothing_stays(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	calls_file__free(file, &id);
	assert_int_equal(stat(path, &st), -1);
	calls_file__free(NULL, &id);
}

static int setup(void **state)
{
	seen = calloc(1, sizeof(*seen));
	calls_layout = (struct py_layout){ .version = 0x30b, .code_filename = offsetof(struct code, file), .code_name = offsetof(struct code, name), .code_firstlineno = offsetof(struct code, line) };
	return seen ? identity__resolve(&id, NULL) : -1;
}

static void the_file(void **state)
{
	preloaded(NULL);
	assert_true(calls_begin(process_register(0x30b, CALLS_FRAMES, 0)));
}

static int teardown(void **state)
{
	identity__release(&id);
	free(seen);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_like_any_other),
		cmocka_unit_test(only_what_the_pattern_fits),
		/* these build on each other */
		cmocka_unit_test(the_file),
		cmocka_unit_test(pairs_are_apart),
		cmocka_unit_test(an_address_is_not_a_name),
		cmocka_unit_test(threads_have_their_own),
		cmocka_unit_test(a_fork_begins_at_zero),
		cmocka_unit_test(nonsense_is_survived),
		cmocka_unit_test(nothing_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
