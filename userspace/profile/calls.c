// SPDX-License-Identifier: Apache-2.0
/* Counts of calls: from the file's ids to functions, and one sum per pair of functions over all processes and threads. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "preload/calls_file.h"
#include "profile/model.h"

static void take_code(struct builder *b, const struct event_calls_code *event)
{
	const char *file = (const char *)(event + 1), *name = file + event->file_size, *interned;
	struct calls *c = &b->calls;
	const struct symbol *symbol;

	if (!utf8_valid(file, event->file_size) || !utf8_valid(name, event->name_size)) {
		b->losses[LOSS_BAD_RECORDS]++;
		return;
	}
	interned = strings__intern_n(b->strings, file, event->file_size);
	name = strings__intern_n(b->strings, name, event->name_size);
	symbol = interned && name ? symbols__named(b->symbols, interned, name, event->firstlineno) : NULL;
	if (!symbol || !GROW(c->symbols, c->n_symbols, c->cap_symbols) || map64_put(&c->ids, event->id, c->n_symbols)) {
		b->losses[LOSS_DROPPED_RECORDS]++;
		return;
	}
	c->symbols[c->n_symbols++] = symbol;
}

static struct calls_edge *edge_get(struct calls *c, const struct symbol *caller, const struct symbol *callee)
{
	uint64_t key = (uint64_t)callee->index << 32 | (caller ? caller->index + 1 : 0);
	uint32_t index;

	if (map64_get(&c->pairs, key, &index))
		return &c->edges[index];
	if (!GROW(c->edges, c->n_edges, c->cap_edges) || map64_put(&c->pairs, key, c->n_edges))
		return NULL;
	c->edges[c->n_edges] = (struct calls_edge){ .caller = caller, .callee = callee };
	return &c->edges[c->n_edges++];
}

static void take_pair(struct builder *b, const struct event_calls_pair *event)
{
	struct calls *c = &b->calls;
	uint32_t caller = 0, callee;
	struct calls_edge *edge;

	if (!map64_get(&c->ids, event->callee, &callee) || (event->caller && !map64_get(&c->ids, event->caller, &caller))) {
		b->losses[LOSS_BAD_RECORDS]++;
		return;
	}
	edge = edge_get(c, event->caller ? c->symbols[caller] : NULL, c->symbols[callee]);
	if (!edge) {
		b->losses[LOSS_DROPPED_RECORDS]++;
		return;
	}
	edge->calls += event->calls;
	edge->resumptions += event->resumptions;
}

static void take_process(struct builder *b, const struct event_calls_process *event)
{
	struct calls *c = &b->calls;

	if (!GROW(c->processes, c->n_processes, c->cap_processes))
		return;
	if (event->head.space && map64_put(&c->spaces, event->head.space, c->n_processes))
		return;
	c->processes[c->n_processes++] = (struct profile_calls_process){
		.pid = event->head.pid,
		.version = event->version,
		.how = event->how,
		.flags = event->flags,
		.calls = event->calls,
		.resumptions = event->resumptions,
		.seen = event->flags & CALLS_SLICED ? event->seen / (double)CALLS_SEEN_ONE : 1,
	};
}

static const char *after(const char *text, char separator)
{
	const char *last = strrchr(text, separator);

	return last && last[1] ? last + 1 : text;
}

/* The pattern is for the whole path, the file's name, the qualified name or the name, as in the library (preload/calls/count.c). */
static bool is_wanted(struct builder *b, const struct symbol *symbol)
{
	const char *pattern = b->options->calls_pattern;
	uint32_t unwanted = 1;

	if (!pattern)
		return true;
	if (!map64_get(&b->calls.unwanted, symbol->index, &unwanted)) {
		const char *const texts[] = { symbol->function, after(symbol->function, '.'), builder_path(b, symbol->file), after(symbol->file, '/') };

		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts) && unwanted; i++)
			unwanted = fnmatch(pattern, texts[i], 0) != 0;
	}
	map64_put(&b->calls.unwanted, symbol->index, unwanted);
	return !unwanted;
}

/* Functions as the kernel saw them, by code objects. */
static void take_seen(struct builder *b, const struct event_calls_seen *event)
{
	const struct raw_frame callee = { event->code, event->fingerprint, -1 }, caller = { event->caller, event->caller_fingerprint, -1 };
	const struct event_header *head = &event->head;
	const struct symbol *function, *by = NULL;
	struct calls *c = &b->calls;
	struct calls_edge *edge;
	uint32_t line, process;

	function = symbols__frame(b->symbols, head->pid, head->space, &callee, &line);
	if (!function) {
		c->unnamed += event->calls + event->resumptions;
		return;
	}
	if (function->internal || !is_wanted(b, function))
		return;
	if (event->caller)
		by = symbols__frame(b->symbols, head->pid, head->space, &caller, &line);
	edge = edge_get(c, by && !by->internal ? by : NULL, function);
	if (!edge) {
		b->losses[LOSS_DROPPED_RECORDS]++;
		return;
	}
	edge->calls += event->calls;
	edge->resumptions += event->resumptions;
	if (map64_get(&c->spaces, head->space, &process)) {
		c->processes[process].calls += event->calls;
		c->processes[process].resumptions += event->resumptions;
	}
}

static void take_lost(struct builder *b, const struct event_calls_lost *event)
{
	b->calls.complete = true;
	b->calls.lost += event->calls;
	b->calls.lost_processes += event->processes;
	b->losses[LOSS_BAD_RECORDS] += event->bad;
}

void builder_calls(struct builder *b, const struct event_header *record)
{
	if (!b->options->calls)
		return;
	switch (record->kind) {
	case EVENT_CALLS_CODE:
		take_code(b, (const void *)record);
		break;
	case EVENT_CALLS_PAIR:
		take_pair(b, (const void *)record);
		break;
	case EVENT_CALLS_PROCESS:
		take_process(b, (const void *)record);
		break;
	case EVENT_CALLS_SEEN:
		take_seen(b, (const void *)record);
		break;
	case EVENT_CALLS_LOST:
		take_lost(b, (const void *)record);
		break;
	}
}

void calls_release(struct calls *c)
{
	map64_release(&c->ids);
	map64_release(&c->pairs);
	map64_release(&c->spaces);
	map64_release(&c->unwanted);
	free(c->symbols);
	free(c->edges);
	free(c->processes);
}
