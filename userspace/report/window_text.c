// SPDX-License-Identifier: Apache-2.0
#include "report/window_text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/losses.h"
#include "report/share.h"
#include "report/text.h"
#include "report/window_groups.h"

#define COLUMNS_PIPED 100
#define COLUMNS_MIN 72
#define COLUMNS_MAX 200
#define TOP_DEFAULT 10
#define FEW_SAMPLES 100
/* Waiting below this is not worth a word. */
#define WAIT_WORTH_NS 50000000ULL
#define HEAP_WORTH 1048576 /* bytes */

struct page {
	FILE *out;
	const struct window *window;
	const struct report_options *options;
	int columns;
	size_t top;
	struct window_groups lines;
	uint64_t python_cpu_ns; /* of all of them */
};

static double elapsed_s(const struct window *w)
{
	return w->end_ns > w->start_ns ? seconds(w->end_ns - w->start_ns) : 0;
}

/* "12.3%" of `whole`, or "1.234s". */
static void format_share(char out[32], const struct page *page, uint64_t ns, double whole_ns)
{
	double percent = whole_ns > 0 ? (double)ns / whole_ns * 100 : 0;

	if (page->options->absolute)
		snprintf(out, 32, ns < 1000000000000ULL ? "%.3fs" : "%.0fs", seconds(ns));
	else
		snprintf(out, 32, percent < 9999.95 ? "%.1f%%" : "%.0f%%", percent);
}

/* "0.12s", "12.3s", "1234s": at most 7 columns for years. */
static void format_wait(char out[32], uint64_t ns)
{
	double s = seconds(ns);

	snprintf(out, 32, s < 9.995 ? "%.2fs" : s < 99.95 ? "%.1fs" : "%.0fs", s);
}

static void format_growth(char out[32], int64_t bytes)
{
	char amount[32];

	format_memory_short(amount, bytes < 0 ? -(double)bytes : (double)bytes);
	snprintf(out, 32, "%s%.16s", !strcmp(amount, "0M") ? "" : bytes < 0 ? "-" : "+", amount);
}

static void heading(const struct page *page, const char *title, const char *columns)
{
	putc('\n', page->out);
	paint(page->out, page->options->color, PAINT_BOLD);
	fputs(title, page->out);
	paint(page->out, page->options->color, PAINT_NONE);
	putc('\n', page->out);
	paint(page->out, page->options->color, PAINT_DIM);
	fprintf(page->out, "%s\n", columns);
	text_repeat(page->out, "-", page->columns);
	paint(page->out, page->options->color, PAINT_NONE);
	putc('\n', page->out);
}

/* The share, and how it is split: "  12.3%   80  15   5    1.20s". 33 columns. */
static void print_times(const struct page *page, const struct times *times, double whole_ns)
{
	uint64_t cpu = times_cpu(times);
	enum paint colour = paint_for(whole_ns > 0 ? (double)cpu / whole_ns : 0);
	char share[32], wait[32];

	format_share(share, page, cpu, whole_ns);
	format_wait(wait, times_wait(times));
	paint(page->out, page->options->color && colour != PAINT_NONE, colour);
	fprintf(page->out, "%8s", share);
	paint(page->out, page->options->color && colour != PAINT_NONE, PAINT_NONE);
	if (cpu)
		fprintf(page->out, "  %4.0f%4.0f%4.0f", (double)times->python_ns / (double)cpu * 100, (double)times->native_ns / (double)cpu * 100, (double)times->system_ns / (double)cpu * 100);
	else
		fprintf(page->out, "  %4s%4s%4s", "-", "-", "-");
	fprintf(page->out, "%9s", wait);
}
#define TIMES_HEADING "     CPU    py nat sys  waiting"
#define TIMES_COLUMNS 31

/* "  1.2G    +12M", 14 columns. */
static void print_memory(const struct page *page, const struct window_group *group)
{
	char rss[32] = "-", growth[32];

	if (group->rss_bytes)
		format_memory_short(rss, (double)group->rss_bytes);
	format_growth(growth, window_group_growth(group));
	fprintf(page->out, "%7s%7s", rss, growth);
}
#define MEMORY_HEADING "    RSS growth"
#define MEMORY_COLUMNS 14

/* What the table does not list. */
static void print_others(const struct page *page, const struct window_groups *groups, size_t from, const char *one, const char *many, double whole_ns)
{
	struct times rest = {};
	char share[32], wait[32];

	for (size_t i = from; i < groups->n; i++) {
		rest.python_ns += times_cpu(&groups->groups[i].times);
		rest.waiting_ns += times_wait(&groups->groups[i].times);
	}
	if (from == groups->n)
		return;
	format_share(share, page, rest.python_ns, whole_ns);
	format_wait(wait, rest.waiting_ns);
	paint(page->out, page->options->color, PAINT_DIM);
	fprintf(page->out, "%8s  %12s%9s  (%zu more %s)", share, "", wait, groups->n - from, groups->n - from == 1 ? one : many);
	paint(page->out, page->options->color, PAINT_NONE);
	putc('\n', page->out);
}

/* How many are worth a line: of the table's CPU time, the threshold at least. */
static size_t busy(const struct page *page, const struct window_groups *groups)
{
	uint64_t all = 0;
	size_t n = 0;

	for (size_t i = 0; i < groups->n; i++)
		all += times_cpu(&groups->groups[i].times);
	while (n < groups->n && n < page->top && times_cpu(&groups->groups[n].times) &&
	       (double)times_cpu(&groups->groups[n].times) >= (double)all * page->options->threshold_percent / 100)
		n++;
	return n;
}

static void print_process(const struct page *page, const struct window_group *group, double whole_ns)
{
	const struct window_process *p = group->process;
	int left = page->columns - TIMES_COLUMNS - MEMORY_COLUMNS - 9 - 1 - 8 - 1;
	const char *name = window_process_name(p);

	print_times(page, &group->times, whole_ns);
	print_memory(page, group);
	fprintf(page->out, "%9u ", p->pid);
	text_print_padded(page->out, p->facts.user ? p->facts.user : "-", 8);
	putc(' ', page->out);
	left -= text_print(page->out, name, strlen(name), left, TEXT_NAME);
	if (p->end_ns && left > 8)
		left -= fprintf(page->out, " (ended)");
	if (p->facts.container && left > 6) {
		paint(page->out, page->options->color, PAINT_DIM);
		putc(' ', page->out);
		text_print(page->out, p->facts.container, strlen(p->facts.container), left - 1, TEXT_NAME);
		paint(page->out, page->options->color, PAINT_NONE);
	}
	putc('\n', page->out);
}

static int print_processes(const struct page *page)
{
	double whole_ns = elapsed_s(page->window) * 1e9;
	struct window_groups groups;
	char title[64];
	int err = window_groups__make(&groups, page->window, BY_PROCESS);
	size_t n;

	if (err)
		return err;
	n = busy(page, &groups);
	snprintf(title, sizeof(title), "Top %zu Process%s by CPU%s:", n, n == 1 ? "" : "es", page->options->absolute ? "" : " (100% is one core)");
	heading(page, n ? title : "No process used the CPU", TIMES_HEADING MEMORY_HEADING "      pid user     process");
	for (size_t i = 0; i < n; i++)
		print_process(page, &groups.groups[i], whole_ns);
	print_others(page, &groups, n, "process", "processes", whole_ns);
	window_groups__release(&groups);
	return 0;
}

/* By container, or by user. */
static int print_owners(const struct page *page, enum window_by by)
{
	double whole_ns = elapsed_s(page->window) * 1e9;
	const char *none = by == BY_CONTAINER ? "(none)" : "(not known)";
	struct window_groups groups;
	int err = window_groups__make(&groups, page->window, by);
	size_t n;

	if (err)
		return err;
	n = busy(page, &groups);
	if (groups.n > 1 || (groups.n && groups.groups[0].name)) {
		heading(page, by == BY_CONTAINER ? "By Container, Pod or Service:" : "By User:", by == BY_CONTAINER ? TIMES_HEADING MEMORY_HEADING "  processes  container" : TIMES_HEADING MEMORY_HEADING "  processes  user");
		for (size_t i = 0; i < n; i++) {
			const char *name = groups.groups[i].name ? groups.groups[i].name : none;

			print_times(page, &groups.groups[i].times, whole_ns);
			print_memory(page, &groups.groups[i]);
			fprintf(page->out, "%11u  ", groups.groups[i].processes);
			text_print(page->out, name, strlen(name), page->columns - TIMES_COLUMNS - MEMORY_COLUMNS - 13, TEXT_NAME);
			putc('\n', page->out);
		}
		print_others(page, &groups, n, by == BY_CONTAINER ? "container" : "user", by == BY_CONTAINER ? "containers" : "users", whole_ns);
	}
	window_groups__release(&groups);
	return 0;
}

/* "path:line function", within what is left of the line. */
static void print_place(const struct page *page, const struct window_group *group, int columns)
{
	char line[32] = "";
	int name = group->function ? text_width(group->function, columns / 2) : 0;

	if (!group->path) {
		fprintf(page->out, "%s\n", group->name);
		return;
	}
	if (group->lineno)
		snprintf(line, sizeof(line), ":%u", group->lineno);
	text_print_end(page->out, group->path, columns - (int)strlen(line) - (name ? name + 1 : 0));
	fputs(line, page->out);
	if (name) {
		putc(' ', page->out);
		text_print(page->out, group->function, strlen(group->function), name, TEXT_NAME);
	}
	putc('\n', page->out);
}

static void print_lines(const struct page *page)
{
	int columns = page->columns - TIMES_COLUMNS - 2;
	size_t n = busy(page, &page->lines);
	char title[96];

	if (!n)
		return;
	snprintf(title, sizeof(title), "Top %zu Line%s by CPU%s:", n, n == 1 ? "" : "s", page->options->absolute ? "" : " (100% is what all Python processes used)");
	heading(page, title, TIMES_HEADING "  line, function");
	for (size_t i = 0; i < n; i++) {
		const struct window_group *group = &page->lines.groups[i];

		print_times(page, &group->times, (double)page->python_cpu_ns);
		fputs("  ", page->out);
		print_place(page, group, columns);
		if (!group->reason || group->reason_ns < WAIT_WORTH_NS)
			continue;
		text_repeat(page->out, " ", TIMES_COLUMNS + 4);
		fputs("waits: ", page->out);
		text_print(page->out, group->reason, strlen(group->reason), columns - 9, TEXT_NAME);
		putc('\n', page->out);
	}
	print_others(page, &page->lines, n, "line", "lines", (double)page->python_cpu_ns);
}

/* What is equal stands always in the same order. */
static int by_place(const struct window_group *x, const struct window_group *y)
{
	int order = (x->lineno > y->lineno) - (x->lineno < y->lineno);

	if (!order)
		order = strcmp(x->path ? x->path : "", y->path ? y->path : "");
	return order ? order : strcmp(x->function ? x->function : "", y->function ? y->function : "");
}

static int by_wait(const void *a, const void *b)
{
	const struct window_group *x = a, *y = b;
	uint64_t wait_x = times_wait(&x->times), wait_y = times_wait(&y->times);

	if (wait_x != wait_y)
		return wait_x > wait_y ? -1 : 1;
	return by_place(x, y);
}

/* In another order from then on. */
static void print_waits(const struct page *page)
{
	const struct window_groups groups = page->lines;
	char wait[32], columns_text[COLUMNS_MAX];
	int columns = page->columns - 11;
	size_t n = 0;

	if (groups.n)
		qsort(groups.groups, groups.n, sizeof(*groups.groups), by_wait);
	while (n < groups.n && n < page->top && times_wait(&groups.groups[n].times) >= WAIT_WORTH_NS)
		n++;
	snprintf(columns_text, sizeof(columns_text), "  waiting  %-*s line, function", columns / 3, "what for");
	if (n)
		heading(page, "Where Python Processes Waited:", columns_text);
	for (size_t i = 0; i < n; i++) {
		const struct window_group *group = &groups.groups[i];
		int reason = group->reason ? text_width(group->reason, columns / 3) : 0;

		format_wait(wait, times_wait(&group->times));
		fprintf(page->out, "%9s  ", wait);
		if (reason) {
			text_print_padded(page->out, group->reason, columns / 3);
			putc(' ', page->out);
		} else {
			text_repeat(page->out, " ", columns / 3 + 1);
		}
		print_place(page, group, columns - columns / 3 - 1);
	}
}

static int by_heap(const void *a, const void *b)
{
	const struct window_group *x = a, *y = b;

	if (x->live_bytes != y->live_bytes)
		return x->live_bytes > y->live_bytes ? -1 : 1;
	if (x->allocated_bytes != y->allocated_bytes)
		return x->allocated_bytes > y->allocated_bytes ? -1 : 1;
	return by_place(x, y);
}

/* Likewise. What is held at the end is of what was allocated while we looked. */
static void print_heap(const struct page *page)
{
	const struct window_groups groups = page->lines;
	char held[32], allocated[32];
	size_t n = 0;

	if (!page->window->heap || !groups.n)
		return;
	qsort(groups.groups, groups.n, sizeof(*groups.groups), by_heap);
	while (n < groups.n && n < page->top && (groups.groups[n].live_bytes >= HEAP_WORTH || groups.groups[n].allocated_bytes >= HEAP_WORTH))
		n++;
	if (n)
		heading(page, "Heap, of What Was Allocated Since Then:", "   held  allocated  line, function");
	for (size_t i = 0; i < n; i++) {
		format_memory_short(held, groups.groups[i].live_bytes);
		format_memory_short(allocated, groups.groups[i].allocated_bytes);
		fprintf(page->out, "%7s  %9s  ", held, allocated);
		print_place(page, &groups.groups[i], page->columns - 20);
	}
}

static int print_functions(const struct page *page)
{
	double whole_ns = elapsed_s(page->window) * 1e9;
	struct window_groups groups;
	int err = window_groups__make(&groups, page->window, BY_FUNCTION);
	size_t shown = 0;

	if (err)
		return err;
	for (size_t i = 0; i < groups.n && shown < page->top && times_cpu(&groups.groups[i].times); i++) {
		const struct window_group *group = &groups.groups[i];
		const char *base = group->path ? path_base(group->path) : NULL;
		int left = page->columns - TIMES_COLUMNS - 2;

		/* what has no name is in the list of processes */
		if (!base || (!group->function && !strcmp(base, "[kernel]")))
			continue;
		if (!shown++)
			heading(page, "Functions of Other Programs by CPU:", TIMES_HEADING "  function, image");
		print_times(page, &group->times, whole_ns);
		fputs("  ", page->out);
		if (group->function) {
			left -= 1 + text_print(page->out, group->function, strlen(group->function), left / 2, TEXT_NAME);
			putc(' ', page->out);
		}
		text_print(page->out, base, strlen(base), left, TEXT_NAME);
		putc('\n', page->out);
	}
	window_groups__release(&groups);
	return 0;
}

static void print_header(const struct page *page)
{
	const struct window *w = page->window;
	time_t start = (time_t)w->start_epoch_s;
	uint32_t pythons = 0, ended = 0;
	char when[64] = "";
	struct tm tm;

	for (uint32_t i = 0; i < w->n_processes; i++) {
		pythons += w->processes[i].python;
		ended += !!w->processes[i].end_ns;
	}
	if (gmtime_r(&start, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	paint(page->out, page->options->color, PAINT_BOLD);
	fprintf(page->out, "Record of %.1f seconds", elapsed_s(w));
	paint(page->out, page->options->color, PAINT_NONE);
	fprintf(page->out, " from %s, %u Hz\n", when, w->rate_hz);
	fprintf(page->out, "%u process%s (%u ended), %u of them Python\n", w->n_processes, w->n_processes == 1 ? "" : "es", ended, pythons);
	fprintf(page->out, "%.2f CPU seconds (%.2f CPUs), %.2f of them in Python processes", seconds(times_cpu(&w->whole)),
		elapsed_s(w) > 0 ? seconds(times_cpu(&w->whole)) / elapsed_s(w) : 0, seconds(page->python_cpu_ns));
	if (w->machine_ns)
		fprintf(page->out, "; the machine: %.2f", seconds(w->machine_ns));
	putc('\n', page->out);
}

static void print_trust(const struct page *page)
{
	const struct window *w = page->window;
	uint64_t of = w->python_samples - w->frameless_samples, unseen = 0;

	for (uint32_t i = 0; i < w->n_processes; i++)
		unseen += w->processes[i].python ? w->processes[i].unseen_samples : 0;
	/* the start of programs, mostly: there is no telling what of it was Python */
	of -= unseen < of ? unseen : of;
	fprintf(page->out, "\nSamples: %llu at %u Hz, waits: %llu\n", (unsigned long long)w->cpu_samples, w->rate_hz, (unsigned long long)w->waits);
	fprintf(page->out, "Of Python code: %llu, named: %llu (%.2f%%), before the interpreter was known: %llu\n", (unsigned long long)of, (unsigned long long)w->named_samples,
		of ? (double)w->named_samples / (double)of * 100 : 100, (unsigned long long)unseen);
	if (w->cpu_samples < FEW_SAMPLES)
		fprintf(page->out, "Only %llu CPU sample%s: the shares of CPU time are rough.\n", (unsigned long long)w->cpu_samples, w->cpu_samples == 1 ? "" : "s");
	print_loss_counts(page->out, w->losses);
	if (w->unsampled_ns > 5000000 && w->unsampled_ns > (times_cpu(&w->whole) + w->unsampled_ns) / 100)
		fprintf(page->out, "Not sampled: %.3f CPU seconds, of threads that ended before or between samples.\n", seconds(w->unsampled_ns));
	for (size_t i = 0; i < w->n_notices; i++) {
		fputs("Notice: ", page->out);
		text_print(page->out, w->notices[i], strlen(w->notices[i]), 0, TEXT_NAME);
		putc('\n', page->out);
	}
}

static int print_tables(const struct page *page)
{
	int err = print_processes(page);

	if (!err)
		err = print_owners(page, BY_CONTAINER);
	if (!err)
		err = print_owners(page, BY_USER);
	if (err)
		return err;
	print_lines(page);
	print_waits(page);
	print_heap(page);
	return print_functions(page);
}

int report_window(FILE *out, const struct window *window, const struct report_options *options)
{
	struct page page = { .out = out, .window = window, .options = options, .columns = options->width ? options->width : COLUMNS_PIPED, .top = options->top_n > 0 ? (size_t)options->top_n : TOP_DEFAULT };
	int err = window_groups__make(&page.lines, window, BY_LINE);

	if (err)
		return err;
	if (page.columns < COLUMNS_MIN)
		page.columns = COLUMNS_MIN;
	if (page.columns > COLUMNS_MAX)
		page.columns = COLUMNS_MAX;
	for (size_t i = 0; i < page.lines.n; i++)
		page.python_cpu_ns += times_cpu(&page.lines.groups[i].times);
	print_header(&page);
	err = print_tables(&page);
	if (!err)
		print_trust(&page);
	window_groups__release(&page.lines);
	return err ? err : stream_result(out);
}
