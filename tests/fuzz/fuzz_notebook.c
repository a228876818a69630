// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a notebook: refused with one line, or a source whose lines the cell map describes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/notebook_cell.h"
#include "target/notebook_lex.h"
#include "target/script.h"

#define MUST(what) do { if (!(what)) abort(); } while (0)

static void check_refusal(const char *problem)
{
	size_t length = strnlen(problem, 512);

	MUST(length > 0 && length < 512);
}

static void check_map(const struct notebook *nb)
{
	const char *line = nb->source;
	uint32_t number = 1, seen = 0;
	char marker[64];

	MUST(strlen(nb->source) == nb->size && nb->size && nb->source[nb->size - 1] == '\n');
	for (size_t i = 0; i < nb->map.n; i++) {
		const struct cell *cell = &nb->map.cells[i];

		MUST(cell->first_line > number && cell->first_line <= cell->last_line && cell->number > seen);
		for (; number < cell->first_line - 1; number++)
			line = strchr(line, '\n') + 1;
		snprintf(marker, sizeof(marker), "# %%%% cell %u\n", cell->number);
		MUST(!strncmp(line, marker, strlen(marker)));
		for (; number < cell->last_line; number++)
			line = strchr(line, '\n') + 1;
		MUST(strchr(line, '\n'));
		seen = cell->number;
	}
}

/* One cell: as many lines out as in, whatever they are. */
static void check_cell(const char *data, size_t size)
{
	char problem[512] = "", *text = NULL, *future = NULL;
	size_t out_size, future_size;
	struct cell_writer w = { .problem = problem, .out = open_memstream(&text, &out_size), .future = open_memstream(&future, &future_size) };
	uint32_t lines = size > 0;

	MUST(w.out && w.future);
	for (size_t i = 0; i + 1 < size; i++)
		lines += data[i] == '\n';
	if (cell_write(&w, 1, data, size) < 0)
		check_refusal(problem);
	else
		MUST(w.lines == lines);
	fclose(w.out);
	fclose(w.future);
	free(text);
	free(future);
	strv_release(&w.notices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct notebook nb = {};
	char problem[512];

	if (notebook__parse(&nb, (const char *)data, size, problem) < 0)
		check_refusal(problem);
	else
		check_map(&nb);
	notebook__release(&nb);
	check_cell((const char *)data, size);
	return 0;
}
