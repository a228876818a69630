// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a pyproject.toml: no crash, no leak, and what is read is what the header promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct toml_settings settings = { 0 };
	struct toml_problem problem = { 0 };
	unsigned int lines = 1;
	/* a copy of the exact size: one byte too far is seen */
	char *text = malloc(size ? size : 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	if (toml_read(&settings, text, size, &problem) < 0) {
		if (!problem.text[0] || problem.line < 1 || problem.line > lines || settings.found)
			abort();
	}
	for (int i = 0; i < TOML_KEYS; i++) {
		const struct toml_entry *entry = &settings.entries[i];

		if (entry->present && (!settings.found || entry->line < 1 || entry->line > lines))
			abort();
		if (entry->present ? i != TOML_IGNORE && entry->n_values != 1 : entry->n_values != 0)
			abort();
		for (size_t j = 0; j < entry->n_values; j++)
			if (strlen(entry->values[j]) > size)
				abort();
	}
	toml_release(&settings);
	free(text);
	return 0;
}
