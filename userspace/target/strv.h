/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NULL-terminated string vectors (argv, envp) that grow.
 */
#ifndef FIXINGAHOLE_STRV_H
#define FIXINGAHOLE_STRV_H

#include <stddef.h>

struct strv {
	char **items; /* owned, and its strings; NULL-terminated once anything was added */
	size_t n;
};

/* Appends a copy; with NULL only makes sure that there is a (possibly empty) vector. 0 or -ENOMEM. */
int strv_add(struct strv *v, const char *text);
/* Appends text itself and owns it from now on, also on failure. */
int strv_take(struct strv *v, char *text);
/* Sets NAME=value: in place where NAME is there already, else at the end. */
int strv_set(struct strv *v, const char *name, const char *value);
void strv_release(struct strv *v);
/* For a vector that left its struct. NULL is fine. */
void strv__free(char **strv);

#endif
