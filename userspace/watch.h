/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches running processes, or all of the machine, and hands out windows of what they did: what `record` and `top` share.
 */
#ifndef FIXINGAHOLE_WATCH_H
#define FIXINGAHOLE_WATCH_H

#include "cli/config.h"
#include "profile/window.h"
#include "target/identity.h"

enum watch_action { WATCH_GO_ON, WATCH_CUT /* end the window now */, WATCH_STOP };

struct watch_options {
	const struct config *config;
	const struct identity *identity;
	bool detailed;        /* libraries' frames are charged, too */
	bool tell_attached;   /* a notice says what was attached to, and how large it was */
	uint64_t window_ns;   /* length of a window; 0: only WATCH_CUT and the end make one */
	/* A window has ended. last: no more will come. The window is valid for the duration of the call. */
	enum watch_action (*window)(void *context, const struct window *window, bool last);
	/* Called when input_fd is readable (-1: never), on signals, and not later than *next_ns (CLOCK_MONOTONIC; UINT64_MAX: whenever). */
	int input_fd;
	enum watch_action (*step)(void *context, uint64_t now_ns, bool readable, uint64_t *next_ns);
	void (*started)(void *context, size_t processes); /* all that runs is attached; NULL: not asked for */
	void *context;
};

/*
 * Returns at config->seconds, at Ctrl-C or SIGTERM, when all named processes have ended (unless all are watched), or at WATCH_STOP.
 * 0, or -errno and one line in problem: it could not begin. SIGHUP and SIGWINCH are left to the caller.
 */
int watch_run(const struct watch_options *options, char problem[512]);

#endif
