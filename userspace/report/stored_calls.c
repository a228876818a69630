// SPDX-License-Identifier: Apache-2.0
/* Counts of calls out of a profile_details.json. */
#include <string.h>

#include "preload/calls_file.h"
#include "report/report.h"
#include "report/stored_read.h"

static void read_counts(struct json_reader *r, const cJSON *item, uint64_t *calls, uint64_t *resumptions)
{
	*calls = read_count(r, item, "calls");
	*resumptions = read_count(r, item, "resumptions");
}

static void read_callee(struct json_reader *r, const cJSON *item, struct profile_callee *callee)
{
	const cJSON *callers = read_list(r, item, "callers"), *from;
	size_t i = 0;

	callee->path = read_text(r, item, "path");
	callee->function = read_text(r, item, "function");
	callee->firstlineno = read_small(r, item, "lineno");
	callee->reported = read_bool(r, item, "reported");
	read_counts(r, item, &callee->calls, &callee->resumptions);
	callee->callers = read_array(r, callers, sizeof(*callee->callers), &callee->n_callers);
	cJSON_ArrayForEach(from, (callee->callers ? callers : NULL)) {
		struct profile_caller *caller = &callee->callers[i++];

		caller->path = read_optional_text(r, from, "path");
		caller->function = read_optional_text(r, from, "function");
		if (!caller->path || !caller->function) /* both or none */
			caller->path = caller->function = NULL;
		caller->firstlineno = read_small(r, from, "lineno");
		read_counts(r, from, &caller->calls, &caller->resumptions);
	}
}

static void read_process(struct json_reader *r, const cJSON *item, struct profile_calls_process *process)
{
	const char *how = read_optional_text(r, item, "how");

	process->pid = read_small(r, item, "pid");
	for (uint32_t i = 0; how && report_calls_how(i); i++) {
		if (!strcmp(how, report_calls_how(i)))
			process->how = i;
	}
	read_counts(r, item, &process->calls, &process->resumptions);
	process->seen = cJSON_GetObjectItemCaseSensitive(item, "seen") ? read_number(r, item, "seen", 1) : 1;
	if (process->seen < 1)
		process->flags |= CALLS_SLICED;
}

struct profile_calls *read_calls(struct json_reader *r, const cJSON *details)
{
	const cJSON *json = read_optional_object(r, details, "calls"), *list, *item;
	struct profile_calls *calls = json ? read_new(r, sizeof(*calls)) : NULL;
	size_t i = 0;

	if (!calls)
		return NULL;
	reader_at(r, "the calls");
	read_counts(r, json, &calls->calls, &calls->resumptions);
	calls->lost = read_count(r, json, "lost");
	calls->pattern = read_optional_text(r, json, "pattern");
	list = read_list(r, json, "functions");
	calls->functions = read_array(r, list, sizeof(*calls->functions), &calls->n_functions);
	cJSON_ArrayForEach(item, (calls->functions ? list : NULL))
		read_callee(r, item, &calls->functions[i++]);
	list = read_list(r, json, "processes");
	calls->processes = read_array(r, list, sizeof(*calls->processes), &calls->n_processes);
	i = 0;
	cJSON_ArrayForEach(item, (calls->processes ? list : NULL))
		read_process(r, item, &calls->processes[i++]);
	return calls;
}
