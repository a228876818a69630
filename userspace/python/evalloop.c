// SPDX-License-Identifier: Apache-2.0
/*
 * The parts of the evaluation loop without symbols.
 *
 * Each part of a function that was cut has an FDE of its own in .eh_frame. Parts of one function jump into each other's
 * middle, with direct jumps (jmp rel32, jcc rel32), many times in both directions; a call or a tail call goes to the start of
 * another function. So an FDE belongs to the loop if the loop's code jumps inside of it and it jumps back
 * inside of the loop.
 *
 * The code is not disassembled: every byte that could begin such a jump counts. In 4 GiB of possible targets a
 * stray match hits the interpreter's few MiB once in a thousand; the interpreters looked at have at most three
 * stray matches, each into another FDE, none with a jump back. A true part has 10 to 400 each way. Hence the threshold.
 */
#include "python/evalloop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define FUNCTION_NAME "_PyEval_EvalFrameDefault"
#define TAIL_CALL_PREFIX "_TAIL_CALL_"
#define JUMPS_MIN 2
#define FUNCTION_SIZE_MAX (1U << 20)
/* Functions are aligned: so much may be between neighbours. */
#define ALIGNMENT_MAX 64

static void hull_add(struct elf_code_range *hull, uint64_t start, uint64_t size)
{
	uint64_t end = start + size;

	if (!start || size > FUNCTION_SIZE_MAX || end < start)
		return;
	if (!hull->end || start < hull->start)
		hull->start = start;
	if (end > hull->end)
		hull->end = end;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static void tail_call_add(struct evalloop_symbols *s, uint64_t start, uint64_t size)
{
	if (start && size <= FUNCTION_SIZE_MAX && start + size > start && s->n_tail_calls < EVALLOOP_TAIL_CALLS)
		s->tail_calls[s->n_tail_calls++] = (struct elf_code_range){ start, start + size };
}

void evalloop_note_symbol(struct evalloop_symbols *s, const struct elf_symbol *symbol)
{
	const char *name = symbol->name;

	if (symbol->size == 0)
		return;
	if (has_prefix(name, TAIL_CALL_PREFIX))
		tail_call_add(s, symbol->value, symbol->size);
	else if (!strcmp(name, FUNCTION_NAME))
		s->function = (struct elf_code_range){ symbol->value, symbol->value + symbol->size };
	else if (has_prefix(name, FUNCTION_NAME "."))
		hull_add(&s->parts, symbol->value, symbol->size);
}

struct candidate {
	const struct elf_code_range *range;
	unsigned int jumps;
};

struct fde_table {
	const struct elf_code_range *ranges;
	size_t count;
};

/* The target of a direct jump that the bytes at code[i] may be; 0: none. */
static uint64_t jump_target(const uint8_t *code, size_t size, size_t i, uint64_t address)
{
	size_t length;
	int32_t distance;

	if (code[i] == 0xe9)
		length = 5;
	else if (code[i] == 0x0f && i + 1 < size && (code[i + 1] & 0xf0) == 0x80)
		length = 6;
	else
		return 0;
	if (i + length > size)
		return 0;
	memcpy(&distance, code + i + length - 4, 4);
	return address + i + length + (int64_t)distance;
}

static int read_code(struct elf_image *image, const struct elf_code_range *range, uint8_t **code)
{
	size_t size = range->end - range->start;

	if (range->end < range->start || size > FUNCTION_SIZE_MAX)
		return -EFBIG;
	*code = malloc(size ? size : 1);
	if (!*code)
		return -ENOMEM;
	return elf_image__read(image, range->start, *code, size);
}

/* How often code jumps into the middle of target. */
static unsigned int count_jumps_into(const uint8_t *code, size_t size, uint64_t address, const struct elf_code_range *target)
{
	unsigned int count = 0;

	for (size_t i = 0; i < size; i++) {
		uint64_t to = jump_target(code, size, i, address);

		count += to > target->start && to < target->end;
	}
	return count;
}

#define CANDIDATES_MAX 64

/* FDEs that code jumps into the middle of. Only the first few: a true one is hit early and often. */
static size_t find_candidates(const uint8_t *code, size_t size, const struct elf_code_range *self, const struct fde_table *fdes,
			      struct candidate *candidates)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		uint64_t to = jump_target(code, size, i, self->start);
		const struct elf_code_range *range = to ? elf_code_range_at(fdes->ranges, fdes->count, to) : NULL;
		size_t at = 0;

		if (!range || to == range->start || (range->start < self->end && self->start < range->end))
			continue;
		while (at < count && candidates[at].range != range)
			at++;
		if (at == CANDIDATES_MAX)
			continue;
		if (at == count)
			candidates[count++] = (struct candidate){ range, 0 };
		candidates[at].jumps++;
	}
	return count;
}

static bool jumps_back(struct elf_image *image, const struct elf_code_range *from, const struct elf_code_range *to)
{
	_cleanup_free_ uint8_t *code = NULL;

	return !read_code(image, from, &code) && count_jumps_into(code, from->end - from->start, from->start, to) >= JUMPS_MIN;
}

/* Appends the parts of *self that only .eh_frame knows. */
static int find_parts(struct elf_image *image, const struct elf_code_range *self, const struct fde_table *fdes, struct elf_code_range *out,
		      size_t *n, size_t max)
{
	struct candidate candidates[CANDIDATES_MAX];
	_cleanup_free_ uint8_t *code = NULL;
	size_t count;
	int error = read_code(image, self, &code);

	if (error)
		return error;
	count = find_candidates(code, self->end - self->start, self, fdes, candidates);
	for (size_t i = 0; i < count && *n < max; i++) {
		if (candidates[i].jumps >= JUMPS_MIN && jumps_back(image, candidates[i].range, self))
			out[(*n)++] = *candidates[i].range;
	}
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int compare_sizes(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;
	uint64_t x_size = x->end - x->start, y_size = y->end - y->start;

	return x_size > y_size ? -1 : x_size < y_size;
}

/* Joins neighbours; the number of pieces, the largest first. */
static size_t join(struct elf_code_range *ranges, size_t n)
{
	size_t pieces = 0;

	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 0; i < n; i++) {
		if (!pieces || ranges[i].start > ranges[pieces - 1].end + ALIGNMENT_MAX)
			ranges[pieces++] = ranges[i];
		else if (ranges[i].end > ranges[pieces - 1].end)
			ranges[pieces - 1].end = ranges[i].end;
	}
	qsort(ranges, pieces, sizeof(*ranges), compare_sizes);
	return pieces;
}

static size_t find_tail_calls(const struct evalloop_symbols *s, struct elf_code_range *out, size_t max)
{
	struct elf_code_range ranges[EVALLOOP_TAIL_CALLS];
	size_t pieces;

	memcpy(ranges, s->tail_calls, s->n_tail_calls * sizeof(*ranges));
	pieces = join(ranges, s->n_tail_calls);
	if (pieces > max)
		pieces = max;
	memcpy(out, ranges, pieces * sizeof(*out));
	return pieces;
}

int evalloop__find(struct elf_image *image, const struct evalloop_symbols *s, struct elf_code_range *out, size_t max)
{
	_cleanup_free_ struct elf_code_range *ranges = NULL;
	struct elf_code_range self = s->function;
	struct fde_table fdes = { 0 };
	size_t n = 0;

	if (!self.start || self.end <= self.start || self.end - self.start > FUNCTION_SIZE_MAX || max < 4)
		return -ENOENT;
	if (!elf_image__code_ranges(image, &ranges, &fdes.count)) {
		const struct elf_code_range *range = elf_code_range_at(ranges, fdes.count, self.start);

		fdes.ranges = ranges;
		/* the symbol's size may be that of more than one part, or 0 in hand-made tables */
		if (range && range->start == self.start && range->end - range->start <= FUNCTION_SIZE_MAX)
			self = *range;
	}
	out[n++] = self;
	if (s->parts.end)
		out[n++] = s->parts;
	n += find_tail_calls(s, out + n, max - n);
	if (n == 1 && fdes.count) {
		int error = find_parts(image, &self, &fdes, out, &n, max);

		if (error)
			return error;
	}
	qsort(out, n, sizeof(*out), compare_ranges);
	return n;
}
