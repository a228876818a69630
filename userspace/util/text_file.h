/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_TEXT_FILE_H
#define FIXINGAHOLE_TEXT_FILE_H

#include <stddef.h>

/*
 * A regular file as text: a NUL behind it, none in it. 0, and the caller frees *text; -EINVAL: it is no such file; -EFBIG: it has more than so
 * many bytes; or another -errno.
 */
int text_file_read(const char *path, size_t most, char **text, size_t *size);

#endif
