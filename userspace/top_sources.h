/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines of processes that run: from each one's own root, with its owner's rights. The last few files are kept.
 */
#ifndef FIXINGAHOLE_TOP_SOURCES_H
#define FIXINGAHOLE_TOP_SOURCES_H

#include "target/identity.h"
#include "view/view.h"

struct top_sources;
/* NULL: out of memory. own must outlive it. */
struct top_sources *top_sources__new(const struct identity *own);
void top_sources__free(struct top_sources *sources);

/* A view_source; the context is a struct top_sources. */
const char *top_sources_line(void *context, const struct kept_process *process, const char *path, uint32_t lineno, size_t *size);

#endif
