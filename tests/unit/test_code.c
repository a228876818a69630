// SPDX-License-Identifier: Apache-2.0
/* Code objects laid out in this process's own memory. test_walk_live.c reads real ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/code.h"
#include "python/layout.h"

static void strings_become_utf8(void **state)
{
	const struct { const void *data; size_t bytes; unsigned int size; const char *text; } cases[] = {
		{ "plain", 5, 1, "plain" },
		{ "gr\xfcn\0x", 6, 1, "grün\xef\xbf\xbdx" },
		{ (const uint16_t[]){ 0x4e2d, 0x41, 0x7ff, 0x800 }, 8, 2, "中A\xdf\xbf\xe0\xa0\x80" },
		{ (const uint16_t[]){ 0xd800, 0xdfff, 0xe000 }, 6, 2, "\xef\xbf\xbd\xef\xbf\xbd\xee\x80\x80" },
		{ (const uint32_t[]){ 0x1f40d, 0x10ffff, 0x110000, 0xffffffff }, 16, 4, "🐍\xf4\x8f\xbf\xbf\xef\xbf\xbd\xef\xbf\xbd" },
		{ (const uint32_t[]){ 'a', 'b' }, 7, 4, "a" }, /* half a character */
		{ "abc", 3, 3, "" },
		{ "", 0, 1, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = pystring_to_utf8(cases[i].data, cases[i].bytes, cases[i].size);

		assert_string_equal(text, cases[i].text);
		free(text);
	}
}

/* One code object with its strings, as `layout` wants them. */
struct world {
	_Alignas(16) uint8_t code[256], name[128], filename[128], table[128];
};

static void put_u64(uint8_t *object, uint32_t offset, uint64_t value) { memcpy(object + offset, &value, 8); }
static void put_u32(uint8_t *object, uint32_t offset, uint32_t value) { memcpy(object + offset, &value, 4); }

static void put_string(const struct py_layout *l, uint8_t *object, const void *data, uint64_t length, unsigned int kind, bool ascii)
{
	put_u64(object, l->str_length, length);
	put_u64(object, l->str_hash, 0x1234);
	put_u32(object, l->str_state, 1 | kind << 2 | 1 << 5 | (unsigned int)ascii << 6);
	memcpy(object + (ascii ? l->str_ascii : l->str_compact), data, length * kind);
}

static void world_init(struct world *w, const struct py_layout *l)
{
	memset(w, 0, sizeof(*w));
	put_string(l, w->name, "f.<locals>.g", 12, 1, true);
	put_string(l, w->filename, (const uint16_t[]){ '/', 0x4e2d }, 2, 2, false);
	put_u64(w->table, l->bytes_size, 10);
	memcpy(w->table + l->bytes_data, "0123456789", 10);
	put_u64(w->code, l->code_name, (uintptr_t)w->name);
	if (l->code_qualname)
		put_u64(w->code, l->code_qualname, (uintptr_t)w->name);
	put_u64(w->code, l->code_filename, (uintptr_t)w->filename);
	put_u64(w->code, l->code_linetable, (uintptr_t)w->table);
	put_u32(w->code, l->code_firstlineno, 77);
	if (l->flags & PY_CODE_VERSION)
		put_u32(w->code, l->code_version, 4242);
}

static uint32_t fingerprint_of(const struct py_layout *l, const struct world *w, struct py_code_identity *id)
{
	assert_int_equal(code__identify(getpid(), l, (uintptr_t)w->code, id), 0);
	return py_code_fingerprint(id);
}

static void a_code_object_is_read(void **state)
{
	for (uint32_t version = 0x0307; version <= 0x030c; version++) {
		const struct py_layout *l = layout_for(version);
		struct py_code_identity id;
		struct code_object code;
		struct world w;
		uint32_t fingerprint;

		world_init(&w, l);
		fingerprint = fingerprint_of(l, &w, &id);
		assert_int_equal(id.firstlineno, 77);
		assert_int_equal(id.name, (uintptr_t)w.name);
		if (l->flags & PY_CODE_VERSION) {
			assert_true(id.version == 4242 && !id.name_hash && !id.table_head[0] && !id.table_head[1]);
		} else {
			assert_true(!id.version && id.name_hash == 0x1234 && id.table_head[0] == 10);
			assert_memory_equal(&id.table_head[1], "01234567", 8);
		}
		assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), 0);
		assert_string_equal(code.name, "f.<locals>.g");
		assert_string_equal(code.filename, "/中");
		assert_int_equal(code.linetable_size, 10);
		assert_memory_equal(code.linetable, "0123456789", 10);
		assert_true(code.firstlineno == 77 && code.fingerprint == fingerprint);
		code__release(&code);
		assert_null(code.name);
		code__release(NULL);
	}
}

static void a_successor_at_the_same_address_is_noticed(void **state)
{
	const struct py_layout *l = layout_for(0x030b);
	struct py_code_identity id;
	struct code_object code;
	struct world w;
	uint32_t fingerprint;

	world_init(&w, l);
	fingerprint = fingerprint_of(l, &w, &id);
	w.table[l->bytes_data + 3] ^= 1;
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -ESTALE);
	w.table[l->bytes_data + 3] ^= 1;
	put_u64(w.name, l->str_hash, 0x1235);
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -ESTALE);
	/* a table of less than 8 bytes has no head */
	put_u64(w.table, l->bytes_size, 7);
	fingerprint_of(l, &w, &id);
	assert_true(id.table_head[0] == 7 && id.table_head[1] == 0);
}

static void hostile_objects_are_errors(void **state)
{
	const struct py_layout *l = layout_for(0x030c);
	struct py_layout broken = *l;
	struct py_code_identity id;
	struct code_object code;
	struct world w;
	uint32_t fingerprint;

	world_init(&w, l);
	fingerprint = fingerprint_of(l, &w, &id);
	put_u64(w.name, l->str_length, UINT64_MAX);
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -E2BIG);
	put_u64(w.name, l->str_length, 3);
	put_u32(w.name, l->str_state, 3 << 2 | 1 << 5);
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -EINVAL);
	world_init(&w, l);
	put_u64(w.table, l->bytes_size, 1ULL << 40);
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -E2BIG);
	world_init(&w, l);
	put_u64(w.code, l->code_qualname, 8);
	assert_int_equal(code__read(getpid(), l, (uintptr_t)w.code, fingerprint, &code), -EFAULT);
	broken.code_name = 4000;
	assert_int_equal(code__identify(getpid(), &broken, (uintptr_t)w.code, &id), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_become_utf8),
		cmocka_unit_test(a_code_object_is_read),
		cmocka_unit_test(a_successor_at_the_same_address_is_noticed),
		cmocka_unit_test(hostile_objects_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
