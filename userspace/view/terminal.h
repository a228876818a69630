/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal, by curses: the only file that knows of it. From terminal__open() to terminal__close() the terminal is ours; a
 * program that ends in between must close it.
 */
#ifndef FIXINGAHOLE_VIEW_TERMINAL_H
#define FIXINGAHOLE_VIEW_TERMINAL_H

#include "view/draw.h"

/* Can standard output be drawn upon? false, and one line in problem: no. Changes nothing. */
bool terminal_usable(char problem[256]);

/* Where keys come from: standard input, or where that is no terminal, a new descriptor of the one that controls us; or -errno. */
int terminal_keys(void);

struct terminal;
/* 0 or -errno; then nothing has changed. keys_fd stays the caller's, and open until terminal__close(). */
int terminal__open(struct terminal **terminal, int keys_fd);
/* Leaves it as it was found. */
void terminal__close(struct terminal *terminal);

/* The next key (keys.h); false: none has come. */
bool terminal__key(struct terminal *terminal, uint32_t *key);
/* Has it been closed from the other side? */
bool terminal__gone(const struct terminal *terminal);

void terminal__size(const struct terminal *terminal, int *columns, int *lines);
/* Looks how large it is now. true: that has changed. */
bool terminal__resize(struct terminal *terminal);

/* Can something be sent now without waiting for who reads it? A line that hangs must not stop the sampling. */
bool terminal__writable(const struct terminal *terminal);
/* Sends what has changed. afresh: all of it, for the screen holds something else. */
void terminal__draw(struct terminal *terminal, const struct draw_screen *screen, bool afresh);

/* Gives the terminal back for a while (Ctrl-Z), and takes it again. */
void terminal__leave(struct terminal *terminal);
void terminal__enter(struct terminal *terminal);

#endif
