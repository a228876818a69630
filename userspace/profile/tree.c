// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "profile/model.h"

static size_t node_hash(uint32_t parent, const struct symbol *symbol, uint32_t line)
{
	return py_mix64(py_mix64(py_mix64(0, parent), (uintptr_t)symbol), line);
}

static bool tree_rehash(struct tree *t)
{
	uint32_t n = t->n_slots ? t->n_slots * 2 : 1024;
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return false;
	for (uint32_t i = 1; i < t->n_nodes; i++) {
		const struct node *node = &t->nodes[i];
		size_t at = node_hash(node->parent, node->symbol, node->line) & (n - 1);

		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = i + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->n_slots = n;
	return true;
}

static bool tree_has_root(struct tree *t)
{
	if (t->n_nodes)
		return true;
	if (!GROW(t->nodes, t->n_nodes, t->cap_nodes))
		return false;
	t->nodes[t->n_nodes++] = (struct node){};
	return true;
}

uint32_t tree_child(struct tree *t, uint32_t parent, const struct symbol *symbol, uint32_t line)
{
	size_t at;

	if (!tree_has_root(t) || (t->n_nodes * 2 >= t->n_slots && !tree_rehash(t)))
		return parent;
	at = node_hash(parent, symbol, line) & (t->n_slots - 1);
	for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
		const struct node *node = &t->nodes[t->slots[at] - 1];

		if (node->parent == parent && node->symbol == symbol && node->line == line)
			return t->slots[at] - 1;
	}
	if (!GROW(t->nodes, t->n_nodes, t->cap_nodes))
		return parent;
	t->nodes[t->n_nodes] = (struct node){ .symbol = symbol, .parent = parent, .line = line };
	t->slots[at] = t->n_nodes + 1;
	return t->n_nodes++;
}

struct leaf *tree_leaf(struct tree *t, uint32_t index, bool *fresh)
{
	struct node *node;

	*fresh = false;
	if (!tree_has_root(t))
		return NULL;
	node = &t->nodes[index];
	if (node->leaf)
		return &t->leaves[node->leaf - 1];
	if (!GROW(t->leaves, t->n_leaves, t->cap_leaves))
		return NULL;
	*fresh = true;
	t->leaves[t->n_leaves] = (struct leaf){ .node = index, .site = NO_SITE };
	node->leaf = ++t->n_leaves;
	return &t->leaves[node->leaf - 1];
}

void tree_release(struct tree *t)
{
	free(t->nodes);
	free(t->slots);
	free(t->leaves);
	memset(t, 0, sizeof(*t));
}
