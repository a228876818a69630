/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recording's life as a service: what the manager hears of it (notify.h), and SIGHUP, which has the settings read again.
 */
#ifndef FIXINGAHOLE_SERVICE_H
#define FIXINGAHOLE_SERVICE_H

#include <stdint.h>

#include "cli/config.h"
#include "export/sinks.h"
#include "target/identity.h"

struct service;
/*
 * sinks may be NULL. From here on SIGHUP is ours if a manager listens, or if there is a file to read again (--options, --header-file); else it ends the
 * process, as it does by itself. 0 or -errno. All functions take NULL.
 */
int service__new(struct service **out, const struct config *config, const struct identity *identity, struct sinks *sinks);
void service__free(struct service *service);

void service__started(struct service *service);
/* Reads the settings again if that was asked for, and keeps the watchdog quiet. Returns when it is to be called again (CLOCK_MONOTONIC), or sooner after a signal. */
uint64_t service__step(struct service *service, uint64_t now_ns);
/* After each window: what became of it, where that is news. */
void service__window(struct service *service);
void service__stopping(struct service *service);

#endif
