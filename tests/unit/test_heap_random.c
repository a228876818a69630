// SPDX-License-Identifier: Apache-2.0
/*
 * The heap model against a naive one, over random sequences of records: allocations by several threads of several spaces, frees by any of them,
 * reallocs, moves, forks, execs. The naive one keeps every block in a list, adds all of it up after each record, and copies all of it at
 * each new maximum.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heap_records.h"

#undef STRIDE
#define STRIDE (600ULL << 10) /* two of them are more than what is live at once */

#define SPACES 12
#define CLASSES 2
#define THREADS 3
#define BLOCKS_MAX 4000
#define ADDRESSES 40
#define ACCOUNTS 5 /* whole, outside, function, a, b */

struct naive_block {
	uint64_t address, weight, held;
	bool in[SPACES];
	const struct heap_place *place;
	uint32_t space, tid, stratum;
	int64_t pair;  /* the number of its stride's pair on its line of strides, -1: exact */
	bool grown, gone;
};

struct naive {
	struct naive_block blocks[BLOCKS_MAX];
	int n;
	struct naive_line { int64_t strides; int last[2]; } lines[SPACES][THREADS][CLASSES];
	bool used[SPACES];
	int copy_of[SPACES]; /* of whom the child will have the blocks when either next changes; -1: nobody */
	uint64_t live[ACCOUNTS], peak[ACCOUNTS], at_peak[ACCOUNTS], ended[ACCOUNTS], allocated[ACCOUNTS];
	double integral[ACCOUNTS];
	uint64_t ms;
};

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static bool charges(const struct naive_block *b, int account)
{
	return account == HEAP_WHOLE || b->place->line == (uint32_t)account || b->place->function == (uint32_t)account;
}

static bool lives(const struct naive_block *b)
{
	for (int s = 0; s < SPACES; s++) {
		if (b->in[s])
			return true;
	}
	return false;
}

/* After every change. */
static void naive_add_up(struct naive *n)
{
	for (int a = 0; a < ACCOUNTS; a++) {
		n->live[a] = 0;
		for (int i = 0; i < n->n; i++)
			n->live[a] += charges(&n->blocks[i], a) && lives(&n->blocks[i]) ? n->blocks[i].held : 0;
	}
	for (int a = 0; a < ACCOUNTS; a++) {
		if (n->live[a] <= n->peak[a])
			continue;
		n->peak[a] = n->live[a];
		if (a == HEAP_WHOLE)
			memcpy(n->at_peak, n->live, sizeof(n->live));
	}
}

static void naive_time(struct naive *n, uint64_t ms)
{
	for (int a = 0; a < ACCOUNTS; a++)
		n->integral[a] += (double)n->live[a] * (double)(ms - n->ms);
	n->ms = ms;
}

static void naive_grow(struct naive *n, int block)
{
	if (block >= 0 && lives(&n->blocks[block])) {
		n->blocks[block].held = n->blocks[block].weight;
		n->blocks[block].grown = true;
		naive_add_up(n);
	}
}

/* What two processes have counts in full. */
static void naive_copy(struct naive *n, int child)
{
	n->copy_of[child] = -1;
	for (int i = 0; i < n->n; i++) {
		if (n->blocks[i].in[child])
			naive_grow(n, i);
	}
}

static void naive_settle(struct naive *n, int space)
{
	if (n->copy_of[space] >= 0)
		naive_copy(n, space);
	for (int child = 0; child < SPACES; child++) {
		if (n->copy_of[child] == space)
			naive_copy(n, child);
	}
}

static struct naive_block *naive_find(struct naive *n, uint32_t space, uint64_t address)
{
	for (int i = 0; i < n->n; i++) {
		if (n->blocks[i].in[space] && n->blocks[i].address == address)
			return &n->blocks[i];
	}
	return NULL;
}

static void naive_alloc(struct naive *n, const struct model *m, const struct heap_place *place, uint64_t address, uint64_t size, uint64_t weight, bool exact)
{
	struct naive_block *b = &n->blocks[n->n], *old;
	struct naive_line *line = &n->lines[m->space][m->tid][m->stratum];

	naive_settle(n, m->space);
	old = naive_find(n, m->space, address);
	if (old)
		old->in[m->space] = false;
	naive_grow(n, line->last[1]);
	/* a large block parts those that would have been a pair */
	line->strides += exact && line->strides % 2;
	*b = (struct naive_block){ .address = address, .weight = weight, .held = size < weight && weight > HEAP_LIVE_AT_ONCE ? size : weight, .place = place,
		.space = m->space, .tid = m->tid, .stratum = m->stratum, .pair = exact ? -1 : line->strides++ / 2 };
	b->grown = b->held == weight;
	for (int a = 0; a < ACCOUNTS; a++)
		n->allocated[a] += charges(b, a) ? weight : 0;
	b->in[m->space] = true;
	n->n++;
	naive_add_up(n);
	line->last[1] = line->last[0];
	line->last[0] = b - n->blocks;
}

static double naive_live_error(const struct naive *n, int account)
{
	double variance = 0;

	for (int i = 0; i < n->n; i++) {
		const struct naive_block *b = &n->blocks[i];
		double other = 0;
		bool counted = false;

		if (!lives(b) || !b->grown || b->pair < 0 || !charges(b, account))
			continue;
		for (int k = 0; k < n->n; k++) {
			const struct naive_block *y = &n->blocks[k];

			if (k == i || y->pair != b->pair || y->space != b->space || y->tid != b->tid || y->stratum != b->stratum || !lives(y) || !y->grown || !charges(y, account))
				continue;
			other = y->weight;
			counted = k < i;
		}
		variance += counted ? 0 : ((double)b->weight - other) * ((double)b->weight - other);
	}
	return sqrt(variance);
}

static void compare(const struct model *m, const struct naive *n)
{
	for (int a = 0; a < ACCOUNTS; a++) {
		struct heap_measures x = measured(m, a);

		assert_int_equal(m->heap->accounts[a].live, n->live[a]);
		assert_int_equal(x.live_bytes, n->live[a] + n->ended[a]);
		assert_int_equal(x.peak_bytes, n->peak[a]);
		assert_int_equal(x.at_peak_bytes, n->at_peak[a]);
		assert_int_equal(x.allocated_bytes, n->allocated[a]);
		if (n->ms)
			assert_true(fabs((double)x.average_bytes - n->integral[a] / n->ms) <= 1);
		assert_true(fabs(sqrt(fmax(m->heap->accounts[a].live_var, 0)) - naive_live_error(n, a)) < 1e-3);
	}
	assert_int_equal(m->heap->accounts[HEAP_OUTSIDE].live + m->heap->accounts[m->a.line].live + m->heap->accounts[m->b.line].live, m->heap->accounts[HEAP_WHOLE].live);
	assert_int_equal(heap_at_peak(m->heap, &m->heap->kinds[HEAP_KIND_C]) + heap_at_peak(m->heap, &m->heap->kinds[HEAP_KIND_OBJECT]), n->at_peak[HEAP_WHOLE]);
}

static void random_alloc(struct model *m, struct naive *n)
{
	const struct heap_place *places[] = { &m->a, &m->b, &m->c }, *place = places[draw(3)];
	uint64_t address = draw(ADDRESSES), weight = (1 + draw(3)) * STRIDE, size = draw(4) ? 1 + draw(STRIDE - 1) : weight;
	bool exact = !draw(3);

	if (exact)
		size = weight = STRIDE + draw(5000000);
	model_alloc(m, place, address, size, weight, exact ? HEAP_EXACT : 0);
	naive_alloc(n, m, place, address, size, weight, exact);
}

static void random_free(struct model *m, struct naive *n)
{
	uint64_t address = draw(ADDRESSES);
	struct naive_block *b = naive_find(n, m->space, address);

	model_free(m, address, draw(4) ? 0 : HEAP_FREE_RESIZED);
	naive_settle(n, m->space);
	if (b)
		b->in[m->space] = false;
	naive_add_up(n);
}

/* Only what one process alone has; the hand-made tests have the rest. */
static void random_move(struct model *m, struct naive *n)
{
	uint64_t address = draw(ADDRESSES), to = draw(ADDRESSES), weight;
	struct naive_block *b = naive_find(n, m->space, address), *old = naive_find(n, m->space, to);

	if (!b || b->pair >= 0 || (old && old != b))
		return;
	for (int s = 0; s < SPACES; s++) {
		if (b->in[s] && s != (int)m->space)
			return;
	}
	weight = 1 + draw(b->weight);
	model_moved(m, address, to, weight, 0);
	naive_settle(n, m->space);
	b->weight = b->held = weight;
	b->address = to;
	naive_add_up(n);
}

static void random_fork(struct model *m, struct naive *n)
{
	uint32_t child = 0;

	while (child < SPACES && n->used[child])
		child++;
	if (child == SPACES)
		return;
	n->used[child] = true;
	model_fork(m, child);
	if (n->copy_of[m->space] >= 0)
		naive_copy(n, m->space);
	n->copy_of[child] = m->space;
	for (int i = 0; i < n->n; i++) {
		struct naive_block *b = &n->blocks[i];

		if (b->in[m->space])
			b->in[child] = true;
	}
}

static void random_end(struct model *m, struct naive *n)
{
	if (!m->space)
		return;
	n->copy_of[m->space] = -1;
	naive_settle(n, m->space);
	/* its lines of strides come to their end */
	for (int i = 0; i < THREADS * CLASSES; i++) {
		naive_grow(n, n->lines[m->space][i / CLASSES][i % CLASSES].last[1]);
		naive_grow(n, n->lines[m->space][i / CLASSES][i % CLASSES].last[0]);
	}
	for (int i = 0; i < n->n; i++) {
		struct naive_block *b = &n->blocks[i];
		bool held = b->in[m->space];

		b->in[m->space] = false;
		if (!held || lives(b))
			continue;
		for (int a = 0; a < ACCOUNTS; a++)
			n->ended[a] += charges(b, a) ? b->held : 0;
	}
	model_end(m);
	/* a space is never used again */
	n->used[m->space] = true;
	naive_add_up(n);
}

static void check_sequence(uint64_t number, bool with_forks)
{
	static struct naive n;
	struct model m = model_of();
	bool ended[SPACES] = { false };

	seed = number * 7919 + 13;
	memset(&n, 0, sizeof(n));
	for (int s = 0; s < SPACES; s++) {
		n.copy_of[s] = -1;
		for (int t = 0; t < THREADS * CLASSES; t++)
			n.lines[s][t / CLASSES][t % CLASSES] = (struct naive_line){ .last = { -1, -1 } };
	}
	n.used[0] = true;
	for (int step = 0; step < 600; step++) {
		uint32_t what = draw(100);

		do
			m.space = draw(SPACES);
		while (!n.used[m.space] || ended[m.space]);
		m.tid = draw(THREADS);
		m.stratum = draw(CLASSES);
		m.ms += draw(3);
		naive_time(&n, m.ms);
		if (what < 55)
			random_alloc(&m, &n);
		else if (what < 90)
			random_free(&m, &n);
		else if (what < 95)
			random_move(&m, &n);
		else if (with_forks && what < 98)
			random_fork(&m, &n);
		else if (with_forks && m.space) {
			random_end(&m, &n);
			ended[m.space] = true;
		}
		if (step % 7 == 0 || step > 590)
			compare(&m, &n);
	}
	assert_true(n.peak[HEAP_WHOLE] > 20 * STRIDE);
	heap__free(m.heap);
}

static void without_forks(void **state)
{
	for (uint64_t i = 0; i < 60; i++)
		check_sequence(i, false);
}

static void with_forks_and_ends(void **state)
{
	for (uint64_t i = 0; i < 60; i++)
		check_sequence(1000 + i, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_forks),
		cmocka_unit_test(with_forks_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
