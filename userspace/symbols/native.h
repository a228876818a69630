/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for addresses in processes without Python: which image, and which function of it. For a machine full of processes and
 * a year of time: a process's mappings are read when they are first needed and again when an address is in none of them (not more often
 * than every 50 ms, nor for more than a 200th of the time, and ever more seldom while that does not help) or after a minute; an image's functions are read once per
 * file and dropped when others need the room. A lookup in what is known takes about a microsecond.
 *
 * Files are opened by what is mapped itself, so a deleted or replaced one, or one of another mount namespace, is the right one.
 * C++ names are told as their programmers write them (symbols/demangle.h).
 */
#ifndef FIXINGAHOLE_NATIVE_H
#define FIXINGAHOLE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATIVE_BYTES_DEFAULT (32U << 20)

struct native;
/* bytes_max: of all images' functions; 0: NATIVE_BYTES_DEFAULT. NULL: out of memory. */
struct native *native__new(size_t bytes_max);
void native__free(struct native *native);

/*
 * False: nothing is known of the address, or it is the kernel's. Else the image ("/usr/lib/x86_64-linux-gnu/libc.so.6",
 * "[vdso]", "[anon]" for code that is in no file), and the function or NULL. Texts are valid until the next call, and
 * need not be UTF-8.
 */
bool native__name(struct native *native, uint32_t pid, uint32_t space, uint64_t address, const char **image, const char **function);
/* The space has ended, or a program took the place of another in it: its mappings are forgotten. */
void native__end(struct native *native, uint32_t space);

/* For tests and for those who watch memory: of all images' functions; of spaces that are known. */
size_t native__bytes(const struct native *native);
size_t native__spaces(const struct native *native);

#endif
