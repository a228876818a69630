/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is sent to a server, by protocol, and what its answers mean. No network in here.
 */
#ifndef FIXINGAHOLE_EXPORT_REQUEST_H
#define FIXINGAHOLE_EXPORT_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "export/encode.h"
#include "export/place.h"

/* When a window was, for protocols that have it in the URL. */
struct request_times {
	uint64_t start_epoch_ns, end_epoch_ns;
	uint32_t rate_hz;
};

/*
 * The body for an encoded window (of encode_otlp() for PROTOCOL_OTLP, else of encode_pprof()). 0 and *body, whose data the caller frees; -ENOMEM;
 * -EFBIG.
 */
int request_body(enum protocol protocol, const struct encoded *window, const char *host, struct encoded *body);
/* The URL to send to; owned by the caller. NULL: out of memory. */
char *request_url(const struct place *place, const struct request_times *times, const char *host);
/* "Content-Type: …", and with OTLP what the body is packed with; NULL-terminated. */
const char *const *request_headers(enum protocol protocol);

struct answer {
	long status;          /* of HTTP */
	const uint8_t *body;  /* its beginning */
	size_t size;
	const char *grpc_status, *grpc_message; /* header lines, if it has them, or NULL */
};

enum verdict {
	VERDICT_TAKEN,
	VERDICT_AGAIN,   /* later: 408, 429, 5xx; 401 and 407, since credentials can be renewed; 3xx and what does not look like that server */
	VERDICT_REFUSED, /* the other 4xx: it will never be taken */
};

/* why: one line, "HTTP 503 Service Unavailable: <beginning of the answer>", empty where all was taken. Any bytes may come in. */
enum verdict request_judge(enum protocol protocol, const struct answer *answer, char why[200]);

#endif
