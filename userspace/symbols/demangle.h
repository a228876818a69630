/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ functions (and of Rust's, in its older form) as a programmer writes them. Names come from any program's file: what a name can cost in time is bounded by
 * taking only those apart that say a limited number of times "what was named before", since each may double what there is to do.
 */
#ifndef FIXINGAHOLE_DEMANGLE_H
#define FIXINGAHOLE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* true: out has the whole name, with its parameters. false: it is no C++ name, a damaged one, or too large a one (1 in 200 of large libraries); out may hold anything. */
bool demangle(const char *name, char *out, size_t size);

#endif
