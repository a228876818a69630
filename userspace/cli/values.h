/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an option's value means: from the words to the fields of an invocation.
 */
#ifndef FIXINGAHOLE_CLI_VALUES_H
#define FIXINGAHOLE_CLI_VALUES_H

#include "cli/options.h"

/* One option as it was typed. */
struct typed {
	const struct option *option;
	const char *value; /* NULL: none */
	const char *hint;  /* what to do when the option was meant for the script; "" where it cannot be */
	char shown[48];    /* "-p", "--precision" */
};

/* Sets what the option is about. 0, or -EINVAL after a line on stderr; -ENOMEM. */
int value_apply(struct invocation *invocation, const struct typed *typed);
/* Appends a borrowed word to an owned array. */
int value_add_word(const char ***words, size_t *n, const char *word);

#endif
