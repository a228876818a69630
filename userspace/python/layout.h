/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where struct py_layout comes from: up to 3.12 a table, one row per minor version, made and checked by
 * tools/layout.py; from 3.13 on the _Py_DebugOffsets at the start of _PyRuntime.
 */
#ifndef FIXINGAHOLE_PYTHON_LAYOUT_H
#define FIXINGAHOLE_PYTHON_LAYOUT_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/layout.h"

#define LAYOUT_REASON_SIZE 160

/* As much of _PyRuntime as layout_from_debug_offsets() wants to see, at most. */
#define LAYOUT_DEBUG_OFFSETS_SIZE 1024

/* The table's row for 0x0307 to 0x030c; NULL for any other version. Lives for ever. */
const struct py_layout *layout_for(uint32_t version);

/*
 * From the first bytes of _PyRuntime of 3.13 and later. 0 and fills *out; else leaves *out alone, writes one line into reason and
 * returns -ENODATA: there are no debug offsets (an older version); -ENOTSUP: a version or build that we cannot walk
 * (free-threaded, pre-release, unknown); -EBADMSG: values that cannot be right.
 */
int layout_from_debug_offsets(const void *data, size_t size, struct py_layout *out, char reason[LAYOUT_REASON_SIZE]);

/* PY_VERSION_HEX of the same bytes, 0 where there are no debug offsets. */
uint32_t layout_debug_version(const void *data, size_t size);

/* 0, or -EBADMSG where a walk by this layout could not be right: a field out of its range or misaligned. */
int layout_check(const struct py_layout *layout);

#endif
