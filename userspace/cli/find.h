/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The word FILE -> one file.
 */
#ifndef FIXINGAHOLE_CLI_FIND_H
#define FIXINGAHOLE_CLI_FIND_H

#include <stddef.h>

struct find_places {
	const char *directory;  /* the working directory */
	const char *root;
	char *const *skip;      /* absolute directories that are not searched; .git and .venv never are */
	size_t n_skip;
};

/*
 * In this order: a path from the working directory; a path from root; the only file below root of that name; where the name has no
 * .py or .ipynb, the only file of that name with one of them. Links to files count, links to directories are not followed.
 *
 * 0: *path is the absolute path, the caller frees it. -EINVAL: said in one line, or, where several files match, in a
 * line that is followed by their paths. -ENOMEM.
 */
int find_script(const char *name, const struct find_places *places, char **path);

#endif
