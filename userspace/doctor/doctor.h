/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixingahole doctor: what works on this machine, and what to change. Everything is tried, nothing is concluded
 * from a version where it can be tried.
 */
#ifndef FIXINGAHOLE_DOCTOR_H
#define FIXINGAHOLE_DOCTOR_H

#include "cli/config.h"
#include "target/identity.h"

/* Prints to stdout. The program's exit status: 0 if a script can be profiled, else 1. */
int doctor__run(const struct config *config, const struct identity *identity);

#endif
