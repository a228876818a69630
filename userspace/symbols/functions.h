/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of one ELF file, in a form that takes little room: what .symtab says, or where that was stripped, .dynsym.
 */
#ifndef FIXINGAHOLE_FUNCTIONS_H
#define FIXINGAHOLE_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct functions;

/*
 * Takes a descriptor for reading, also on failure; it is closed again. Of what would take more than bytes_max, no function is kept. -ENOEXEC: not
 * an ELF file of ours; -ENOMEM.
 */
int functions__new(int fd, size_t bytes_max, struct functions **out);
void functions__free(struct functions *functions);

/* Memory that it takes. */
size_t functions__bytes(const struct functions *functions);
size_t functions__count(const struct functions *functions);

/*
 * The function at a place of the file, which is mapped from map_offset on at map_start; address lies in the mapping. NULL: none is
 * known to reach there. Valid as long as the functions.
 */
const char *functions__at(const struct functions *functions, uint64_t map_start, uint64_t map_offset, uint64_t address);

#endif
