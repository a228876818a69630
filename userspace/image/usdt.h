/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A static probe that a program was built with (systemtap's sys/sdt.h): a nop of one byte at each of its places, and a counter that
 * says whether anybody watches; while it is 0 the program may pass the places by.
 */
#ifndef FIXINGAHOLE_USDT_H
#define FIXINGAHOLE_USDT_H

#include "image/elf.h"

#define USDT_PLACES 4

struct usdt {
	uint32_t n;                     /* 0: there is none */
	uint64_t address[USDT_PLACES];  /* virtual */
	uint64_t semaphore[USDT_PLACES]; /* offset in the file; 0: there is none */
};

/* 0; -ENOENT: the file has none of that name, or more places than fit, and *out has none; -ENOMEM. */
int usdt__find(const struct elf_image *image, const char *provider, const char *name, struct usdt *out);

#endif
