// SPDX-License-Identifier: Apache-2.0
#include "symbols/demangle.h"

#include <setjmp.h>
#include <string.h>

#include <libiberty/demangle.h>

#define NAME_BYTES_MAX 512
/* References to what came before, "S1_" and "T_"; a conversion operator, which is read twice, counts for two. */
#define REFERENCES_MAX 16

struct text {
	char *out;
	size_t size, used;
	jmp_buf full;
};

static bool is_bounded(const char *name)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned int references = 0;

	for (const char *at = name; *at; at++) {
		if (*at == 'S' || *at == 'T')
			references += at[1 + strspn(at + 1, digits)] == '_';
		else if (at[0] == 'c' && at[1] == 'v')
			references += 2;
		if (references > REFERENCES_MAX || at - name >= NAME_BYTES_MAX)
			return false;
	}
	return true;
}

/* The library allocates nothing when it calls back, so it may be left from here: it would go on for all that there is, however much that is. */
static void put(const char *piece, size_t length, void *context)
{
	struct text *text = context;

	if (length >= text->size - text->used)
		longjmp(text->full, 1);
	memcpy(text->out + text->used, piece, length);
	text->used += length;
}

bool demangle(const char *name, char *out, size_t size)
{
	struct text text = { .out = out, .size = size };

	if (!size || name[0] != '_' || name[1] != 'Z' || !is_bounded(name) || setjmp(text.full) || !cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, put, &text))
		return false;
	out[text.used] = '\0';
	return true;
}
