// SPDX-License-Identifier: Apache-2.0
/*
 * Records made by hand, of which it is known exactly what must come out: nothing is counted twice, nothing gets lost,
 * and what is unknown is said to be.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cjson/cJSON.h>
#include <cmocka.h>
#include <sys/wait.h>

#include "profile/waits.h"
#include "records.h"
#include "util/cleanup.h"

#define SCRIPT "/p/script.py"
#define LIBRARY "/usr/lib/python3.9/library.py"
#define SYS_READ 0
#define SYS_NANOSLEEP 35

/* Code objects. */
enum { MAIN = 0x1000, WORK = 0x2000, OTHER = 0x3000 };
#define IN_MAIN(line) AT(MAIN, 1, line)
#define IN_WORK(line) AT(WORK, 10, line)
#define IN_OTHER(line) AT(OTHER, 5, line)

static void start(struct replay *r)
{
	*r = (struct replay){ .options = { .root = "/p", .directory = "/p", .script = SCRIPT, .script_source = "pass\n", .script_size = 5, .allowed_cpus = 2 }, .period_ns = 1000000 };
	replay_init(r);
}

/* A process with three functions: two of the script, one of a library. */
static struct maker start_process(struct replay *r)
{
	struct maker m;

	start(r);
	m = maker_of(r);
	maker_exec(&m, 0, "/usr/bin/python3");
	maker_interp(&m);
	maker_function(&m, MAIN, SCRIPT, "<module>", 1);
	maker_function(&m, WORK, SCRIPT, "work", 10);
	maker_function(&m, OTHER, LIBRARY, "other", 5);
	return m;
}

static struct profile *finish(struct replay *r)
{
	return replay_profile(r, "fixingahole profile script.py");
}

static void end(struct replay *r, struct profile *profile)
{
	profile__free(profile);
	replay_release(r);
}

static const struct profile_line *line_of(const struct profile *p, const char *path, uint32_t lineno)
{
	for (size_t i = 0; i < p->n_files; i++) {
		for (size_t k = 0; k < p->files[i].n_lines; k++) {
			if (!strcmp(p->files[i].path, path) && p->files[i].lines[k].lineno == lineno)
				return &p->files[i].lines[k];
		}
	}
	fail_msg("no line %u of %s", lineno, path);
	return NULL;
}

static void check_times(const struct times *t, uint64_t python, uint64_t native, uint64_t system, uint64_t waiting, uint64_t runnable)
{
	assert_int_equal(t->python_ns, python * MILLISECOND);
	assert_int_equal(t->native_ns, native * MILLISECOND);
	assert_int_equal(t->system_ns, system * MILLISECOND);
	assert_int_equal(t->waiting_ns, waiting * MILLISECOND);
	assert_int_equal(t->runnable_ns, runnable * MILLISECOND);
}

static cJSON *json_of(const struct profile *p, int (*report)(FILE *, const struct profile *, const struct report_options *))
{
	const struct report_options options = { .trace = true, .top_n = 10, .threshold_percent = 0.1 };
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	cJSON *json;

	assert_int_equal(report(out, p, &options), 0);
	fclose(out);
	json = cJSON_Parse(text);
	assert_non_null(json);
	return json;
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

#define assert_near(a, b) assert_true((a) - (b) < 1e-6 && (b) - (a) < 1e-6)

static void check_json_line(const cJSON *lines, int lineno, double python, double native, double system)
{
	const cJSON *line;

	cJSON_ArrayForEach(line, lines) {
		if ((int)number(line, "lineno") != lineno)
			continue;
		assert_near(number(line, "n_cpu_percent_python"), python);
		assert_near(number(line, "n_cpu_percent_c"), native);
		assert_near(number(line, "n_sys_percent"), system);
		return;
	}
	fail_msg("no line %d", lineno);
}

static void lines_and_outside_add_up_to_the_whole(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;
	cJSON *json, *lines;

	/* 40 + 25 + 15 + 10 + 10 = 100 ms, and 100 ms of waiting */
	for (int i = 0; i < 40; i++)
		maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_WORK(12), IN_MAIN(2)));
	for (int i = 0; i < 25; i++)
		maker_cpu(&m, 0, MAKER_LIBRARY, FRAMES(IN_WORK(13), IN_MAIN(2)));
	for (int i = 0; i < 15; i++)
		maker_cpu(&m, STACK_KERNEL, MAKER_EVAL, FRAMES(IN_OTHER(7), IN_MAIN(3)));
	for (int i = 0; i < 10; i++)
		maker_cpu(&m, 0, MAKER_TEXT, FRAMES(IN_OTHER(7)));
	for (int i = 0; i < 10; i++)
		maker_cpu(&m, STACK_NO_TSTATE, MAKER_EVAL, NULL, 0);
	maker_block(&m, 5, FRAMES(IN_MAIN(4)));
	maker_wait(&m, 5, 100 * MILLISECOND, WAIT_BLOCKED, SYS_NANOSLEEP);
	p = finish(&r);
	assert_int_equal(p->cpu_samples, 100);
	assert_int_equal(p->waits, 1);
	assert_int_equal(p->elapsed_ns, 200 * MILLISECOND);
	check_times(&p->whole, 50, 35, 15, 100, 0);
	check_times(&line_of(p, SCRIPT, 12)->m.times, 40, 0, 0, 0, 0);
	check_times(&line_of(p, SCRIPT, 13)->m.times, 0, 25, 0, 0, 0);
	check_times(&line_of(p, SCRIPT, 3)->m.times, 0, 0, 15, 0, 0); /* the library's time is the caller's */
	check_times(&line_of(p, SCRIPT, 4)->m.times, 0, 0, 0, 100, 0);
	check_times(&p->outside.times, 10, 10, 0, 0, 0);
	assert_int_equal(p->n_files, 1);
	check_times(&p->files[0].m.times, 40, 25, 15, 100, 0);
	json = json_of(p, report_json);
	lines = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, "files"), SCRIPT), "lines");
	check_json_line(lines, 12, 20, 0, 0);
	check_json_line(lines, 13, 0, 12.5, 0);
	check_json_line(lines, 3, 0, 0, 7.5);
	check_json_line(lines, 4, 0, 0, 50);
	assert_near(number(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, "files"), SCRIPT), "percent_cpu_time"), 90);
	cJSON_Delete(json);
	end(&r, p);
}

static void waiting_is_split_by_its_kind_and_reason(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	const struct measures *line;
	struct profile *p;

	maker_block(&m, 1, FRAMES(IN_MAIN(4)));
	maker_block(&m, 2, FRAMES(IN_OTHER(6), IN_WORK(11), IN_MAIN(4)));
	maker_wait(&m, 1, 30 * MILLISECOND, WAIT_BLOCKED, SYS_NANOSLEEP);
	maker_wait(&m, 1, 20 * MILLISECOND, WAIT_RUNNABLE, -1);
	maker_wait(&m, 1, 10 * MILLISECOND, WAIT_BLOCKED, SYS_NANOSLEEP);
	maker_wait(&m, 1, 5 * MILLISECOND, WAIT_PAGE_IN, -1);
	maker_wait(&m, 2, 7 * MILLISECOND, WAIT_BLOCKED, SYS_READ);
	p = finish(&r);
	assert_int_equal(p->waits, 5);
	check_times(&p->whole, 0, 0, 0, 52, 20);
	line = &line_of(p, SCRIPT, 4)->m;
	check_times(&line->times, 0, 0, 0, 45, 20);
	assert_int_equal(line->waits, 4);
	assert_int_equal(line->n_waits_for, 3);
	assert_string_equal(line->waits_for[0].call, "sleep");
	assert_int_equal(line->waits_for[0].ns, 40 * MILLISECOND);
	assert_int_equal(line->waits_for[0].count, 2);
	assert_null(line->waits_for[0].object);
	assert_int_equal(line->waits_for[1].ns, 20 * MILLISECOND);
	assert_string_equal(line->waits_for[2].call, "page-in");
	line = &line_of(p, SCRIPT, 11)->m;
	check_times(&line->times, 0, 0, 0, 7, 0);
	assert_string_equal(line->waits_for[0].what, "read");
	end(&r, p);
}

static void a_wait_whose_stack_is_unknown_is_outside(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;

	maker_block(&m, 0, FRAMES(IN_MAIN(4))); /* 0 is nobody's stack */
	maker_wait(&m, 0, 3 * MILLISECOND, WAIT_BLOCKED, SYS_READ);
	maker_wait(&m, 99, 4 * MILLISECOND, WAIT_BLOCKED, SYS_READ);
	p = finish(&r);
	check_times(&p->outside.times, 0, 0, 0, 7, 0);
	check_times(&p->whole, 0, 0, 0, 7, 0);
	assert_int_equal(p->n_files, 0);
	assert_int_equal(p->n_stacks, 0);
	end(&r, p);
}

/* A helper thread of some library ends the wait: the line where the main thread stands meanwhile has waited. */
static void waits_of_helper_threads_count_for_the_main_thread(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct event_wait event = { .head = maker_head(&m, EVENT_WAIT, sizeof(event)), .stack_id = 9, .main_stack_id = 8, .wait_ns = 60, .count = 1, .syscall = SYS_READ };
	struct profile *p;

	maker_block(&m, 8, FRAMES(IN_MAIN(4)));
	maker_block(&m, 9, FRAMES(IN_OTHER(6)));
	maker_play(&m, &event);
	/* a thread with a line of its own keeps it */
	event.stack_id = 7;
	event.wait_ns = 40;
	maker_block(&m, 7, FRAMES(IN_MAIN(11)));
	maker_play(&m, &event);
	p = finish(&r);
	assert_int_equal(line_of(p, SCRIPT, 4)->m.times.waiting_ns, 60);
	assert_int_equal(line_of(p, SCRIPT, 11)->m.times.waiting_ns, 40);
	assert_int_equal(p->outside.times.waiting_ns, 0);
	end(&r, p);
}

static void estimated_waits_are_counted(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct event_wait event = { .head = maker_head(&m, EVENT_WAIT, sizeof(event)), .stack_id = 8, .wait_ns = 50, .count = 40, .estimated = 30, .syscall = SYS_READ };
	struct profile *p;

	maker_block(&m, 8, FRAMES(IN_MAIN(4)));
	maker_play(&m, &event);
	p = finish(&r);
	assert_int_equal(p->waits, 40);
	assert_int_equal(p->losses[LOSS_SKIPPED_WALKS], 30);
	assert_int_equal(line_of(p, SCRIPT, 4)->m.waits_for[0].count, 40);
	end(&r, p);
}

static void rss_is_charged_to_the_line_that_touched_it(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	const struct measures *line;
	struct profile *p;

	maker_rss(&m, 4096, 1 << 20, FRAMES(IN_MAIN(2)));
	m.now_ns += SECOND;
	maker_rss(&m, 8192, 2 << 20, FRAMES(IN_OTHER(6), IN_MAIN(2)));
	maker_rss(&m, 100, 2 << 20, FRAMES(IN_OTHER(6)));
	m.now_ns += SECOND;
	maker_exit(&m, 0);
	p = finish(&r);
	line = &line_of(p, SCRIPT, 2)->m;
	assert_int_equal(line->rss_bytes, 4096 + 8192);
	assert_int_equal(line->n_rss_timeline, 2);
	assert_int_equal(line->rss_timeline[0].bytes, 4096);
	assert_int_equal(line->rss_timeline[1].bytes, 4096 + 8192);
	assert_int_equal(line->rss_timeline[1].since_start_ns, SECOND);
	assert_int_equal(p->outside.rss_bytes, 100);
	assert_int_equal(p->processes[0].rss_bytes, 4096 + 8192 + 100);
	assert_int_equal(times_total(&p->whole), 0);
	/* 1 MiB, 2 MiB, and at the end nothing */
	assert_int_equal(p->n_rss_timeline, 3);
	assert_int_equal(p->rss_timeline[0].bytes, 1 << 20);
	assert_int_equal(p->rss_timeline[1].bytes, 2 << 20);
	assert_int_equal(p->rss_timeline[2].bytes, 0);
	end(&r, p);
}

static void unknown_frames_are_counted_and_shown(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;

	maker_cpu(&m, 0, MAKER_EVAL, FRAMES({ 0, 0, -1 }, IN_MAIN(2)));              /* not readable */
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_MAIN(2), { 0x9000, 1, 4 }));          /* never told of */
	maker_cpu(&m, STACK_UNREADABLE, MAKER_EVAL, FRAMES(IN_MAIN(2)));
	maker_cpu(&m, STACK_UNREADABLE, MAKER_EVAL, NULL, 0);
	maker_cpu(&m, STACK_CUT, MAKER_EVAL, FRAMES(IN_WORK(12), IN_MAIN(2)));
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES({ MAIN, MAKER_FINGERPRINT + 1, 2 }));    /* another code object at that address */
	p = finish(&r);
	assert_int_equal(p->python_frames, 6);
	assert_int_equal(p->unknown_frames, 3);
	assert_int_equal(p->losses[LOSS_UNNAMED_CODE], 3);
	assert_int_equal(p->losses[LOSS_UNREADABLE_FRAMES], 2);
	assert_int_equal(p->losses[LOSS_CUT_STACKS], 1);
	assert_int_equal(line_of(p, SCRIPT, 2)->m.samples, 3);
	assert_int_equal(p->outside.samples, 2);
	for (size_t i = 0; i < p->n_stacks; i++)
		assert_int_equal(p->stacks[i].cut, p->stacks[i].n_frames == 2 && p->stacks[i].frames[1].lineno == 12);
	end(&r, p);
}

/* Whether a sample in the code object gets a name now. */
static bool is_named(struct maker *m, uint64_t code)
{
	const struct raw_frame frame = { code, MAKER_FINGERPRINT, 2 };
	uint32_t line;

	return symbols__frame(m->replay->symbols, m->pid, m->space, &frame, &line) != NULL;
}

static void dropped_parts_leave_code_unnamed_until_they_come_again(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);

	for (int dropped = 0; dropped <= BLOB_PARTS; dropped++) {
		uint64_t code = 0x10000 + 0x100 * dropped;

		maker_code(&m, code, MAKER_FINGERPRINT, 20);
		if (dropped != BLOB_FILENAME)
			maker_text(&m, code, MAKER_FINGERPRINT, BLOB_FILENAME, SCRIPT);
		if (dropped != BLOB_NAME)
			maker_text(&m, code, MAKER_FINGERPRINT, BLOB_NAME, "late");
		if (dropped != BLOB_LINETABLE)
			maker_table(&m, code, MAKER_FINGERPRINT);
		assert_int_equal(is_named(&m, code), dropped == BLOB_PARTS);
		/* the whole again */
		maker_function(&m, code, SCRIPT, "late", 20);
		assert_true(is_named(&m, code));
	}
	end(&r, finish(&r));
}

static void pieces_out_of_order_are_not_put_together(void **state)
{
	static uint8_t table[3 * BLOB_DATA_MAX];
	struct replay r;
	struct maker m = start_process(&r);
	const uint64_t code = 0x20000;

	maker_code(&m, code, MAKER_FINGERPRINT, 1);
	maker_text(&m, code, MAKER_FINGERPRINT, BLOB_FILENAME, SCRIPT);
	maker_text(&m, code, MAKER_FINGERPRINT, BLOB_NAME, "f");
	/* the second, the first, the third: the second is missing */
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), BLOB_DATA_MAX, BLOB_DATA_MAX);
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), 0, BLOB_DATA_MAX);
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), 2 * BLOB_DATA_MAX, BLOB_DATA_MAX);
	assert_false(is_named(&m, code));
	/* a piece of a table of another size */
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table) - 1, BLOB_DATA_MAX, BLOB_DATA_MAX);
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), 2 * BLOB_DATA_MAX, BLOB_DATA_MAX);
	assert_false(is_named(&m, code));
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), BLOB_DATA_MAX, BLOB_DATA_MAX);
	assert_false(is_named(&m, code));
	maker_piece(&m, code, MAKER_FINGERPRINT, BLOB_LINETABLE, table, sizeof(table), 2 * BLOB_DATA_MAX, BLOB_DATA_MAX);
	assert_true(is_named(&m, code));
	end(&r, finish(&r));
}

static void records_of_an_unknown_space_are_kept_as_a_process_of_its_own(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;

	m.space = 0xfffffff0;
	m.pid = 4242;
	maker_cpu(&m, STACK_NO_LAYOUT, MAKER_EVAL, NULL, 0);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_MAIN(2)));
	p = finish(&r);
	assert_int_equal(p->n_processes, 2);
	assert_int_equal(p->processes[1].pid, 4242);
	assert_null(p->processes[1].interpreter);
	assert_non_null(p->processes[1].no_interpreter);
	assert_int_equal(p->losses[LOSS_NO_INTERPRETER], 1);
	assert_int_equal(p->losses[LOSS_UNNAMED_CODE], 1); /* MAIN is another space's */
	check_times(&p->outside.times, 0, 2, 0, 0, 0);
	check_times(&p->processes[1].times, 0, 2, 0, 0, 0);
	end(&r, p);
}

static void a_pid_used_again_is_another_process(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;

	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_MAIN(2)));
	maker_exit(&m, 3 << 8);
	/* the same number, another address space, and another function where `work` had been */
	m.now_ns += SECOND;
	m.space = 2;
	maker_exec(&m, 0, "/usr/bin/python3.9");
	maker_interp(&m);
	maker_function(&m, WORK, SCRIPT, "quite_another", 40);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(AT(WORK, 40, 41)));
	p = finish(&r);
	assert_int_equal(p->n_processes, 2);
	assert_int_equal(p->processes[0].pid, p->processes[1].pid);
	assert_int_equal(p->processes[0].samples, 1);
	assert_int_equal(p->processes[1].samples, 1);
	assert_true(WIFEXITED(p->processes[0].status) && WEXITSTATUS(p->processes[0].status) == 3);
	assert_int_equal(p->processes[0].utime_ns, 5);
	assert_int_equal(p->processes[1].end_ns, 0);
	assert_string_equal(p->processes[1].program, "/usr/bin/python3.9");
	assert_string_equal(line_of(p, SCRIPT, 41)->function->name, "quite_another");
	assert_string_equal(p->processes[1].top[0].function, "quite_another");
	end(&r, p);
}

static void a_chain_of_execs_is_one_process(void **state)
{
	struct replay r;
	struct maker m;
	struct profile *p;

	start(&r);
	m = maker_of(&r);
	maker_exec(&m, 0, "/bin/sh");
	maker_cpu(&m, STACK_NO_LAYOUT, MAKER_LIBRARY, NULL, 0);
	m.space = 2;
	maker_exec(&m, 1, "/usr/bin/python3");
	maker_interp(&m);
	maker_function(&m, MAIN, SCRIPT, "<module>", 1);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_MAIN(2)));
	m.space = 3;
	maker_exec(&m, 2, "/bin/sleep");
	maker_cpu(&m, STACK_NO_LAYOUT, MAKER_LIBRARY, NULL, 0);
	maker_exit(&m, SIGKILL);
	p = finish(&r);
	assert_int_equal(p->n_processes, 1);
	assert_string_equal(p->processes[0].program, "/bin/sleep");
	assert_null(p->processes[0].interpreter);
	assert_int_equal(p->processes[0].samples, 3);
	assert_int_equal(p->processes[0].status, SIGKILL);
	check_times(&p->processes[0].times, 1, 2, 0, 0, 0);
	check_times(&line_of(p, SCRIPT, 2)->m.times, 1, 0, 0, 0, 0);
	/* its code objects went with the second space */
	m.space = 2;
	assert_false(is_named(&m, MAIN));
	end(&r, p);
}

static void a_forked_child_runs_its_parents_interpreter(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;

	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_MAIN(2)));
	maker_fork(&m, 101, 2);
	maker_function(&m, WORK, SCRIPT, "work", 10);
	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_WORK(12)));
	p = finish(&r);
	assert_int_equal(p->n_processes, 2);
	assert_int_equal(p->processes[1].parent_pid, 100);
	assert_null(p->processes[1].program);
	assert_string_equal(p->processes[1].interpreter, "CPython 3.9");
	/* one table for both: the same function of two spaces is one */
	assert_int_equal(p->n_files, 1);
	check_times(&line_of(p, SCRIPT, 12)->m.times, 1, 0, 0, 0, 0);
	check_times(&p->processes[1].times, 1, 0, 0, 0, 0);
	end(&r, p);
}

static void the_details_file_has_all_of_it(void **state)
{
	struct replay r;
	struct maker m = start_process(&r);
	struct profile *p;
	cJSON *json, *lines;

	maker_cpu(&m, 0, MAKER_EVAL, FRAMES(IN_WORK(12), IN_MAIN(2)));
	maker_block(&m, 1, FRAMES(IN_MAIN(4)));
	maker_wait(&m, 1, 3 * MILLISECOND, WAIT_BLOCKED, SYS_READ);
	p = finish(&r);
	json = json_of(p, report_details);
	assert_near(number(cJSON_GetObjectItemCaseSensitive(json, "whole"), "python_s"), 0.001);
	assert_near(number(cJSON_GetObjectItemCaseSensitive(json, "whole"), "waiting_s"), 0.003);
	lines = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "files"), 0), "lines");
	assert_int_equal(cJSON_GetArraySize(lines), 2);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "losses")), LOSS_COUNT);
	cJSON_Delete(json);
	end(&r, p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_outside_add_up_to_the_whole),
		cmocka_unit_test(waiting_is_split_by_its_kind_and_reason),
		cmocka_unit_test(a_wait_whose_stack_is_unknown_is_outside),
		cmocka_unit_test(waits_of_helper_threads_count_for_the_main_thread),
		cmocka_unit_test(estimated_waits_are_counted),
		cmocka_unit_test(rss_is_charged_to_the_line_that_touched_it),
		cmocka_unit_test(unknown_frames_are_counted_and_shown),
		cmocka_unit_test(dropped_parts_leave_code_unnamed_until_they_come_again),
		cmocka_unit_test(pieces_out_of_order_are_not_put_together),
		cmocka_unit_test(records_of_an_unknown_space_are_kept_as_a_process_of_its_own),
		cmocka_unit_test(a_pid_used_again_is_another_process),
		cmocka_unit_test(a_chain_of_execs_is_one_process),
		cmocka_unit_test(a_forked_child_runs_its_parents_interpreter),
		cmocka_unit_test(the_details_file_has_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
