// SPDX-License-Identifier: Apache-2.0
/* The head of a hostile _PyRuntime. What is accepted must pass the check that the walkers rely on. */
#include <stdlib.h>

#include "python/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct py_layout layout;
	char reason[LAYOUT_REASON_SIZE];

	if (layout_from_debug_offsets(data, size, &layout, reason) == 0 && layout_check(&layout))
		abort();
	return 0;
}
