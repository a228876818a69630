// SPDX-License-Identifier: Apache-2.0
#include "report/share.h"

#include <stdio.h>

const struct cell *find_cell(const struct cell_map *cells, uint32_t lineno)
{
	size_t low = 0, high = cells ? cells->n : 0;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct cell *cell = &cells->cells[middle];

		if (lineno > cell->last_line)
			low = middle + 1;
		else if (lineno < cell->first_line)
			high = middle;
		else
			return cell;
	}
	return NULL;
}

void format_place(char out[32], const struct cell_map *cells, uint32_t lineno)
{
	const struct cell *cell = find_cell(cells, lineno);

	if (cell)
		snprintf(out, 32, "%u:%u", cell->number, lineno - cell->first_line + 1);
	else
		snprintf(out, 32, "%u", lineno);
}

uint64_t all_rss_bytes(const struct profile *profile)
{
	uint64_t bytes = profile->outside.rss_bytes;

	for (size_t i = 0; i < profile->n_files; i++)
		bytes += profile->files[i].m.rss_bytes;
	return bytes;
}
