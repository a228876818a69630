// SPDX-License-Identifier: Apache-2.0
/* Line tables and strings of a hostile process. Input: version, offset, first line, then the table. */
#include <stdlib.h>
#include <string.h>

#include "python/code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int32_t offset, first;
	uint32_t version;
	char *text;

	if (size < 9)
		return 0;
	version = 0x0307 + data[0] % 9;
	memcpy(&offset, data + 1, 4);
	memcpy(&first, data + 5, 4);
	linetable_line(version, data + 9, size - 9, first, offset);
	linetable_line(version, data + 9, size - 9, first, offset & 0xff);
	text = pystring_to_utf8(data + 1, size - 1, data[0]);
	if (text && strlen(text) > 4 * size)
		abort();
	free(text);
	return 0;
}
