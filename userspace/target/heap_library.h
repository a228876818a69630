/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The preload library of the heap (preload/), as a launched script gets it: how it samples, and
 * what the script's environment says of it. Where it is: preload_library.h.
 */
#ifndef FIXINGAHOLE_HEAP_LIBRARY_H
#define FIXINGAHOLE_HEAP_LIBRARY_H

#include <stdint.h>

#include <stdint.h>

/* Bytes per sample and samples per second for a precision, whoever samples. */
void heap_library__sampling(int precision, uint64_t *stride, uint64_t *rate);

/*
 * Preloads it, before what the environment preloads already. precision: -10..10, doubles the samples per byte with each step. environment: as
 * script__environment() returns it; it may move. 0 or -ENOMEM.
 */
int heap_library__environment(char ***environment, const char *library, int precision);

#endif
