/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one ELF file tells about the CPython in it. interp.h is the door for everybody else.
 */
#ifndef FIXINGAHOLE_ANALYSE_H
#define FIXINGAHOLE_ANALYSE_H

#include "image/elf.h"
#include "python/interp.h"

#define REASON_SIZE 160

/*
 * Looks at an open image. name: the file's own name, without directories; it decides the version where nothing
 * inside tells. 0 with *status, and *out or reason filled; -ENOMEM. Everything else that is wrong with a file is a status.
 */
int interp_analyse(struct elf_image *image, const char *name, struct interp_binary *out, enum interp_status *status, char reason[REASON_SIZE]);

/* "libpython3.9.so.1.0", "libpython3.7m.so": true, and its version (0x0309) if version is not NULL. Not "libpython3.so". */
bool interp_name_is_libpython(const char *name, uint32_t *version);

/* The version that the name of a libpython or of an executable ("python3.11") gives, 0 for none. */
uint32_t interp_name_version(const char *name);

#endif
