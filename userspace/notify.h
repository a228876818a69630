/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd wants to hear from a service with Type=notify: datagrams to the socket that $NOTIFY_SOCKET names, by its path or, behind an
 * '@', in the abstract name space. Without that variable nothing is sent, and nothing fails.
 *
 * The protocol: sd_notify(3). A reload is told before (with the time, else systemd takes it for an old one), and READY after it.
 */
#ifndef FIXINGAHOLE_NOTIFY_H
#define FIXINGAHOLE_NOTIFY_H

#include <stdint.h>

struct notify;
/* Reads the environment once. 0, and NULL where nobody listens; else -errno, and *out is untouched. All functions below take NULL. */
int notify__new(struct notify **out);
void notify__free(struct notify *notify);

/* Each: 0, or -errno when the socket did not take it; status is one line for `systemctl status`, or NULL. */
int notify__ready(struct notify *notify, const char *status);
int notify__reloading(struct notify *notify);
int notify__stopping(struct notify *notify);
int notify__status(struct notify *notify, const char *status);
/* To be sent at least every notify__watchdog_ns() / 2. */
int notify__watchdog(struct notify *notify);
/* What the unit's WatchdogSec says, for this process; 0: no watchdog. */
uint64_t notify__watchdog_ns(const struct notify *notify);

#endif
