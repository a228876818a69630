// SPDX-License-Identifier: Apache-2.0
#include "top.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "report/text.h"
#include "top_sources.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "view/terminal.h"
#include "watch.h"

#define INTERVAL_S 2.0
#define FIRST_NS 1000000000ULL    /* until the first refresh, at most */
#define SETTLE_NS 100000000ULL    /* --once: until what is printed begins */
#define LOOK_NS 250000000ULL      /* a signal that came while nobody waited is seen after this time */
#define MESSAGE_NS 6000000000ULL  /* a line of the log is shown for so long */
#define HELD_MAX 200              /* lines of the log that are kept until the end */

/* Set by the handler. */
static volatile sig_atomic_t signal_end, signal_suspend, signal_continued, signal_resized;

static const double intervals_s[] = { 0.5, 1, 2, 5, 10, 30, 60 };
#define INTERVALS (sizeof(intervals_s) / sizeof(*intervals_s))

struct top {
	const struct config *config;
	struct view *view;
	struct keys keys;
	int keys_fd;
	struct terminal *terminal; /* NULL: not drawn upon */
	int err;                   /* why it cannot be */
	double interval_s;
	uint64_t refreshed_ns, next_ns;
	uint64_t cpu_ns;           /* of our own, at the last refresh */
	double self_percent;
	bool ended;                /* all that was watched has */
	bool printed;              /* --once */
	bool owed, owed_afresh;    /* a screen that could not be sent */
	char *message;             /* NULL: none */
	uint64_t message_until_ns;
	char *held[HELD_MAX];      /* lines of the log */
	size_t n_held, n_dropped;
};

static void on_signal(int number)
{
	if (number == SIGWINCH)
		signal_resized = 1;
	else if (number == SIGTSTP)
		signal_suspend = 1;
	else if (number == SIGCONT)
		signal_continued = 1;
	else
		signal_end = 1;
}

/* Ctrl-C and SIGTERM are watch_run()'s. What was ignored when we were started stays so. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT };
	struct sigaction action = { .sa_handler = on_signal }, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

/* --- the log, while the screen is ours --- */

static void on_log(void *context, const char *line)
{
	struct top *top = context;
	char *shown = strdup(line);

	if (shown) {
		free(top->message);
		top->message = shown;
		top->message_until_ns = clock_ns(CLOCK_MONOTONIC) + MESSAGE_NS;
	}
	if (top->n_held < HELD_MAX && (top->held[top->n_held] = strdup(line)))
		top->n_held++;
	else
		top->n_dropped++;
}

static void close_terminal(struct top *top)
{
	terminal__close(top->terminal);
	top->terminal = NULL;
	log_divert(NULL, NULL);
	for (size_t i = 0; i < top->n_held; i++) {
		fprintf(stderr, "%s\n", top->held[i]);
		free(top->held[i]);
	}
	if (top->n_dropped)
		log_notice("%zu more lines were not kept", top->n_dropped);
	top->n_held = top->n_dropped = 0;
}

/* --- drawing --- */

static void draw(struct top *top, bool afresh)
{
	struct draw_options options = {
		.keys = &top->keys, .self_percent = top->self_percent, .interval_s = top->interval_s, .cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN),
	};
	struct draw_screen screen;

	top->owed = !terminal__writable(top->terminal);
	top->owed_afresh = top->owed && (afresh || top->owed_afresh);
	if (top->owed)
		return;
	if (clock_ns(CLOCK_MONOTONIC) < top->message_until_ns)
		options.message = top->message;
	terminal__size(top->terminal, &options.columns, &options.lines);
	/* without memory the screen stays as it is until there is some */
	if (!draw_screen(&screen, top->view, &options))
		terminal__draw(top->terminal, &screen, afresh);
	draw_release(&screen);
}

static void measure_self(struct top *top, uint64_t now_ns)
{
	struct rusage usage;
	uint64_t cpu_ns;

	if (getrusage(RUSAGE_SELF, &usage))
		return;
	cpu_ns = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL + (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	if (top->refreshed_ns && now_ns > top->refreshed_ns)
		top->self_percent = (double)(cpu_ns - top->cpu_ns) / (double)(now_ns - top->refreshed_ns) * 100;
	top->cpu_ns = cpu_ns;
	top->refreshed_ns = now_ns;
}

static bool all_ended(const struct window *window)
{
	for (uint32_t i = 0; i < window->n_processes; i++)
		if (!window->processes[i].end_ns)
			return false;
	return true;
}

static enum watch_action on_window(void *context, const struct window *window, bool last)
{
	struct top *top = context;
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	int err;

	if (!top->terminal)
		return WATCH_STOP;
	for (size_t i = 0; i < window->n_notices; i++)
		log_notice("%s", window->notices[i]);
	top->ended = last && all_ended(window);
	if (last)
		return WATCH_STOP;
	err = view__take(top->view, window);
	if (err)
		log_warning("cannot show what came last: %s", strerror(-err));
	top->next_ns = now_ns + (uint64_t)(top->interval_s * 1e9);
	if (view__is(top->view, VIEW_FROZEN))
		return WATCH_GO_ON;
	measure_self(top, now_ns);
	draw(top, false);
	return WATCH_GO_ON;
}

static void on_started(void *context, size_t processes)
{
	struct top *top = context;

	catch_signals();
	top->err = terminal__open(&top->terminal, top->keys_fd);
	if (top->err)
		return;
	if (isatty(STDERR_FILENO))
		log_divert(on_log, top);
	measure_self(top, clock_ns(CLOCK_MONOTONIC));
	top->next_ns = top->refreshed_ns + (top->interval_s < 1 ? (uint64_t)(top->interval_s * 1e9) : FIRST_NS);
	draw(top, true);
}

/* --- keys and signals --- */

static void change_interval(struct top *top, bool faster)
{
	double interval_s = faster ? intervals_s[0] : intervals_s[INTERVALS - 1];

	for (size_t i = 0; i < INTERVALS; i++) {
		size_t at = faster ? INTERVALS - 1 - i : i;

		if (faster ? intervals_s[at] < top->interval_s : intervals_s[at] > top->interval_s) {
			interval_s = intervals_s[at];
			break;
		}
	}
	top->interval_s = interval_s;
	top->next_ns = top->refreshed_ns + (uint64_t)(interval_s * 1e9);
}

/* false: the end was asked for. */
static bool take_keys(struct top *top, bool *changed, bool *afresh)
{
	uint32_t key;

	while (terminal__key(top->terminal, &key)) {
		switch (keys_take(&top->keys, top->view, key)) {
		case KEYS_QUIT:
			return false;
		case KEYS_FASTER:
		case KEYS_SLOWER:
			change_interval(top, key == '+');
			*changed = true;
			break;
		case KEYS_REDRAW:
			*afresh = true;
			break;
		case KEYS_CHANGED:
			/* a key was pressed: what was said has been seen */
			top->message_until_ns = 0;
			*changed = true;
			break;
		case KEYS_NOTHING:
			break;
		}
	}
	return true;
}

/* The default action of SIGTSTP, and all of it: the shell that started us learns of it. */
static void suspend(struct top *top)
{
	struct sigaction stop = { .sa_handler = SIG_DFL }, ours;

	signal_suspend = 0;
	terminal__leave(top->terminal);
	sigemptyset(&stop.sa_mask);
	sigaction(SIGTSTP, &stop, &ours);
	raise(SIGTSTP);
	sigaction(SIGTSTP, &ours, NULL);
	signal_continued = 1;
}

static enum watch_action on_step(void *context, uint64_t now_ns, bool readable, uint64_t *next_ns)
{
	struct top *top = context;
	bool changed = false, afresh = false;

	*next_ns = now_ns + LOOK_NS;
	if (!top->terminal || signal_end || (readable && terminal__gone(top->terminal)))
		return WATCH_STOP;
	if (signal_suspend)
		suspend(top);
	if (signal_continued) {
		signal_continued = 0;
		terminal__enter(top->terminal);
		afresh = true;
	}
	if (signal_resized) {
		signal_resized = 0;
		changed = terminal__resize(top->terminal);
	}
	if (!take_keys(top, &changed, &afresh))
		return WATCH_STOP;
	if (top->message_until_ns && now_ns >= top->message_until_ns) {
		top->message_until_ns = 0;
		changed = true;
	}
	afresh |= top->owed_afresh;
	if (changed || afresh || top->owed)
		draw(top, afresh);
	if (now_ns >= top->next_ns)
		return WATCH_CUT;
	if (top->next_ns < *next_ns)
		*next_ns = top->next_ns;
	return WATCH_GO_ON;
}

/* --- one screen as text --- */

/* Of the terminal; COLUMNS and LINES overrule it, as they do for others. */
static int dimension(const char *name, int otherwise)
{
	const char *text = getenv(name);
	long number = text ? strtol(text, NULL, 10) : 0;

	return number > 0 && number < 10000 ? (int)number : otherwise;
}

static int print_screen(struct top *top)
{
	struct draw_options options = { .self_percent = -1, .cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN) };
	struct winsize size = { .ws_col = 80, .ws_row = 24 };
	struct draw_screen screen;
	int err;

	if (isatty(STDOUT_FILENO) && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row))
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	options.columns = dimension("COLUMNS", size.ws_col);
	options.lines = dimension("LINES", size.ws_row);
	err = draw_screen(&screen, top->view, &options);
	for (unsigned int i = 0; !err && i < screen.n_lines; i++)
		printf("%s\n", screen.lines[i].text ? screen.lines[i].text : "");
	draw_release(&screen);
	return err ? err : stream_result(stdout);
}

/* A short first window comes before the one that is printed: growth is measured from there. */
static enum watch_action on_only_window(void *context, const struct window *window, bool last)
{
	struct top *top = context;
	int err;

	if (top->printed)
		return WATCH_STOP;
	err = view__take(top->view, window);
	for (size_t i = 0; i < window->n_notices; i++)
		log_notice("%s", window->notices[i]);
	if (!err && !top->refreshed_ns && !last) {
		top->refreshed_ns = clock_ns(CLOCK_MONOTONIC);
		top->next_ns = top->refreshed_ns + (uint64_t)((top->config->seconds ? top->config->seconds : top->interval_s) * 1e9);
		return WATCH_GO_ON;
	}
	top->printed = true;
	err = err ? err : print_screen(top);
	/* as with head(1): who has read enough has closed the pipe */
	if (err == -EPIPE)
		err = 0;
	if (err)
		log_error("cannot print the screen: %s", strerror(-err));
	top->err = err;
	return WATCH_STOP;
}

static enum watch_action on_only_step(void *context, uint64_t now_ns, bool readable, uint64_t *next_ns)
{
	struct top *top = context;

	if (!top->next_ns)
		top->next_ns = now_ns + SETTLE_NS;
	*next_ns = top->next_ns;
	return now_ns >= top->next_ns ? WATCH_CUT : WATCH_GO_ON;
}

/* --- the command --- */

static int once(struct top *top, struct watch_options *options, char problem[512])
{
	options->window = on_only_window;
	options->step = on_only_step;
	return watch_run(options, problem);
}

static int live(struct top *top, struct watch_options *options, char problem[512])
{
	struct top_sources *sources = top_sources__new(options->identity);
	int err;

	if (sources)
		view__set_source(top->view, top_sources_line, sources);

	top->keys_fd = terminal_keys();
	if (top->keys_fd < 0) {
		top_sources__free(sources);
		snprintf(problem, 512, "there is no terminal to read keys from: print one screen with --once");
		return top->keys_fd;
	}
	options->input_fd = top->keys_fd;
	options->window = on_window;
	options->step = on_step;
	options->started = on_started;
	err = watch_run(options, problem);
	close_terminal(top);
	top_sources__free(sources);
	if (top->keys_fd != STDIN_FILENO)
		close(top->keys_fd);
	if (!err && top->err)
		log_error("cannot use the terminal: %s", strerror(-top->err));
	else if (!err && top->ended)
		log_notice("all that was watched has ended");
	return err;
}

int top_run(const struct config *config, const struct identity *identity)
{
	struct config watched = *config;
	struct top top = { .config = config, .interval_s = config->interval_s ? config->interval_s : INTERVAL_S, .self_percent = -1 };
	struct watch_options options = { .config = &watched, .identity = identity, .input_fd = -1, .context = &top };
	bool text = config->once || !isatty(STDOUT_FILENO);
	char problem[512] = "";
	int err;

	if (!config->once && text)
		log_notice("standard output is no terminal: one screen, as with --once");
	if (!text && !terminal_usable(problem)) {
		log_error("%s", problem);
		return 1;
	}
	watched.all = config->all || (!config->n_pids && !config->process_name && !config->cgroup);
	if (text)
		watched.seconds = 0; /* they are counted from the second window on */
	top.view = view__new();
	if (!top.view) {
		log_error("out of memory");
		return 1;
	}
	if (config->detailed)
		view__toggle(top.view, VIEW_ALL_FRAMES);
	err = text ? once(&top, &options, problem) : live(&top, &options, problem);
	if (err)
		log_error("%s", problem);
	view__free(top.view);
	free(top.message);
	return err == -EINVAL ? 2 : err || top.err;
}
