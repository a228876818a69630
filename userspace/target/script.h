/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From "the user's script" to "what to exec": which interpreter, notebook -> Python, and the start-up hook
 * that captures logs and keeps plot windows shut without touching the user's file.
 */
#ifndef FIXINGAHOLE_SCRIPT_H
#define FIXINGAHOLE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"
#include "target/identity.h"

/* The interpreter: --python, else VIRTUAL_ENV/CONDA_PREFIX of the user's environment, else a .venv or venv of the
 * project (from the script's folder up to root), else the script's shebang, else python3 (then python) on the user's PATH.
 * Returns an owned absolute path and in *why one of "--python", "active virtual environment", "project's virtual environment",
 * "shebang", "PATH", "PATH; the shebang's is not there". A symlink (venv/bin/python) stays one: it decides sys.prefix. script may be NULL (a module).
 * --python may be a path or a name on the user's PATH. -ENOENT: there is none; -EACCES: it is there, but the user cannot execute it.
 * A stale VIRTUAL_ENV is passed over, and so is a shebang that names what is not there: *why says so then. */
int script__choose_python(const struct identity *id, const char *option, const char *script, const char *root, char **path, const char **why);
/* The Python that a script's first line names ("#!/usr/bin/env -S python3.9 -u" -> "python3.9"), owned; NULL: none, or no Python 3. */
char *shebang_program(const char *line);

/* A notebook's code cells as one Python file. */
struct notebook {
	char *source;          /* owned; each cell behind a comment line that names it */
	size_t size;
	struct cell_map map;   /* owned */
	char **notices;        /* owned: "cell 3, line 1: '%matplotlib inline' skipped" */
	size_t n_notices;
};
/*
 * Line k of cell N is line first_line + k - 1 of the source, whatever was replaced; cells count among the code cells, from 1. An empty cell has
 * its comment line, but no entry in the map. Opens the file with the rights it finds: call between identity__enter() and identity__leave().
 * 0; -EINVAL and one line in problem (which cell and line is refused and why, or why the JSON is none); other -errno with a line in problem too.
 */
int notebook__read(struct notebook *nb, const char *path, char problem[512]);
/* The same from memory. */
int notebook__parse(struct notebook *nb, const char *json, size_t size, char problem[512]);
void notebook__release(struct notebook *nb);

/* The hook. */
struct hook_options {
	const char *logs_path;   /* absolute; created at the first record */
	int log_level;
	bool no_matplotlib, no_plotly;
	const char *notebook_dir; /* NULL: no notebook. Else its folder: imports look there first, not beside the copy that runs
				   * (which lies beside logs_path); and display() is there, as in IPython */
};
/*
 * Writes a sitecustomize into a private temporary directory owned by the user and returns its path
 * (owned by the caller). The hook puts the environment and sys.path back as they were, chains to the user's own
 * sitecustomize, and removes its directory as soon as it is loaded.
 */
int hook__create(const struct identity *id, const struct hook_options *options, char **directory);
/* How many records the hook wrote into that file, and how many of them are warnings or worse; -ENOENT: none. Call with the user's rights (identity__enter). */
int logs__count(const char *path, size_t *records, size_t *warnings);
void hook__remove(const struct identity *id, const char *directory); /* if it is still there */

/* The environment for the script: the user's, plus FIXINGAHOLE_PROFILE=1, plus what makes the hook load. Owned by the caller. */
char **script__environment(const struct identity *id, const char *hook_directory);
void strv__free(char **strv);

#endif
