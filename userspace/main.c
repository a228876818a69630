// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/help.h"
#include "doctor/doctor.h"
#include "merge_run.h"
#include "record.h"
#include "report/report.h"
#include "session.h"
#include "target/attached.h"
#include "target/identity.h"
#include "target/launch.h"
#include "top.h"
#include "util/cleanup.h"
#include "util/log.h"

static int exit_failed(int err, const char *problem)
{
	if (problem)
		log_error("%s", problem);
	return err == -EINVAL ? 2 : 1;
}

static int profile(const struct config *config, const struct identity *identity)
{
	struct launch *launches[LAUNCHES_MAX] = {};
	int status = 1;

	for (int i = 0; i < config->repeat && i < LAUNCHES_MAX && !attached_wanted(config); i++) {
		int err = launch__prepare(&launches[i]);

		if (!err)
			continue;
		log_error("cannot fork: %s", strerror(-err));
		goto out;
	}
	status = session__profile(config, identity, launches);
out:
	for (int i = 0; i < LAUNCHES_MAX; i++)
		launch__free(launches[i]);
	return status;
}

static int summarize(const struct config *config)
{
	struct report_options options = {
		.absolute = config->duration == DURATION_ABSOLUTE,
		.trace = config->trace,
		.top_n = config->top_n,
		.threshold_percent = config->threshold_percent,
	};
	char problem[512];
	int err;

	report_fit_terminal(&options);
	err = report_summarize(stdout, config->input, &options, problem);
	if (err && !*problem)
		snprintf(problem, sizeof(problem), "cannot write the summary: %s", strerror(-err));
	return err ? exit_failed(-EIO, problem) : 0;
}

static void tell_stats(const struct stats_seen *seen, const char *path)
{
	char of[600] = "";

	if (seen->programs > 1)
		snprintf(of, sizeof(of), " of %zu scripts", seen->programs);
	else if (*seen->program)
		snprintf(of, sizeof(of), " of '%s'", seen->program);
	if (seen->skipped)
		log_warning("%zu unreadable .json file%s skipped", seen->skipped, seen->skipped > 1 ? "s" : "");
	if (seen->programs > 1)
		log_warning("a function counts as zero in the runs of other scripts: name one script's folder to keep them apart");
	log_notice("%zu run%s%s: statistics in '%s'", seen->runs, seen->runs > 1 ? "s" : "", of, path);
}

static int stats(const struct config *config)
{
	struct stats_seen seen;
	const struct stats_options options = { .root = config->root, .metadata = config->metadata, .sort = config->sort, .seen = &seen };
	_cleanup_free_ char *text = NULL, *path = NULL;
	char problem[512];
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int err = out ? report_stats(out, config->input, &options, problem) : -ENOMEM;

	if (out && fclose(out) && !err)
		err = -ENOMEM;
	if (err)
		return exit_failed(-EIO, err == -ENOMEM ? "out of memory" : problem);
	if (asprintf(&path, "%s/%s", config->input, config->output_file ? config->output_file : "function_stats.json") < 0)
		return 1;
	out = fopen(path, "we");
	if (!out || fwrite(text, size, 1, out) != 1 || fclose(out)) {
		log_error("cannot write '%s': %s", path, strerror(errno));
		return 1;
	}
	tell_stats(&seen, path);
	return 0;
}

static int printed(int err)
{
	if (err)
		log_error("cannot write to standard output: %s", strerror(-err));
	return err ? 1 : 0;
}

static int run(const struct config *config, const struct identity *identity)
{
	switch (config->command) {
	case COMMAND_PROFILE:
		return profile(config, identity);
	case COMMAND_RECORD:
		return record_run(config, identity);
	case COMMAND_TOP:
		return top_run(config, identity);
	case COMMAND_MERGE:
		return merge_run(config, identity);
	case COMMAND_DOCTOR:
		return doctor__run(config, identity);
	case COMMAND_SUMMARIZE:
		return summarize(config);
	case COMMAND_STATS:
		return stats(config);
	case COMMAND_VERSION:
		return printed(config_print_version(stdout, config));
	case COMMAND_HELP:
		return printed(help_print(stdout, config->help_topic));
	}
	return 1;
}

/*
 * A closed standard stream must not become one of our own files. What is put there is closed again
 * at exec, so that the script finds it closed as it would alone.
 */
static void hold_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct identity identity = {};
	struct config config = {};
	int err, status;

	hold_standard_streams();
	err = identity__drop_given();
	if (err) {
		log_error("cannot give up capabilities: %s", strerror(-err));
		return 1;
	}
	err = identity__resolve(&identity, NULL);
	if (err) {
		log_error(err == -EINVAL ? "SUDO_UID or SUDO_GID is not a number: unset it, or name the user with --user" : "cannot find out who you are: %s", strerror(-err));
		return 1;
	}
	err = config__load_with(&config, argc, argv, identity.environment);
	if (err) {
		identity__release(&identity);
		return err == -EINVAL ? 2 : 1;
	}
	log_set_verbose(config.verbose);
	if (config.user) {
		identity__release(&identity);
		err = identity__resolve(&identity, config.user);
		if (err) {
			log_error(err == -EPERM ? "only root can run the script as another user: '%s'" : "no such user: '%s' (--user)", config.user);
			config__release(&config);
			return err == -EPERM ? 1 : 2;
		}
	}
	status = run(&config, &identity);
	config__release(&config);
	identity__release(&identity);
	return status;
}
