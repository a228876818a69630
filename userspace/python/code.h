/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code objects: strings, line tables, and reading them from a process.
 */
#ifndef FIXINGAHOLE_CODE_H
#define FIXINGAHOLE_CODE_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/layout.h"

/*
 * The source line of the instruction at `offset` bytes from the first, by the
 * version's own rules (<= 3.9 lnotab, 3.10 linetable, 3.11+ location table).
 * 0: the table gives no line there. Negative offsets: firstlineno.
 * table may hold anything; never reads outside [table, table + size).
 */
uint32_t linetable_line(uint32_t version, const uint8_t *table, size_t size, uint32_t firstlineno, int32_t offset);

/*
 * PyUnicode data of char_size 1 (Latin-1), 2 or 4 (native endian) -> UTF-8. Lone surrogates and
 * NULs become U+FFFD. Returns a new string, NULL when out of memory.
 */
char *pystring_to_utf8(const void *data, size_t bytes, unsigned int char_size);

/* What code__read() makes the fingerprint from; as the walker in bpf/ does. */
int code__identify(pid_t pid, const struct py_layout *layout, uint64_t address, struct py_code_identity *out);

/* A code object read from a live process. */
struct code_object {
	char *name;       /* qualified where the version has it; UTF-8; owned */
	char *filename;   /* UTF-8; owned */
	uint8_t *linetable; /* owned */
	size_t linetable_size;
	uint32_t firstlineno;
	uint32_t fingerprint; /* of what was read */
};
/* 0; -ESTALE: the object there is not `fingerprint` any more (also checked after reading); -EFAULT, -ESRCH, -EPERM … */
int code__read(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t fingerprint, struct code_object *out);
void code__release(struct code_object *code);

#endif
