// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a process's command line: what is found in it lies in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "target/process_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct process_command *c, const char *word, size_t size)
{
	if (word && (word < c->text || word >= c->text + size || word + strlen(word) >= c->text + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct process_command c;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size++] = 0;
	if (process_command__parse(&c, text, size))
		return 0;
	check(&c, c.program, size);
	check(&c, c.script, size);
	check(&c, c.module, size);
	check(&c, c.code, size);
	if ((c.script || c.code) && c.module)
		abort();
	for (size_t i = 0; i < c.n_args; i++)
		check(&c, c.args[i], size);
	process_command__release(&c);
	return 0;
}
