// SPDX-License-Identifier: Apache-2.0
/* What top shows: which rows, with which figures, in which order, at which level. */
#include "unit/view_fixture.h"

static uint32_t pid_at(struct view *view, uint32_t row)
{
	const struct view_table *table = table_of(view);

	assert_true(row < table->n_rows);
	return table->rows[row].process->process.pid;
}

static const struct view_row *function_at(struct view *view, uint32_t row, const char *name)
{
	const struct view_table *table = table_of(view);

	assert_true(row < table->n_rows);
	assert_string_equal(table->rows[row].frame->function, name);
	return &table->rows[row];
}

static void test_nothing_yet(void **state)
{
	struct view *view = view__new();
	const struct view_table *table = table_of(view);

	assert_int_equal(table->n_rows, 0);
	assert_int_equal(table->selected, -1);
	assert_int_equal(table->span_ns, 0);
	assert_false(view__enter(view));
	assert_false(view__leave(view));
	view__move(view, 1);
	view__end(view);
	assert_int_equal(view__scroll(view, 10), 0);
	view__free(view);
}

static void test_processes(void **state)
{
	struct view *view = fixture_view(1);
	const struct view_table *table = table_of(view);
	const struct view_row *app = &table->rows[0];

	assert_int_equal(table->n_rows, 2);
	assert_int_equal(table->idle, 1);
	assert_true(table->containers);
	assert_int_equal(table->processes, 3);
	assert_int_equal(table->pythons, 2);
	assert_int_equal(table->threads, 5);
	assert_int_equal(table->cpu_samples, 200);
	assert_int_equal(table->span_ns, 2 * S);
	assert_int_equal(times_cpu(&table->whole), 2000 * MS);
	assert_string_equal(app->process->process.facts.name, "app.py");
	assert_int_equal(app->times.python_ns, 1400 * MS);
	assert_int_equal(app->times.native_ns, 100 * MS);
	assert_int_equal(app->times.system_ns, 200 * MS);
	assert_int_equal(times_wait(&app->times), 200 * MS);
	assert_int_equal(app->rss_bytes, 104 * MIBS);
	assert_true(app->has_growth);
	assert_true(app->growth == 2.0 * MIBS);
	assert_false(app->ended);
	assert_int_equal(table->rows[1].process->process.pid, 77);
	assert_false(table->rows[1].has_growth); /* nobody knows what it had before */
	view__free(view);
}

/* Over more windows growth is from where the first of them began. */
static void test_growth(void **state)
{
	struct view *view = fixture_view(9);
	const struct view_table *table = table_of(view);

	assert_int_equal(table->span_ns, 2 * S);
	assert_int_equal(table->rows[0].before_ns, 108 * S);
	assert_true(table->rows[0].growth == 2.0 * MIBS);
	assert_true(table->rows[1].has_growth && table->rows[1].growth == 0);
	view__free(view);
}

static void test_average(void **state)
{
	struct view *view = fixture_view(40);
	const struct view_table *table = table_of(view);

	assert_int_equal(times_cpu(&table->rows[0].times), 1700 * MS);
	view__average(view, 10);
	table = table_of(view);
	assert_int_equal(table->span_ns, 10 * S);
	assert_int_equal(times_cpu(&table->rows[0].times), 5 * 1700 * MS);
	assert_int_equal(table->cpu_samples, 5 * 200);
	view__average(view, 60);
	table = table_of(view);
	assert_int_equal(table->span_ns, 60 * S);
	assert_int_equal(times_cpu(&table->rows[0].times), 30 * 1700 * MS);
	assert_int_equal(table->threads, 5); /* of the last window, not of all */
	view__free(view);
}

/* Windows that hold much are dropped earlier, the newest never. */
static void test_bounded(void **state)
{
	static char command[3 << 20];
	struct view *view = view__new();
	const struct view_table *table;

	memset(command, 'x', sizeof(command) - 1);
	for (unsigned int i = 0; i < 20; i++) {
		struct fixture *f = fixture(i);

		f->processes[MAKE].facts.command = command;
		fixture_give(view, f);
	}
	view__average(view, 60);
	table = table_of(view);
	assert_int_equal(table->span_ns, 20 * S);
	assert_string_equal(table->rows[1].process->process.facts.command, command);
	view__free(view);
}

static void test_bad_indices(void **state)
{
	struct view *view = fixture_view(1);
	struct fixture *f = fixture(1);

	f->rows[2].stack = 6;
	assert_int_equal(view__take(view, &f->window), -EINVAL);
	f->rows[2].stack = 0;
	f->rows[2].process = 3;
	assert_int_equal(view__take(view, &f->window), -EINVAL);
	assert_int_equal(table_of(view)->span_ns, 2 * S);
	assert_int_equal(table_of(view)->n_rows, 2);
	free(f);
	view__free(view);
}

static void check_order(struct view *view, enum view_sort sort, uint32_t first, uint32_t second, uint32_t third)
{
	view__sort(view, sort);
	assert_int_equal(pid_at(view, 0), first);
	assert_int_equal(pid_at(view, 1), second);
	assert_int_equal(pid_at(view, 2), third);
	view__reverse(view);
	assert_int_equal(pid_at(view, 0), third);
	assert_int_equal(pid_at(view, 1), second);
	assert_int_equal(pid_at(view, 2), first);
	assert_true(view__reversed(view));
}

static void test_sorting(void **state)
{
	struct view *view = fixture_view(2);

	view__toggle(view, VIEW_IDLE);
	check_order(view, VIEW_CPU, 1234, 77, 500);
	check_order(view, VIEW_WAIT, 500, 1234, 77);
	check_order(view, VIEW_RSS, 1234, 500, 77);
	check_order(view, VIEW_NAME, 1234, 500, 77);
	check_order(view, VIEW_ID, 77, 500, 1234);
	/* equal ones keep their order when it is turned round */
	view__sort(view, VIEW_GROWTH);
	assert_int_equal(pid_at(view, 0), 1234);
	assert_int_equal(pid_at(view, 1), 77);
	assert_int_equal(pid_at(view, 2), 500);
	view__reverse(view);
	assert_int_equal(pid_at(view, 0), 77);
	assert_int_equal(pid_at(view, 2), 1234);
	view__free(view);
}

/* Without CPU time a process is shown where the order is by what it has. */
static void test_idle(void **state)
{
	struct view *view = fixture_view(1);

	assert_int_equal(table_of(view)->n_rows, 2);
	view__sort(view, VIEW_WAIT);
	assert_int_equal(table_of(view)->n_rows, 3);
	assert_int_equal(table_of(view)->idle, 0);
	view__sort(view, VIEW_GROWTH);
	assert_int_equal(table_of(view)->n_rows, 2);
	view__toggle(view, VIEW_IDLE);
	assert_int_equal(table_of(view)->n_rows, 3);
	view__toggle(view, VIEW_PYTHON_ONLY);
	assert_int_equal(table_of(view)->n_rows, 2);
	assert_int_equal(pid_at(view, 0), 1234);
	assert_int_equal(pid_at(view, 1), 500);
	view__free(view);
}

static uint32_t filtered(struct view *view, const char *text)
{
	view__filter(view, text);
	return table_of(view)->n_rows;
}

static void test_filter(void **state)
{
	struct view *view = fixture_view(1);

	view__toggle(view, VIEW_IDLE);
	assert_int_equal(filtered(view, "APP"), 1);
	assert_int_equal(table_of(view)->filtered, 2);
	assert_int_equal(filtered(view, "alice"), 2);     /* user */
	assert_int_equal(filtered(view, "web-"), 1);      /* container */
	assert_int_equal(filtered(view, "--port"), 1);    /* command */
	assert_int_equal(filtered(view, "/srv/idle"), 1); /* file */
	assert_int_equal(filtered(view, "decoder.py"), 0); /* it is not what is charged */
	assert_int_equal(filtered(view, "77"), 1);        /* number, whole */
	assert_int_equal(filtered(view, "7"), 0);
	assert_int_equal(filtered(view, "nothing"), 0);
	assert_int_equal(table_of(view)->selected, -1);
	assert_false(view__enter(view));
	assert_int_equal(filtered(view, ""), 3);
	/* functions of those that are shown, with a filter of their own */
	view__filter(view, "alice");
	assert_true(view__enter_all(view));
	assert_string_equal(view__label(view, VIEW_FUNCTIONS), "processes shown");
	assert_int_equal(table_of(view)->n_rows, 3);
	assert_int_equal(filtered(view, "hand"), 1);
	assert_true(view__leave(view));
	assert_string_equal(view__filtered(view, VIEW_PROCESSES), "alice");
	assert_int_equal(table_of(view)->n_rows, 2);
	view__free(view);
}

/* From the process to the frames, and back to where one came from. */
static void test_drill(void **state)
{
	struct view *view = fixture_view(2);
	const struct view_row *row;

	view__average(view, 10);
	assert_true(view__enter(view));
	assert_int_equal(view__level(view), VIEW_FUNCTIONS);
	assert_string_equal(view__label(view, VIEW_FUNCTIONS), "1234 app.py");
	assert_int_equal(table_of(view)->n_rows, 2);
	row = function_at(view, 0, "handle");
	assert_int_equal(times_cpu(&row->times), 3000 * MS); /* two windows of 1.5 s */
	assert_int_equal(times_wait(&row->times), 400 * MS);
	assert_int_equal(row->samples, 300);
	assert_int_equal(row->rss_bytes, 10 * MIBS);
	assert_true(row->growth == 2.5 * MIBS);
	row = function_at(view, 1, "<module>");
	assert_int_equal(row->times.system_ns, 400 * MS);

	assert_true(view__enter(view));
	assert_int_equal(view__level(view), VIEW_LINES);
	assert_string_equal(view__label(view, VIEW_LINES), "handle (app.py:10)");
	row = function_at(view, 0, "handle");
	assert_int_equal(row->frame->lineno, 12);
	assert_int_equal(times_cpu(&row->times), 2000 * MS);
	row = function_at(view, 1, "handle");
	assert_int_equal(row->frame->lineno, 14);
	assert_int_equal(times_cpu(&row->times), 1000 * MS);

	assert_true(view__enter(view));
	assert_int_equal(view__level(view), VIEW_STACKS);
	assert_string_equal(view__label(view, VIEW_STACKS), "line 12");
	assert_int_equal(table_of(view)->n_rows, 3);
	row = &table_of(view)->rows[0];
	assert_int_equal(times_cpu(&row->times), 1200 * MS);
	assert_int_equal(row->stack->n_frames, 2);
	row = &table_of(view)->rows[1];
	assert_int_equal(times_cpu(&row->times), 800 * MS);
	assert_string_equal(row->stack->frames[0].function, "decode");
	row = &table_of(view)->rows[2];
	assert_string_equal(row->reason, "recvfrom, 10.0.0.5:5432");
	assert_int_equal(row->times.waiting_ns, 400 * MS);

	view__move(view, 1);
	assert_true(view__enter(view));
	assert_int_equal(view__level(view), VIEW_FRAMES);
	assert_int_equal(table_of(view)->n_rows, 3);
	function_at(view, 0, "decode");
	function_at(view, 1, "handle");
	function_at(view, 2, "<module>");
	assert_false(view__enter(view));

	assert_true(view__leave(view));
	assert_int_equal(table_of(view)->selected, 1);
	assert_true(view__leave(view));
	assert_true(view__leave(view));
	assert_true(view__leave(view));
	assert_false(view__leave(view));
	assert_int_equal(pid_at(view, 0), 1234);
	view__free(view);
}

/* What has no lines leads to its stacks at once. */
static void test_drill_native(void **state)
{
	struct view *view = fixture_view(1);

	view__move(view, 1);
	assert_true(view__enter(view));
	assert_string_equal(view__label(view, VIEW_FUNCTIONS), "77 make");
	function_at(view, 0, "copy_page");
	assert_true(view__enter(view));
	assert_int_equal(view__level(view), VIEW_STACKS);
	assert_string_equal(view__label(view, VIEW_LINES), "copy_page");
	assert_null(view__label(view, VIEW_STACKS));
	assert_int_equal(table_of(view)->n_rows, 1);
	assert_int_equal(table_of(view)->rows[0].times.system_ns, 300 * MS);
	assert_true(view__leave(view));
	assert_int_equal(view__level(view), VIEW_FUNCTIONS);
	view__free(view);
}

static void test_all_frames(void **state)
{
	struct view *view = fixture_view(1);

	view__toggle(view, VIEW_ALL_FRAMES);
	assert_true(view__enter_all(view));
	assert_string_equal(view__label(view, VIEW_FUNCTIONS), "all processes");
	assert_int_equal(times_cpu(&function_at(view, 0, "handle")->times), 1100 * MS);
	assert_int_equal(times_cpu(&function_at(view, 1, "decode")->times), 400 * MS);
	assert_int_equal(times_cpu(&function_at(view, 2, "copy_page")->times), 300 * MS);
	assert_int_equal(times_cpu(&function_at(view, 3, "<module>")->times), 200 * MS);
	assert_int_equal(times_wait(&function_at(view, 4, "sleep_on")->times), 2000 * MS);
	view__move(view, 1);
	assert_true(view__enter(view));
	assert_true(view__enter(view));
	/* decode is not the program's own: its line is not there any more */
	view__toggle(view, VIEW_ALL_FRAMES);
	assert_int_equal(view__level(view), VIEW_FUNCTIONS);
	assert_int_equal(times_cpu(&function_at(view, 0, "handle")->times), 1500 * MS);
	view__free(view);
}

/* A stack without any frame still counts. */
static void test_no_frames(void **state)
{
	struct view *view = view__new();
	struct fixture *f = fixture(0);

	f->stacks[4] = (struct window_stack){ .frames = NULL, .n_frames = 0, .site = 0 };
	fixture_give(view, f);
	view__move(view, 1);
	assert_true(view__enter(view));
	assert_int_equal(table_of(view)->n_rows, 1);
	assert_null(table_of(view)->rows[0].frame);
	assert_int_equal(table_of(view)->rows[0].times.system_ns, 300 * MS);
	assert_true(view__enter(view));
	assert_string_equal(view__label(view, VIEW_LINES), "(not known)");
	assert_int_equal(table_of(view)->n_rows, 1);
	assert_true(view__enter(view));
	assert_int_equal(table_of(view)->n_rows, 0);
	view__free(view);
}

static void test_frozen(void **state)
{
	struct view *view = fixture_view(1);

	view__toggle(view, VIEW_FROZEN);
	fixture_give(view, fixture(1));
	assert_int_equal(table_of(view)->rows[0].rss_bytes, 104 * MIBS);
	view__sort(view, VIEW_NAME); /* one can look around */
	assert_int_equal(pid_at(view, 0), 1234);
	view__toggle(view, VIEW_FROZEN);
	fixture_give(view, fixture(2));
	assert_int_equal(table_of(view)->rows[0].rss_bytes, 112 * MIBS);
	/* over the gap */
	assert_true(table_of(view)->rows[0].growth == 2.0 * MIBS);
	view__free(view);
}

/* Until it is moved the selection stays at the top; then it goes with what it is on. */
static void test_selection_follows(void **state)
{
	struct view *view = fixture_view(1);
	struct fixture *f = fixture(1);

	assert_int_equal(table_of(view)->selected, 0);
	fixture_row(f, MAKE, 4, (struct times){ .system_ns = 1900 * MS }, 190, 0, NULL);
	fixture_give(view, f);
	assert_int_equal(pid_at(view, 0), 77);
	assert_int_equal(table_of(view)->selected, 0);

	view__move(view, 1);
	assert_int_equal(pid_at(view, (uint32_t)table_of(view)->selected), 1234);
	fixture_give(view, fixture(2));
	assert_int_equal(table_of(view)->selected, 0);
	assert_int_equal(pid_at(view, 0), 1234);

	/* gone, and back */
	f = fixture(3);
	f->window.rows += 5;
	f->window.n_rows = 1;
	f->processes[APP].times = (struct times){};
	fixture_give(view, f);
	assert_int_equal(table_of(view)->n_rows, 1);
	assert_int_equal(table_of(view)->selected, 0);
	f = fixture(4);
	fixture_row(f, MAKE, 4, (struct times){ .system_ns = 1900 * MS }, 190, 0, NULL);
	fixture_give(view, f);
	assert_int_equal(pid_at(view, 0), 77);
	assert_int_equal(table_of(view)->selected, 1);
	view__home(view);
	assert_int_equal(table_of(view)->selected, 0);
	view__free(view);
}

/* A number that is given out again is another process; one that ended is marked. */
static void test_same_number(void **state)
{
	struct view *view = fixture_view(1);
	struct fixture *f = fixture(1);

	f->processes[APP].start_ns = 101 * S;
	f->processes[MAKE].end_ns = 103 * S;
	fixture_give(view, f);
	view__average(view, 10);
	assert_int_equal(table_of(view)->n_rows, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct view_row *row = &table_of(view)->rows[i];

		assert_int_equal(times_cpu(&row->times), row->process->process.pid == 1234 ? 1700 * MS : 600 * MS);
		assert_int_equal(row->ended, row->process->process.start_ns != 101 * S);
	}
	assert_int_equal(table_of(view)->processes, 2);
	view__free(view);
}

static void test_scrolling(void **state)
{
	static struct window_process processes[100];
	static struct window_row rows[100];
	struct window_stack stack = { .frames = fixture_frames[0], .n_frames = 2 };
	struct window window = { .start_ns = S, .end_ns = 2 * S, .processes = processes, .n_processes = 100, .stacks = &stack, .n_stacks = 1, .rows = rows, .n_rows = 100 };
	struct view *view = view__new();

	for (uint32_t i = 0; i < 100; i++) {
		processes[i] = (struct window_process){ .pid = i + 1, .times.python_ns = (100 - i) * MS };
		rows[i] = (struct window_row){ .process = i, .times = processes[i].times };
	}
	assert_int_equal(view__take(view, &window), 0);
	assert_int_equal(view__scroll(view, 20), 0);
	view__move(view, 19);
	assert_int_equal(view__scroll(view, 20), 0);
	view__move(view, 1);
	assert_int_equal(view__scroll(view, 20), 1);
	view__move(view, view__page(view));
	assert_int_equal(table_of(view)->selected, 39);
	assert_int_equal(view__scroll(view, 20), 20);
	view__move(view, -5);
	assert_int_equal(view__scroll(view, 20), 20);
	view__end(view);
	assert_int_equal(table_of(view)->selected, 99);
	assert_int_equal(view__scroll(view, 20), 80);
	assert_int_equal(view__scroll(view, 50), 50); /* the screen has grown: no empty rows */
	assert_int_equal(view__scroll(view, 1), 99);
	assert_int_equal(view__scroll(view, 0), 0);
	view__home(view);
	assert_int_equal(view__scroll(view, 20), 0);
	view__free(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_yet), cmocka_unit_test(test_processes), cmocka_unit_test(test_growth), cmocka_unit_test(test_average),
		cmocka_unit_test(test_bounded), cmocka_unit_test(test_bad_indices), cmocka_unit_test(test_sorting), cmocka_unit_test(test_idle),
		cmocka_unit_test(test_filter), cmocka_unit_test(test_drill), cmocka_unit_test(test_drill_native), cmocka_unit_test(test_all_frames),
		cmocka_unit_test(test_no_frames), cmocka_unit_test(test_frozen), cmocka_unit_test(test_selection_follows), cmocka_unit_test(test_same_number),
		cmocka_unit_test(test_scrolling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
