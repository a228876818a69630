// SPDX-License-Identifier: Apache-2.0
/*
 * From an instruction to its line. Three formats in use:
 *
 * <= 3.9  co_lnotab: pairs (bytes, signed lines). An instruction's line is the sum of all line steps up to it.
 * 3.10    co_linetable: pairs (bytes, signed lines), each for a stretch of code that begins where the last one ended;
 *         the line step comes first, and -128 marks a stretch without a line.
 * 3.11+   the location table: entries of a head byte (top bit set, 4 bits kind, 3 bits length in code units less 1)
 *         and a payload without top bits, so that the next head can always be found.
 */
#include <stdbool.h>

#include "python/code.h"

#define CODE_UNIT 2
#define NO_LINE_STEP (-128)

enum location_kind {
	LOCATION_ONE_LINE_0 = 10, /* one-line forms: the kind less this is the line step */
	LOCATION_ONE_LINE_2 = 12,
	LOCATION_NO_COLUMNS = 13,
	LOCATION_LONG = 14,
	LOCATION_NONE = 15,
};

/* Lines add up in 64 bits: a table is at most some GiB, so hostile steps cannot overflow them. */
static uint32_t line_or_none(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (uint32_t)line : 0;
}

static uint32_t lnotab_line(const uint8_t *table, size_t size, int64_t line, int32_t offset)
{
	int64_t at = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		at += table[i];
		if (at > offset)
			break;
		line += (int8_t)table[i + 1];
	}
	return line_or_none(line);
}

static uint32_t linetable310_line(const uint8_t *table, size_t size, int64_t line, int32_t offset)
{
	int64_t end = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		int8_t step = (int8_t)table[i + 1];

		end += table[i];
		if (step != NO_LINE_STEP)
			line += step;
		if (offset < end)
			return step == NO_LINE_STEP ? 0 : line_or_none(line);
	}
	return 0;
}

/* A signed number in 6-bit groups, lowest first, bit 6 says that more follow; the sign is the lowest bit. */
static int64_t location_step(const uint8_t *p, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; p < end && shift < 36; shift += 6, p++) {
		value |= (uint64_t)(*p & 63) << shift;
		if (!(*p & 64))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static uint32_t location_line(const uint8_t *table, size_t size, int64_t line, int32_t offset)
{
	const uint8_t *p = table, *end = table + size;
	int64_t at = 0;

	while (p < end) {
		unsigned int kind = *p >> 3 & 15;

		at += ((*p & 7) + 1) * CODE_UNIT;
		p++;
		if (kind == LOCATION_LONG || kind == LOCATION_NO_COLUMNS)
			line += location_step(p, end);
		else if (kind >= LOCATION_ONE_LINE_0 && kind <= LOCATION_ONE_LINE_2)
			line += kind - LOCATION_ONE_LINE_0;
		if (offset < at)
			return kind == LOCATION_NONE ? 0 : line_or_none(line);
		while (p < end && !(*p & 0x80))
			p++;
	}
	return 0;
}

uint32_t linetable_line(uint32_t version, const uint8_t *table, size_t size, uint32_t firstlineno, int32_t offset)
{
	if (offset < 0)
		return line_or_none(firstlineno);
	if (!table || !size)
		return version <= 0x0309 ? line_or_none(firstlineno) : 0;
	if (version <= 0x0309)
		return lnotab_line(table, size, firstlineno, offset);
	if (version == 0x030a)
		return linetable310_line(table, size, firstlineno, offset);
	return location_line(table, size, firstlineno, offset);
}
