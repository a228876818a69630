// SPDX-License-Identifier: Apache-2.0
/* Help, man page and completions know every option and command of the table. Runs in the repository's top folder. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/help.h"
#include "cli/options.h"

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 17);
	size_t size;

	if (!f)
		fail_msg("cannot open '%s': run this in the repository's top folder", path);
	assert_non_null(text);
	size = fread(text, 1, (1 << 17) - 1, f);
	assert_true(size > 0 && size < (1 << 17) - 1);
	fclose(f);
	return text;
}

static char *help_text(const char *topic)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(help_print(out, topic), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static bool in_word(int c)
{
	return isalnum(c) || c == '-' || c == '_';
}

/* The word itself, not as a part of a longer one: "--sort" is not in "--no-sort", nor "-n" in "-nt". */
static bool has_word(const char *text, const char *word)
{
	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || !in_word((unsigned char)at[-1])) && !in_word((unsigned char)at[strlen(word)]))
			return true;
	return false;
}

static void need(const char *where, const char *text, const char *word)
{
	if (!has_word(text, word))
		fail_msg("%s lacks '%s'", where, word);
}

/* What a completion or page must hold of each option; the format has %s for a long name, letters, one letter. */
static void check_all(const char *path, const char *long_format, const char *letters_format, const char *letter_format)
{
	char *text = read_text(path), word[80];

	/* roff writes "\-" for a hyphen */
	for (char *in = text, *out = text;; in++) {
		if (in[0] == '\\' && in[1] == '-')
			continue;
		if (in[0] == '\\' && in[1] == 'f' && in[2] == 'P')
			in += 3;
		*out++ = *in;
		if (!*in)
			break;
	}
	for (size_t i = 0; i < options_count; i++) {
		const struct option *o = &options[i];

		snprintf(word, sizeof(word), long_format, o->name);
		need(path, text, word);
		if (!o->letters)
			continue;
		snprintf(word, sizeof(word), o->letters[1] ? letters_format : letter_format, o->letters);
		need(path, text, word);
	}
	for (size_t i = 0; i < commands_count; i++)
		need(path, text, commands[i].name);
	for (int i = 0; i < 2; i++) {
		need(path, text, i ? "plotly" : "matplotlib");
		need(path, text, i ? "relative" : "absolute");
		need(path, text, i ? "CRITICAL" : "DEBUG");
	}
	free(text);
}

static void test_man_page(void **state)
{
	char *text = read_text("man/fixingahole.1");
	static const char *const sections[] = {
		".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH ENVIRONMENT", ".SH FILES", ".SH EXIT STATUS", ".SH EXAMPLES",
		"FIXINGAHOLE_ROOT", "FIXINGAHOLE_OUTPUT", "FIXINGAHOLE_IGNORE", "FIXINGAHOLE_DURATION",
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		need("man page", text, sections[i]);
	free(text);
	check_all("man/fixingahole.1", "--%s", "-%s", "-%s");
}

static void test_completions(void **state)
{
	check_all("completions/fixingahole.bash", "--%s", "-%s", "-%s");
	check_all("completions/_fixingahole", "--%s", "-%s", "-%s");
	check_all("completions/fixingahole.fish", "-l %s", "-o %s", "-s %s");
}

static void test_help(void **state)
{
	static const char *const topics[] = { NULL, "profile", "record", "top", "summarize", "stats", "merge", "doctor" };
	static const enum command which[] = { COMMAND_VERSION, COMMAND_PROFILE, COMMAND_RECORD, COMMAND_TOP, COMMAND_SUMMARIZE, COMMAND_STATS, COMMAND_MERGE, COMMAND_DOCTOR };

	for (size_t t = 0; t < sizeof(topics) / sizeof(*topics); t++) {
		char *text = help_text(topics[t]);
		const char *line = text;

		for (size_t i = 0; i < options_count; i++) {
			const struct option *o = &options[i];
			char word[80];

			snprintf(word, sizeof(word), "--%s", o->name);
			if (!(o->commands & (1u << which[t]))) {
				/* an option of another command must not be promised here, but in the examples of the overview */
				if (topics[t] && has_word(text, word) && !option_by_name(which[t], o->name, strlen(o->name)))
					fail_msg("%s --help has '%s'", topics[t], word);
				continue;
			}
			need("--help", text, word);
			if (o->letters) {
				snprintf(word, sizeof(word), "-%s,", o->letters);
				assert_non_null(strstr(text, word));
			}
		}
		for (; *line; line += strcspn(line, "\n") + 1)
			assert_true(strcspn(line, "\n") <= 100);
		free(text);
	}
	assert_int_equal(help_print(stderr, "nothing"), -EINVAL);
}

static void test_overview_lists_commands(void **state)
{
	char *text = help_text(NULL);

	for (size_t i = 0; i < commands_count; i++)
		need("--help", text, commands[i].name);
	free(text);
}

static void test_full_stream(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	assert_non_null(full);
	assert_true(help_print(full, NULL) < 0);
	fclose(full);
}

/* No two options of a command share a name, and what one is called tells one option. */
static void test_table_is_sound(void **state)
{
	for (int command = 0; command <= COMMAND_HELP; command++) {
		for (size_t i = 0; i < options_count; i++) {
			const struct option *o = &options[i];

			if (!(o->commands & (1u << command)))
				continue;
			assert_ptr_equal(option_by_name(command, o->name, strlen(o->name)), o);
			if (o->letters)
				assert_ptr_equal(option_by_letters(command, o->letters, strlen(o->letters)), o);
			assert_true(!o->optional || o->choices || o->kind == OPTION_PATTERN);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_man_page), cmocka_unit_test(test_completions),
		cmocka_unit_test(test_help), cmocka_unit_test(test_overview_lists_commands),
		cmocka_unit_test(test_full_stream), cmocka_unit_test(test_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
