/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * What vmlinux.h and the BPF helpers are to walk.bpf.c in the kernel, where it is built for another place.
 */
#ifndef FIXINGAHOLE_HOST_TYPES_H
#define FIXINGAHOLE_HOST_TYPES_H

#include <linux/types.h>
#include <stdbool.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

#endif
