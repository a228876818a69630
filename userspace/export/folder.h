/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of profiles, <UTC yyyymmdd_hhmmss>.pb.gz, of which the newest are kept. Everything is done with the rights of identity's user, who
 * owns the files. Other files in the folder are not touched.
 */
#ifndef FIXINGAHOLE_EXPORT_FOLDER_H
#define FIXINGAHOLE_EXPORT_FOLDER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "target/identity.h"

struct folder_limits {
	unsigned int files; /* 0: no limit */
	uint64_t bytes;     /* likewise */
};

struct folder;
/* Makes the folder where it is missing. path is absolute; identity must outlive the folder. 0, or -errno and one line in problem. */
int folder__new(struct folder **out, const char *path, const struct identity *identity, const struct folder_limits *limits, char problem[512]);
void folder__free(struct folder *folder);
/* From the next file on. */
void folder__limit(struct folder *folder, const struct folder_limits *limits);
/*
 * Adds a file named after that moment ("_1" … behind a name that is taken), then removes the oldest ones beyond the limits, never the new one. A folder that is gone
 * is made again. 0 or -errno.
 */
int folder__put(struct folder *folder, time_t when, const void *data, size_t size);
const char *folder__path(const struct folder *folder);
/* Removed so far to keep the limits. */
uint64_t folder__removed(const struct folder *folder);

#endif
