/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The output folder <output>/<script>/<UTC yyyymmdd_hhmmss>/, made and written with the user's own rights,
 * never through a link that lies below <output> or at a file's own name.
 */
#ifndef FIXINGAHOLE_OUTPUTS_H
#define FIXINGAHOLE_OUTPUTS_H

#include <stdio.h>
#include <time.h>

#include "target/identity.h"

/* An absolute path's folder and its parents, where missing. Links in there are the user's own business: they are followed, with our present rights. 0 or -errno. */
int outputs_make_folders(const char *path);

struct outputs;
/*
 * The name of the folder for a script: base name, without .py, .pyw, .pyc, .pyz or .ipynb (a module's dots stay), control
 * characters as '_', at most 255 bytes, "script" where nothing usable is left. Owned; NULL: no memory.
 */
char *outputs_folder_name(const char *script);
/* Makes the folder (and <output> with its parents where missing). A taken time stamp gets "_1", "_2" ….
 * On failure writes one line that names the path and the remedy into problem. id must live as long as the outputs. */
int outputs__new(struct outputs **out, const struct identity *id, const char *output_dir, const char *script_name, time_t now, char problem[512]);
const char *outputs__path(const struct outputs *outputs); /* absolute */
/*
 * -ELOOP: a link of that name is in the way; -EEXIST: something else that is no file; -ENOSPC: the disk is full, and nothing is left behind.
 * A file of that name is replaced. `write` runs with the user's rights.
 * Writes a whole file: first under a temporary name, then renamed, so that it is there whole or not at all.
 * `write` gets a stream and returns 0 or -errno; a full disk is noticed even if `write` does not look.
 */
int outputs__write(struct outputs *outputs, const char *name, int (*write)(FILE *, const void *), const void *arg);
/* Copies bytes into a file of that name. */
int outputs__put(struct outputs *outputs, const char *name, const void *data, size_t size);
/* Removes the folder again if it is empty. */
void outputs__free(struct outputs *outputs);

#endif
