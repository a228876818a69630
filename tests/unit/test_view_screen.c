// SPDX-License-Identifier: Apache-2.0
/* The screen as text: what fits, what is cut, what foreign names cannot do; and what keys do. */
#include "unit/view_fixture.h"

#include "report/text.h"
#include "util/strings.h"
#include "view/cells.h"

struct shown {
	struct draw_screen screen;
	struct view *view;
	struct keys keys;
	struct draw_options options;
};

static void show(struct shown *s, int columns, int lines)
{
	s->options.columns = columns;
	s->options.lines = lines;
	draw_release(&s->screen);
	assert_int_equal(draw_screen(&s->screen, s->view, &s->options), 0);
	/* nothing that is not on the screen, and nothing that would move the cursor */
	assert_true(s->screen.n_lines <= (unsigned int)lines);
	for (unsigned int i = 0; i < s->screen.n_lines; i++) {
		const char *text = s->screen.lines[i].text;

		if (!text)
			continue;
		assert_true(utf8_valid(text, strlen(text)));
		assert_true(text_width(text, 0) <= columns);
		for (const unsigned char *c = (const unsigned char *)text; *c; c++)
			assert_true(*c >= ' ' && *c != 0x7f && !(*c == 0xc2 && c[1] < 0xa0));
	}
}

static void begin(struct shown *s, struct view *view)
{
	*s = (struct shown){ .view = view, .options = { .self_percent = 0.6, .cpus = 2, .interval_s = 2 } };
	s->options.keys = &s->keys;
}

static void end(struct shown *s)
{
	draw_release(&s->screen);
	view__free(s->view);
}

static void line_is(const struct shown *s, unsigned int line, const char *text)
{
	assert_true(line < s->screen.n_lines);
	assert_string_equal(s->screen.lines[line].text ? s->screen.lines[line].text : "", text);
}

static void press(struct shown *s, const char *keys)
{
	for (; *keys; keys++)
		assert_int_not_equal(keys_take(&s->keys, s->view, (unsigned char)*keys), KEYS_NOTHING);
}

static void test_whole_screen(void **state)
{
	struct shown s;

	begin(&s, fixture_view(2));
	show(&s, 80, 24);
	assert_int_equal(s.screen.n_lines, 24);
	assert_string_equal(s.screen.lines[0].text + strlen("top  12:34:56"), "  CPU 1.00 of 2 cores  3 processes (2 Python), 5 threads");
	line_is(&s, 1, "200 samples in 2.0 s, 100/s  top itself 0.6%  every 2 s  lost 0");
	line_is(&s, 2, "processes  1 idle");
	line_is(&s, 3, "    PID USER     CPU%↓   PY  NAT  SYS  WAIT   RSS  GROWTH NAME");
	line_is(&s, 4, "   1234 alice       85   70  5.0   10    10  108M +2.0M/s app.py @web-1");
	line_is(&s, 5, "     77 root        15    0    0   15     0  512k       0 make");
	line_is(&s, 6, "");
	line_is(&s, 23, "q quit  enter in  left back  P W M G N sort  / filter  space freeze  ? help");
	assert_int_equal(s.screen.lines[3].style, DRAW_HEAD);
	assert_int_equal(s.screen.lines[3].mark_at, 17);
	assert_int_equal(s.screen.lines[3].mark_width, 5);
	assert_int_equal(s.screen.lines[4].style, DRAW_SELECTED);
	assert_int_equal(s.screen.cursor, -1);
	end(&s);
}

static void test_levels(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	press(&s, "l");
	show(&s, 80, 10);
	line_is(&s, 2, "1234 app.py");
	line_is(&s, 3, "CPU%↓   PY  NAT  SYS  WAIT  GROWTH FUNCTION");
	line_is(&s, 4, "   75   70  5.0    0    10 +2.5M/s handle  /srv/app.py:10");
	line_is(&s, 5, "   10    0    0   10     0       0 <module>  /srv/app.py:1");
	show(&s, 50, 10);
	line_is(&s, 4, "   75    10 +2.5M/s handle  /srv/app.py:10");
	show(&s, 42, 10);
	line_is(&s, 4, "   75    10 handle  /srv/app.py:10");
	show(&s, 24, 10);
	line_is(&s, 4, "   75 handle  …app.py:10");
	press(&s, "l");
	show(&s, 80, 10);
	line_is(&s, 2, "1234 app.py > handle (app.py:10)");
	line_is(&s, 4, "   50   45  5.0    0    10 +2.0M/s /srv/app.py:12");
	press(&s, "I");
	show(&s, 80, 10);
	line_is(&s, 3, " CPU%   PY  NAT  SYS  WAIT  GROWTH LINE↑");
	end(&s);
}

static void test_stacks(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	press(&s, "lll");
	show(&s, 80, 10);
	line_is(&s, 2, "1234 app.py > handle (app.py:10) > line 12");
	line_is(&s, 4, "   30   25  5.0    0     0 +2.0M/s handle:12 < <module>:30");
	line_is(&s, 5, "   20   20    0    0     0       0 decode:337 < handle:12 < <module>:30");
	line_is(&s, 6, "    0    0    0    0    10       0 [recvfrom, 10.0.0.5:5432] handle:12 < <modul…");
	press(&s, "jj\r");
	show(&s, 80, 10);
	line_is(&s, 2, "1234 app.py > handle (app.py:10) > line 12 > recvfrom, 10.0.0.5:5432");
	line_is(&s, 3, "   # FRAME");
	line_is(&s, 4, "   0 handle  /srv/app.py:12");
	line_is(&s, 5, "   1 <module>  /srv/app.py:30");
	end(&s);
}

/* At every size there is something, and it fits: show() looks. */
static void test_all_sizes(void **state)
{
	for (int level = 0; level < VIEW_LEVELS; level++) {
		struct shown s;

		begin(&s, fixture_view(1));
		for (int i = 0; i < level; i++)
			press(&s, "l");
		for (int columns = 1; columns < 140; columns++)
			for (int lines = 1; lines < 30; lines += lines < 12 ? 1 : 6)
				show(&s, columns, lines);
		s.keys.help = true;
		for (int columns = 1; columns < 100; columns += 7)
			for (int lines = 1; lines < 30; lines++)
				show(&s, columns, lines);
		end(&s);
	}
}

static void test_small(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	show(&s, 40, 6);
	line_is(&s, 0, "processes  1 idle");
	line_is(&s, 1, "    PID CPU%↓  WAIT   RSS NAME");
	line_is(&s, 2, "   1234    85    10  104M app.py @web-1");
	show(&s, 20, 3);
	assert_int_equal(s.screen.n_lines, 3);
	line_is(&s, 1, "   1234    85 app.py");
	line_is(&s, 2, "     77    15 make");
	/* the selection is on the screen however low that is */
	press(&s, "j");
	show(&s, 20, 2);
	line_is(&s, 1, "     77    15 make");
	assert_int_equal(s.screen.lines[1].style, DRAW_SELECTED);
	end(&s);
}

static void test_once(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	s.options.keys = NULL;
	s.options.self_percent = -1;
	s.options.interval_s = 0;
	show(&s, 120, 24);
	assert_int_equal(s.screen.n_lines, 6);
	line_is(&s, 1, "200 samples in 2.0 s, 100/s  lost 0");
	line_is(&s, 3, "    PID USER     CONTAINER      CPU%↓   PY  NAT  SYS  WAIT   RSS  GROWTH NAME");
	line_is(&s, 4, "   1234 alice    web-1             85   70  5.0   10    10  104M +2.0M/s app.py");
	assert_int_equal(s.screen.lines[4].style, DRAW_HOT);
	end(&s);
}

static void test_losses(void **state)
{
	struct fixture *f = fixture(0);
	struct shown s;

	begin(&s, view__new());
	show(&s, 80, 24);
	line_is(&s, 1, "collecting the first samples");
	f->window.losses[LOSS_DROPPED_RECORDS] = 7;
	f->window.losses[LOSS_CUT_STACKS] = 2;
	fixture_give(s.view, f);
	show(&s, 100, 24);
	line_is(&s, 1, "200 samples in 2.0 s, 100/s  top itself 0.6%  every 2 s  lost 9 (7 dropped records, 2 cut stacks)");
	assert_int_equal(s.screen.lines[1].style, DRAW_WARM);
	f = fixture(1);
	f->window.losses[LOSS_SKIPPED_WALKS] = 5;
	fixture_give(s.view, f);
	show(&s, 100, 24);
	line_is(&s, 1, "200 samples in 2.0 s, 100/s  top itself 0.6%  every 2 s  lost 0, 5 waits with an estimated stack");
	assert_int_equal(s.screen.lines[1].style, DRAW_PLAIN);
	end(&s);
}

static const char *line_of_app(void *context, const struct kept_process *process, const char *path, uint32_t lineno, size_t *size)
{
	static const char hostile[] = "\t  total\033[2J = \xff\tprice * 1.19  # VAT";

	assert_string_equal(path, "/srv/app.py");
	assert_int_equal(process->process.pid, 1234);
	*size = sizeof(hostile) - 1;
	return lineno == 12 ? hostile : NULL;
}

/* Lines come with their text, where that can be read. */
static void test_source(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	view__set_source(s.view, line_of_app, NULL);
	press(&s, "ll");
	show(&s, 100, 10);
	line_is(&s, 4, "   50   45  5.0    0    10 +2.0M/s app.py:12  total\\x1b[2J = \uFFFD        price * 1.19  # VAT");
	line_is(&s, 5, "   25   25    0    0     0 +512k/s /srv/app.py:14");
	show(&s, 60, 10);
	line_is(&s, 4, "   50   45  5.0    0    10 +2.0M/s app.py:12  total\\x1b[2J …");
	for (int columns = 1; columns < 100; columns++)
		show(&s, columns, 10);
	end(&s);
}

/* An empty table says why it is. */
static void test_nothing_to_show(void **state)
{
	struct fixture *f = fixture(1);
	struct shown s;

	begin(&s, fixture_view(1));
	press(&s, "/zz\r");
	show(&s, 80, 24);
	line_is(&s, 4, "nothing that the filter lets pass");
	press(&s, "/\x15\rllll");
	f->window.rows += 5;
	f->window.n_rows = 2;
	fixture_give(s.view, f);
	show(&s, 80, 24);
	line_is(&s, 4, "   0 handle  /srv/app.py:12"); /* frames stay */
	press(&s, "h");
	show(&s, 80, 24);
	line_is(&s, 4, "nothing seen here in these 2.0 s (a: over more)");
	press(&s, "a");
	show(&s, 80, 24);
	line_is(&s, 4, "   15   12  2.5    0     0 +1.0M/s handle:12 < <module>:30");
	end(&s);
}

/* Names of processes, files and functions are whatever their owner likes. */
static void test_hostile(void **state)
{
	static const struct window_frame frame = { WINDOW_PYTHON, "/srv/\033[2J\n\u202eevil.py", "f\r\b\x9b""31m", 5, 5, false };
	struct fixture *f = fixture(0);
	struct shown s;

	f->processes[APP].facts = (struct process_facts){ .user = "r\too\at", .name = "\033]0;pwned\007x\n", .command = "\033c", .cgroup = "/", .container = "\xff\xfe\033[H" };
	f->stacks[0] = (struct window_stack){ .frames = &frame, .n_frames = 1 };
	f->rows[1].reason = "read, \033[31m";
	begin(&s, view__new());
	fixture_give(s.view, f);
	show(&s, 130, 24);
	line_is(&s, 4, "   1234 r\\too…   \uFFFD\uFFFD\\x1b[H          85   70  5.0   10    10  104M +2.0M/s \\x1b]0;pwned\\x07x\\n");
	for (int level = 0; level < VIEW_LEVELS; level++) {
		for (int columns = 1; columns < 130; columns++)
			show(&s, columns, 24);
		keys_take(&s.keys, s.view, 'l');
	}
	end(&s);
}

static void test_wide_characters(void **state)
{
	struct fixture *f = fixture(0);
	struct shown s;

	f->processes[APP].facts.name = "数据处理服务.py";
	f->processes[APP].facts.user = "Ærøskøbing";
	f->processes[APP].facts.container = NULL;
	begin(&s, view__new());
	fixture_give(s.view, f);
	show(&s, 80, 24);
	line_is(&s, 4, "   1234 Ærøskøb…    85   70  5.0   10    10  104M +2.0M/s 数据处理服务.py");
	show(&s, 71, 24);
	line_is(&s, 4, "   1234 Ærøskøb…    85    10  104M +2.0M/s 数据处理服务.py");
	show(&s, 34, 24);
	line_is(&s, 4, "   1234    85    10 数据处理服务.…");
	show(&s, 26, 24); /* a wide one does not fit by halves */
	line_is(&s, 4, "   1234    85 数据处理服…");
	end(&s);
}

static void test_typing(void **state)
{
	struct shown s;

	begin(&s, fixture_view(1));
	press(&s, "/ma");
	assert_true(s.keys.typing);
	show(&s, 80, 24);
	line_is(&s, 2, "processes  filter 'ma'  2 filtered");
	line_is(&s, 4, "     77 root        15    0    0   15     0  512k       - make");
	line_is(&s, 23, "filter: ma");
	assert_int_equal(s.screen.cursor, 10);
	press(&s, "q"); /* a letter like any other */
	assert_string_equal(view__filtered(s.view, VIEW_PROCESSES), "maq");
	keys_take(&s.keys, s.view, KEYS_BACK);
	press(&s, "\r");
	assert_false(s.keys.typing);
	assert_string_equal(view__filtered(s.view, VIEW_PROCESSES), "ma");
	/* Esc brings back what was there; whole characters are taken off */
	press(&s, "/");
	keys_take(&s.keys, s.view, 0x6f22);
	keys_take(&s.keys, s.view, 0xe9);
	keys_take(&s.keys, s.view, 0x1f600);
	assert_string_equal(s.keys.text, "ma漢é😀");
	keys_take(&s.keys, s.view, 0x7f);
	keys_take(&s.keys, s.view, '\b');
	assert_string_equal(s.keys.text, "ma漢");
	assert_int_equal(keys_take(&s.keys, s.view, KEYS_UP), KEYS_NOTHING);
	assert_int_equal(keys_take(&s.keys, s.view, 0x01), KEYS_NOTHING);
	keys_take(&s.keys, s.view, 0x1b);
	assert_false(s.keys.typing);
	assert_string_equal(view__filtered(s.view, VIEW_PROCESSES), "ma");
	/* no text is too long */
	press(&s, "/\x15");
	for (int i = 0; i < 300; i++)
		keys_take(&s.keys, s.view, 0xe9);
	assert_int_equal(strlen(s.keys.text), 126);
	show(&s, 40, 24);
	assert_int_equal(s.screen.cursor, 39);
	end(&s);
}

static void test_keys(void **state)
{
	struct shown s;

	begin(&s, fixture_view(2));
	press(&s, "Nr");
	assert_int_equal(view__sorted(s.view), VIEW_NAME);
	assert_true(view__reversed(s.view));
	show(&s, 80, 24);
	line_is(&s, 3, "    PID USER      CPU%   PY  NAT  SYS  WAIT   RSS  GROWTH NAME↓");
	press(&s, "G");
	show(&s, 80, 24);
	line_is(&s, 3, "    PID USER      CPU%   PY  NAT  SYS  WAIT   RSS GROWTH↓ NAME");
	press(&s, " c");
	show(&s, 80, 24);
	line_is(&s, 2, "FROZEN  processes  1 idle");
	line_is(&s, 4, "   1234 alice       85   70  5.0   10    10  108M +2.0M/s python3 app.py --port…");
	press(&s, " P");
	assert_false(view__is(s.view, VIEW_FROZEN));
	press(&s, "a");
	assert_int_equal(view__averaged(s.view), 10);
	press(&s, "a");
	assert_int_equal(view__averaged(s.view), 60);
	press(&s, "a");
	assert_int_equal(view__averaged(s.view), 0);
	press(&s, "i");
	show(&s, 80, 24);
	line_is(&s, 6, "    500 alice        0    0    0    0   100   20M       0 python3 idle.py");
	press(&s, "f");
	assert_int_equal(view__level(s.view), VIEW_FUNCTIONS);
	assert_int_equal(keys_take(&s.keys, s.view, KEYS_LEFT), KEYS_CHANGED);
	assert_int_equal(keys_take(&s.keys, s.view, KEYS_LEFT), KEYS_NOTHING);
	assert_int_equal(keys_take(&s.keys, s.view, '+'), KEYS_FASTER);
	assert_int_equal(keys_take(&s.keys, s.view, '-'), KEYS_SLOWER);
	assert_int_equal(keys_take(&s.keys, s.view, 0x0c), KEYS_REDRAW);
	assert_int_equal(keys_take(&s.keys, s.view, 'z'), KEYS_NOTHING);
	assert_int_equal(keys_take(&s.keys, s.view, 0), KEYS_NOTHING);
	press(&s, "?");
	show(&s, 80, 24);
	line_is(&s, 3, keys_help[0]);
	line_is(&s, 23, "any key: back");
	press(&s, "x");
	assert_false(s.keys.help);
	assert_int_equal(keys_take(&s.keys, s.view, 'q'), KEYS_QUIT);
	end(&s);
}

static void growth_is(double value, const char *text)
{
	char out[16];

	format_growth(out, value);
	assert_string_equal(out, text);
}

static void test_figures(void **state)
{
	char out[16];

	growth_is(0, "0");
	growth_is(0.4, "0");
	growth_is(310, "+310/s");
	growth_is(999.4, "+999/s");
	growth_is(1000, "+1.0k/s");
	growth_is(-12.0 * MIBS, "-12M/s");
	growth_is(1.25 * 1024 * MIBS, "+1.2G/s");
	growth_is(999.6 * MIBS, "+1.0G/s");
	format_percent(out, 0.04);
	assert_string_equal(out, "0");
	format_percent(out, 0.5);
	assert_string_equal(out, "0.5");
	format_percent(out, 9.96);
	assert_string_equal(out, "10");
	format_percent(out, 6400);
	assert_string_equal(out, "6400");
	for (int i = 0; keys_help[i]; i++)
		assert_true(strlen(keys_help[i]) < 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_screen), cmocka_unit_test(test_levels), cmocka_unit_test(test_stacks), cmocka_unit_test(test_all_sizes),
		cmocka_unit_test(test_small), cmocka_unit_test(test_once), cmocka_unit_test(test_losses), cmocka_unit_test(test_nothing_to_show), cmocka_unit_test(test_source), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_wide_characters), cmocka_unit_test(test_typing), cmocka_unit_test(test_keys), cmocka_unit_test(test_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
