/* SPDX-License-Identifier: Apache-2.0 */
/* What a probe costs is measured on these: an instruction that the kernel emulates, one that it single-steps. */
	.text
	.globl heap_calibrate_emulated, heap_calibrate_return, heap_calibrate_stepped
	.type heap_calibrate_emulated, @function
	.type heap_calibrate_return, @function
	.type heap_calibrate_stepped, @function
	.p2align 4
heap_calibrate_emulated:
	.byte 0x90
	ret
	.size heap_calibrate_emulated, . - heap_calibrate_emulated
	.p2align 4
heap_calibrate_return:
	.byte 0x90
	ret
	.size heap_calibrate_return, . - heap_calibrate_return
	.p2align 4
heap_calibrate_stepped:
	test %rdi, %rdi
	ret
	.size heap_calibrate_stepped, . - heap_calibrate_stepped
	.section .note.GNU-stack, "", @progbits
