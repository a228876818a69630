/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which function a line belongs to, if only its name and the functions' first lines are known. Names are interned: equal ones have one address.
 */
#ifndef FIXINGAHOLE_FUNCTION_INDEX_H
#define FIXINGAHOLE_FUNCTION_INDEX_H

#include "profile/profile.h"

struct function_index {
	const struct profile_function **functions; /* by name, then first line */
	size_t n;
};

/* The functions must stay where they are. -ENOMEM or 0; release in any case. */
int function_index_init(struct function_index *index, const struct profile_function *functions, size_t n);
void function_index_release(struct function_index *index);

/* Of those with that name the one that begins last before the line, else the first. NULL: there is none. */
const struct profile_function *function_index_find(const struct function_index *index, const char *name, uint32_t lineno);

#endif
