// SPDX-License-Identifier: Apache-2.0
/* "Functions by Module": the functions under the folders of their files, heaviest branch first. */
#include "report/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report/text.h"
#include "util/cleanup.h"

#define LEVELS_MAX 24     /* deeper folders stay joined in one branch */
#define VALUE_COLUMN 50   /* where times begin, at least, unless the terminal is narrower */
#define VALUE_COLUMNS 15  /* "100.00% ( 12 MB)" from there on */
#define NAME_COLUMNS_MAX 60

/* One function that is shown, and its path in the tree. */
struct leaf {
	const char *path;
	const struct summary_function *function;
};

/* A folder or a file: a run of leaves whose paths agree so far. */
struct branch {
	size_t first, n;
	double share;
};

struct tree {
	FILE *out;                /* NULL: only measure */
	const struct summary *summary;
	const struct report_options *options;
	struct leaf *leaves;
	const struct summary_function *outside; /* the last row, or NULL */
	int value_column;
	int columns;              /* of the widest line */
	char prefix[(LEVELS_MAX + 2) * 5 + 1];
	size_t prefix_size;
	int prefix_columns;
};

/* What comes after `marker`, or NULL. */
static const char *after(const char *path, const char *marker)
{
	const char *at = strstr(path, marker);

	return at && at[strlen(marker)] ? at + strlen(marker) : NULL;
}

/* Below root as it is; an installed module from its own name on, so that the tree does not begin with six folders. */
static const char *tree_path(const struct summary *summary, const char *shown)
{
	const char *path = after(shown, "/site-packages/");

	if (!path)
		path = after(shown, "/dist-packages/");
	if (!path) {
		const char *library = after(shown, "/lib/python3");

		path = library ? after(library, "/") : NULL;
	}
	if (!path)
		path = path_below(shown, summary->root);
	while (*path == '/' && path[1])
		path++;
	return path;
}

/* Folder by folder: "a/b" comes before "a-b". */
static int compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int by_path(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;
	int order = compare_paths(x->path, y->path);

	if (!order) /* two files may be shown alike */
		order = strcmp(x->function->path, y->function->path);
	return order ? order : x->function < y->function ? -1 : x->function > y->function;
}

static int by_branch_share(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;

	return x->share > y->share ? -1 : x->share < y->share ? 1 : x->first < y->first ? -1 : x->first > y->first;
}

/* Length of the component that begins at offset; the last level takes all that is left. */
static size_t component_length(const char *path, size_t offset, int level)
{
	const char *slash = level + 1 < LEVELS_MAX ? strchr(path + offset, '/') : NULL;

	return slash && slash[1] ? (size_t)(slash - (path + offset)) : strlen(path + offset);
}

static void enter(struct tree *tree, bool last)
{
	size_t size = last ? 3 : strlen("│  ");

	memcpy(tree->prefix + tree->prefix_size, last ? "   " : "│  ", size);
	tree->prefix_size += size;
	tree->prefix_columns += 3;
}

static void leave(struct tree *tree, bool last)
{
	tree->prefix_size -= last ? 3 : strlen("│  ");
	tree->prefix_columns -= 3;
}

static void note_columns(struct tree *tree, int columns)
{
	if (columns > tree->columns)
		tree->columns = columns;
}

static void print_prefix(struct tree *tree, bool last)
{
	fwrite(tree->prefix, 1, tree->prefix_size, tree->out);
	fputs(last ? "└─ " : "├─ ", tree->out);
}

static void print_function(struct tree *tree, const struct summary_function *function, bool last)
{
	int name = tree->prefix_columns + 3 + text_width(function->name, NAME_COLUMNS_MAX), columns;
	char value[32], memory[32] = "";
	bool warm = paint_for(function->share) != PAINT_NONE;

	if (!tree->out) {
		if (name + 4 > tree->value_column)
			tree->value_column = name + 4;
		return;
	}
	summary_format(value, tree->summary, tree->options, function->share, 2);
	if (summary_has_memory(tree->summary, function))
		format_memory(memory, function->bytes);
	print_prefix(tree, last);
	text_print(tree->out, function->name, strlen(function->name), NAME_COLUMNS_MAX, TEXT_NAME);
	text_repeat(tree->out, ".", tree->value_column + 6 - (int)strlen(value) - name);
	if (warm)
		paint(tree->out, tree->options->color, paint_for(function->share));
	fputs(value, tree->out);
	if (warm)
		paint(tree->out, tree->options->color, PAINT_NONE);
	columns = tree->value_column + 6;
	if (*memory)
		columns += fprintf(tree->out, " (%6s)", memory);
	putc('\n', tree->out);
	note_columns(tree, columns);
}

static void print_branch_name(struct tree *tree, const char *name, size_t size, const struct branch *branch, bool last)
{
	char value[32];
	int columns;

	if (!tree->out)
		return;
	summary_format(value, tree->summary, tree->options, branch->share, 2);
	print_prefix(tree, last);
	columns = tree->prefix_columns + 3 + text_print(tree->out, name, size, NAME_COLUMNS_MAX, TEXT_NAME);
	columns += fprintf(tree->out, " (%zu func, %s total)\n", branch->n, value);
	note_columns(tree, columns);
}

/* The line below a file's functions: the stems of the branches that go on. */
static void print_gap(struct tree *tree)
{
	size_t size = tree->prefix_size;

	if (!tree->out)
		return;
	while (size && tree->prefix[size - 1] == ' ')
		size--;
	fwrite(tree->prefix, 1, size, tree->out);
	putc('\n', tree->out);
}

/* Splits a run of leaves by the component at offset. */
static struct branch *split(const struct tree *tree, const struct branch *parent, size_t offset, int level, size_t *n)
{
	struct branch *branches = calloc(parent->n, sizeof(*branches));

	*n = 0;
	for (size_t i = parent->first; branches && i < parent->first + parent->n; i++) {
		const char *path = tree->leaves[i].path, *before = *n ? tree->leaves[i - 1].path : NULL;
		size_t length = component_length(path, offset, level);
		bool same = before && component_length(before, offset, level) == length && !memcmp(before + offset, path + offset, length) &&
			    !before[offset + length] == !path[offset + length];

		/* two files that are shown alike stay apart */
		if (same && !path[offset + length] && tree->leaves[i].function->path != tree->leaves[i - 1].function->path &&
		    strcmp(tree->leaves[i].function->path, tree->leaves[i - 1].function->path))
			same = false;
		if (!same)
			branches[(*n)++].first = i;
		branches[*n - 1].n++;
		branches[*n - 1].share += tree->leaves[i].function->share;
	}
	if (branches)
		qsort(branches, *n, sizeof(*branches), by_branch_share);
	return branches;
}

static int print_branches(struct tree *tree, const struct branch *parent, size_t offset, int level)
{
	size_t n;
	_cleanup_free_ struct branch *branches = split(tree, parent, offset, level, &n);

	if (!branches)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct branch *branch = &branches[i];
		const char *path = tree->leaves[branch->first].path;
		size_t length = component_length(path, offset, level);
		bool last = i + 1 == n && (level || !tree->outside);
		int err = 0;

		print_branch_name(tree, path + offset, length, branch, last);
		enter(tree, last);
		if (path[offset + length] == '/' && path[offset + length + 1]) {
			err = print_branches(tree, branch, offset + length + 1, level + 1);
		} else {
			for (size_t k = 0; k < branch->n; k++)
				print_function(tree, tree->leaves[branch->first + k].function, k + 1 == branch->n);
			print_gap(tree);
		}
		leave(tree, last);
		if (err < 0)
			return err;
	}
	return 0;
}

/* The branches, and below them what belongs to none. */
static int print_all(struct tree *tree, const struct branch *all)
{
	int err = all->n ? print_branches(tree, all, 0, 0) : 0;

	if (err < 0 || !tree->outside)
		return err;
	print_function(tree, tree->outside, true);
	print_gap(tree);
	return 0;
}

int summary__print_tree(FILE *out, const struct summary *summary, const struct report_options *options, int *columns)
{
	_cleanup_free_ struct leaf *leaves = calloc(summary->n_functions + 1, sizeof(*leaves));
	struct tree tree = {.summary = summary, .options = options, .leaves = leaves, .value_column = VALUE_COLUMN, .columns = *columns};
	struct branch all = {0};
	int err;

	if (!leaves)
		return -ENOMEM;
	if (options->width > 0 && options->width < VALUE_COLUMN + VALUE_COLUMNS)
		tree.value_column = options->width - VALUE_COLUMNS;
	for (size_t i = 0; i < summary->n_functions; i++) {
		const struct summary_function *function = &summary->functions[i];

		if ((function->share > 0 && function->share >= options->threshold_percent / 100) || summary_has_memory(summary, function))
			leaves[all.n++] = (struct leaf){tree_path(summary, function->shown), function};
	}
	if (summary->outside.name && (summary->outside.share > 0 || summary_has_memory(summary, &summary->outside)))
		tree.outside = &summary->outside;
	if (!all.n && !tree.outside)
		return 0;
	qsort(leaves, all.n, sizeof(*leaves), by_path);
	err = print_all(&tree, &all);
	if (err < 0)
		return err;
	tree.out = out;
	err = print_all(&tree, &all);
	*columns = tree.columns;
	return err;
}
