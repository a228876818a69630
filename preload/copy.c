// SPDX-License-Identifier: Apache-2.0
#include "preload/copy.h"

#include <dlfcn.h>
#include <stddef.h>

#include "preload/heap.h"

void copy_look(uint64_t n);

/*
 * By the numbers in hot.S. memcpy goes to memmove, which in glibc is the same code: programs that were linked
 * before 2.14 mean a memcpy of that kind, and there is no telling who calls.
 */
void *(*copy_real[4])(void *, const void *, size_t) = { copy_plainly, copy_plainly, copy_plainly, copy_plainly };

void copy_init(void)
{
	static const char *const names[] = { "memmove", "memmove", "__memcpy_chk", "__memmove_chk" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *found = dlsym(RTLD_NEXT, names[i]);

		if (found)
			__atomic_store_n((void **)&copy_real[i], found, __ATOMIC_RELAXED);
	}
}

void copy_look(uint64_t n)
{
	struct heap_thread *t = &heap_thread;
	uint64_t weight;

	/* else the countdown stays below 0, and the next copy comes here again */
	if (!heap_enter(t))
		return;
	weight = copy_take(&t->copies, &t->copy_left, n, heap_rate.floor * COPY_STRIDES, &t->random, heap_clock_ns());
	if (weight)
		fixingahole_heap_copy(weight);
	heap_leave(t);
}
