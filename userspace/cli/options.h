/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of what can be typed. The parser, the help, and the tests that compare man page and completions with
 * it all read this table; an option that is not in it does not exist.
 */
#ifndef FIXINGAHOLE_CLI_OPTIONS_H
#define FIXINGAHOLE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/config.h"

/* What the words said, before settings and paths are resolved. Everything borrowed is from argv. */
struct invocation {
	struct config config;
	const char *file;        /* FILE as typed */
	const char *input;       /* JSON or DIR as typed */
	const char *output;      /* --output-directory */
	const char *duration;    /* --duration, one of its two values */
	const char **ignore;     /* --ignore; the array is owned */
	size_t n_ignore;
	bool cpu;
	bool help, version;
};

enum option_kind {
	OPTION_SET,     /* bool := true */
	OPTION_CLEAR,   /* bool := false */
	OPTION_INTEGER, /* int within min..max */
	OPTION_NUMBER,  /* double within min..max */
	OPTION_TEXT,    /* const char *, not empty */
	OPTION_NAME,    /* const char *, a file's base name */
	OPTION_MODULE,  /* const char *, a module's dotted name */
	OPTION_CHOICE,  /* const char *, the one of choices */
	OPTION_LEVEL,   /* enum log_level, choices in rising order */
	OPTION_PATTERN, /* const char *: the value, after '=' only, or "" */
	OPTION_PLOTS,   /* both bools, or the one of the value */
	OPTION_DIRECTORIES, /* added to ignore */
	OPTION_PIDS,    /* a process's number, added to pids */
	OPTION_OUTPUTS, /* a folder or URL, added to outputs */
	OPTION_HEADERS, /* "Name: value", added to headers */
	OPTION_SIZE,    /* uint64_t bytes: a number, with K, M, G or T for powers of 1024 */
};

enum option_group { GROUP_TARGET, GROUP_MEASURE, GROUP_REPORT, GROUP_SCRIPT, GROUP_OUTPUT, GROUP_OTHER, GROUPS };

/* Bits of option.commands */
#define ON_PROFILE (1u << COMMAND_PROFILE)
#define ON_SUMMARIZE (1u << COMMAND_SUMMARIZE)
#define ON_STATS (1u << COMMAND_STATS)
#define ON_RECORD (1u << COMMAND_RECORD)
#define ON_TOP (1u << COMMAND_TOP)
#define ON_MERGE (1u << COMMAND_MERGE)
#define ON_DOCTOR (1u << COMMAND_DOCTOR)
#define ON_OVERVIEW (1u << COMMAND_VERSION)

struct option {
	const char *name;           /* long, without "--" */
	const char *letters;        /* short, one or two letters without "-", or NULL */
	unsigned int commands;
	enum option_group group;
	enum option_kind kind;
	const char *value;          /* what the help calls it; NULL: takes none */
	bool optional;              /* the value may be missing */
	const char *const *choices; /* NULL-terminated, or NULL */
	size_t offset;              /* into struct invocation */
	double min, max;            /* max 0: no upper end */
	const char *help;
};

extern const struct option options[];
extern const size_t options_count;

/* Words that are no options. */
enum operands { OPERAND_SCRIPT, OPERAND_NONE, OPERAND_ONE, OPERAND_MANY };

struct command_spec {
	const char *name;
	enum command command;
	enum operands operands;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *text;    /* a paragraph for its own help */
};

extern const struct command_spec commands[];
extern const size_t commands_count;

const struct command_spec *command_find(const char *name);
const struct command_spec *command_spec(enum command command);

const struct option *option_by_name(enum command command, const char *name, size_t length);
const struct option *option_by_letters(enum command command, const char *letters, size_t length);

/* The known option, or command, that looks most like what was typed; NULL when none comes near. */
const struct option *option_nearest(enum command command, const char *typed);
const struct command_spec *command_nearest(const char *typed);

#endif
