// SPDX-License-Identifier: Apache-2.0
#include "report/function_index.h"

#include <errno.h>
#include <stdlib.h>

static int compare(const char *name, uint32_t lineno, const struct profile_function *f)
{
	if (name != f->name)
		return (uintptr_t)name < (uintptr_t)f->name ? -1 : 1;
	return lineno < f->firstlineno ? -1 : lineno > f->firstlineno;
}

static int by_name(const void *a, const void *b)
{
	const struct profile_function *const *x = a, *const *y = b;

	return compare((*x)->name, (*x)->firstlineno, *y);
}

int function_index_init(struct function_index *index, const struct profile_function *functions, size_t n)
{
	*index = (struct function_index){calloc(n + 1, sizeof(*index->functions)), n};
	if (!index->functions)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		index->functions[i] = &functions[i];
	qsort(index->functions, n, sizeof(*index->functions), by_name);
	return 0;
}

void function_index_release(struct function_index *index)
{
	free(index->functions);
	*index = (struct function_index){0};
}

const struct profile_function *function_index_find(const struct function_index *index, const char *name, uint32_t lineno)
{
	size_t low = 0, high = name ? index->n : 0;

	/* the first that is behind */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare(name, lineno, index->functions[middle]) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (name && low && index->functions[low - 1]->name == name)
		return index->functions[low - 1];
	return name && low < index->n && index->functions[low]->name == name ? index->functions[low] : NULL;
}
