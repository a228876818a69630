/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table [tool.fixingahole] of a pyproject.toml, and nothing else of it.
 *
 * The table may be written in any way that TOML has: a header with bare or quoted keys, dotted keys, inline tables. Inside
 * it everything is read strictly: an unknown key, a wrong type or a key given twice is an error. Outside it values are only skipped:
 * strings and brackets must close, what scalars mean is no concern of ours.
 */
#ifndef FIXINGAHOLE_CLI_TOML_H
#define FIXINGAHOLE_CLI_TOML_H

#include <stdbool.h>
#include <stddef.h>

enum toml_key { TOML_ROOT, TOML_OUTPUT, TOML_IGNORE, TOML_DURATION, TOML_KEYS };

struct toml_entry {
	bool present;
	unsigned int line;   /* from 1 */
	char **values;       /* owned; exactly one, except for ignore, which has any number */
	size_t n_values;
};

struct toml_settings {
	bool found;          /* the table is there, be it empty */
	struct toml_entry entries[TOML_KEYS];
};

struct toml_problem {
	unsigned int line;   /* from 1 */
	char text[160];      /* what is wrong there */
};

/*
 * Reads size bytes of text, which may hold anything. 0: *settings is filled, the caller releases it. -EINVAL: *problem says what and
 * where. -ENOMEM. *settings is untouched on failure.
 */
int toml_read(struct toml_settings *settings, const char *text, size_t size, struct toml_problem *problem);
void toml_release(struct toml_settings *settings);

const char *toml_key_name(enum toml_key key);

#endif
