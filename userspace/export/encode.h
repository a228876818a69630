/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows (profile/window.h) in the formats of others.
 */
#ifndef FIXINGAHOLE_EXPORT_ENCODE_H
#define FIXINGAHOLE_EXPORT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "profile/window.h"

struct encoded { uint8_t *data; size_t size; };

/* pprof's profile.proto, gzipped. 0 or -errno. Free data. host: name of this machine. */
int encode_pprof(const struct window *window, const char *host, struct encoded *out);
/* An OTLP ExportProfilesServiceRequest, not compressed. */
int encode_otlp(const struct window *window, const char *host, struct encoded *out);

#endif
