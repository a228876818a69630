// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <errno.h>
#include <string.h>

#include "cli/options.h"

#define WIDTH 96
#define INDENT 35

/* Words of text from that column on; following lines begin at indent. */
static void wrap(FILE *out, const char *text, size_t column, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (!first && column + 1 + length > WIDTH) {
			fprintf(out, "\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			putc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", (int)length, text);
		column += length;
		text += length + (text[length] == ' ');
		first = false;
	}
	putc('\n', out);
}

static void print_row(FILE *out, const char *left, const char *text)
{
	size_t used = strlen(left);

	fputs(left, out);
	if (used + 2 > INDENT) {
		putc('\n', out);
		used = 0;
	}
	fprintf(out, "%*s", (int)(INDENT - used), "");
	wrap(out, text, INDENT, INDENT);
}

static void print_option(FILE *out, const struct option *o)
{
	char left[96], letters[8] = "", value[48] = "";

	if (o->letters)
		snprintf(letters, sizeof(letters), "-%s,", o->letters);
	if (o->value)
		snprintf(value, sizeof(value), o->kind == OPTION_PATTERN ? "[=%s]" : o->optional ? " [%s]" : " %s", o->value);
	snprintf(left, sizeof(left), "  %-4s --%s%s", letters, o->name, value);
	print_row(out, left, o->help);
}

static void print_options(FILE *out, enum command command)
{
	static const char *const titles[GROUPS] = {
		[GROUP_TARGET] = "What runs", [GROUP_MEASURE] = "What is measured", [GROUP_REPORT] = "What is reported",
		[GROUP_SCRIPT] = "The script's surroundings", [GROUP_OUTPUT] = "Where results go", [GROUP_OTHER] = "Other",
	};

	for (int group = 0; group < GROUPS; group++) {
		bool titled = false;

		for (size_t i = 0; i < options_count; i++) {
			if (options[i].group != (enum option_group)group || !(options[i].commands & (1u << command)))
				continue;
			if (!titled)
				fprintf(out, "\n%s:\n", titles[group]);
			titled = true;
			print_option(out, &options[i]);
		}
	}
}

static void print_settings(FILE *out)
{
	fputs("\nSettings (command line > environment > pyproject.toml > default):\n", out);
	print_row(out, "  FIXINGAHOLE_ROOT, root", "the folder whose files are reported (default the git root, else the working directory)");
	print_row(out, "  FIXINGAHOLE_OUTPUT, output", "where results go, from root (default performance/)");
	print_row(out, "  FIXINGAHOLE_IGNORE, ignore", "folders to leave out, from root; ':' between them in the environment, a list in the file");
	print_row(out, "  FIXINGAHOLE_DURATION, duration", "relative or absolute");
	wrap(out, "  The keys stand in [tool.fixingahole] of the nearest pyproject.toml that has this table, up to the git root, "
		  "then beside the virtual environment.", 0, 2);
}

static void print_overview(FILE *out)
{
	fputs("Usage: fixingahole COMMAND ...\n\n", out);
	wrap(out, "Tells per line where a Python program's time and memory go. The kernel takes the samples; the program is not changed.", 0, 0);
	fputs("\nCommands:\n", out);
	for (size_t i = 0; i < commands_count; i++) {
		char left[64];

		snprintf(left, sizeof(left), "  %s", commands[i].name);
		print_row(out, left, commands[i].summary);
	}
	print_options(out, COMMAND_VERSION);
	fputs("\nExamples:\n"
	      "  sudo fixingahole profile train.py --epochs 3\n"
	      "  sudo fixingahole profile --module package.tool -- --input data.csv\n"
	      "  sudo fixingahole profile --pid 4711 --seconds 10\n"
	      "  fixingahole summarize performance/train/20260126_145848/profile_results.json -n 5\n"
	      "\nThe options of a command: fixingahole COMMAND --help\n", out);
}

static int flushed(FILE *out)
{
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}

int help_print(FILE *out, const char *topic)
{
	const struct command_spec *spec = topic ? command_find(topic) : NULL;

	if (topic && !spec)
		return -EINVAL;
	if (!spec) {
		print_overview(out);
	} else {
		fprintf(out, "Usage: fixingahole %s %s\n", spec->name, spec->usage);
		if (spec->command == COMMAND_PROFILE)
			fprintf(out, "       fixingahole %s [options] --module NAME [options] [--] [arguments]\n"
				"       fixingahole %s [options] --pid PID | --name PATTERN | --cgroup PATH\n", spec->name, spec->name);
		putc('\n', out);
		wrap(out, spec->text, 0, 0);
		print_options(out, spec->command);
		if (spec->command == COMMAND_PROFILE)
			print_settings(out);
	}
	return flushed(out);
}

int config_print_version(FILE *out, const struct config *config)
{
	fprintf(out, "fixingahole %s\n", VERSION);
	fprintf(out, "root      %s (%s)\n", config->root, config->root_source);
	fprintf(out, "output    %s (%s)\n", config->output_dir, config->output_source);
	for (size_t i = 0; i < config->n_ignore; i++)
		fprintf(out, "ignore    %s (%s)\n", config->ignore[i], config->ignore_source);
	if (!config->n_ignore)
		fprintf(out, "ignore    nothing (%s)\n", config->ignore_source);
	fprintf(out, "duration  %s (%s)\n", config->duration == DURATION_ABSOLUTE ? "absolute" : "relative", config->duration_source);
	return flushed(out);
}
