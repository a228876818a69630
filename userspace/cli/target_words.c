// SPDX-License-Identifier: Apache-2.0
#include "cli/target_words.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "util/log.h"

static const char *const attach_options[] = { "pid", "name", "cgroup", NULL };
static const char *const attach_only_options[] = { "seconds", "no-children", NULL };
static const char *const launch_options[] = { "module", "python", "user", "repeat", "log-level", "no-plots", NULL };

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names))
		names++;
	return *names;
}

bool target_words_attach(const char *name)
{
	return is_one_of(name, attach_options) || is_one_of(name, attach_only_options);
}

void target_words_note(struct target_words *w, const char *name)
{
	if (is_one_of(name, attach_options))
		w->attach = name;
	if (is_one_of(name, attach_only_options))
		w->attach_only = name;
	if (is_one_of(name, launch_options))
		w->launch = name;
}

int target_words_check(const struct target_words *w, const char *file)
{
	if (!w->attach && w->attach_only)
		log_error("'--%s' needs --pid, --name or --cgroup", w->attach_only);
	else if (w->attach && file)
		log_error("'--%s' cannot go with the file '%s': attach to a process, or start a script", w->attach, file);
	else if (w->attach && w->launch)
		log_error("'--%s' is for scripts that are started: it cannot go with '--%s'", w->launch, w->attach);
	else
		return 0;
	return -EINVAL;
}
