/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some options say how a script is started, others which processes are attached to: they exclude each other.
 */
#ifndef FIXINGAHOLE_CLI_TARGET_WORDS_H
#define FIXINGAHOLE_CLI_TARGET_WORDS_H

#include <stdbool.h>

/* Options that were given, by their long names; the last of each kind. */
struct target_words {
	const char *attach;      /* names processes to attach to */
	const char *attach_only; /* only counts with those */
	const char *launch;      /* only counts with a script */
};

/* Is it one of the first two kinds? */
bool target_words_attach(const char *name);
void target_words_note(struct target_words *words, const char *name);
/* 0, or -EINVAL after a line on stderr. file: the script; NULL: none was named. */
int target_words_check(const struct target_words *words, const char *file);

#endif
