/* SPDX-License-Identifier: Apache-2.0 */
/* The hook's Python files, as bytes inside the program (hook.c). */
	.section .rodata
	.macro embed name, file
	.global hook_\name\()_start, hook_\name\()_end
hook_\name\()_start:
	.incbin "\file"
hook_\name\()_end:
	.byte 0
	.endm

	embed sitecustomize, "userspace/target/hook/sitecustomize.py"
	embed logs, "userspace/target/hook/logs.py"
	embed watch, "userspace/target/hook/watch.py"
	embed notebook, "userspace/target/hook/notebook.py"
	embed plots, "userspace/target/hook/plots.py"

	.section .note.GNU-stack, "", %progbits
