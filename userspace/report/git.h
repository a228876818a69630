/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git knows about a folder, by running git itself. As root, git runs with the rights of the folder's owner:
 * a repository's settings can name programs to run.
 */
#ifndef FIXINGAHOLE_REPORT_GIT_H
#define FIXINGAHOLE_REPORT_GIT_H

#include <stddef.h>

struct git_facts {
	char *repo;     /* name of the origin, else of the folder; NULL: not a repository, or no git */
	char *branch;   /* NULL: none checked out */
	char *commit;   /* NULL: no commit yet */
	char *top;      /* the work tree's folder */
	char *dirty;    /* changed files' paths below top, each NUL-terminated */
	size_t dirty_size;
};

void git_facts__read(struct git_facts *facts, const char *directory);
void git_facts__release(struct git_facts *facts);

#endif
