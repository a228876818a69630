/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the dynamic linker would find a library that an executable needs (ld.so(8)), by their files, before anything runs. A guess: its cache and
 * its directories for kinds of processors are not looked at.
 */
#ifndef FIXINGAHOLE_LIBRARY_PATH_H
#define FIXINGAHOLE_LIBRARY_PATH_H

#include <stdbool.h>

#include "image/elf.h"

/*
 * Of what the executable `image` needs, the first whose name is wanted. program: its path, without links; its directory is $ORIGIN. search: what
 * LD_LIBRARY_PATH says, or NULL. 0, and *path is the caller's to free; -ENOENT: it needs none, or there is none.
 */
int library_path(const struct elf_image *image, const char *program, const char *search, bool (*wanted)(const char *name), char **path);

#endif
