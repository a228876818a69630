/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One word of --output: a folder, or a server with the protocol that it speaks.
 *
 *   /var/lib/profiles                   a folder
 *   pyroscope+https://user:word@host/   a server; the protocol is pyroscope, parca, otlp or pprof
 *   http://host:4318                    the same, the protocol being what --protocol says
 *
 * What each protocol's path is, is added unless the URL has it already:
 *   pyroscope  /ingest                                               a query with name=… names the application and its labels
 *   parca      /parca.profilestore.v1alpha1.ProfileStoreService/WriteRaw   as gRPC-Web, which needs no HTTP/2
 *   otlp       /v1development/profiles                               any path that ends in /profiles is left alone
 *   pprof      nothing: a pprof file is posted to the URL itself
 */
#ifndef FIXINGAHOLE_EXPORT_PLACE_H
#define FIXINGAHOLE_EXPORT_PLACE_H

#include <stdbool.h>

#include "export/curl_api.h"

enum protocol { PROTOCOL_PYROSCOPE, PROTOCOL_PARCA, PROTOCOL_OTLP, PROTOCOL_PPROF, PROTOCOLS };

struct place {
	char *folder;   /* absolute; NULL: a server */
	enum protocol protocol;
	char *url;      /* without user and password */
	char *shown;    /* for messages: without query, either */
	char *user, *password; /* decoded; NULL: none */
};

/* Whether a word names a server. */
bool place_is_remote(const char *word);
/*
 * curl: not asked for a folder. directory: what a relative folder is relative to. protocol: --protocol, or NULL. 0 and *place, which is released; -EINVAL and one line in
 * problem, which never holds the password; -ENOMEM. On failure *place is untouched.
 */
int place_parse(struct place *place, const struct curl_api *curl, const char *word, const char *protocol, const char *directory, char problem[512]);
void place_release(struct place *place);

#endif
