// SPDX-License-Identifier: Apache-2.0
#include "view/keys.h"

#include <stdio.h>
#include <string.h>

#include "util/strings.h"

const char *const keys_help[] = {
	"up down k j  pgup pgdn  home end  select; home: stay at the first row",
	"enter right l                  into what is selected: processes, functions,",
	"                               lines, stacks, frames",
	"left h backspace esc           back",
	"f                              functions of all processes that are shown",
	"P W M G N I   r                sort by CPU, waiting, memory, growth, name,",
	"                               process or line number; turn the order round",
	"/                              show what holds a text: name, user, container,",
	"                               command, file, process or line number",
	"space                          freeze what is shown; again: go on",
	"a                              figures of the last refresh, of 10 s, of 60 s",
	"o                              charge the program's own code, or any frame",
	"i  p  c                        idle processes, only Python, command lines",
	"+ -   ^L                       refresh more often, less often; draw anew",
	"? q                            this help; end",
	"",
	"CPU%: of one core, split into PYthon, NATive code and SYStem. WAIT: % of the",
	"time that the process waited. RSS: physical memory it has. GROWTH: of that, per",
	"second, over 10 s; below processes: what was touched there, per second.",
	NULL,
};

/* Takes the last character off, however many bytes it has. */
static void shorten(char *text)
{
	size_t length = strlen(text);

	while (length && ((unsigned char)text[length - 1] & 0xc0) == 0x80)
		length--;
	if (length)
		length--;
	text[length] = 0;
}

static void append(char *text, uint32_t c)
{
	size_t length = strlen(text), n;
	char bytes[4];

	n = utf8_encode(bytes, c);
	if (length + n >= VIEW_FILTER_MAX)
		return;
	memcpy(text + length, bytes, n);
	text[length + n] = 0;
}

static bool is_text(uint32_t c)
{
	return c >= ' ' && c < 0x110000 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && !(c >= 0xd800 && c < 0xe000);
}

static bool is_enter(uint32_t key) { return key == KEYS_ENTER || key == '\r' || key == '\n'; }
static bool is_back(uint32_t key) { return key == KEYS_BACK || key == 0x7f || key == '\b'; }
static bool is_escape(uint32_t key) { return key == KEYS_ESCAPE || key == 0x1b; }

/* The rows follow with each letter. */
static enum keys_result type(struct keys *keys, struct view *view, uint32_t key)
{
	if (is_enter(key)) {
		keys->typing = false;
		return KEYS_CHANGED;
	}
	if (is_escape(key) || (is_back(key) && !*keys->text)) {
		keys->typing = false;
		memcpy(keys->text, keys->before, sizeof(keys->text));
	} else if (is_back(key)) {
		shorten(keys->text);
	} else if (key == 0x15) {
		*keys->text = 0;
	} else if (is_text(key)) {
		append(keys->text, key);
	} else {
		return KEYS_NOTHING;
	}
	view__filter(view, keys->text);
	return KEYS_CHANGED;
}

static enum keys_result begin_typing(struct keys *keys, struct view *view)
{
	keys->typing = true;
	snprintf(keys->before, sizeof(keys->before), "%s", view__filtered(view, view__level(view)));
	memcpy(keys->text, keys->before, sizeof(keys->text));
	return KEYS_CHANGED;
}

static enum keys_result move(struct view *view, uint32_t key)
{
	bool moved = true;

	if (key == KEYS_UP || key == 'k')
		view__move(view, -1);
	else if (key == KEYS_DOWN || key == 'j')
		view__move(view, 1);
	else if (key == KEYS_PAGE_UP)
		view__move(view, -view__page(view));
	else if (key == KEYS_PAGE_DOWN)
		view__move(view, view__page(view));
	else if (key == KEYS_HOME || key == 'g')
		view__home(view);
	else if (key == KEYS_END)
		view__end(view);
	else if (is_enter(key) || key == KEYS_RIGHT || key == 'l')
		moved = view__enter(view);
	else if (is_back(key) || is_escape(key) || key == KEYS_LEFT || key == 'h')
		moved = view__leave(view);
	else if (key == 'f')
		moved = view__enter_all(view);
	else
		moved = false;
	return moved ? KEYS_CHANGED : KEYS_NOTHING;
}

static bool sort(struct view *view, uint32_t key)
{
	static const char letters[] = "PWMGNI"; /* in enum view_sort's order */
	const char *at = key && key < 0x80 ? strchr(letters, (int)key) : NULL;

	if (at)
		view__sort(view, (enum view_sort)(at - letters));
	else if (key == 'r')
		view__reverse(view);
	return at || key == 'r';
}

static bool switch_over(struct view *view, uint32_t key)
{
	static const char letters[] = " oipc"; /* in enum view_switch's order */
	const char *at = key && key < 0x80 ? strchr(letters, (int)key) : NULL;
	unsigned int average = view__averaged(view);

	if (at)
		view__toggle(view, (enum view_switch)(at - letters));
	else if (key == 'a')
		view__average(view, !average ? 10 : average == 10 ? 60 : 0);
	return at || key == 'a';
}

enum keys_result keys_take(struct keys *keys, struct view *view, uint32_t key)
{
	if (keys->typing)
		return type(keys, view, key);
	if (keys->help) {
		keys->help = false;
		return key == 'q' ? KEYS_QUIT : KEYS_CHANGED;
	}
	switch (key) {
	case 'q':
		return KEYS_QUIT;
	case '?':
		keys->help = true;
		return KEYS_CHANGED;
	case '/':
		return begin_typing(keys, view);
	case '+':
		return KEYS_FASTER;
	case '-':
		return KEYS_SLOWER;
	case 0x0c:
		return KEYS_REDRAW;
	}
	if (sort(view, key) || switch_over(view, key))
		return KEYS_CHANGED;
	return move(view, key);
}
