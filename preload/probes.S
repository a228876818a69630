/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that uprobes sit on: a 1-byte nop, then return. See heap_probe.h. */
#ifndef __x86_64__
#error "the preload library is for x86-64"
#endif

	.text
.macro probe name
	.globl \name
	.type \name, @function
	.balign 16
\name:
	.byte 0x90
	ret
	.size \name, . - \name
.endm

	probe fixingahole_heap_alloc
	probe fixingahole_heap_free
	probe fixingahole_heap_moved
	probe fixingahole_heap_failed
	probe fixingahole_heap_totals
	probe fixingahole_heap_copy

	.section .note.GNU-stack, "", @progbits
