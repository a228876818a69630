// SPDX-License-Identifier: Apache-2.0
#include "merge_run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "merge/find.h"
#include "merge/merge.h"
#include "prepare.h"
#include "report/stored.h"
#include "reports.h"
#include "target/outputs.h"
#include "util/cleanup.h"
#include "util/log.h"

#define PROBLEMS_TOLD 20

struct merging {
	const struct config *config;
	struct strings *strings;
	struct merge *merge;
	size_t joined, skipped;
};

/* Once per input that cannot be read; past a number of them only the count. */
static int skip(struct merging *m, const char *path, const char *problem)
{
	if (m->skipped++ < PROBLEMS_TOLD)
		log_warning("%s: left out", problem);
	return merge__skip(m->merge, path, problem);
}

/*
 * A merged report that is met below a folder may have been made of what lies there as well. That must not count twice, so such reports
 * come last, and only those have a part whose runs are not there yet; but one that is named is wanted.
 */
static bool left_out(const struct merging *m, const struct found *found, const struct stored_run *run)
{
	if (!run->profile.merge || found->named || !merge__has(m->merge, run))
		return false;
	log_notice("'%s' is a merged report of runs that are here, too: left out", found->folder);
	return true;
}

/* One input. With merged: if it is a merged report; else if it is none, and *waits is set for the others. */
static int join(struct merging *m, const struct found *found, bool merged, bool *waits)
{
	char problem[512] = "";
	struct stored_run run;
	int err;

	if (!found->details || !found->results) {
		set_problem(problem, "cannot use '%s': there is no profile_%s.json beside it", found->details ? found->details : found->results,
			    found->details ? "results" : "details");
		return skip(m, found->folder, problem);
	}
	err = stored_run__load(&run, m->strings, found->results, found->details, problem);
	if (err == -EINVAL)
		return skip(m, found->folder, problem);
	if (err)
		return err;
	*waits = run.profile.merge && !merged;
	if (!*waits && !left_out(m, found, &run)) {
		err = merge__add(m->merge, &run, found->label, found->folder, problem);
		m->joined += !err;
	}
	stored_run__release(&run);
	return err == -EINVAL ? skip(m, found->folder, problem) : err;
}

static int join_list(struct merging *m, const struct found_list *list)
{
	_cleanup_free_ bool *waits = calloc(list->n + 1, sizeof(*waits));
	int err = waits ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < list->n; i++)
		err = join(m, &list->items[i], false, &waits[i]);
	for (size_t i = 0; !err && i < list->n; i++) {
		if (waits[i])
			err = join(m, &list->items[i], true, &waits[i]);
	}
	return err;
}

static int join_all(struct merging *m)
{
	struct found_list list;
	const char *which = "";
	int err = found__search(&list, m->config->inputs, m->config->n_inputs, &which);

	if (err == -ENOMEM)
		return err;
	if (err == -E2BIG)
		log_error("more than %d results: merge parts of them, and then what came out", FOUND_MAX);
	else if (err)
		log_error("cannot open '%s': %s", which, strerror(-err));
	else
		err = join_list(m, &list);
	found__release(&list);
	if (err)
		return err;
	if (m->skipped > PROBLEMS_TOLD)
		log_warning("%zu more could not be read and were left out", m->skipped - PROBLEMS_TOLD);
	if (m->joined)
		return 0;
	if (m->skipped)
		log_error("%s", m->skipped == 1 ? "the only input cannot be read" : "none of the inputs can be read");
	else
		log_error("nothing to merge: no profile_details.json in or below '%s'%s", m->config->inputs[0], m->config->n_inputs > 1 ? " and the others" : "");
	return -ENOENT;
}

static int report(struct merging *m, const struct identity *identity)
{
	const struct config *config = m->config;
	const struct report_options options = {
		.absolute = config->duration == DURATION_ABSOLUTE, .trace = config->trace, .top_n = config->top_n, .threshold_percent = config->threshold_percent,
	};
	_cleanup_free_ char *command_line = prepare_quoted(config->argc, config->argv);
	const struct profile *profile = command_line ? merge__finish(m->merge, command_line) : NULL;
	struct outputs *outputs;
	char problem[512];
	int err, shown;

	if (!profile)
		return -ENOMEM;
	err = outputs__new(&outputs, identity, config->output_dir, "merged", time(NULL), problem);
	if (err) {
		log_error("%s", problem);
		return -EIO;
	}
	err = reports_write(outputs, profile, &options, NULL, 0);
	shown = reports_show(profile, &options);
	if (shown == -EPIPE)
		shown = 0;
	if (!err && !shown)
		log_notice("%zu input%s merged; reports in '%s'", profile->merge->n_inputs, profile->merge->n_inputs == 1 ? "" : "s", outputs__path(outputs));
	outputs__free(outputs);
	return err ? err : shown;
}

int merge_run(const struct config *config, const struct identity *identity)
{
	struct merging m = { .config = config };
	int err = geteuid() == identity->uid ? 0 : identity__become(identity);

	if (err) {
		log_error("cannot act as user %u: %s", identity->uid, strerror(-err));
		return 1;
	}
	m.strings = strings__new();
	m.merge = m.strings ? merge__new(m.strings) : NULL;
	err = m.merge ? join_all(&m) : -ENOMEM;
	if (!err)
		err = report(&m, identity);
	if (err == -ENOMEM)
		log_error("out of memory");
	merge__free(m.merge);
	strings__free(m.strings);
	return err ? 1 : 0;
}
