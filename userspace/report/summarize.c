// SPDX-License-Identifier: Apache-2.0
/* `summarize JSON`: the summary of a stored profile. */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/stored.h"
#include "report/summary.h"
#include "report/text.h"
#include "util/cleanup.h"

static int fill(struct summary *summary, const struct stored *stored)
{
	summary->functions = calloc(stored->n_functions + 1, sizeof(*summary->functions));
	if (!summary->functions)
		return -ENOMEM;
	for (size_t i = 0; i < stored->n_functions; i++) {
		const struct stored_function *function = &stored->functions[i];
		struct summary_function *entry = &summary->functions[summary->n_functions++];

		*entry = (struct summary_function){
			.path = function->path,
			.shown = function->path,
			.name = function->name,
			.lineno = function->lineno,
			.share = (function->python_percent + function->native_percent + function->system_percent) / 100,
			.bytes = function->peak_mb * MIB,
		};
		snprintf(entry->place, sizeof(entry->place), "%u", function->lineno);
	}
	summary->stacks = stored->stacks;
	summary->n_stacks = stored->n_stacks;
	return 0;
}

static int print(FILE *out, struct stored *stored, const char *path, const struct report_options *options, char problem[512])
{
	_cleanup_free_ char *directory = getcwd(NULL, 0);
	struct summary summary = {.root = directory, .whole_s = stored__whole_s(stored, path), .heap = true};
	int err = stored__read_stacks(stored, problem);

	if (err == 0)
		err = fill(&summary, stored);
	if (err == 0) {
		fprintf(out, "Finished in %.3f seconds", stored->elapsed_s);
		if (stored->memory) {
			char memory[32];

			format_memory_exact(memory, stored->max_footprint_mb * MIB);
			fprintf(out, " using %s of heap RAM", memory);
		}
		fputs("\n\n", out);
		err = summary__print(out, &summary, options);
	}
	if (err == 0 && options->trace && stored->n_stacks && summary__top(&summary, options)) {
		fputs("\n\n", out);
		err = summary__print_stacks(out, &summary, options);
	}
	free(summary.functions);
	return err;
}

int report_summarize(FILE *out, const char *json_path, const struct report_options *options, char problem[512])
{
	struct stored stored;
	int err;

	problem[0] = '\0';
	err = stored__load(&stored, json_path, problem);
	if (err == -ENOMEM)
		return err;
	if (err < 0) {
		name_problem(problem, json_path);
		return -EINVAL;
	}
	err = print(out, &stored, json_path, options, problem);
	stored__release(&stored);
	name_problem(problem, json_path);
	return err < 0 ? err : stream_result(out);
}
