/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What python.c and events.c share: the interpreter's functions, found by name.
 */
#ifndef FIXINGAHOLE_PRELOAD_CALLS_INTERP_H
#define FIXINGAHOLE_PRELOAD_CALLS_INTERP_H

#include "preload/calls/calls.h"

/* PyType_Slot and PyType_Spec */
struct slot { int slot; void *function; };
struct spec { const char *name; int size, item_size; unsigned flags; struct slot *slots; };

extern struct python {
	void *(*interp)(void);
	int64_t (*interp_id)(void *);
	void *(*evaluate)(void *, void *, int);
	void *(*evaluate_3_8)(void *, int);
	void (*set_evaluate)(void *, void *);
	void *(*get_evaluate)(void *);
	void *(*thread_state)(void);
	void *(*sys_object)(const char *);
	void *(*attribute)(void *, const char *);
	void *(*call_method)(void *, const char *, const char *, ...);
	void *(*type_new)(struct spec *);
	void *(*object_new)(void *type, ssize_t n);
	void *(*vectorcall)(void *, void *, void *);
	long (*as_long)(void *);
	void (*decref)(void *);
	void (*incref)(void *);
	void *(*error)(void);
	void (*error_clear)(void);
	int (*initialized)(void);
	int (*have_gil)(void);
	int (*add_hook)(int (*)(const char *, void *, void *), void *);
	void *none;
	void *(*dict_item)(void *, const char *);
	void *function_type;
} py;

/* The word at an offset in an object. */
static inline uint64_t word(uint64_t address, uint32_t offset)
{
	return *(const uint64_t *)(address + offset);
}

/* Sets up events in the interpreter that runs. 1, or 0: it would not have it; -1: it is not so far that it could. */
int events_begin(void);

#endif
