/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sign of life on the terminal while the script is silent: elapsed time and number of samples.
 */
#ifndef FIXINGAHOLE_SPINNER_H
#define FIXINGAHOLE_SPINNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spinner {
	bool enabled, drawn;
	pid_t script;
	uint64_t next_ns, silent_since_ns;
	unsigned long long written;
	unsigned int turn;
};

/* Draws on stderr, and only if that is a terminal. */
void spinner_init(struct spinner *spinner, bool wanted, pid_t script);
void spinner_update(struct spinner *spinner, uint64_t elapsed_ns, uint64_t samples);
void spinner_clear(struct spinner *spinner);

#endif
