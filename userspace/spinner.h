/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sign of life on the terminal while the script is silent.
 */
#ifndef FIXINGAHOLE_SPINNER_H
#define FIXINGAHOLE_SPINNER_H

#include <stdbool.h>
#include <stdint.h>

struct spinner {
	bool enabled, drawn;
	uint64_t next_ns;
	unsigned int turn;
};

/* Draws on stderr, and only if that is a terminal. */
void spinner_init(struct spinner *spinner, bool wanted);
void spinner_update(struct spinner *spinner, uint64_t elapsed_ns, uint64_t samples);
void spinner_clear(struct spinner *spinner);

#endif
