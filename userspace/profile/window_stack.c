// SPDX-License-Identifier: Apache-2.0
/*
 * The call tree of windows: from recorded stacks to leaves, which of their frames is charged, and how the tree is kept small.
 */
#include <stdlib.h>
#include <string.h>

#include "profile/window_model.h"

/* Frames that are not Python's have these in place of a line. */
#define LINE_NATIVE UINT32_MAX
#define LINE_KERNEL (UINT32_MAX - 1)
#define LINE_MAX (INT32_MAX - 1U)

/* Symbols and code objects are swept when there are a quarter more than after the last time, and so many. */
#define SYMBOLS_MORE 4096
#define CODES_MORE 16384

/* Which of the two kinds of library folders: by name, or a digit must follow. */
static bool in_library(const char *path)
{
	static const char *const folders[] = { "/site-packages/", "/dist-packages/", "/lib/python3/" };
	static const char *const versions[] = { "/lib/python", "/lib64/python" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (strstr(path, folders[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		for (const char *at = path; (at = strstr(at, versions[i])); at++) {
			const char *version = at + strlen(versions[i]);
			size_t n = strspn(version, "0123456789.t");

			/* "python3.11/": what lies below it; "python-examples/" is no library */
			if (n >= 3 && version[n] == '/')
				return true;
		}
	}
	return false;
}

static enum file_rank rank_of(const char *file)
{
	if (file[0] == '<')
		return strncmp(file, "<frozen ", 8) ? FILE_MADE_UP : FILE_LIBRARY;
	return in_library(file) ? FILE_LIBRARY : FILE_OWN;
}

static enum file_rank file_rank(struct windows *w, const char *file)
{
	uint32_t rank;

	if (map64_get(&w->file_ranks, (uintptr_t)file, &rank))
		return rank;
	rank = rank_of(file);
	map64_put(&w->file_ranks, (uintptr_t)file, rank);
	return rank;
}

/* How many frames further out than the innermost one the charged one is; NO_SITE: none is the program's own. */
static uint32_t site_of(struct windows *w, uint32_t node)
{
	enum file_rank best = FILE_LIBRARY;
	uint32_t site = NO_SITE, out = 0;

	for (; node; node = w->tree.nodes[node].parent, out++) {
		const struct node *n = &w->tree.nodes[node];
		enum file_rank rank = n->symbol && n->line <= LINE_MAX ? file_rank(w, n->symbol->file) : FILE_LIBRARY;

		if (rank > best) {
			best = rank;
			site = out;
		}
	}
	return site;
}

static uint32_t leaf_of(struct windows *w, uint32_t node, bool cut)
{
	bool fresh;
	struct leaf *leaf = tree_leaf(&w->tree, node, &fresh);

	if (!leaf)
		return 0;
	if (fresh) {
		leaf->site = site_of(w, node);
		leaf->cut = cut;
	}
	return leaf - w->tree.leaves;
}

/* Until the next cut there may be no room for new stacks. */
static bool tree_full(struct windows *w)
{
	if (w->tree.n_nodes < w->nodes_most)
		return false;
	windows__notice(w, "there were too many different call stacks in this window: some of its time is told without stacks");
	return true;
}

uint32_t window_leaf(struct windows *w, const struct event_stack *stack, bool current, bool *named)
{
	const struct raw_frame *frames = stack_frames(stack);
	uint32_t node = 0, line;

	*named = false;
	if (stack->head.flags & STACK_CUT)
		w->losses[LOSS_CUT_STACKS]++;
	if (stack->head.flags & STACK_UNREADABLE)
		w->losses[LOSS_UNREADABLE_FRAMES]++;
	if (!stack->n_frames || tree_full(w))
		return 0;
	for (uint32_t i = stack->n_frames; i-- > 0;) {
		const struct symbol *symbol = current ? symbols__frame(w->symbols, stack->head.pid, stack->head.space, &frames[i], &line) : NULL;

		if (!symbol) {
			w->losses[LOSS_UNNAMED_CODE]++;
			line = 0;
		}
		*named = symbol;
		if (!symbol || !symbol->internal)
			node = tree_child(&w->tree, node, symbol, line <= LINE_MAX ? line : 0);
	}
	return leaf_of(w, node, stack->head.flags & STACK_CUT);
}

uint32_t window_native_leaf(struct windows *w, const struct event_stack *stack)
{
	const char *image = NULL, *function = NULL;
	const struct symbol *symbol;
	char clean[4096];
	uint32_t node = 0;

	if (tree_full(w))
		return 0;
	if (w->options.native && stack->user_ip && w->options.native(w->options.native_context, stack->head.pid, stack->head.space, stack->user_ip, &image, &function) && image) {
		utf8_repair(clean, sizeof(clean), image);
		image = strings__intern_weak(w->strings, clean);
		utf8_repair(clean, sizeof(clean), function ? function : "");
		function = strings__intern_weak(w->strings, clean);
		symbol = image && function ? symbols__named(w->symbols, image, function, 0) : NULL;
		if (symbol)
			node = tree_child(&w->tree, node, symbol, LINE_NATIVE);
	}
	if (stack->head.flags & STACK_KERNEL) {
		symbol = symbols__named(w->symbols, w->kernel, w->kernel, 0);
		if (symbol)
			node = tree_child(&w->tree, node, symbol, LINE_KERNEL);
	}
	return leaf_of(w, node, false);
}

static struct window_frame frame_of(struct windows *w, const struct node *node)
{
	const struct symbol *symbol = node->symbol;

	if (!symbol)
		return (struct window_frame){ .kind = WINDOW_PYTHON };
	if (node->line == LINE_KERNEL)
		return (struct window_frame){ .kind = WINDOW_KERNEL, .path = symbol->file };
	if (node->line == LINE_NATIVE)
		return (struct window_frame){ .kind = WINDOW_NATIVE, .path = symbol->file, .function = symbol->function[0] ? symbol->function : NULL };
	return (struct window_frame){
		.kind = WINDOW_PYTHON,
		.path = symbol->file,
		.function = symbol->function,
		.lineno = node->line,
		.firstlineno = symbol->firstlineno,
		.library = file_rank(w, symbol->file) == FILE_LIBRARY,
	};
}

bool window_frames(struct windows *w, struct arena *arena, uint32_t index, struct window_stack *out)
{
	const struct leaf *leaf = &w->tree.leaves[index];
	struct window_frame *frames;
	uint32_t n = 0;

	for (uint32_t node = leaf->node; node; node = w->tree.nodes[node].parent)
		n++;
	frames = arena_array(arena, n + 1, sizeof(*frames));
	if (!frames)
		return false;
	*out = (struct window_stack){ .frames = frames, .n_frames = n, .site = leaf->site != NO_SITE && !w->options.detailed ? leaf->site : 0, .cut = leaf->cut };
	n = 0;
	for (uint32_t node = leaf->node; node; node = w->tree.nodes[node].parent)
		frames[n++] = frame_of(w, &w->tree.nodes[node]);
	return true;
}

/* ---- keeping it small ---- */

bool window_stacks_begin(struct windows *w)
{
	w->nodes_now = w->options.nodes_max ? w->options.nodes_max : NODES_MAX;
	w->nodes_most = w->nodes_now > UINT32_MAX / 8 ? UINT32_MAX : w->nodes_now * 8;
	leaf_of(w, 0, false);
	return w->tree.n_leaves == 1;
}

void window_stacks_release(struct windows *w)
{
	tree_release(&w->tree);
	map64_release(&w->file_ranks);
}

/* What may refer to a leaf; leaves[] says where it is now. */
static void remap(struct windows *w, const uint32_t *leaves)
{
	for (uint32_t i = 0; i < w->n_rows; i++)
		w->rows[i].leaf = leaves[w->rows[i].leaf];
	for (uint32_t i = 0; i < w->n_threads; i++) {
		for (uint32_t k = 0; k < w->threads[i].n_stacks; k++)
			w->threads[i].stacks[k].leaf = leaves[w->threads[i].stacks[k].leaf];
		w->threads[i].freed.leaf = leaves[w->threads[i].freed.leaf];
	}
	for (uint32_t i = 0; i < w->n_blocks; i++)
		w->blocks[i].leaf = leaves[w->blocks[i].leaf];
}

/* Sets wanted[leaf] for the leaves that something refers to. */
static void find_wanted(const struct windows *w, uint32_t *wanted)
{
	wanted[0] = 1;
	for (uint32_t i = 0; i < w->n_rows; i++)
		wanted[w->rows[i].leaf] = 1;
	for (uint32_t i = 0; i < w->n_threads; i++) {
		for (uint32_t k = 0; k < w->threads[i].n_stacks; k++)
			wanted[w->threads[i].stacks[k].leaf] = 1;
		wanted[w->threads[i].freed.leaf] = 1;
	}
	for (uint32_t i = 0; i < w->n_blocks; i++)
		wanted[w->blocks[i].leaf] = 1;
}

/* Parents come before their children, in the old tree as in the new one. False: out of memory, and nothing has changed. */
static bool tree_rebuild(struct windows *w, uint32_t *nodes, uint32_t *leaves)
{
	const struct tree *old = &w->tree;
	struct tree new = {};
	bool fresh, ok = true;

	find_wanted(w, leaves);
	for (uint32_t i = 0; i < old->n_leaves; i++) {
		for (uint32_t node = leaves[i] ? old->leaves[i].node : 0; node && !nodes[node]; node = old->nodes[node].parent)
			nodes[node] = 1;
	}
	for (uint32_t i = 1; i < old->n_nodes && ok; i++) {
		uint32_t before = new.n_nodes ? new.n_nodes : 1;

		if (!nodes[i])
			continue;
		nodes[i] = tree_child(&new, nodes[old->nodes[i].parent], old->nodes[i].symbol, old->nodes[i].line);
		ok = new.n_nodes > before;
	}
	for (uint32_t i = 0; i < old->n_leaves && ok; i++) {
		struct leaf *leaf = leaves[i] ? tree_leaf(&new, nodes[old->leaves[i].node], &fresh) : NULL;

		ok = leaf || !leaves[i];
		if (!leaf)
			continue;
		leaf->site = old->leaves[i].site;
		leaf->cut = old->leaves[i].cut;
		leaves[i] = leaf - new.leaves;
	}
	if (!ok) {
		tree_release(&new);
		return false;
	}
	tree_release(&w->tree);
	w->tree = new;
	remap(w, leaves);
	return true;
}

static bool in_tree(void *context, const struct symbol *symbol)
{
	uint32_t there;

	return map64_get(context, (uintptr_t)symbol, &there);
}

static void sweep_symbols(struct windows *w)
{
	struct map64 used = {};
	bool ok = true;

	for (uint32_t i = 1; i < w->tree.n_nodes && ok; i++)
		ok = !map64_put(&used, (uintptr_t)w->tree.nodes[i].symbol, 1);
	if (ok) {
		symbols__sweep(w->symbols, in_tree, &used);
		/* names that are gone may be others' at the same addresses */
		map64_release(&w->file_ranks);
	}
	map64_release(&used);
	w->swept_symbols = symbols__count(w->symbols);
	w->swept_codes = symbols__codes(w->symbols);
}

void window_stacks_sweep(struct windows *w)
{
	bool symbols = symbols__count(w->symbols) > w->swept_symbols + w->swept_symbols / 4 + SYMBOLS_MORE || symbols__codes(w->symbols) > w->swept_codes + w->swept_codes / 4 + CODES_MORE;
	uint32_t *nodes, *leaves, most = w->options.nodes_max ? w->options.nodes_max : NODES_MAX;

	if (w->tree.n_nodes <= w->nodes_now && !symbols)
		return;
	nodes = calloc(w->tree.n_nodes, sizeof(*nodes));
	leaves = calloc(w->tree.n_leaves, sizeof(*leaves));
	if (nodes && leaves && tree_rebuild(w, nodes, leaves) && symbols)
		sweep_symbols(w);
	free(nodes);
	free(leaves);
	/* if so much is needed, not each time */
	w->nodes_now = w->tree.n_nodes * 2 > most ? w->tree.n_nodes * 2 : most;
	if (w->nodes_now > w->nodes_most)
		w->nodes_now = w->nodes_most;
}
