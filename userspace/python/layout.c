// SPDX-License-Identifier: Apache-2.0
#include "python/layout.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* tools/layout.py rows */
static const struct py_layout table[] = {
	{
		.version = 0x307,
		.flags = PY_LASTI_BYTES,
		.tss_key = 1508,
		.interpreters_head = 24,
		.interp_next = 0,
		.interp_threads_head = 8,
		.tstate_next = 8,
		.tstate_frame = 24,
		.tstate_thread_id = 176,
		.cframe_frame = 0,
		.frame_code = 32,
		.frame_prev = 24,
		.frame_instr = 104,
		.frame_owner = 0,
		.owner_shim_min = 0,
		.code_firstlineno = 36,
		.code_filename = 96,
		.code_name = 104,
		.code_qualname = 0,
		.code_linetable = 112,
		.code_version = 0,
		.code_first_instr = 40,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 48,
		.str_compact = 72,
		.bytes_size = 16,
		.bytes_data = 32,
	},
	{
		.version = 0x308,
		.flags = PY_LASTI_BYTES,
		.tss_key = 1396,
		.interpreters_head = 32,
		.interp_next = 0,
		.interp_threads_head = 8,
		.tstate_next = 8,
		.tstate_frame = 24,
		.tstate_thread_id = 176,
		.cframe_frame = 0,
		.frame_code = 32,
		.frame_prev = 24,
		.frame_instr = 104,
		.frame_owner = 0,
		.owner_shim_min = 0,
		.code_firstlineno = 40,
		.code_filename = 104,
		.code_name = 112,
		.code_qualname = 0,
		.code_linetable = 120,
		.code_version = 0,
		.code_first_instr = 48,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 48,
		.str_compact = 72,
		.bytes_size = 16,
		.bytes_data = 32,
	},
	{
		.version = 0x309,
		.flags = PY_LASTI_BYTES,
		.tss_key = 588,
		.interpreters_head = 32,
		.interp_next = 0,
		.interp_threads_head = 8,
		.tstate_next = 8,
		.tstate_frame = 24,
		.tstate_thread_id = 176,
		.cframe_frame = 0,
		.frame_code = 32,
		.frame_prev = 24,
		.frame_instr = 104,
		.frame_owner = 0,
		.owner_shim_min = 0,
		.code_firstlineno = 40,
		.code_filename = 104,
		.code_name = 112,
		.code_qualname = 0,
		.code_linetable = 120,
		.code_version = 0,
		.code_first_instr = 48,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 48,
		.str_compact = 72,
		.bytes_size = 16,
		.bytes_data = 32,
	},
	{
		.version = 0x30a,
		.flags = PY_LASTI_UNITS,
		.tss_key = 588,
		.interpreters_head = 32,
		.interp_next = 0,
		.interp_threads_head = 8,
		.tstate_next = 8,
		.tstate_frame = 24,
		.tstate_thread_id = 176,
		.cframe_frame = 0,
		.frame_code = 32,
		.frame_prev = 24,
		.frame_instr = 96,
		.frame_owner = 0,
		.owner_shim_min = 0,
		.code_firstlineno = 40,
		.code_filename = 104,
		.code_name = 112,
		.code_qualname = 0,
		.code_linetable = 120,
		.code_version = 0,
		.code_first_instr = 48,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 48,
		.str_compact = 72,
		.bytes_size = 16,
		.bytes_data = 32,
	},
	{
		.version = 0x30b,
		.flags = PY_CFRAME,
		.tss_key = 596,
		.interpreters_head = 40,
		.interp_next = 0,
		.interp_threads_head = 16,
		.tstate_next = 8,
		.tstate_frame = 56,
		.tstate_thread_id = 152,
		.cframe_frame = 8,
		.frame_code = 32,
		.frame_prev = 48,
		.frame_instr = 56,
		.frame_owner = 69,
		.owner_shim_min = 3,
		.code_firstlineno = 72,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_linetable = 136,
		.code_version = 0,
		.code_first_instr = 184,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 48,
		.str_compact = 72,
		.bytes_size = 16,
		.bytes_data = 32,
	},
	{
		.version = 0x30c,
		.flags = PY_CFRAME | PY_CODE_VERSION,
		.tss_key = 1548,
		.interpreters_head = 40,
		.interp_next = 0,
		.interp_threads_head = 72,
		.tstate_next = 8,
		.tstate_frame = 56,
		.tstate_thread_id = 136,
		.cframe_frame = 0,
		.frame_code = 0,
		.frame_prev = 8,
		.frame_instr = 56,
		.frame_owner = 70,
		.owner_shim_min = 3,
		.code_firstlineno = 68,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_linetable = 136,
		.code_version = 92,
		.code_first_instr = 192,
		.str_hash = 24,
		.str_length = 16,
		.str_state = 32,
		.str_ascii = 40,
		.str_compact = 56,
		.bytes_size = 16,
		.bytes_data = 32,
	},
};

const struct py_layout *layout_for(uint32_t version)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].version == version)
			return &table[i];
	}
	return NULL;
}

/*
 * _Py_DebugOffsets is a row of 8-byte words, in groups that gain members from one minor version to the next.
 * These are word numbers.
 */
struct word_map {
	uint32_t version;
	uint16_t words;         /* of the whole row */
	uint16_t interpreters_head;
	uint16_t interp_next;   /* threads_head follows */
	uint16_t tstate_next, current_frame, thread_id;
	uint16_t frame_previous; /* executable, instr_ptr, localsplus, owner follow */
	uint16_t code_filename; /* name, qualname, linetable, firstlineno follow */
	uint16_t code_adaptive;
	uint16_t bytes_size;    /* data follows */
	uint16_t str_state;     /* length, size of the ASCII head follow */
	/*
	 * Not among the words: the TSS key (3.15 has none any more). It is known for the builds whose
	 * interpreters.head is the one given here; in any other it stays unknown.
	 */
	uint32_t head_with_tss, tss_key;
};

static const struct word_map word_maps[] = {
	{ 0x030d, 73, 5, 8, 21, 23, 24, 29, 35, 43, 65, 68, 632, 2164 },
	{ 0x030e, 95, 5, 8, 24, 26, 27, 32, 40, 48, 75, 78, 808, 2340 },
	{ 0x030f, 111, 5, 8, 24, 26, 30, 40, 48, 56, 87, 90, 0, 0 },
};

/* Bounds of what the walkers read in one go or add to an address; generous, but no wrapping. */
#define RUNTIME_MAX (1U << 22)
#define TSTATE_MAX (1U << 16)
#define FRAME_MAX 80U
#define FRAME_OBJECT_MAX 256U /* <= 3.10 */
#define OBJECT_MAX 256U
#define FIRST_INSTR_MAX 4096U
#define DEBUG_COOKIE "xdebugpy"
#define DEBUG_WORDS_MIN 3

static uint64_t word_at(const void *data, size_t index)
{
	uint64_t value;

	memcpy(&value, (const char *)data + index * 8, sizeof(value));
	return value;
}

uint32_t layout_debug_version(const void *data, size_t size)
{
	uint64_t version;

	if (size < DEBUG_WORDS_MIN * 8 || memcmp(data, DEBUG_COOKIE, 8))
		return 0;
	version = word_at(data, 1);
	return version >> 32 ? 0 : (uint32_t)version;
}

static bool inside(uint32_t offset, uint32_t width, uint32_t first, uint32_t limit)
{
	return offset >= first && offset % width == 0 && offset + width <= limit;
}

int layout_check(const struct py_layout *l)
{
	const uint32_t window_end = PY_CODE_WINDOW_START + PY_CODE_WINDOW_SIZE;
	bool frame_object = l->version <= 0x030a;
	uint32_t frame_max = frame_object ? FRAME_OBJECT_MAX : FRAME_MAX;
	const uint32_t code_words[] = { l->code_filename, l->code_name, l->code_linetable };

	if (l->tss_key && !inside(l->tss_key, 4, 8, RUNTIME_MAX))
		return -EBADMSG;
	if (!inside(l->interpreters_head, 8, 8, RUNTIME_MAX) || !inside(l->interp_next, 8, 0, RUNTIME_MAX) ||
	    !inside(l->interp_threads_head, 8, 8, RUNTIME_MAX))
		return -EBADMSG;
	if (!inside(l->tstate_next, 8, 0, TSTATE_MAX) || !inside(l->tstate_frame, 8, 8, TSTATE_MAX) ||
	    !inside(l->tstate_thread_id, 8, 8, TSTATE_MAX) || !inside(l->cframe_frame, 8, 0, TSTATE_MAX))
		return -EBADMSG;
	if (!inside(l->frame_code, 8, 0, frame_max) || !inside(l->frame_prev, 8, 8, frame_max) ||
	    !inside(l->frame_instr, frame_object ? 4 : 8, 8, frame_max) || l->frame_owner >= frame_max ||
	    l->frame_code == l->frame_prev || l->frame_prev == l->frame_instr || l->frame_code == l->frame_instr)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(code_words) / sizeof(code_words[0]); i++) {
		if (!inside(code_words[i], 8, PY_CODE_WINDOW_START, window_end))
			return -EBADMSG;
	}
	if (!inside(l->code_firstlineno, 4, PY_CODE_WINDOW_START, window_end) ||
	    (l->code_qualname && !inside(l->code_qualname, 8, PY_CODE_WINDOW_START, window_end)) ||
	    ((l->flags & PY_CODE_VERSION) && !inside(l->code_version, 4, PY_CODE_WINDOW_START, window_end)) ||
	    !inside(l->code_first_instr, 8, PY_CODE_WINDOW_START, FIRST_INSTR_MAX))
		return -EBADMSG;
	if (!inside(l->str_hash, 8, 8, OBJECT_MAX) || !inside(l->str_length, 8, 8, OBJECT_MAX) || !inside(l->str_state, 4, 8, OBJECT_MAX) ||
	    !inside(l->str_ascii, 4, 8, OBJECT_MAX) || !inside(l->str_compact, 4, 8, OBJECT_MAX) ||
	    !inside(l->bytes_size, 8, 8, OBJECT_MAX) || !inside(l->bytes_data, 4, 8, OBJECT_MAX))
		return -EBADMSG;
	return 0;
}

static void layout_from_words(const struct word_map *map, const uint32_t *words, struct py_layout *l)
{
	*l = (struct py_layout){
		.version = map->version,
		.flags = PY_CODE_VERSION | (map->version >= 0x030e ? PY_TAGGED : 0),
		.interpreters_head = words[map->interpreters_head],
		.interp_next = words[map->interp_next],
		.interp_threads_head = words[map->interp_next + 1],
		.tstate_next = words[map->tstate_next],
		.tstate_frame = words[map->current_frame],
		.tstate_thread_id = words[map->thread_id],
		.frame_prev = words[map->frame_previous],
		.frame_code = words[map->frame_previous + 1],
		.frame_instr = words[map->frame_previous + 2],
		.frame_owner = words[map->frame_previous + 4],
		.owner_shim_min = 3,
		.code_filename = words[map->code_filename],
		.code_name = words[map->code_filename + 1],
		.code_qualname = words[map->code_filename + 2],
		.code_linetable = words[map->code_filename + 3],
		.code_firstlineno = words[map->code_filename + 4],
		.code_first_instr = words[map->code_adaptive],
		.bytes_size = words[map->bytes_size],
		.bytes_data = words[map->bytes_size + 1],
		.str_state = words[map->str_state],
		.str_length = words[map->str_state + 1],
		.str_ascii = words[map->str_state + 2],
		/* what the debug offsets do not tell; the same in all of these versions */
		.code_version = 92,
		.str_hash = 24,
		.str_compact = words[map->str_state + 2] + 16,
	};
	if (map->head_with_tss && l->interpreters_head == map->head_with_tss)
		l->tss_key = map->tss_key;
}

static int refuse(char *reason, int error, const char *what, uint32_t hex)
{
	snprintf(reason, LAYOUT_REASON_SIZE, what, hex >> 24, hex >> 16 & 0xff);
	return error;
}

int layout_from_debug_offsets(const void *data, size_t size, struct py_layout *out, char reason[LAYOUT_REASON_SIZE])
{
	uint32_t hex = layout_debug_version(data, size), level = hex >> 4 & 0xf;
	uint32_t words[LAYOUT_DEBUG_OFFSETS_SIZE / 8];
	const struct word_map *map = NULL;
	struct py_layout layout;

	if (!hex)
		return refuse(reason, -ENODATA, "no debug offsets", 0);
	if (word_at(data, 2))
		return refuse(reason, -ENOTSUP, "free-threaded CPython %u.%ut is not supported yet", hex);
	for (size_t i = 0; i < sizeof(word_maps) / sizeof(word_maps[0]); i++) {
		if (word_maps[i].version == hex >> 16)
			map = &word_maps[i];
	}
	if (!map)
		return refuse(reason, -ENOTSUP, "CPython %u.%u is not supported", hex);
	if (level < 0xc) /* alphas and betas still move fields about */
		return refuse(reason, -ENOTSUP, "this pre-release of CPython %u.%u is not supported", hex);
	if (size < map->words * 8u)
		return refuse(reason, -EBADMSG, "the debug offsets of this CPython %u.%u are cut short", hex);
	for (size_t i = DEBUG_WORDS_MIN; i < map->words; i++) {
		uint64_t value = word_at(data, i);

		/* too large to be right; layout_check() sees to it where it matters */
		words[i] = value > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)value;
	}
	layout_from_words(map, words, &layout);
	if (layout_check(&layout))
		return refuse(reason, -EBADMSG, "the debug offsets of this CPython %u.%u make no sense", hex);
	*out = layout;
	return 0;
}
