/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a wait was for, in words.
 */
#ifndef FIXINGAHOLE_WAITS_H
#define FIXINGAHOLE_WAITS_H

#include "capture/sample.h"

/* "read", "sleep" …; NULL: no such call. */
const char *syscall_name(int number);

/* The call: "recvfrom", "page-in", "run queue" (other programs had the processors), "waiting" where nothing is known. Writes into buffer when it must. */
const char *wait_call(const struct event_wait *event, char buffer[32]);

/* The object: "10.0.0.5:5432", "/var/lib/x", "pipe:[123]", … into buffer. False: there is none. */
bool wait_object_text(const struct wait_object *object, char *buffer, size_t size);

#endif
