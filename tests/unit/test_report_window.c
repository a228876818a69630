// SPDX-License-Identifier: Apache-2.0
/* What is printed of a window: the summary, and JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <sys/syscall.h>

#include "report/text.h"
#include "report/window_groups.h"
#include "report/window_json.h"
#include "report/window_text.h"
#include "window_records.h"

#define APP 0x1000
#define POOL 0x2000
#define WAITS 0x3000
#define MB (1 << 20)

static bool native(void *context, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function)
{
	*image = "/usr/lib/postgresql/15/bin/postgres";
	*function = address & 1 ? "ExecScan" : NULL;
	return true;
}

static const struct window_options options = { .rate_hz = 1000, .native = native };

static void describe(struct watched *w, uint32_t uid, const char *user, const char *name, const char *container)
{
	windows__describe(w->windows, w->maker.pid, &(struct process_facts){ .uid = uid, .user = user, .name = name, .command = name, .cgroup = "/", .container = container });
}

static void cpu(struct maker *m, int count, uint16_t flags, uint64_t ip, const struct raw_frame *frames, size_t n)
{
	while (count--)
		maker_cpu(m, flags, ip, frames, n);
}

/* Two workers of a web server in a container, a data base, an idle pool of 50, and a shell that ends. */
static const struct window *busy_machine(struct watched *w)
{
	struct maker *m = watched_begin(w, &options);

	for (uint32_t i = 0; i < 50; i++) {
		watched_python(m, 1000 + i, 1000 + i, "/usr/bin/python3");
		maker_function(m, WAITS, "/opt/pool/worker.py", "wait_for_work", 5);
		describe(w, 1001, "batch", "worker.py", NULL);
	}
	for (uint32_t i = 0; i < 2; i++) {
		watched_python(m, 201 + i, 21 + i, "/usr/bin/python3.11");
		describe(w, 33, "www-data", "gunicorn", "docker:0123456789ab");
		maker_function(m, APP, "/srv/app/a/very/deep/folder/of/the/project/views.py", "Views.render", 10);
		maker_function(m, POOL, "/usr/lib/python3.11/socket.py", "SocketIO.readinto", 700);
		maker_rss(m, 100 * MB, 300 * MB, FRAMES(AT(APP, 10, 12)));
	}
	watched_cut(w);
	for (uint32_t i = 0; i < 2; i++) {
		m->pid = m->tid = 201 + i;
		m->space = 21 + i;
		cpu(m, 300, 0, MAKER_EVAL, FRAMES(AT(APP, 10, 12)));
		cpu(m, 100, 0, MAKER_LIBRARY, FRAMES(AT(APP, 10, 12)));
		cpu(m, 50, STACK_KERNEL, MAKER_LIBRARY, FRAMES(AT(POOL, 700, 706), AT(APP, 10, 15)));
		cpu(m, i, 0, MAKER_EVAL, FRAMES({ 0x9999, 1, 0 }));
		maker_block(m, 7 + i, FRAMES(AT(POOL, 700, 706), AT(APP, 10, 15)));
		maker_wait(m, 7 + i, 400 * MILLISECOND, WAIT_BLOCKED, SYS_recvfrom);
		m->now_ns -= 400 * MILLISECOND;
		maker_rss(m, 20 * MB, (320 - i * 30) * MB, FRAMES(AT(APP, 10, 12)));
	}
	m->pid = m->tid = 300;
	m->space = 30;
	maker_exec(m, 0, "/usr/lib/postgresql/15/bin/postgres");
	describe(w, 110, "postgres", "postgres", "postgresql.service");
	cpu(m, 30, 0, 0x1001, NULL, 0);
	cpu(m, 5, STACK_KERNEL, 0x1000, NULL, 0);
	m->pid = m->tid = 400;
	m->space = 40;
	maker_exec(m, 0, "/bin/sh");
	cpu(m, 2, STACK_KERNEL, 0, NULL, 0);
	maker_exit(m, 0);
	for (uint32_t i = 0; i < 50; i++) {
		m->pid = m->tid = m->space = 1000 + i;
		maker_block(m, 100 + i, FRAMES(AT(WAITS, 5, 9)));
		maker_wait(m, 100 + i, 2 * SECOND, WAIT_BLOCKED, SYS_futex);
		m->now_ns -= 2 * SECOND;
	}
	m->now_ns = MAKER_START + 2 * SECOND + 200 * MILLISECOND;
	windows__lose(w->windows, LOSS_DROPPED_RECORDS, 3);
	windows__lose(w->windows, LOSS_NOT_FOLLOWED, 2);
	windows__notice(w->windows, "one thing to \x1b[31mknow");
	return watched_cut(w);
}

static char *printed(const struct window *window, const struct report_options *o)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(report_window(out, window, o), 0);
	fclose(out);
	return text;
}

static const char expected[] =
	"Record of 2.2 seconds from 2026-01-01 00:00:00 UTC, 1000 Hz\n"
	"54 processes (1 ended), 52 of them Python\n"
	"0.94 CPU seconds (0.43 CPUs), 0.90 of them in Python processes\n"
	"\n"
	"Top 4 Processes by CPU (100% is one core):\n"
	"     CPU    py nat sys  waiting    RSS growth      pid user     process\n"
	"--------------------------------------------------------------------------------\n"
	"   20.5%    67  22  11    0.40s   290M   -10M      202 www-data gunicorn docker…\n"
	"   20.5%    67  22  11    0.40s   320M   +20M      201 www-data gunicorn docker…\n"
	"    1.6%     0  86  14    0.00s      -     0M      300 postgres postgres postgr…\n"
	"    0.1%     0   0 100    0.00s      -     0M      400 -        sh (ended)\n"
	"    0.0%                   100s  (50 more processes)\n"
	"\n"
	"By Container, Pod or Service:\n"
	"     CPU    py nat sys  waiting    RSS growth  processes  container\n"
	"--------------------------------------------------------------------------------\n"
	"   41.0%    67  22  11    0.80s   610M   +10M          2  docker:0123456789ab\n"
	"    1.6%     0  86  14    0.00s      -     0M          1  postgresql.service\n"
	"    0.1%     0   0 100     100s      -     0M         51  (none)\n"
	"\n"
	"By User:\n"
	"     CPU    py nat sys  waiting    RSS growth  processes  user\n"
	"--------------------------------------------------------------------------------\n"
	"   41.0%    67  22  11    0.80s   610M   +10M          2  www-data\n"
	"    1.6%     0  86  14    0.00s      -     0M          1  postgres\n"
	"    0.1%     0   0 100    0.00s      -     0M          1  (not known)\n"
	"    0.0%                   100s  (1 more user)\n"
	"\n"
	"Top 3 Lines by CPU (100% is what all Python processes used):\n"
	"     CPU    py nat sys  waiting  line, function\n"
	"--------------------------------------------------------------------------------\n"
	"   88.8%    75  25   0    0.00s  …folder/of/the/project/views.py:12 Views.render\n"
	"   11.1%     0   0 100    0.80s  …folder/of/the/project/views.py:15 Views.render\n"
	"                                   waits: recvfrom\n"
	"    0.1%   100   0   0    0.00s  (unnamed code)\n"
	"    0.0%                   100s  (1 more line)\n"
	"\n"
	"Where Python Processes Waited:\n"
	"  waiting  what for                line, function\n"
	"--------------------------------------------------------------------------------\n"
	"     100s  futex                   /opt/pool/worker.py:9 wait_for_work\n"
	"    0.80s  recvfrom                …lder/of/the/project/views.py:15 Views.render\n"
	"\n"
	"Functions of Other Programs by CPU:\n"
	"     CPU    py nat sys  waiting  function, image\n"
	"--------------------------------------------------------------------------------\n"
	"    1.4%     0 100   0    0.00s  ExecScan postgres\n"
	"\n"
	"Samples: 938 at 1000 Hz, waits: 52\n"
	"Of Python code: 901, named: 900 (99.89%), before the interpreter was known: 0\n"
	"Lost: 3 dropped records, 0 missed timer ticks, 0 cut stacks,\n"
	"      0 unreadable frames, 1 unnamed code,\n"
	"      0 samples without a known interpreter, 0 undecodable records,\n"
	"      0 waits with an estimated stack, 2 threads not followed,\n"
	"      0 doubtful names\n"
	"Notice: one thing to \\x1b[31mknow\n";

static void the_summary_is_ranked_by_cpu(void **state)
{
	struct watched w;
	const struct window *window = busy_machine(&w);
	char *text = printed(window, &(struct report_options){ .width = 80 });

	assert_window_holds(window);
	assert_string_equal(text, expected);
	free(text);
	watched_end(&w);
}

/* However wide the terminal: no line is wider, and nothing in it moves the cursor. */
static void lines_fit_the_terminal(void **state)
{
	struct watched w;
	const struct window *window = busy_machine(&w);

	for (int width = 72; width <= 140; width += 7) {
		char *text = printed(window, &(struct report_options){ .width = width }), *rest = text, *line;

		while ((line = strsep(&rest, "\n"))) {
			if (strncmp(line, "Lost:", 5) && line[0] != ' ' && strncmp(line, "Of Python", 9))
				assert_in_range(text_width(line, 0), 0, width);
		}
		free(text);
	}
	watched_end(&w);
}

static void colours_and_seconds_are_options(void **state)
{
	struct watched w;
	const struct window *window = busy_machine(&w);
	char *text = printed(window, &(struct report_options){ .width = 80, .color = true });

	assert_non_null(strstr(text, "\033[1;31m   88.8%\033[0m"));
	free(text);
	text = printed(window, &(struct report_options){ .width = 100, .absolute = true, .top_n = 1 });
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "Top 1 Process by CPU:\n"));
	assert_non_null(strstr(text, "  0.451s    67  22  11    0.40s   290M   -10M      202 www-data gunicorn docker:0123456789ab\n"));
	assert_non_null(strstr(text, "  0.487s                   100s  (53 more processes)\n"));
	assert_non_null(strstr(text, "  0.800s    75  25   0    0.00s  /srv/app/a/very/deep/folder/of/the/project/views.py:12 Views.render\n"));
	free(text);
	text = printed(window, &(struct report_options){ .width = 80, .threshold_percent = 3 });
	assert_non_null(strstr(text, "Top 3 Processes by CPU "));
	assert_non_null(strstr(text, "    0.1%                   100s  (51 more processes)\n"));
	assert_non_null(strstr(text, "Top 2 Lines by CPU "));
	free(text);
	watched_end(&w);
}

/* What a process did while it was a Python stays with the lines. */
static void lines_outlive_their_interpreters(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &options);
	char *text;

	watched_python(m, 1, 1, "/usr/bin/python3");
	maker_function(m, APP, "/x/run.py", "run", 1);
	cpu(m, 3, 0, MAKER_EVAL, FRAMES(AT(APP, 1, 7)));
	m->space = 2;
	maker_exec(m, 1, "/bin/sh");
	cpu(m, 1, 0, 0x1001, NULL, 0);
	text = printed(watched_cut(&w), &(struct report_options){ .absolute = true });
	assert_non_null(strstr(text, "1 process (0 ended), 0 of them Python\n0.00 CPU seconds (1.00 CPUs), 0.00 of them in Python processes\n"));
	assert_non_null(strstr(text, "  0.003s   100   0   0    0.00s  /x/run.py:7 run\n"));
	assert_non_null(strstr(text, "  0.001s     0 100   0    0.00s  ExecScan postgres\n"));
	free(text);
	watched_end(&w);
}

static void an_empty_window_says_so(void **state)
{
	struct watched w;
	char *text;

	watched_begin(&w, &options);
	text = printed(watched_cut(&w), &(struct report_options){});
	assert_non_null(strstr(text, "0 processes (0 ended), 0 of them Python\n0.00 CPU seconds (0.00 CPUs), 0.00 of them in Python processes\n\nNo process used the CPU\n"));
	assert_non_null(strstr(text, "named: 0 (100.00%), before the interpreter was known: 0\nOnly 0 CPU samples"));
	free(text);
	watched_end(&w);
}

/* Files and functions are named by strangers. */
static void hostile_names_are_made_harmless(void **state)
{
	struct watched w;
	struct maker *m = watched_begin(&w, &options);
	const struct window *window;
	cJSON *json, *frame;
	size_t size;
	FILE *out;
	char *text;

	watched_python(m, 1, 1, "/x/\xff\x1b[2J");
	describe(&w, 5, "ev\nil", "\x1b]0;x\x07\xc3", "\xe2\x80\xae");
	maker_function(m, APP, "/x/\x1b[31m.py", "f\n\"g", 1);
	cpu(m, 3, 0, MAKER_EVAL, FRAMES(AT(APP, 1, 1)));
	window = watched_cut(&w);
	assert_string_equal(window->processes[0].program, "/x/\xef\xbf\xbd\x1b[2J");
	assert_string_equal(window->processes[0].facts.name, "\x1b]0;x\x07\xef\xbf\xbd");
	text = printed(window, &(struct report_options){ .width = 120 });
	assert_null(strpbrk(text, "\x1b\x07"));
	assert_non_null(strstr(text, "/x/\\x1b[31m.py:1 f\\n\"g\n"));
	assert_non_null(strstr(text, "ev\\nil"));
	assert_null(strstr(text, "\xe2\x80\xae"));
	free(text);
	out = open_memstream(&text, &size);
	assert_int_equal(report_window_json(out, window, "ho\"st"), 0);
	fclose(out);
	json = cJSON_Parse(text);
	assert_non_null(json);
	assert_string_equal(cJSON_GetObjectItem(json, "host")->valuestring, "ho\"st");
	frame = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "frames"), 0);
	assert_string_equal(cJSON_GetObjectItem(frame, "path")->valuestring, "/x/\x1b[31m.py");
	assert_string_equal(cJSON_GetObjectItem(frame, "function")->valuestring, "f\n\"g");
	cJSON_Delete(json);
	free(text);
	watched_end(&w);
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItem(object, key);

	return item ? item->valuedouble : 0;
}

static void json_holds_the_window(void **state)
{
	struct watched w;
	const struct window *window = busy_machine(&w);
	const cJSON *item, *stack, *frame;
	double python_ns = 0, waiting_ns = 0;
	uint32_t i = 0;
	cJSON *json;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_window_json(out, window, "here"), 0);
	fclose(out);
	json = cJSON_Parse(text);
	assert_non_null(json);
	assert_string_equal(cJSON_GetObjectItem(json, "format")->valuestring, "fixingahole window 1");
	assert_true(number(json, "seconds") == 2.2 && number(json, "start") == 1767225600);
	assert_true(number(cJSON_GetObjectItem(json, "losses"), "dropped records") == 3);
	assert_true(number(cJSON_GetObjectItem(json, "losses"), "threads not followed") == 2);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "processes")), window->n_processes);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "stacks")), window->n_stacks);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "rows")), window->n_rows);
	/* the 50 stacks of the pool are of one frame */
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "frames")), 8);
	cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "rows")) {
		const struct window_row *row = &window->rows[i];

		assert_true(number(item, "process") == row->process && number(item, "stack") == row->stack);
		assert_true(number(item, "samples") == row->samples && number(item, "rss_bytes") == row->rss_bytes);
		stack = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "stacks"), row->stack);
		assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(stack, "frames")), window->stacks[row->stack].n_frames);
		for (uint32_t k = 0; k < window->stacks[row->stack].n_frames; k++) {
			frame = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "frames"), cJSON_GetArrayItem(cJSON_GetObjectItem(stack, "frames"), k)->valueint);
			assert_true(number(frame, "line") == window->stacks[row->stack].frames[k].lineno);
		}
		python_ns += number(item, "python_ns");
		waiting_ns += number(item, "waiting_ns");
		i++;
	}
	assert_true(python_ns == (double)window->whole.python_ns && waiting_ns == (double)window->whole.waiting_ns);
	cJSON_Delete(json);
	free(text);
	watched_end(&w);
}

static void a_full_disk_is_noticed(void **state)
{
	struct watched w;
	const struct window *window = busy_machine(&w);
	FILE *full = fopen("/dev/full", "w");

	assert_non_null(full);
	assert_int_equal(report_window(full, window, &(struct report_options){}), -ENOSPC);
	fclose(full);
	full = fopen("/dev/full", "w");
	assert_int_equal(report_window_json(full, window, "here"), -ENOSPC);
	fclose(full);
	watched_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_summary_is_ranked_by_cpu),
		cmocka_unit_test(lines_fit_the_terminal),
		cmocka_unit_test(colours_and_seconds_are_options),
		cmocka_unit_test(lines_outlive_their_interpreters),
		cmocka_unit_test(an_empty_window_says_so),
		cmocka_unit_test(hostile_names_are_made_harmless),
		cmocka_unit_test(json_holds_the_window),
		cmocka_unit_test(a_full_disk_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
