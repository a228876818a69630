/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole run read back from its two files: profile_details.json has nearly all of it, profile_results.json the
 * stacks, the moments of samples and the text of the lines. Only this program's own files have what it takes.
 */
#ifndef FIXINGAHOLE_STORED_RUN_H
#define FIXINGAHOLE_STORED_RUN_H

#include "profile/profile.h"
#include "util/arena.h"
#include "util/strings.h"

/* What a profile_file of the run does not hold. */
struct stored_file {
	const char **texts;   /* per line of the file's .lines: its text; NULL: not known */
	const char **imports; /* import statements, in order */
	size_t n_imports;
};

struct stored_run {
	/* .source is NULL in all files; .merge is set if the run is itself a merged one; .command_line and so on as recorded */
	struct profile profile;
	struct stored_file *files; /* as .profile.files */
	struct arena arena;        /* owns all but the texts */
};

/*
 * Texts are interned in strings, which must outlive the run. What is wrong with a file is told in one line that names it: -EINVAL (it
 * cannot be read, is too large, no JSON, has a key twice, lacks a key or has one of the wrong type or out of range; lines that
 * exceed the whole; the two files are of different runs) or -ENOMEM. Release only after 0.
 */
int stored_run__load(struct stored_run *run, struct strings *strings, const char *results_path, const char *details_path, char problem[512]);
void stored_run__release(struct stored_run *run);

#endif
