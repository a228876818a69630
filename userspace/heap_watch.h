/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a report says of the heap's probes: how much they saw, and what they cannot see.
 */
#ifndef FIXINGAHOLE_HEAP_WATCH_H
#define FIXINGAHOLE_HEAP_WATCH_H

#include "capture/heap_probes.h"
#include "profile/profile.h"

/* Lines for the report. budget: 0..1. */
void heap_watch_notices(const struct heap_watch *watch, double budget, void (*notice)(void *context, const char *text), void *context);
/* Figures for the details file. */
void heap_watch_fill(const struct heap_watch *watch, struct profile *profile);

#endif
