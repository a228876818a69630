// SPDX-License-Identifier: Apache-2.0
#include "reports.h"

#include <errno.h>
#include <string.h>

#include "util/log.h"

typedef int (*report_writer)(FILE *, const struct profile *, const struct report_options *);

struct writing { const struct profile *profile; struct report_options options; report_writer report; };

static int write_report(FILE *out, const void *arg)
{
	const struct writing *w = arg;

	return w->report(out, w->profile, &w->options);
}

/* "profile_results.json", or of run 2 "profile_results_1.json". */
static void report_name(char name[300], const char *base, const char *suffix, int run)
{
	if (run)
		snprintf(name, 300, "%.240s_%d.%s", base, run, suffix);
	else
		snprintf(name, 300, "%.240s.%s", base, suffix);
}

int reports_write(struct outputs *outputs, const struct profile *profile, const struct report_options *options, const char *results, int run)
{
	const struct { const char *base, *suffix; report_writer report; } all[] = {
		{ "profile_summary", "txt", report_summary },
		{ results ? results : "profile_results", "txt", report_results },
		{ results ? results : "profile_results", "json", report_json },
		{ "profile_details", "json", report_details },
	};
	struct writing w = { .profile = profile, .options = *options };
	int failed = 0;

	w.options.color = false;
	w.options.width = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char name[300];
		int err;

		report_name(name, all[i].base, all[i].suffix, run);
		w.report = all[i].report;
		err = outputs__write(outputs, name, write_report, &w);
		if (!err)
			continue;
		failed = err;
		log_error("cannot write '%s/%s': %s; choose another folder with --output-directory", outputs__path(outputs), name, strerror(-err));
	}
	return failed;
}

int reports_show(const struct profile *profile, const struct report_options *plain)
{
	struct report_options options = *plain;
	int err;

	report_fit_terminal(&options);
	err = report_summary(stdout, profile, &options);
	if (fflush(stdout) && !err)
		err = -errno;
	if (err && err != -EPIPE)
		log_error("cannot write the summary: %s", strerror(-err));
	return err;
}
