/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `record --options FILE`: the options of a service, in a file. One per line, with or without '=': "--interval 60". What follows the
 * name up to the line's end is its value, blanks and quotes included; empty lines and those that begin with '#' do not count. The
 * file's options stand in the place of --options itself, so of those that are given twice the last one counts. A file names no further one.
 */
#ifndef FIXINGAHOLE_CLI_OPTIONS_FILE_H
#define FIXINGAHOLE_CLI_OPTIONS_FILE_H

struct options_words;

/*
 * The words of a command line with those of the file. 0: *out is NULL where there is no such option, and else must live as long as its
 * words are used; the caller frees it. -EINVAL after a line on stderr; -ENOMEM. argv's own words are borrowed.
 */
int options_words__read(struct options_words **out, int argc, char **argv);
void options_words__free(struct options_words *words);

/* The words; for NULL, what was passed. */
int options_words__count(const struct options_words *words, int argc);
char **options_words__vector(const struct options_words *words, char **argv);

#endif
