// SPDX-License-Identifier: Apache-2.0
#include "view/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>
#undef columns
#undef lines

#include "report/text.h"

/* After Esc the rest of a key's sequence must come within so many milliseconds: a slow line delivers it in one piece, too. */
#define ESCAPE_MS 100
/* Who reads the terminal may pause for so long. */
#define PATIENCE_MS 1000

struct terminal {
	FILE *in;
	SCREEN *screen;
	bool utf8, color;
	int columns, lines;
};

bool terminal_usable(char problem[256])
{
	const char *term = getenv("TERM");
	int found = 0;
	bool usable;

	usable = term && *term && setupterm(NULL, STDOUT_FILENO, &found) == OK;
	if (usable) {
		const char *move = tigetstr("cup");

		usable = move && move != (const char *)-1;
		del_curterm(cur_term);
	}
	if (!usable && term && *term)
		snprintf(problem, 256, "the cursor of a terminal of type '%.40s' cannot be moved: set TERM to what it is, or print one screen with --once", term);
	else if (!usable)
		snprintf(problem, 256, "TERM is not set, so what the terminal can do is not known: set it, or print one screen with --once");
	return usable;
}

/*
 * Where nothing is said of the language, what is sent is UTF-8, as all of today's terminals take it; where a language without
 * UTF-8 is set, plain ASCII.
 */
static bool set_language(void)
{
	const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	bool said = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		said |= getenv(names[i]) && *getenv(names[i]);
	setlocale(LC_CTYPE, said ? "" : "C.UTF-8");
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static void set_colors(struct terminal *t)
{
	const char *no_color = getenv("NO_COLOR");

	t->color = !(no_color && *no_color) && has_colors() && start_color() == OK && use_default_colors() == OK;
	if (!t->color)
		return;
	init_pair(DRAW_HOT, COLOR_RED, -1);
	init_pair(DRAW_WARM, COLOR_YELLOW, -1);
	init_pair(DRAW_HEAD, COLOR_CYAN, -1);
}

/* Ctrl-S would stop us in the middle of a screen: space is for that. */
static void no_flow_control(int fd)
{
	struct termios modes;

	if (tcgetattr(fd, &modes))
		return;
	modes.c_iflag &= ~(tcflag_t)IXON;
	tcsetattr(fd, TCSANOW, &modes);
	def_prog_mode();
}

/*
 * Curses waits for who reads the terminal, signals or not. Where nobody does (a connection that hangs), what was not read
 * is thrown away after a while, which makes room, and we go on. Both calls may be made in a handler.
 */
static volatile sig_atomic_t thrown_away;

static void on_alarm(int number)
{
	int saved = errno;

	thrown_away = 1;
	tcflow(STDOUT_FILENO, TCOON);
	tcflush(STDOUT_FILENO, TCOFLUSH);
	errno = saved;
}

static void set_alarm(unsigned int ms)
{
	const struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	const struct itimerval timer = { .it_value = time, .it_interval = time };

	setitimer(ITIMER_REAL, &timer, NULL);
}

int terminal_keys(void)
{
	int fd = STDIN_FILENO;

	if (!isatty(fd))
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	return fd >= 0 ? fd : -errno;
}

int terminal__open(struct terminal **terminal, int keys_fd)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	struct terminal *t = calloc(1, sizeof(*t));
	int own = fcntl(keys_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	if (t && own >= 0)
		t->in = fdopen(own, "r");
	if (!t || !t->in) {
		if (own >= 0)
			close(own);
		free(t);
		return -ENOMEM;
	}
	t->utf8 = set_language();
	sigaction(SIGALRM, &action, NULL);
	t->screen = newterm(NULL, stdout, t->in);
	if (!t->screen) {
		fclose(t->in);
		free(t);
		return -ENOTTY;
	}
	set_escdelay(ESCAPE_MS);
	/* Ctrl-C and Ctrl-Z stay signals: they are dealt with where all signals are */
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	no_flow_control(STDOUT_FILENO);
	curs_set(0);
	set_colors(t);
	getmaxyx(stdscr, t->lines, t->columns);
	*terminal = t;
	return 0;
}

void terminal__close(struct terminal *t)
{
	if (!t)
		return;
	terminal__leave(t);
	delscreen(t->screen);
	fclose(t->in);
	free(t);
}

bool terminal__gone(const struct terminal *t)
{
	struct pollfd fd = { .fd = fileno(t->in), .events = POLLIN };

	return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR | POLLNVAL);
}

bool terminal__writable(const struct terminal *t)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&fd, 1, 0) > 0 && fd.revents & POLLOUT;
}

static uint32_t special_key(wint_t c)
{
	switch (c) {
	case KEY_UP:
		return KEYS_UP;
	case KEY_DOWN:
		return KEYS_DOWN;
	case KEY_LEFT:
		return KEYS_LEFT;
	case KEY_RIGHT:
		return KEYS_RIGHT;
	case KEY_PPAGE:
		return KEYS_PAGE_UP;
	case KEY_NPAGE:
		return KEYS_PAGE_DOWN;
	case KEY_HOME:
		return KEYS_HOME;
	case KEY_END:
		return KEYS_END;
	case KEY_ENTER:
		return KEYS_ENTER;
	case KEY_BACKSPACE:
		return KEYS_BACK;
	}
	return 0;
}

bool terminal__key(struct terminal *t, uint32_t *key)
{
	wint_t c;
	int kind = get_wch(&c);

	if (kind == ERR)
		return false;
	*key = kind == KEY_CODE_YES ? special_key(c) : (uint32_t)c;
	return true;
}

void terminal__size(const struct terminal *t, int *columns, int *lines)
{
	*columns = t->columns;
	*lines = t->lines;
}

bool terminal__resize(struct terminal *t)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col || (size.ws_row == t->lines && size.ws_col == t->columns))
		return false;
	resizeterm(size.ws_row, size.ws_col);
	getmaxyx(stdscr, t->lines, t->columns);
	return true;
}

/* --- drawing --- */

/* What curses is given for a character: of what libc does not know the width, nothing would be right. */
static wchar_t shown(const struct terminal *t, uint32_t c, int *columns)
{
	wchar_t shown = (wchar_t)c;

	if (!t->utf8 && c >= 0x80)
		shown = c == 0x2026 ? L'~' : c == 0x2193 ? L'v' : c == 0x2191 ? L'^' : text_columns_of(c) ? L'?' : 0;
	*columns = shown ? wcwidth(shown) : 0;
	if (*columns >= 0)
		return shown;
	*columns = 1;
	return L'?';
}

static void draw_text(const struct terminal *t, int line, const char *text)
{
	size_t size = strlen(text), n = 0;
	wchar_t *wide = calloc(size + 1, sizeof(*wide));
	int used = 0;

	for (size_t at = 0; wide && at < size;) {
		uint32_t c;
		int columns;
		wchar_t w;

		at += utf8_decode(text + at, size - at, &c);
		w = shown(t, c, &columns);
		if (used + columns > t->columns)
			break;
		used += columns;
		if (w)
			wide[n++] = w;
	}
	if (wide)
		mvaddnwstr(line, 0, wide, (int)n);
	free(wide);
}

static attr_t look(const struct terminal *t, enum draw_style style, short *pair)
{
	*pair = t->color && (style == DRAW_HOT || style == DRAW_WARM || style == DRAW_HEAD) ? (short)style : 0;
	switch (style) {
	case DRAW_TITLE:
	case DRAW_HOT:
		return A_BOLD;
	case DRAW_HEAD:
		return A_UNDERLINE;
	case DRAW_SELECTED:
		return A_REVERSE;
	case DRAW_DIM:
		return A_DIM;
	default:
		return A_NORMAL;
	}
}

static void draw_line(const struct terminal *t, int at, const struct draw_line *line)
{
	short pair;
	attr_t attributes = look(t, line->style, &pair);

	if (!line->text)
		return;
	draw_text(t, at, line->text);
	if (line->style != DRAW_PLAIN)
		mvchgat(at, 0, -1, attributes, pair, NULL);
	if (line->mark_width)
		mvchgat(at, line->mark_at, line->mark_width, attributes | A_BOLD | A_REVERSE, pair, NULL);
}

void terminal__draw(struct terminal *t, const struct draw_screen *screen, bool afresh)
{
	/* what stays the same on the screen is not sent again */
	erase();
	for (unsigned int i = 0; i < screen->n_lines && (int)i < t->lines; i++)
		draw_line(t, (int)i, &screen->lines[i]);
	if (screen->cursor >= 0)
		move((int)screen->n_lines - 1, screen->cursor);
	if (afresh || thrown_away)
		clearok(stdscr, TRUE);
	thrown_away = 0;
	set_alarm(PATIENCE_MS);
	curs_set(screen->cursor >= 0);
	refresh();
	set_alarm(0);
}

void terminal__leave(struct terminal *t)
{
	set_alarm(PATIENCE_MS);
	curs_set(1);
	endwin();
	set_alarm(0);
}

void terminal__enter(struct terminal *t)
{
	reset_prog_mode();
	terminal__resize(t);
	clearok(stdscr, TRUE);
	set_alarm(PATIENCE_MS);
	refresh();
	set_alarm(0);
}
