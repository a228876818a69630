// SPDX-License-Identifier: Apache-2.0
/*
 * The rows of a window while it lasts, and what they waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/waits.h"
#include "profile/window_model.h"
#include "util/cleanup.h"

/* Ports that the kernel gives out by itself begin here (net.ipv4.ip_local_port_range). */
#define EPHEMERAL_PORT 32768

static size_t row_hash(uint32_t process, uint32_t tid, uint32_t leaf, const char *reason)
{
	return py_mix64(py_mix64(py_mix64(0, (uint64_t)process << 32 | tid), leaf), (uintptr_t)reason);
}

static bool rows_rehash(struct windows *w)
{
	uint32_t n = w->n_slots ? w->n_slots * 2 : 1024;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 0; i < w->n_rows; i++) {
		const struct seen_row *row = &w->rows[i];
		size_t at = row_hash(row->process, row->tid, row->leaf, row->reason) & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = i + 1;
	}
	free(w->slots);
	w->slots = slots;
	w->n_slots = n;
	return true;
}

struct seen_row *window_row(struct windows *w, uint32_t process, uint32_t tid, uint32_t leaf, const char *reason)
{
	size_t at;

	if (w->n_rows * 2 >= w->n_slots && !rows_rehash(w))
		return NULL;
	at = row_hash(process, tid, leaf, reason) & (w->n_slots - 1);
	for (; w->slots[at]; at = (at + 1) & (w->n_slots - 1)) {
		struct seen_row *row = &w->rows[w->slots[at] - 1];

		if (row->process == process && row->tid == tid && row->leaf == leaf && row->reason == reason)
			return row;
	}
	/* far too many: the process's totals stay right; there are no more of these rows than processes */
	if (w->n_rows >= ROWS_MAX && (tid || leaf || reason))
		return window_row(w, process, 0, 0, NULL);
	if (!GROW(w->rows, w->n_rows, w->cap_rows))
		return NULL;
	w->rows[w->n_rows] = (struct seen_row){ .process = process, .tid = tid, .leaf = leaf, .reason = reason };
	w->slots[at] = ++w->n_rows;
	return &w->rows[w->n_rows - 1];
}

/* Objects of which there are ever new ones, but always the same kind, are told by the kind. */
static bool object_text(const struct wait_object *o, char *buffer, size_t size)
{
	switch (o->kind) {
	case FD_PIPE:
		snprintf(buffer, size, "pipe");
		return true;
	case FD_SOCKET_OTHER:
		snprintf(buffer, size, "socket");
		return true;
	case FD_SOCKET_INET:
	case FD_SOCKET_INET6:
		/* a server's connections: the other end's port is any */
		if (o->local_port && o->local_port < EPHEMERAL_PORT && o->peer_port >= EPHEMERAL_PORT) {
			snprintf(buffer, size, "clients of port %u", o->local_port);
			return true;
		}
		return wait_object_text(o, buffer, size);
	default:
		return wait_object_text(o, buffer, size);
	}
}

const char *window_reason(struct windows *w, const struct event_wait *event)
{
	char buffer[32], object[512], text[600], clean[1024];
	const char *call = wait_call(event, buffer);
	bool known = event->wait_kind != WAIT_RUNNABLE && w->n_reasons < REASONS_OF_WINDOW && object_text(&event->object, object, sizeof(object));
	size_t before = strings__count(w->texts);
	const char *reason;

	snprintf(text, sizeof(text), known ? "%s, %s" : "%s", call, object);
	utf8_repair(clean, sizeof(clean), text);
	reason = strings__intern(w->texts, clean);
	w->n_reasons += strings__count(w->texts) - before;
	return reason;
}

void window_rows_clear(struct windows *w)
{
	free(steal_ptr(w->rows));
	free(steal_ptr(w->slots));
	w->n_rows = w->cap_rows = w->n_slots = 0;
	w->n_reasons = 0;
}
