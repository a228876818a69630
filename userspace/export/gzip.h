/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_EXPORT_GZIP_H
#define FIXINGAHOLE_EXPORT_GZIP_H

#include "export/encode.h"

/* The same bytes gzipped. 0, and the caller frees data; -ENOMEM or -EFBIG (more than 2^31), and *out as it was. */
int gzip_bytes(const struct encoded *plain, struct encoded *out);

#endif
