// SPDX-License-Identifier: Apache-2.0
#include "view/draw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report/text.h"
#include "view/cells.h"

#define KEYS_SHOWN "q quit  enter in  left back  P W M G N sort  / filter  space freeze  ? help"

/* One line while it is written; it is cut to the screen's columns at the end. */
struct line {
	FILE *out;
	char *text;
	size_t size;
};

static bool line_begin(struct line *line)
{
	*line = (struct line){};
	line->out = open_memstream(&line->text, &line->size);
	return line->out;
}

static int line_end(struct line *line, struct draw_screen *screen, int columns, enum draw_style style)
{
	struct draw_line *to = &screen->lines[screen->n_lines];
	struct line cut;
	int err = fclose(line->out) ? -ENOMEM : 0;

	if (!err && !line_begin(&cut))
		err = -ENOMEM;
	if (!err) {
		text_print(cut.out, line->text, line->size, columns, TEXT_NAME);
		err = fclose(cut.out) ? -ENOMEM : 0;
		to->text = cut.text;
		to->style = style;
		screen->n_lines++;
	}
	free(line->text);
	return err;
}

/* Waits whose stack was taken over from an earlier one are all there: not lost, but less exact. */
static uint64_t lost(const struct view_table *table)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOSS_COUNT; i++)
		sum += i != LOSS_SKIPPED_WALKS ? table->losses[i] : 0;
	return sum;
}

static const char *plural(uint64_t n, const char *one, const char *many) { return n == 1 ? one : many; }

static int draw_title(struct draw_screen *screen, const struct view_table *table, const struct draw_options *o)
{
	time_t now = (time_t)table->end_epoch_s;
	char clock[16] = "--:--:--";
	struct line line;
	struct tm tm;

	if (!line_begin(&line))
		return -ENOMEM;
	if (table->span_ns && localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(line.out, "top  %s", clock);
	if (table->span_ns)
		fprintf(line.out, "  CPU %.2f of %u %s  %u process%s (%u Python), %u thread%s", (double)times_cpu(&table->whole) / (double)table->span_ns, o->cpus,
			plural(o->cpus, "core", "cores"), table->processes, plural(table->processes, "", "es"), table->pythons, table->threads,
			plural(table->threads, "", "s"));
	return line_end(&line, screen, o->columns, DRAW_TITLE);
}

/* How far the figures can be trusted, and what they cost. */
static int draw_trust(struct draw_screen *screen, const struct view_table *table, const struct draw_options *o)
{
	double seconds = (double)table->span_ns / 1e9;
	uint64_t losses = lost(table);
	const char *before = " (";
	struct line line;

	if (!line_begin(&line))
		return -ENOMEM;
	if (!table->span_ns) {
		fputs("collecting the first samples", line.out);
		return line_end(&line, screen, o->columns, DRAW_PLAIN);
	}
	fprintf(line.out, "%llu samples in %.1f s, %.0f/s  ", (unsigned long long)table->cpu_samples, seconds, (double)table->cpu_samples / seconds);
	if (o->self_percent >= 0)
		fprintf(line.out, "top itself %.1f%%  ", o->self_percent);
	if (o->interval_s > 0)
		fprintf(line.out, "every %g s  ", o->interval_s);
	fprintf(line.out, "lost %llu", (unsigned long long)losses);
	for (int i = 0; i < LOSS_COUNT; i++) {
		if (!table->losses[i] || i == LOSS_SKIPPED_WALKS)
			continue;
		fprintf(line.out, "%s%llu %s", before, (unsigned long long)table->losses[i], loss_text((enum loss)i));
		before = ", ";
	}
	fputs(losses ? ")" : "", line.out);
	if (table->losses[LOSS_SKIPPED_WALKS])
		fprintf(line.out, ", %llu %s", (unsigned long long)table->losses[LOSS_SKIPPED_WALKS], loss_text(LOSS_SKIPPED_WALKS));
	return line_end(&line, screen, o->columns, losses ? DRAW_WARM : DRAW_PLAIN);
}

/* Where we are, and what is not shown. */
static int draw_where(struct draw_screen *screen, const struct view *view, const struct view_table *table, const struct draw_options *o)
{
	const char *filter = view__filtered(view, table->level);
	struct line line;

	if (!line_begin(&line))
		return -ENOMEM;
	if (view__is(view, VIEW_FROZEN))
		fputs("FROZEN  ", line.out);
	fputs(table->level == VIEW_PROCESSES ? "processes" : "", line.out);
	for (int level = VIEW_FUNCTIONS; level <= (int)table->level; level++)
		if (view__label(view, level))
			fprintf(line.out, "%s%s", level > VIEW_FUNCTIONS ? " > " : "", view__label(view, level));
	if (view__averaged(view))
		fprintf(line.out, "  over %u s", view__averaged(view));
	if (view__is(view, VIEW_ALL_FRAMES))
		fputs("  any frame", line.out);
	if (view__is(view, VIEW_PYTHON_ONLY) && table->level == VIEW_PROCESSES)
		fputs("  only Python", line.out);
	if (*filter)
		fprintf(line.out, "  filter '%s'", filter);
	if (table->filtered)
		fprintf(line.out, "  %u filtered", table->filtered);
	if (table->idle)
		fprintf(line.out, "  %u idle", table->idle);
	return line_end(&line, screen, o->columns, view__is(view, VIEW_FROZEN) ? DRAW_WARM : DRAW_PLAIN);
}

static int draw_head(struct draw_screen *screen, const struct view *view, const struct cells *cells, int columns)
{
	struct draw_line *to = &screen->lines[screen->n_lines];
	struct line line;
	int at, width, err;

	if (!line_begin(&line))
		return -ENOMEM;
	cells_head(line.out, cells, view, &at, &width);
	err = line_end(&line, screen, columns, DRAW_HEAD);
	to->mark_at = at;
	to->mark_width = width;
	return err;
}

static enum draw_style row_style(const struct view_table *table, const struct view_row *row)
{
	double cpu = (double)times_cpu(&row->times) / (double)table->span_ns;

	if (row->ended)
		return DRAW_DIM;
	return cpu >= 0.5 ? DRAW_HOT : cpu >= 0.1 ? DRAW_WARM : DRAW_PLAIN;
}

static int draw_rows(struct draw_screen *screen, struct view *view, const struct view_table *table, const struct cells *cells, const struct draw_options *o, int height)
{
	uint32_t first = o->keys ? view__scroll(view, (uint32_t)height) : 0;

	for (int i = 0; i < height && first + (uint32_t)i < table->n_rows; i++) {
		uint32_t at = first + (uint32_t)i;
		bool selected = o->keys && (int)at == table->selected;
		struct line line;
		int err;

		if (!line_begin(&line))
			return -ENOMEM;
		cells_row(line.out, cells, view, table, &table->rows[at]);
		err = line_end(&line, screen, o->columns, selected ? DRAW_SELECTED : row_style(table, &table->rows[at]));
		if (err)
			return err;
	}
	return 0;
}

/* Below processes a short span may well hold nothing. */
static int draw_nothing(struct draw_screen *screen, const struct view *view, const struct view_table *table, const struct draw_options *o)
{
	struct line line;

	if (!line_begin(&line))
		return -ENOMEM;
	if (table->filtered)
		fputs("nothing that the filter lets pass", line.out);
	else if (table->level == VIEW_PROCESSES)
		fputs("no process took CPU time (i: show the idle ones)", line.out);
	else
		fprintf(line.out, "nothing seen here in these %.1f s%s", (double)table->span_ns / 1e9, view__averaged(view) < 60 ? " (a: over more)" : "");
	return line_end(&line, screen, o->columns, DRAW_DIM);
}

static int draw_help(struct draw_screen *screen, const struct draw_options *o, int height)
{
	for (int i = 0; i < height && keys_help[i]; i++) {
		struct line line;
		int err;

		if (!line_begin(&line))
			return -ENOMEM;
		fputs(keys_help[i], line.out);
		err = line_end(&line, screen, o->columns, DRAW_PLAIN);
		if (err)
			return err;
	}
	return 0;
}

/* The last line of the screen. */
static int draw_foot(struct draw_screen *screen, const struct draw_options *o)
{
	const char *text = o->message ? o->message : o->keys->help ? "any key: back" : KEYS_SHOWN;
	struct line line;

	while (screen->n_lines + 1 < (unsigned int)o->lines)
		screen->n_lines++;
	if (!line_begin(&line))
		return -ENOMEM;
	if (!o->keys->typing) {
		fputs(text, line.out);
		return line_end(&line, screen, o->columns, DRAW_PROMPT);
	}
	fprintf(line.out, "filter: %s", o->keys->text);
	screen->cursor = 8 + text_width(o->keys->text, 0);
	if (screen->cursor >= o->columns)
		screen->cursor = o->columns - 1;
	return line_end(&line, screen, o->columns, DRAW_PROMPT);
}

int draw_screen(struct draw_screen *screen, struct view *view, const struct draw_options *o)
{
	const struct view_table *table = view__table(view);
	/* on a low screen the rows count */
	int above = o->lines >= 10 ? 3 : o->lines >= 7 ? 2 : o->lines >= 5 ? 1 : 0, foot = o->keys && o->lines >= 4, height;
	struct cells cells;
	int err = 0;

	*screen = (struct draw_screen){ .cursor = -1 };
	if (o->lines < 1 || o->columns < 1)
		return 0;
	screen->lines = calloc((size_t)o->lines + 4, sizeof(*screen->lines));
	if (!table || !screen->lines)
		return -ENOMEM;
	if (above > 1)
		err = draw_title(screen, table, o);
	if (!err && above > 2)
		err = draw_trust(screen, table, o);
	if (!err && above)
		err = draw_where(screen, view, table, o);
	height = o->lines - above - foot;
	if (!err && o->keys && o->keys->help) {
		err = draw_help(screen, o, height);
	} else if (!err) {
		cells_fit(&cells, table, o->columns);
		if (height > 1)
			err = draw_head(screen, view, &cells, o->columns);
		if (!err)
			err = draw_rows(screen, view, table, &cells, o, height > 1 ? height - 1 : height);
		if (!err && !table->n_rows && table->span_ns && height > 1)
			err = draw_nothing(screen, view, table, o);
	}
	if (!err && (foot || (o->keys && o->keys->typing)))
		err = draw_foot(screen, o);
	return err;
}

void draw_release(struct draw_screen *screen)
{
	for (unsigned int i = 0; i < screen->n_lines; i++)
		free(screen->lines[i].text);
	free(screen->lines);
	*screen = (struct draw_screen){};
}
