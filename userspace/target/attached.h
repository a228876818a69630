/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes are attached to, and what they run: found before anything is attached.
 */
#ifndef FIXINGAHOLE_ATTACHED_H
#define FIXINGAHOLE_ATTACHED_H

#include "cli/config.h"
#include "profile/source.h"
#include "target/process_command.h"
#include "target/process_root.h"
#include "target/processes.h"

struct attached {
	struct pid_list named;       /* as the user named them; without their descendants */
	struct process_root *roots;  /* of them, each different one once */
	size_t n_roots;
	/* the first of them */
	char *name;                  /* of its script, its module, or its own */
	char *script;                /* absolute, in its root; NULL: none that can be read */
	struct process_command command;
	const char *directory;       /* its working directory */
	char **report_roots;         /* folders whose files are reported */
	size_t n_report_roots;
	bool commanded;              /* one of them runs neither a script nor a module */
	struct source_opener opener; /* of files in their roots */
};

/* Has the user named processes, and not a script? */
bool attached_wanted(const struct config *config);
/* 0, or -errno and one line in problem. Free in any case; own must live as long. */
int attached__find(struct attached *attached, const struct config *config, const struct identity *own, char problem[512]);
void attached__release(struct attached *attached);

#endif
