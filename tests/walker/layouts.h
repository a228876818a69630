/* SPDX-License-Identifier: Apache-2.0 */
/* One layout per family, and a recorder for each. Include after bpf/walk.bpf.c. */
#ifndef FIXINGAHOLE_WALKER_LAYOUTS_H
#define FIXINGAHOLE_WALKER_LAYOUTS_H

#include "python/layout.h"
#include "recorder.h"
#include "unit/tiny_elf.h"

#define LAYOUTS 8

/* 3.7 to 3.14. The last has the shape of 3.13 with tagged references, which is what matters to the walker. */
static inline void all_layouts(struct py_layout layouts[LAYOUTS])
{
	char reason[LAYOUT_REASON_SIZE];
	uint64_t words[128];

	for (uint32_t i = 0; i < 6; i++)
		layouts[i] = *layout_for(0x0307 + i);
	tiny_debug_offsets(words);
	assert_int_equal(layout_from_debug_offsets(words, 73 * 8, &layouts[6], reason), 0);
	layouts[7] = layouts[6];
	layouts[7].version = 0x030e;
	layouts[7].flags |= PY_TAGGED;
	for (int i = 0; i < LAYOUTS; i++)
		assert_int_equal(layout_check(&layouts[i]), 0);
}

static inline struct py_layout layout_of(uint32_t version)
{
	struct py_layout all[LAYOUTS];

	all_layouts(all);
	return all[version - 0x0307];
}

/* Runs a check for each layout. */
static inline void for_each_layout(void (*check)(struct recorder *r))
{
	struct py_layout all[LAYOUTS];

	all_layouts(all);
	for (int i = 0; i < LAYOUTS; i++) {
		struct recorder *r = recorder_new(&all[i]);

		check(r);
		recorder_free(r);
	}
}

#endif
