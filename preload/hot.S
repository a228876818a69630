/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths that run at every call, by hand: a load, a compare and a store in the thread's own memory, then a jump. Compilers
 * spend twice the instructions on it, for the thread's address first of all. Offsets as in struct heap_thread; heap.c asserts them.
 */
#include "preload/hot.h"

	.text
	.hidden heap_thread
	.hidden python_below
	.hidden python_pools
	.hidden python_large_malloc
	.hidden python_malloc_slow
	.hidden python_realloc
	.hidden python_realloc_slow
	.hidden blocks_left
	.hidden slots_range
	.hidden copy_real
	.hidden copy_look

/* Counts a block of r<size> bytes, 1 to PYMALLOC_MAX, off what may pass before the next look (preload/blocks.h); goes to `slow` if it is to be looked at. Uses rax up. */
.macro count_block size slow
	lea blocks_left(%rip), %rax
	subl $1, (%rax,%r\size,4)
	js \slow
.endm

/* void *name(void *ctx, size_t size): pymalloc's malloc of a domain; ctx stays in place. */
.macro domain_malloc name domain
	.globl \name
	.hidden \name
	.type \name, @function
	.balign 64
\name:
	lea -1(%rsi), %rdx
	cmp $(PYMALLOC_MAX - 1), %rdx
	ja 1f
	count_block si 2f
	jmp *python_below+HOT_BELOW_MALLOC+HOT_BELOW_SIZE*\domain(%rip)
1:	mov $\domain, %edi
	jmp python_large_malloc
2:	mov $\domain, %edi
	xor %edx, %edx
	jmp python_malloc_slow
	.size \name, . - \name
.endm

/*
 * The same, taking the block as pymalloc would (preload/pools.h): the first free one of the first pool with blocks of that size, if
 * it is not the last one.
 */
.macro domain_malloc_pools name domain
	.globl \name
	.hidden \name
	.type \name, @function
	.balign 64
\name:
	lea -1(%rsi), %r9
	cmp $(PYMALLOC_MAX - 1), %r9
	ja 1f
	count_block si 2f
	mov python_pools(%rip), %r8
	and $-POOLS_STEP, %r9d
	mov (%r8,%r9), %rdx
	cmp POOL_NEXT(%rdx), %rdx
	mov POOL_FREE(%rdx), %rax
	je 3f
	mov (%rax), %rcx
	test %rcx, %rcx
	jz 3f
	addl $1, (%rdx)
	mov %rcx, POOL_FREE(%rdx)
	ret
1:	mov $\domain, %edi
	jmp python_large_malloc
2:	mov $\domain, %edi
	xor %edx, %edx
	jmp python_malloc_slow
3:	jmp *python_below+HOT_BELOW_MALLOC+HOT_BELOW_SIZE*\domain(%rip)
	.size \name, . - \name
.endm

	domain_malloc python_mem_malloc 0
	domain_malloc python_obj_malloc 1
	domain_malloc_pools python_mem_malloc_pools 0
	domain_malloc_pools python_obj_malloc_pools 1

/*
 * void *name(void *ctx, void *p, size_t size): pymalloc's realloc of a domain, for small sizes; the others, and slots, are python_realloc()'s business. p may be a large
 * block, which below comes by our malloc's functions, that must not count it again. Nobody below calls a domain's functions, so the thread is not shut yet.
 */
.macro domain_realloc name domain malloc
	.globl \name
	.hidden \name
	.type \name, @function
	.balign 64
\name:
	test %rsi, %rsi
	jz 1f
	mov %rsi, %rcx
	sub slots_range(%rip), %rcx
	cmp slots_range+8(%rip), %rcx
	jb 2f
	lea -1(%rdx), %rcx
	cmp $(PYMALLOC_MAX - 1), %rcx
	ja 2f
	count_block dx 3f
	mov heap_thread@gottpoff(%rip), %rax
	push %rax
	movl $HOT_SHUT, %fs:(%rax)
	call *python_below+HOT_BELOW_REALLOC+HOT_BELOW_SIZE*\domain(%rip)
	pop %rcx
	movl $0, %fs:(%rcx)
	ret
1:	mov %rdx, %rsi
	jmp \malloc
2:	mov $\domain, %edi
	jmp python_realloc
3:	mov $\domain, %edi
	jmp python_realloc_slow
	.size \name, . - \name
.endm

	domain_realloc python_mem_realloc 0 python_mem_malloc
	domain_realloc python_obj_realloc 1 python_obj_malloc
	domain_realloc python_mem_realloc_pools 0 python_mem_malloc_pools
	domain_realloc python_obj_realloc_pools 1 python_obj_malloc_pools

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
