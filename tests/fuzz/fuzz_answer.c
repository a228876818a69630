// SPDX-License-Identifier: Apache-2.0
/* What a server answers: the first byte chooses the protocol, the second the status; then the body. */
#include <stdlib.h>
#include <string.h>

#include "export/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long statuses[] = { 200, 200, 204, 302, 400, 401, 429, 500 };
	struct answer answer = {};
	enum verdict verdict;
	char why[200];

	if (size < 2)
		return 0;
	answer.status = statuses[data[1] % 8];
	answer.body = data + 2;
	answer.size = size - 2;
	verdict = request_judge((enum protocol)(data[0] % PROTOCOLS), &answer, why);
	/* one line, and one that says something unless all was taken */
	if (strlen(why) >= sizeof(why) || strpbrk(why, "\n\r\x1b") || (verdict == VERDICT_TAKEN) != !*why)
		abort();
	return 0;
}
