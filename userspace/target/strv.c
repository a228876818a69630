// SPDX-License-Identifier: Apache-2.0
#include "target/strv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int strv_reserve(struct strv *v)
{
	char **items;

	/* room for one more and the end, doubled at powers of two */
	if (v->items && (v->n + 2 <= 8 || (v->n + 1) & v->n))
		return 0;
	items = realloc(v->items, (v->n + 1 < 8 ? 8 : (v->n + 1) * 2) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	v->items = items;
	v->items[v->n] = NULL;
	return 0;
}

int strv_take(struct strv *v, char *text)
{
	if (!text || strv_reserve(v) < 0) {
		free(text);
		return -ENOMEM;
	}
	v->items[v->n++] = text;
	v->items[v->n] = NULL;
	return 0;
}

int strv_add(struct strv *v, const char *text)
{
	return text ? strv_take(v, strdup(text)) : strv_reserve(v);
}

int strv_set(struct strv *v, const char *name, const char *value)
{
	size_t length = strlen(name);
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < v->n; i++) {
		if (strncmp(v->items[i], name, length) || v->items[i][length] != '=')
			continue;
		free(v->items[i]);
		v->items[i] = text;
		return 0;
	}
	return strv_take(v, text);
}

void strv__free(char **strv)
{
	if (!strv)
		return;
	for (char **p = strv; *p; p++)
		free(*p);
	free(strv);
}

void strv_release(struct strv *v)
{
	strv__free(v->items);
	v->items = NULL;
	v->n = 0;
}
