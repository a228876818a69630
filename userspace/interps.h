/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which interpreter runs in each new program: asked right after its exec, and
 * again for a while, since a shared libpython is mapped a moment later.
 */
#ifndef FIXINGAHOLE_INTERPS_H
#define FIXINGAHOLE_INTERPS_H

#include "capture/capture.h"
#include "python/interp.h"
#include "symbols/symbols.h"

/* Who hears of what is found. */
struct interps_listener {
	void (*no_interpreter)(void *context, uint32_t pid, const char *reason);
	void (*notice)(void *context, const char *text);
	void (*found)(void *context, uint32_t pid, const char *program); /* not if its exec told already; NULL: nobody asks */
	bool sparing; /* many processes, most of them no Python: look less often at what does not seem to become one */
	bool unnamed; /* nobody named any of them: one that is no Python that we know is not worth a word, but one that may be and cannot be read is */
	void *context;
};

/* Is the program, by its path, called like a Python? */
bool interps__looks_like_one(const char *program);

struct interps;
/* recording: NULL: none. */
struct interps *interps__new(struct capture *capture, struct symbols *symbols, const struct interps_listener *listener, FILE *recording);
void interps__free(struct interps *interps);
/*
 * Before a script's exec: what its program is, so that the kernel walks it from its first instruction on, however late we hear of it. search: its
 * LD_LIBRARY_PATH, or NULL. Files are opened with the rights that we have now.
 */
void interps__foretell(struct interps *interps, const char *program, const char *search);
void interps__exec(struct interps *interps, const struct event_exec *event);
void interps__library(struct interps *interps, const struct event_library *event);
/*
 * A process that runs already, since start_ns. named: its user must know why there are no lines. True: *found is its interpreter, valid as
 * long as the interps.
 */
bool interps__attach(struct interps *interps, const struct event_attach *event, uint64_t start_ns, bool named, struct interp_process *found);
void interps__exit(struct interps *interps, uint32_t pid);
/* Asks again where it is time. Milliseconds until the next time, or -1: nothing to ask. */
int interps__poll(struct interps *interps, uint64_t now_ns);

/* Nothing more is asked: what is not known is not a Python. */
void interps__end(struct interps *interps);

#endif
