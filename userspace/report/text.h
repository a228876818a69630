/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for terminals: foreign names and source lines made harmless and measured in
 * columns; times, shares and sizes the way the reports print them.
 */
#ifndef FIXINGAHOLE_REPORT_TEXT_H
#define FIXINGAHOLE_REPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MIB (1024.0 * 1024.0)

/* Reads one character; invalid UTF-8 yields U+FFFD and takes one byte. size must not be 0. Returns the bytes taken. */
size_t utf8_decode(const char *text, size_t size, uint32_t *character);

/* Columns that a terminal gives a printable character: 0, 1 or 2. */
int text_columns_of(uint32_t character);

enum text_kind {
	TEXT_NAME,   /* tab and newline are shown as \t and \n */
	TEXT_SOURCE, /* tabs become spaces, to multiples of 8 */
};

/*
 * Prints text so that it cannot disturb a terminal: control and direction-changing characters are shown escaped, invalid
 * UTF-8 as U+FFFD. At most max columns (0: no limit); what does not fit ends in an ellipsis. Returns the columns
 * used. With out == NULL it only measures.
 */
int text_print(FILE *out, const char *text, size_t size, int max, enum text_kind kind);
/* The same for a NUL-terminated name, filled up to exactly `columns` with blanks. */
void text_print_padded(FILE *out, const char *text, int columns);
/* Prints the end of a path, which tells more than its begin, in at most so many columns; what is left out is told by an ellipsis. Below 2 columns nothing. */
void text_print_end(FILE *out, const char *path, int columns);
/* Columns of a name, at most max (0: no limit). */
int text_width(const char *text, int max);
/* A piece of text, count times. */
void text_repeat(FILE *out, const char *piece, int count);

/* "767.800 MB", "1.706 GB", "512.000 kB" */
void format_memory_exact(char out[32], double bytes);
/* "610 MB", "1.706 GB", "12 kB" */
void format_memory(char out[32], double bytes);
/* In at most 5 columns: "76M", "1.7G" */
void format_memory_short(char out[32], double bytes);

/* ANSI; nothing without color. */
enum paint { PAINT_NONE, PAINT_BOLD, PAINT_DIM, PAINT_HOT, PAINT_WARM };
void paint(FILE *out, bool color, enum paint paint);
/* How to paint a share (0..1). */
enum paint paint_for(double share);

/* 0 if all that was written went through, else -errno. */
int stream_result(FILE *out);

/* path below root without root; else path itself. */
const char *path_below(const char *path, const char *root);
const char *path_base(const char *path);

#endif
