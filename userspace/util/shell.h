/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FIXINGAHOLE_SHELL_H
#define FIXINGAHOLE_SHELL_H

#include <stdio.h>

/* Prints one word as a shell needs it. */
void shell_quote(FILE *out, const char *word);

#endif
