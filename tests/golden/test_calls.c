// SPDX-License-Identifier: Apache-2.0
/*
 * A run with counted calls: a recording made by hand of calls/script.py. The reports must be, byte for byte, the ones in the folder
 * `calls`, and what matters in them is checked besides.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "expected.h"
#include "preload/calls_file.h"
#include "records.h"

#define SCRIPT "/tmp/golden/calls/script.py"
#define LIBRARY "/usr/lib/python3.9/library.py"

/* Code objects, and the ids of the same functions among the counts. */
enum { MODULE = 0x1000, LEAF = 0x2000, WORK = 0x3000, NUMBERS = 0x4000, MAIN = 0x5000, HELPER = 0x6000 };
enum { ID_MODULE = 10, ID_LEAF, ID_WORK, ID_NUMBERS, ID_MAIN, ID_HELPER, ID_LEAF_AGAIN };
#define IN_MODULE AT(MODULE, 1, 25)
#define IN_LEAF AT(LEAF, 4, 5)
#define IN_WORK AT(WORK, 8, 10)
#define IN_NUMBERS AT(NUMBERS, 13, 15)
#define IN_MAIN(line) AT(MAIN, 18, line)
#define IN_HELPER AT(HELPER, 70, 72)

static void start_process(struct maker *m)
{
	maker_exec(m, 0, "/usr/bin/python3");
	maker_interp(m);
	maker_function(m, MODULE, SCRIPT, "<module>", 1);
	maker_function(m, LEAF, SCRIPT, "leaf", 4);
	maker_function(m, WORK, SCRIPT, "work", 8);
	maker_function(m, NUMBERS, SCRIPT, "numbers", 13);
	maker_function(m, MAIN, SCRIPT, "main", 18);
	maker_function(m, HELPER, LIBRARY, "helper", 70);
}

static void work(struct maker *m)
{
	for (int i = 0; i < 700; i++)
		maker_cpu(m, 0, MAKER_EVAL, FRAMES(IN_HELPER, IN_LEAF, IN_WORK, IN_MAIN(20), IN_MODULE));
	for (int i = 0; i < 200; i++)
		maker_cpu(m, 0, MAKER_EVAL, FRAMES(IN_NUMBERS, IN_WORK, IN_MAIN(20), IN_MODULE));
	for (int i = 0; i < 50; i++)
		maker_cpu(m, 0, MAKER_EVAL, FRAMES(IN_LEAF, IN_MAIN(21), IN_MODULE));
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(IN_MODULE));
	maker_exit(m, 0);
}

static void code(struct maker *m, uint32_t id, const char *file, const char *name, uint32_t line)
{
	struct { struct event_calls_code head; char text[128]; } event;
	size_t size = strlen(file) + strlen(name);

	event.head = (struct event_calls_code){ .head = maker_head(m, EVENT_CALLS_CODE, sizeof(event.head) + size), .id = id, .firstlineno = line, .file_size = strlen(file), .name_size = strlen(name) };
	memcpy(event.text, file, strlen(file));
	memcpy(event.text + strlen(file), name, strlen(name));
	maker_play(m, &event);
}

static void pair(struct maker *m, uint32_t caller, uint32_t callee, uint64_t calls, uint64_t resumptions)
{
	const struct event_calls_pair event = { .head = maker_head(m, EVENT_CALLS_PAIR, sizeof(event)), .caller = caller, .callee = callee, .calls = calls, .resumptions = resumptions };

	maker_play(m, &event);
}

static void counts(struct maker *m)
{
	struct event_calls_process process = { .head = maker_head(m, EVENT_CALLS_PROCESS, sizeof(process)), .version = 0x309, .how = CALLS_FRAMES, .calls = 20023, .resumptions = 10000 };
	struct event_calls_lost lost = { .head = maker_head(m, EVENT_CALLS_LOST, sizeof(lost)) };

	code(m, ID_MODULE, SCRIPT, "<module>", 1);
	code(m, ID_LEAF, SCRIPT, "leaf", 4);
	code(m, ID_WORK, SCRIPT, "work", 8);
	code(m, ID_NUMBERS, SCRIPT, "numbers", 13);
	code(m, ID_MAIN, SCRIPT, "main", 18);
	code(m, ID_HELPER, LIBRARY, "helper", 70);
	code(m, ID_LEAF_AGAIN, "calls/script.py", "leaf", 4); /* the same, named in another way */
	pair(m, 0, ID_MODULE, 1, 0);
	pair(m, ID_MODULE, ID_MAIN, 1, 0);
	pair(m, ID_MAIN, ID_WORK, 10, 0);
	pair(m, ID_WORK, ID_NUMBERS, 10, 10000);
	pair(m, ID_WORK, ID_LEAF, 6000, 0);
	pair(m, ID_WORK, ID_LEAF, 3000, 0); /* of another thread */
	pair(m, ID_WORK, ID_LEAF_AGAIN, 1000, 0);
	pair(m, ID_MAIN, ID_LEAF, 1, 0);
	pair(m, ID_LEAF, ID_HELPER, 10000, 0);
	maker_play(m, &process);
	maker_play(m, &lost);
}

static struct profile *replay(struct replay *r, struct maker *m, const char *source, size_t size, bool calls)
{
	*r = (struct replay){ .options = { .root = "/tmp/golden", .directory = "/tmp/golden", .script = SCRIPT, .script_source = source, .script_size = size, .allowed_cpus = 2, .calls = calls } };
	replay_init(r);
	*m = maker_of(r);
	start_process(m);
	work(m);
	/* they come at the end: before, there is nothing to say */
	if (calls) {
		struct profile *p = replay_profile(r, "");

		assert_null(p->calls);
		profile__free(p);
	}
	counts(m);
	return replay_profile(r, calls ? "fixingahole profile script.py --calls" : "fixingahole profile script.py");
}

static void counted_calls(void **state)
{
	size_t size;
	_cleanup_free_ char *source = case_text("calls", "script.py", &size);
	const struct profile_callee *leaf;
	struct replay r;
	struct maker m;
	struct profile *p = replay(&r, &m, source, size, true);

	assert_int_equal(p->losses[LOSS_BAD_RECORDS], 0);
	assert_int_equal(p->calls->calls, 20023);
	assert_int_equal(p->calls->resumptions, 10000);
	assert_int_equal(p->calls->n_functions, 6);
	leaf = calls_find_callee(p->calls, SCRIPT, "leaf", 4);
	assert_non_null(leaf);
	assert_int_equal(leaf->calls, 10001);
	assert_int_equal(leaf->n_callers, 2);
	assert_string_equal(leaf->callers[0].function, "work");
	assert_int_equal(calls_by(leaf, SCRIPT, "work", 10), 10000);
	assert_int_equal(calls_by(leaf, SCRIPT, "main", 21), 1);
	assert_int_equal(calls_by(leaf, NULL, NULL, 0), 0);
	assert_int_equal(calls_by(calls_find_callee(p->calls, SCRIPT, "<module>", 1), NULL, NULL, 0), 1);
	assert_null(calls_find_callee(p->calls, SCRIPT, "leaf", 5));
	expected_check("calls", p);
	profile__free(p);
	replay_release(&r);
}

/* Whoever did not ask for it sees nothing of it. */
static void counts_that_nobody_asked_for(void **state)
{
	struct replay r;
	struct maker m;
	struct profile *p = replay(&r, &m, "", 0, false);

	assert_null(p->calls);
	for (size_t i = 0; i < p->files[0].n_functions; i++)
		assert_null(p->files[0].functions[i].calls);
	profile__free(p);
	replay_release(&r);
}

/* What a process writes into the file may be anything. */
static void nonsense(void **state)
{
	struct replay r;
	struct maker m;
	struct profile *p = replay(&r, &m, "", 0, true);

	profile__free(p);
	pair(&m, 0, 999, 5, 0);
	pair(&m, 999, ID_LEAF, 5, 0);
	code(&m, 20, "\xff\xfe", "x", 1);
	code(&m, 21, "a", "\xed\xa0\x80", 1);
	code(&m, 22, "", "", 0);
	pair(&m, 0, 20, 1, 0);
	pair(&m, 22, 22, 1, 0);
	p = replay_profile(&r, "");
	assert_int_equal(p->losses[LOSS_BAD_RECORDS], 5);
	assert_int_equal(p->calls->calls, 20024);
	profile__free(p);
	replay_release(&r);
}

static void process_of(struct maker *m, uint32_t pid, uint32_t version, uint32_t how, uint32_t flags)
{
	struct event_calls_process process = { .head = maker_head(m, EVENT_CALLS_PROCESS, sizeof(process)), .version = version, .how = how, .flags = flags };

	process.head.pid = pid;
	maker_play(m, &process);
}

static bool has_notice(const struct profile *p, const char *part)
{
	for (size_t i = 0; i < p->n_notices; i++)
		if (strstr(p->notices[i], part))
			return true;
	return false;
}

/* What is not counted is said, and only that. */
static void what_is_missing_is_said(void **state)
{
	struct event_calls_lost lost;
	struct replay r;
	struct maker m;
	struct profile *p = replay(&r, &m, "", 0, true);

	assert_false(has_notice(p, "calls"));
	profile__free(p);
	process_of(&m, 201, 0x0307, CALLS_UNKNOWN, 0);
	process_of(&m, 202, 0x030c, CALLS_REFUSED, 0);
	process_of(&m, 203, 0x030b, CALLS_FRAMES, CALLS_DEEP);
	process_of(&m, 204, 0x030b, CALLS_FRAMES, CALLS_REPLACED | CALLS_FORKED);
	lost = (struct event_calls_lost){ .head = maker_head(&m, EVENT_CALLS_LOST, sizeof(lost)), .calls = 77 };
	maker_play(&m, &lost);
	p = replay_profile(&r, "");
	assert_true(has_notice(p, "not counted in CPython 3.7, which process 201 runs"));
	assert_true(has_notice(p, "not counted in process 202"));
	assert_true(has_notice(p, "process 203 but for those made while a recursion"));
	assert_true(has_notice(p, "process 204 only until"));
	assert_true(has_notice(p, "about 77 calls are not counted"));
	profile__free(p);
	replay_release(&r);
}

static void seen(struct maker *m, uint64_t caller, uint64_t callee, uint64_t calls, uint64_t resumptions)
{
	const struct event_calls_seen event = {
		.head = maker_head(m, EVENT_CALLS_SEEN, sizeof(event)), .code = callee, .fingerprint = MAKER_FINGERPRINT, .caller = caller, .caller_fingerprint = caller ? MAKER_FINGERPRINT : 0,
		.calls = calls, .resumptions = resumptions,
	};

	maker_play(m, &event);
}

/* A process that ran before, as probes counted it. */
static struct profile *attached(struct replay *r, uint32_t version, uint32_t how, uint32_t flags, uint32_t share, const char *pattern)
{
	struct maker m;
	struct event_calls_process process;
	struct event_calls_lost lost;

	*r = (struct replay){ .options = { .root = "/tmp/golden", .directory = "/tmp/golden", .script = SCRIPT, .script_source = "", .allowed_cpus = 2, .calls = true, .calls_probes = true, .calls_pattern = pattern } };
	replay_init(r);
	m = maker_of(r);
	start_process(&m);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_LEAF, IN_WORK, IN_MODULE));
	process = (struct event_calls_process){ .head = maker_head(&m, EVENT_CALLS_PROCESS, sizeof(process)), .version = version, .how = how, .flags = flags, .seen = share };
	lost = (struct event_calls_lost){ .head = maker_head(&m, EVENT_CALLS_LOST, sizeof(lost)) };
	maker_play(&m, &process);
	seen(&m, WORK, LEAF, 600, 0);
	seen(&m, 0, MAIN, 1, 0);
	seen(&m, WORK, NUMBERS, 2, 20);
	seen(&m, 0, 0xdead000, 3, 1); /* nobody knows its name */
	seen(&m, 0xdead000, LEAF, 5, 0);
	maker_exit(&m, 0);
	maker_play(&m, &lost);
	return replay_profile(r, "");
}

static void probes_count(void **state)
{
	struct replay r;
	struct profile *p = attached(&r, 0x0309, CALLS_ENTRIES, 0, 0, NULL);
	const struct profile_callee *leaf = calls_find_callee(p->calls, SCRIPT, "leaf", 4);

	assert_int_equal(p->calls->calls, 608);
	assert_int_equal(p->calls->resumptions, 20);
	assert_int_equal(p->calls->n_processes, 1);
	assert_int_equal(p->calls->processes[0].calls, 608);
	assert_true(p->calls->processes[0].seen == 1);
	assert_non_null(leaf);
	assert_int_equal(leaf->calls, 605);
	assert_int_equal(calls_by(leaf, SCRIPT, "work", 10), 600);
	assert_int_equal(calls_by(leaf, NULL, NULL, 0), 5);
	assert_int_equal(calls_from_c(p->calls), CALLS_PART_NONE);
	assert_int_equal(calls_estimated(p->calls), CALLS_PART_NONE);
	assert_true(has_notice(p, "4 calls and resumptions are left out"));
	assert_false(has_notice(p, "C code"));
	assert_false(has_notice(p, "library"));
	profile__free(p);
	replay_release(&r);
	p = attached(&r, 0x0309, CALLS_ENTRIES, 0, 0, "le[a]f");
	assert_int_equal(p->calls->calls, 605);
	assert_int_equal(p->calls->processes[0].calls, 605);
	profile__free(p);
	replay_release(&r);
}

/* What they do not see is said. */
static void probes_count_a_part(void **state)
{
	struct replay r;
	struct profile *p = attached(&r, 0x030c, CALLS_ENTRIES_FROM_C, CALLS_SLICED | CALLS_DENSE, CALLS_SEEN_ONE / 4, NULL);

	assert_int_equal(calls_from_c(p->calls), CALLS_PART_ALL);
	assert_int_equal(calls_estimated(p->calls), CALLS_PART_ALL);
	assert_true(has_notice(p, "(CPython 3.12) are entries from C code only"));
	assert_true(has_notice(p, "are estimates, scaled up"));
	assert_true(has_notice(p, "for 25.0 % of the time"));
	assert_true(has_notice(p, "may be twice as high"));
	profile__free(p);
	replay_release(&r);
	p = attached(&r, 0x0309, CALLS_NO_PLACE, 0, 0, NULL);
	assert_true(has_notice(p, "no probe could be put where its CPython 3.9 evaluates frames"));
	profile__free(p);
	replay_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counted_calls),
		cmocka_unit_test(counts_that_nobody_asked_for),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(probes_count),
		cmocka_unit_test(probes_count_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
