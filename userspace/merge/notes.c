// SPDX-License-Identifier: Apache-2.0
#include "merge/notes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "merge/joined.h"
#include "util/cleanup.h"

#define LABELS_SHOWN 4

static struct note *note_get(struct notes *notes, const char *text)
{
	uint32_t at;

	if (!text)
		return NULL;
	if (map64_get(&notes->of_text, (uintptr_t)text, &at))
		return &notes->notes[at];
	if (!ROOM(notes->notes, notes->n, notes->room) || map64_put(&notes->of_text, (uintptr_t)text, (uint32_t)notes->n))
		return NULL;
	notes->notes[notes->n] = (struct note){.text = text};
	return &notes->notes[notes->n++];
}

int note_add(struct notes *notes, const char *text, const char *label)
{
	struct note *note = note_get(notes, strings__intern(notes->strings, text));

	if (!note)
		return -ENOMEM;
	if (!label) {
		note->own = true;
		return 0;
	}
	label = strings__intern(notes->strings, label);
	if (!label || !ROOM(note->labels, note->n_labels, note->room_labels))
		return -ENOMEM;
	note->labels[note->n_labels++] = label;
	return 0;
}

int note_add_with_others(struct notes *notes, const char *text, const char *label)
{
	struct note *note = note_get(notes, strings__intern(notes->strings, text));

	if (!note)
		return -ENOMEM;
	note->with_others = true;
	return note_add(notes, text, label);
}

/* "rank1: TEXT"; of several "TEXT (2 inputs: rank1, rank3)". */
static const char *with_origin(struct notes *notes, const struct note *note, size_t n_runs)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (note->own || n_runs < 2)
		return note->text;
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	if (note->n_labels == 1)
		fprintf(out, "%s: %s", note->labels[0], note->text);
	else if (note->n_labels == n_runs)
		fprintf(out, "%s (all %zu inputs)", note->text, n_runs);
	else
		fprintf(out, "%s (%zu inputs: ", note->text, note->n_labels);
	for (size_t i = 0; note->n_labels > 1 && note->n_labels < n_runs && i < note->n_labels; i++) {
		if (i == LABELS_SHOWN) {
			fputs(", \xe2\x80\xa6)", out);
			break;
		}
		fprintf(out, "%s%s%s", i ? ", " : "", note->labels[i], i + 1 == note->n_labels ? ")" : "");
	}
	if (fclose(out))
		return NULL;
	return strings__intern(notes->strings, text);
}

int notes_end(struct notes *notes, size_t n_runs, struct arena *arena, struct profile *profile)
{
	if (!notes->n)
		return 0;
	profile->notices = arena_array(arena, notes->n, sizeof(*profile->notices));
	if (!profile->notices)
		return -ENOMEM;
	for (size_t i = 0; i < notes->n; i++) {
		const char *text = with_origin(notes, &notes->notes[i], n_runs);

		if (!text)
			return -ENOMEM;
		if (n_runs > 1 || !notes->notes[i].with_others)
			profile->notices[profile->n_notices++] = text;
	}
	return 0;
}

void notes_release(struct notes *notes)
{
	for (size_t i = 0; i < notes->n; i++)
		free(notes->notes[i].labels);
	free(notes->notes);
	map64_release(&notes->of_text);
}
