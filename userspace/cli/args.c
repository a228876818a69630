// SPDX-License-Identifier: Apache-2.0
/*
 * Before FILE a word that looks like an option must be one. After FILE only words of the table count, and the first that is not in
 * it begins the script's own arguments: `fixingahole profile train.py --detailed --epochs 3` means what it seems to mean.
 */
#include "cli/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/target_words.h"
#include "cli/values.h"
#include "util/cleanup.h"
#include "util/log.h"

#define CLUSTER_MAX 16

struct parser {
	struct invocation *invocation;
	int argc, at;
	char **argv;
	bool literal;                  /* "--" was read: no more options */
	char memory_shown[48], cpu_shown[48];
	struct target_words target;
};

static enum command command_of(const struct parser *p) { return p->invocation->config.command; }

static bool has_target(const struct parser *p)
{
	return p->invocation->file || p->invocation->config.module;
}

/* What to do when the option was meant for the script. */
static const char *hint(const struct parser *p)
{
	return has_target(p) ? " (put '--' before the script's own arguments)" : "";
}

static void match_set(struct typed *m, const struct option *option, const char *dashes, const char *name, size_t length, const char *value)
{
	m->option = option;
	m->value = value;
	snprintf(m->shown, sizeof(m->shown), "%s%.*s", dashes, (int)length, name);
}

/* -p, -p=3, -p3, -np=plotly, and -dq for -d -q. */
static size_t match_letters(const struct parser *p, const char *word, struct typed *matches)
{
	const char *letters = word + 1;
	size_t length = strcspn(letters, "="), n = 0;
	const struct option *option = option_by_letters(command_of(p), letters, length);

	if (option) {
		match_set(&matches[0], option, "-", letters, length, letters[length] ? letters + length + 1 : NULL);
		return 1;
	}
	for (; *letters; letters++) {
		option = option_by_letters(command_of(p), letters, 1);
		if (!option || n == CLUSTER_MAX)
			return 0;
		match_set(&matches[n++], option, "-", letters, 1, NULL);
		if (!option->value)
			continue;
		if (letters[1])
			matches[n - 1].value = letters + 1 + (letters[1] == '=');
		break;
	}
	return n;
}

/* How many options of ours the word holds; 0 when it is not one, or when a part of it is none. */
static size_t match_word(const struct parser *p, const char *word, struct typed *matches)
{
	const struct option *option;
	size_t length;

	if (word[0] != '-' || !word[1])
		return 0;
	if (word[1] != '-')
		return match_letters(p, word, matches);
	length = strcspn(word + 2, "=");
	option = option_by_name(command_of(p), word + 2, length);
	if (!option)
		return 0;
	match_set(&matches[0], option, "--", word + 2, length, word[2 + length] ? word + length + 3 : NULL);
	return 1;
}

static int apply(struct parser *p, struct typed *m)
{
	const struct option *o = m->option;

	if (!strcmp(o->name, "cpu"))
		memcpy(p->cpu_shown, m->shown, sizeof(p->cpu_shown));
	if (!strcmp(o->name, "memory"))
		memcpy(p->memory_shown, m->shown, sizeof(p->memory_shown));
	target_words_note(&p->target, o->name);
	m->hint = hint(p);
	return value_apply(p->invocation, m);
}

/* The value that the option needs and its own word does not hold: the next word. */
static int take_value(struct parser *p, struct typed *m)
{
	const char *next = p->at < p->argc ? p->argv[p->at] : NULL;
	const struct option *o = m->option;

	if (!o->value || m->value)
		return 0;
	if (o->optional) {
		for (size_t i = 0; next && o->choices && o->choices[i]; i++) {
			if (!strcmp(next, o->choices[i])) {
				m->value = next;
				p->at++;
			}
		}
		return 0;
	}
	/* "-o -q" is a forgotten value; "-p -3" is one */
	if (!next || (next[0] == '-' && next[1] && !isdigit((unsigned char)next[1]) && next[1] != '.')) {
		log_error("'%s' needs a value, %s%s", m->shown, o->value, hint(p));
		return -EINVAL;
	}
	m->value = next;
	p->at++;
	return 0;
}

static int unknown_option(const struct parser *p, const char *word)
{
	const struct option *nearest = option_nearest(command_of(p), word);
	const struct command_spec *spec = command_spec(command_of(p));

	if (nearest)
		log_error("unknown option '%s': did you mean '--%s'?", word, nearest->name);
	else
		log_error("unknown option '%s': see 'fixingahole %s%s--help'", word, spec ? spec->name : "", spec ? " " : "");
	return -EINVAL;
}

/* A word that is no option. 1: the rest is the script's. */
static int take_operand(struct parser *p, const char *word)
{
	struct invocation *v = p->invocation;
	enum operands operands = command_spec(command_of(p))->operands;
	const char **operand = operands == OPERAND_SCRIPT ? &v->file : &v->input;

	if (has_target(p)) {
		p->at--;
		return 1;
	}
	if (!word[0]) {
		log_error("an empty name: see 'fixingahole %s --help'", command_spec(command_of(p))->name);
		return -EINVAL;
	}
	if (operands == OPERAND_NONE) {
		log_error("unexpected '%s': see 'fixingahole %s --help'", word, command_spec(command_of(p))->name);
		return -EINVAL;
	}
	if (operands == OPERAND_MANY)
		return value_add_word(&v->config.inputs, &v->config.n_inputs, word);
	if (*operand) {
		log_error("unexpected '%s' after '%s': one %s at a time", word, *operand, command_of(p) == COMMAND_STATS ? "folder" : "file");
		return -EINVAL;
	}
	*operand = word;
	/* after "--" FILE ends it all, too: nothing behind it is looked at */
	return p->literal && command_of(p) == COMMAND_PROFILE;
}

/* 0: go on; 1: the rest is the script's, or help was asked for. */
static int take_word(struct parser *p)
{
	struct typed matches[CLUSTER_MAX];
	const char *word = p->argv[p->at++];
	size_t n;

	if (p->literal || word[0] != '-' || !word[1])
		return take_operand(p, word);
	if (!strcmp(word, "--")) {
		p->literal = true;
		return has_target(p);
	}
	n = match_word(p, word, matches);
	/* a script may well have a --name; where there is one, nothing is attached to */
	if (n && has_target(p) && target_words_attach(matches[0].option->name))
		n = 0;
	if (!n)
		return has_target(p) ? take_operand(p, word) : unknown_option(p, word);
	for (size_t i = 0; i < n; i++) {
		int err = take_value(p, &matches[i]);

		err = err ? err : apply(p, &matches[i]);
		if (err)
			return err;
		if (p->invocation->help)
			return 1;
	}
	return 0;
}

/* There is something to work on. */
static int check_operands(const struct parser *p)
{
	const struct invocation *v = p->invocation;
	const struct command_spec *spec = command_spec(command_of(p));
	const char *verb = "read";
	bool some = v->input;

	if (spec->operands == OPERAND_MANY) {
		some = v->config.n_inputs;
		verb = spec->name;
	} else if (spec->operands == OPERAND_SCRIPT) {
		some = has_target(p) || p->target.attach;
		verb = spec->name;
	} else if (spec->operands == OPERAND_NONE) {
		some = command_of(p) != COMMAND_RECORD || v->config.all || p->target.attach;
		verb = spec->name;
	}
	if (some)
		return 0;
	log_error("nothing to %s: fixingahole %s %s", verb, spec->name, spec->usage);
	return -EINVAL;
}

static int check_whole(const struct parser *p)
{
	const struct invocation *v = p->invocation;

	if (p->cpu_shown[0] && p->memory_shown[0]) {
		log_error("'%s' and '%s' exclude each other: give one of them", p->cpu_shown, p->memory_shown);
		return -EINVAL;
	}
	if (v->config.all && p->target.attach) {
		log_error("'--all' and '--%s' exclude each other: give one of them", p->target.attach);
		return -EINVAL;
	}
	if (v->config.all && p->memory_shown[0]) {
		log_error("'%s' needs --pid, --name or --cgroup: probes on the allocators of a whole machine would slow it down", p->memory_shown);
		return -EINVAL;
	}
	if (command_of(p) == COMMAND_PROFILE && target_words_check(&p->target, v->file))
		return -EINVAL;
	if (p->target.attach && v->config.heap_source && !strcmp(v->config.heap_source, "preload")) {
		log_error("'--heap-source=preload' is for scripts that are started: a process that runs already loads nothing; leave it out");
		return -EINVAL;
	}
	return check_operands(p);
}

static int parse_command(struct parser *p)
{
	struct config *config = &p->invocation->config;
	int err = 0;

	while (p->at < p->argc && !err)
		err = take_word(p);
	if (err < 0)
		return err;
	if (p->invocation->help) {
		config->help_topic = command_spec(config->command)->name;
		config->command = COMMAND_HELP;
		return 0;
	}
	if (!config->rate_hz)
		config->rate_hz = config->command == COMMAND_PROFILE ? 1000 : 99;
	config->script_argv = p->argv + p->at;
	config->script_argc = p->argc - p->at;
	return check_whole(p);
}

static bool looks_like_script(const char *word)
{
	size_t length = strlen(word);

	return strchr(word, '/') || (length > 3 && !strcmp(word + length - 3, ".py")) ||
	       (length > 6 && !strcmp(word + length - 6, ".ipynb")) || access(word, F_OK) == 0;
}

static int unknown_command(const char *word)
{
	const struct command_spec *nearest = command_nearest(word);

	if (looks_like_script(word))
		log_error("'%s' is not a command: to profile it, type 'fixingahole profile %s'", word, word);
	else if (nearest)
		log_error("unknown command '%s': did you mean '%s'?", word, nearest->name);
	else
		log_error("unknown command '%s': see 'fixingahole --help'", word);
	return -EINVAL;
}

/* fixingahole help [COMMAND] */
static int parse_help(struct parser *p)
{
	struct config *config = &p->invocation->config;
	const char *topic = p->at < p->argc ? p->argv[p->at] : NULL;

	if (topic && !command_find(topic))
		return unknown_command(topic);
	config->command = COMMAND_HELP;
	config->help_topic = topic ? command_find(topic)->name : NULL;
	return 0;
}

/* The words before a command: --help, --version, or options that belong behind it. */
static int parse_top(struct parser *p, const char *word)
{
	struct config *config = &p->invocation->config;
	struct typed matches[CLUSTER_MAX];
	size_t n;
	int err;

	config->command = COMMAND_VERSION;
	n = match_word(p, word, matches);
	if (n != 1) {
		config->command = COMMAND_PROFILE;
		if (match_word(p, word, matches)) {
			log_error("'%s' goes behind the command: fixingahole profile %s ...", word, word);
			return -EINVAL;
		}
		config->command = COMMAND_VERSION;
		return unknown_option(p, word);
	}
	err = apply(p, &matches[0]);
	if (err)
		return err;
	if (p->invocation->help)
		return parse_help(p);
	if (p->at < p->argc) {
		log_error("unexpected '%s' after '%s'", p->argv[p->at], word);
		return -EINVAL;
	}
	return 0;
}

int args_parse(struct invocation *invocation, int argc, char **argv)
{
	struct invocation read = {
		.config = {
			.argc = argc, .argv = argv, .trace = true, .metadata = true, .sort = true, .repeat = 1, .children = true,
			.log_level = LOG_LEVEL_WARNING, .heap_budget_percent = 3, .top_n = 10, .threshold_percent = 0.1,
			.keep_files = 1440, .keep_bytes = 1ULL << 30, .timeout_s = 30, .spool_bytes = 256ULL << 20,
		},
	};
	struct parser p = { .invocation = &read, .argc = argc, .argv = argv, .at = 2 };
	const struct command_spec *spec;
	int err;

	if (argc < 2) {
		help_print(stderr, NULL);
		return -EINVAL;
	}
	spec = command_find(argv[1]);
	if (spec) {
		read.config.command = spec->command;
		err = parse_command(&p);
	} else if (argv[1][0] == '-' && argv[1][1]) {
		err = parse_top(&p, argv[1]);
	} else {
		err = strcmp(argv[1], "help") ? unknown_command(argv[1]) : parse_help(&p);
	}
	if (err) {
		free(read.ignore);
		free(read.config.pids);
		free(read.config.outputs);
		free(read.config.headers);
		free(read.config.inputs);
		return err;
	}
	*invocation = read;
	return 0;
}
