/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are there whole or not at all, in a folder that is open.
 */
#ifndef FIXINGAHOLE_EXPORT_FILE_H
#define FIXINGAHOLE_EXPORT_FILE_H

#include <dirent.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Writes a new file under a temporary name and renames it. Never through a link, never over anything: -EEXIST where that name is taken. Else 0 or -errno;
 * what fails leaves nothing behind. mode: less the creation mask.
 */
int file_put(int folder, const char *name, const struct iovec *parts, int n_parts, mode_t mode);

/* The entries of the folder, from the first on, for closedir(). NULL: errno. */
DIR *file_list(int folder);

/* Removes what file_put() left behind when it was killed, if that is older than so many seconds. */
void file_sweep(int folder, unsigned int older_than_s);

#endif
