/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows (profile/window.h) in the formats of others. docs/exports.md says what users find in them.
 *
 * Both hold the same samples: one for each process, thread, stack and reason, with the sums over the window. tables.h has what
 * is common to both: what is merged, which frames are made up, and what becomes of texts that are no UTF-8.
 *
 * pprof: sample types cpu, wait (nanoseconds), rss (bytes), and if the heap was measured alloc_objects, alloc_space,
 * inuse_objects, inuse_space, each with its value in each sample. Who it was is in labels. The losses are a comment.
 *
 * OTLP: a ResourceProfiles for each process, with a profile for each of the same types that it has samples of. Written for
 * opentelemetry-proto 1.10.0 and 1.11.0, "v1development", which OpenTelemetry collectors from 0.148.0 on take (our tests
 * run 0.162.0) at the path /v1development/profiles, with their feature gate service.profilesSupport. Before 1.10.0 the
 * fields of a sample had other numbers: older collectors take the request and misread it.
 *
 * The encoders allocate what they need and give it back; about 30 ms of CPU time and 20 MB at a window of 10,000 rows
 * with stacks of 30 frames (a third of that for gzip).
 */
#ifndef FIXINGAHOLE_EXPORT_ENCODE_H
#define FIXINGAHOLE_EXPORT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "profile/window.h"

struct encoded { uint8_t *data; size_t size; };

/*
 * pprof's profile.proto, gzipped. host: name of this machine; NULL: not told. 0, and the caller frees data; or -ENOMEM,
 * -EOVERFLOW (more than 2^30 of something), -EFBIG (more than 1 GiB) or -EINVAL (a row that points nowhere), and *out as it was.
 */
int encode_pprof(const struct window *window, const char *host, struct encoded *out);
/* An OTLP ExportProfilesServiceRequest, not compressed. Likewise. */
int encode_otlp(const struct window *window, const char *host, struct encoded *out);

#endif
