/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run over processes that ran before it: how they become targets, without a stop, and what is known of them at the end.
 */
#ifndef FIXINGAHOLE_ATTACH_H
#define FIXINGAHOLE_ATTACH_H

#include "capture/capture.h"
#include "interps.h"
#include "profile/builder.h"
#include "target/attached.h"

struct attach;

struct attach_tools {
	struct capture *capture;
	struct interps *interps;
	FILE *recording; /* NULL: none */
	bool children;   /* their descendants, too */
	bool all;        /* every process of the machine, of which none is waited for */
	record_sink sink; /* the model */
	void (*notice)(void *context, const char *text); /* what was attached to; NULL: nobody asks */
	void *context;   /* of both */
};

/* NULL: no memory. attached and tools must live as long. */
struct attach *attach__new(const struct attached *attached, const struct attach_tools *tools);
void attach__free(struct attach *attach);
/* All of them, and their threads. From its return on everything counts. 0, or -errno and one line in problem. */
int attach__begin(struct attach *attach, char problem[512]);
/* How many there were when it began. */
size_t attach__count(const struct attach *attach);
/* All that the user named have ended. */
bool attach__ended(struct attach *attach);
/* Becomes readable when one of them ends. */
int attach__fd(const struct attach *attach);
/* What waits now is charged; call at the end, and before a look at the profile. */
void attach__flush(struct attach *attach);
/* What the kernel says of the processes: times, sizes; and how it ended. wall_ns: how long it lasted. */
void attach__facts(struct attach *attach, struct profile *profile, struct strings *strings);

#endif
