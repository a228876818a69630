/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths that run at every call, by hand: a load, a compare and a store in the thread's own memory, then a jump. Compilers
 * spend twice the instructions on it, for the thread's address first of all. Offsets as in struct heap_thread; heap.c asserts them.
 */
#include "preload/hot.h"

	.text
	.hidden heap_thread
	.hidden python_below
	.hidden python_large_malloc
	.hidden python_malloc_slow
	.hidden copy_real
	.hidden copy_look

/* void *name(void *ctx, size_t size): pymalloc's malloc of a domain; see fast_malloc() in python.c. ctx stays in place. */
.macro domain_malloc name domain
	.globl \name
	.hidden \name
	.type \name, @function
	.balign 64
\name:
	cmp $(PYMALLOC_MAX - 1), %rsi
	ja 1f
	mov heap_thread@gottpoff(%rip), %rax
	mov %esi, %edx
	and $-4, %edx /* the class is size / 4, its word 8 bytes */
	mov %fs:HOT_PYTHON(%rax,%rdx,2), %rcx
	cmp %ecx, %esi
	jae 2f
	movabs $0x100000000, %r8
	sub %rsi, %rcx
	add %r8, %rcx
	mov %rcx, %fs:HOT_PYTHON(%rax,%rdx,2)
	jmp *python_below+HOT_BELOW_MALLOC+HOT_BELOW_SIZE*\domain(%rip)
1:	mov $\domain, %edi
	jmp python_large_malloc
2:	mov $\domain, %edi
	xor %edx, %edx
	jmp python_malloc_slow
	.size \name, . - \name
.endm

	domain_malloc python_mem_malloc 0
	domain_malloc python_obj_malloc 1

#ifndef WITHOUT_COPIES
/*
 * The functions that copy: the bytes are taken off a countdown; below 0, copy_look(bytes) looks whether there is something to tell. The
 * arguments are as they were when the real one begins. copy_real: by number.
 */
.macro copies name number
	.globl \name
	.type \name, @function
	.balign 32
\name:
	mov heap_thread@gottpoff(%rip), %rax
	sub %rdx, %fs:HOT_COPY(%rax)
	js 1f
	jmp *copy_real+8*\number(%rip)
1:	push %rdi
	push %rsi
	push %rdx
	push %rcx
	sub $8, %rsp
	mov %rdx, %rdi
	call copy_look
	add $8, %rsp
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
	jmp *copy_real+8*\number(%rip)
	.size \name, . - \name
.endm

	copies memcpy 0
	copies memmove 1
	copies __memcpy_chk 2
	copies __memmove_chk 3
#endif

	.section .note.GNU-stack, "", @progbits
