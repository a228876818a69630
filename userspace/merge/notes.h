/* SPDX-License-Identifier: Apache-2.0 */
/* Notices of many runs: each text once, with where it comes from. */
#ifndef FIXINGAHOLE_NOTES_H
#define FIXINGAHOLE_NOTES_H

#include "profile/profile.h"
#include "util/arena.h"
#include "util/map64.h"
#include "util/strings.h"

struct notes {
	struct strings *strings;
	struct note {
		const char *text;
		const char **labels; /* of the runs that have it */
		size_t n_labels, room_labels;
		bool own;            /* of the merge itself */
		bool with_others;    /* nothing new of a single run */
	} *notes;
	size_t n, room;
	struct map64 of_text;
};

/* label NULL: of the merge itself. Both are copied. 0 or -ENOMEM. */
int note_add(struct notes *notes, const char *text, const char *label);
/* The same of what the report of a single run says elsewhere. */
int note_add_with_others(struct notes *notes, const char *text, const char *label);
/* Into the profile's notices. Of a single run they are as they were. */
int notes_end(struct notes *notes, size_t n_runs, struct arena *arena, struct profile *profile);
void notes_release(struct notes *notes);

#endif
