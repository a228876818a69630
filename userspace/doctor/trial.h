/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small profiles of a small Python program, with the real BPF programs: the only way to know that they work.
 */
#ifndef FIXINGAHOLE_TRIAL_H
#define FIXINGAHOLE_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "target/identity.h"

struct trial {
	int err;            /* the trial could not be made: -errno */
	char problem[512];  /* why */
	uint64_t samples;   /* timer ticks that were told */
	uint64_t python;    /* of them with Python frames */
};

/* Starts this interpreter and profiles it for a moment. */
void trial_script(struct trial *trial, const struct identity *identity, const char *python);
/* Starts it, and attaches to it when it runs. */
void trial_attach(struct trial *trial, const struct identity *identity, const char *python);
/* The probes for --memory: the preloaded library's (a path), or on allocators. *admin: they need CAP_SYS_ADMIN on this kernel. 0 or -errno. */
int trial_library(const char *library, char problem[512]);
int trial_probes(bool *admin, char problem[512]);

#endif
