/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends what is in a spool to its server, from a thread of its own. Redirects are not followed (a header may be a secret), certificates
 * are always verified, proxies are as libcurl takes them from the environment.
 *
 * A profile stays in the spool until the server took it or refused it for good, so each arrives at least once. It arrives twice where the
 * answer was lost, or where we were killed before we could note it; its header Idempotency-Key is the same each time.
 *
 * After a failure the pause doubles from half a second up to a minute, made random from half of it up; Retry-After, at most an hour,
 * counts instead where a server says it.
 */
#ifndef FIXINGAHOLE_EXPORT_PUSH_H
#define FIXINGAHOLE_EXPORT_PUSH_H

#include "export/credentials.h"
#include "export/place.h"
#include "export/spool.h"

struct push_state {
	uint64_t pushed, retries, refused;
	char error[256];   /* why the last attempt failed; empty: it did not */
	char refusal[256]; /* why the last one that was refused for good was */
};

struct push;
/* Owns place and spool from a success on; curl must outlive it. credentials: takes a reference. 0 or -errno. */
int push__new(struct push **out, const struct curl_api *curl, const struct place *place, struct spool *spool, struct credentials *credentials, const char *host);
/* There is something new in the spool. */
void push__wake(struct push *push);
/* Others from the next request on, which is made at once. */
void push__renew(struct push *push, struct credentials *credentials);
/* It is to end: sends until the spool is empty or that moment (CLOCK_MONOTONIC) has come, and at once if it waits between two tries. */
void push__end(struct push *push, uint64_t deadline_ns);
/* Waits for its end, a second after that moment at most. */
void push__join(struct push *push);
/* Ends at once, unless that has happened. */
void push__free(struct push *push);
void push__state(struct push *push, struct push_state *state);
struct spool *push__spool(struct push *push);
const struct place *push__place(const struct push *push);

#endif
