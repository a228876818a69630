// SPDX-License-Identifier: Apache-2.0
/* What a block of memory is taken for: images of objects and types made by hand, and what only looks like them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "python/objects.h"

#define SECOND 1000000000ULL
#define BASE 0x7f0000000000ULL
#define WORDS 8192

/* Types in a memory that begins at BASE; each has 64 words. */
enum { TYPE_TYPE, FLOAT, POINT, META, STR, INT, TUPLE, SET_CLASS, UNREADY, MANAGED, LIST, NOT_TEXT, LONG_NAME, STRANGE_META, N_TYPES };
enum { FLAG_READY = 1 << 12, FLAG_HEAP = 1 << 9, FLAG_GC = 1 << 14, FLAG_INT = 1 << 24, FLAG_TUPLE = 1 << 26, FLAG_STR = 1 << 28, FLAG_MANAGED = 1 << 4 };
#define FLAG_TYPE (1UL << 31)

static uint64_t memory[WORDS];
static size_t reads;
static bool gone;

#define ADDRESS(word) (BASE + 8 * (word))
#define OF(type) ADDRESS(64 * (type))

static void peek_memory(void *context, struct peek *peeks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct peek *p = &peeks[i];

		reads++;
		p->ok = !gone && p->address >= BASE && p->address + p->size <= BASE + sizeof(memory);
		if (p->ok)
			memcpy(p->to, (char *)memory + (p->address - BASE), p->size);
	}
}

static void put_type(int type, int of, const char *name, uint64_t basicsize, uint64_t itemsize, uint64_t flags)
{
	uint64_t *t = &memory[64 * type];

	t[0] = 5;
	t[1] = OF(of);
	t[3] = ADDRESS(64 * type + 40);
	t[4] = basicsize;
	t[5] = itemsize;
	t[21] = flags | FLAG_READY;
	strcpy((char *)&t[40], name);
}

static struct objects *make(uint32_t version)
{
	memset(memory, 0, sizeof(memory));
	gone = false;
	put_type(TYPE_TYPE, TYPE_TYPE, "type", 900, 40, FLAG_TYPE | FLAG_GC);
	put_type(FLOAT, TYPE_TYPE, "float", 24, 0, 0);
	put_type(POINT, META, "Point", 32, 0, FLAG_GC | FLAG_HEAP);
	put_type(META, TYPE_TYPE, "Meta", 900, 40, FLAG_TYPE | FLAG_GC | FLAG_HEAP);
	put_type(STR, TYPE_TYPE, "str", 80, 0, FLAG_STR);
	put_type(INT, TYPE_TYPE, "int", 24, 4, FLAG_INT);
	put_type(TUPLE, TYPE_TYPE, "tuple", 24, 8, FLAG_TUPLE | FLAG_GC);
	put_type(SET_CLASS, TYPE_TYPE, "set", 200, 0, FLAG_GC);
	put_type(UNREADY, TYPE_TYPE, "unready", 24, 0, 0);
	memory[64 * UNREADY + 21] = 0;
	put_type(MANAGED, TYPE_TYPE, "Managed", 16, 0, FLAG_GC | FLAG_HEAP | FLAG_MANAGED);
	put_type(LIST, TYPE_TYPE, "list", 40, 0, FLAG_GC);
	put_type(NOT_TEXT, TYPE_TYPE, "a\x01z", 24, 0, 0);
	put_type(LONG_NAME, TYPE_TYPE, "123456789012345678901234567890123456789012345678901234567890ab\xc3\xa4XYZ", 24, 0, 0);
	put_type(STRANGE_META, FLOAT, "strange", 24, 0, 0); /* its type is no metatype */
	return objects__new(version, peek_memory, NULL);
}

/* Name of a block of so many bytes with these words; NULL: not known. */
static const char *name_of(struct objects *o, uint16_t kind, uint64_t size, bool dead, uint64_t now, const uint64_t *words, size_t n, uint32_t *part)
{
	static struct object_name name;
	struct object_block b = { .size = size, .kind = kind, .dead = dead, .n_words = n };

	memcpy(b.words, words, n * 8);
	memset(&name, 0, sizeof(name));
	if (!objects__name(o, now, &b, &name))
		return NULL;
	if (part)
		*part = name.part;
	return name.name;
}
#define LIVE(kind, size, ...) name_of(o, kind, size, false, SECOND, (uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, NULL)
#define OBJECT(size, ...) LIVE(HEAP_KIND_OBJECT, size, __VA_ARGS__)
#define BUFFER(size, ...) LIVE(HEAP_KIND_MEM, size, __VA_ARGS__)
#define DEAD(size, ...) name_of(o, HEAP_KIND_OBJECT, size, true, SECOND, (uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8, NULL)

static void objects_by_their_headers(void **state)
{
	struct objects *o = make(0x030b);

	assert_string_equal(OBJECT(24, 1, OF(FLOAT), 42), "float");
	assert_string_equal(OBJECT(48, 7, 8, 1, OF(POINT), 0, 0), "Point"); /* behind the collector's header, by a metatype */
	assert_string_equal(OBJECT(48, 0, 0, 0, 0, 1, OF(MANAGED)), "Managed");
	assert_string_equal(OBJECT(63, 1, OF(STR), 14, 99, 0, 0, 0), "str");
	assert_string_equal(OBJECT(28, 1, OF(INT), 1), "int");
	assert_string_equal(OBJECT(32, 1, OF(INT), -2), "int");
	assert_string_equal(OBJECT(56, 0, 0, 1, OF(TUPLE), 2, 0, 0), "tuple");
	assert_string_equal(OBJECT(24, 1, OF(LONG_NAME), 0), "123456789012345678901234567890123456789012345678901234567890ab");
	objects__free(o);
	/* from 3.12 on the sign is in the digits' count, and a count of references may have marks above it */
	o = make(0x030c);
	assert_string_equal(OBJECT(32, 0xffffffffULL, OF(INT), 2 << 3 | 2), "int");
	assert_string_equal(OBJECT(24, 1ULL << 63 | 3, OF(FLOAT), 2), "float");
	objects__free(o);
	/* before 3.11 no headers for attributes: the flag means nothing */
	o = make(0x030a);
	assert_null(OBJECT(48, 0, 0, 0, 0, 1, OF(MANAGED)));
	assert_string_equal(OBJECT(32, 0, 0, 1, OF(MANAGED)), "Managed");
	objects__free(o);
}

static void what_only_looks_like_an_object(void **state)
{
	struct objects *o = make(0x030b);

	assert_null(OBJECT(24, 0, OF(FLOAT), 42));                /* freed, and not overwritten */
	assert_null(OBJECT(24, BASE, OF(FLOAT), 42));             /* an address is no count */
	assert_null(OBJECT(24, 1, OF(FLOAT) + 8, 42));
	assert_null(OBJECT(24, 1, OF(FLOAT) + 4, 42));
	assert_null(OBJECT(24, 1, 0x1000, 42));
	assert_null(OBJECT(24, 1, BASE + sizeof(memory), 42));
	assert_null(OBJECT(24, 1, OF(UNREADY), 42));
	assert_null(OBJECT(24, 1, OF(STRANGE_META), 42));
	assert_null(OBJECT(24, 1, OF(NOT_TEXT), 42));
	assert_null(OBJECT(24, 1, ADDRESS(2000), 42));            /* zeros */
	assert_null(OBJECT(32, 1, OF(POINT), 0, 0));              /* where its header must be, there is none */
	assert_null(OBJECT(40, 0, 0, 1, OF(FLOAT), 0));           /* a header that floats do not have */
	assert_null(OBJECT(400, 1, OF(FLOAT), 42));               /* far too large for a float */
	assert_null(OBJECT(120, 0, 0, 1, OF(SET_CLASS), 0, 0));   /* too small */
	assert_null(OBJECT(56, 0, 0, 1, OF(TUPLE), 200, 0, 0));   /* more items than there is room */
	assert_null(OBJECT(5000, 0, 0, 1, OF(TUPLE), 2, 0, 0));
	assert_null(OBJECT(63, 1, OF(STR), 140, 99, 0, 0));
	assert_null(OBJECT(5000, 1, OF(STR), 14, 99, 0, 0));
	assert_null(OBJECT(28, 1, OF(INT), 1ULL << 62));
	assert_null(BUFFER(24, 1, OF(FLOAT), 42));                /* not of the domain for objects */
	assert_null(OBJECT(8, 1));
	objects__free(o);
}

static void at_its_free(void **state)
{
	struct objects *o = make(0x030b);

	assert_string_equal(DEAD(24, 0, OF(FLOAT), 42), "float");
	assert_null(DEAD(24, 1, OF(FLOAT), 42)); /* nobody frees what is referred to */
	/* its class may be gone, but is known */
	assert_string_equal(OBJECT(48, 7, 8, 1, OF(POINT), 0, 0), "Point");
	gone = true;
	assert_string_equal(name_of(o, HEAP_KIND_OBJECT, 48, true, 0, (uint64_t[]){ 7, 8, 0, OF(POINT), 0, 0 }, 6, NULL), "Point");
	assert_null(name_of(o, HEAP_KIND_OBJECT, 56, true, 0, (uint64_t[]){ 7, 8, 0, OF(TUPLE), 2, 0, 0 }, 7, NULL));
	objects__free(o);
}

/* A class that has gone is not taken for the one that has its place now. */
static void classes_come_and_go(void **state)
{
	const uint64_t words[] = { 7, 8, 1, OF(POINT), 0, 0 };
	struct objects *o = make(0x030b);
	size_t before;

	assert_string_equal(name_of(o, HEAP_KIND_OBJECT, 48, false, SECOND, words, 6, NULL), "Point");
	before = reads;
	assert_string_equal(name_of(o, HEAP_KIND_OBJECT, 48, false, SECOND + 1000, words, 6, NULL), "Point");
	assert_int_equal(reads, before); /* not looked at again so soon */
	put_type(POINT, TYPE_TYPE, "Line", 32, 0, FLAG_GC | FLAG_HEAP);
	assert_string_equal(name_of(o, HEAP_KIND_OBJECT, 48, false, 2 * SECOND, words, 6, NULL), "Line");
	memory[64 * POINT + 21] = 0;
	assert_null(name_of(o, HEAP_KIND_OBJECT, 48, false, 3 * SECOND, words, 6, NULL));
	objects__free(o);
}

/* Only one `type` is believed. */
static void another_root(void **state)
{
	struct objects *o = make(0x030b);

	assert_string_equal(OBJECT(24, 1, OF(FLOAT), 42), "float");
	put_type(META, META, "type", 900, 40, FLAG_TYPE | FLAG_GC);
	assert_null(OBJECT(48, 7, 8, 1, OF(POINT), 0, 0));
	objects__free(o);
	o = make(0x030b);
	put_type(TYPE_TYPE, TYPE_TYPE, "typo", 900, 40, FLAG_TYPE | FLAG_GC);
	assert_null(OBJECT(24, 1, OF(FLOAT), 42));
	objects__free(o);
}

static void dict_tables(void **state)
{
	const uint64_t size = 32 + 8 + 5 * 24;
	struct objects *o = make(0x030b);
	uint32_t part = 0;

	assert_string_equal(name_of(o, HEAP_KIND_OBJECT, size, false, SECOND, (uint64_t[]){ 1, 0x0303, 3, 2 }, 4, &part), "dict");
	assert_int_equal(part, HEAP_PART_BUFFER);
	assert_string_equal(BUFFER(size - 5 * 8, 1, 0x010303, 5, 0), "dict"); /* strings only: no hashes */
	assert_string_equal(DEAD(size, 0, 0x0303, 3, 2), "dict");
	assert_string_equal(OBJECT(32 + 2048 + 682 * 24, 1, 0x0b0a, 682, 0), "dict");
	assert_null(OBJECT(size, 0, 0x0303, 3, 2));
	assert_null(OBJECT(size + 8, 1, 0x0303, 3, 2));
	assert_null(OBJECT(size, 1, 0x0303, 3, 3)); /* more entries than room */
	assert_null(OBJECT(size, 1, 0x0403, 3, 2));
	assert_null(OBJECT(size, 1, 0x030303, 3, 2));
	objects__free(o);
	o = make(0x030a);
	assert_string_equal(OBJECT(40 + 8 + 5 * 24, 1, 8, BASE, 3, 2), "dict");
	assert_null(OBJECT(40 + 8 + 5 * 24, 1, 9, BASE, 3, 2));
	assert_null(OBJECT(40 + 8 + 5 * 24, 1, 8, 0, 3, 2));
	assert_null(OBJECT(40 + 16 + 5 * 24, 1, 8, BASE, 3, 2));
	objects__free(o);
}

/* Floats at places 1000, 1008 … */
static uint64_t some_float(int i)
{
	memory[1000 + 4 * i] = 1;
	memory[1001 + 4 * i] = OF(FLOAT);
	return ADDRESS(1000 + 4 * i);
}

static void arrays_of_objects(void **state)
{
	struct objects *o = make(0x030b);
	uint64_t a = some_float(0), b = some_float(1), c = some_float(2);

	assert_string_equal(BUFFER(32, a, b, c, a), "list");
	assert_string_equal(BUFFER(32, a, b, 17, 0), "list");  /* more room than items */
	assert_null(BUFFER(32, a, 0, b, c));
	assert_null(BUFFER(32, a, b + 8, b, c));
	assert_null(BUFFER(8, a));                             /* too little to be sure */
	assert_null(BUFFER(36, a, b, c, a));
	assert_null(OBJECT(32, a, b, c, a));
	assert_null(name_of(o, HEAP_KIND_MEM, 32, true, SECOND, (uint64_t[]){ a, b, c, a }, 4, NULL));
	memory[1000] = 0;                                      /* freed */
	assert_null(BUFFER(32, a, b, c, a));
	objects__free(o);
	/* attributes of instances have as many places as a dict of 8 has entries */
	o = make(0x0309);
	a = some_float(0);
	assert_null(BUFFER(40, a, a, a, a, a));
	assert_string_equal(BUFFER(48, a, a, a, a, a, a), "list");
	objects__free(o);
}

static void set_tables(void **state)
{
	struct objects *o = make(0x030b);
	uint64_t words[OBJECTS_WORDS] = {};

	for (int i = 0; i < 12; i += 3) {
		words[2 * i] = some_float(i);
		words[2 * i + 1] = 64 * 1000 + i;
	}
	words[3] = -1; /* one was removed */
	words[2] = 12345;
	assert_string_equal(name_of(o, HEAP_KIND_MEM, 1024, false, SECOND, words, OBJECTS_WORDS, NULL), "set");
	assert_null(name_of(o, HEAP_KIND_MEM, 1040, false, SECOND, words, OBJECTS_WORDS, NULL));
	assert_null(name_of(o, HEAP_KIND_MEM, 256, false, SECOND, words, OBJECTS_WORDS, NULL));
	for (int i = 0; i < 12; i += 3)
		words[2 * i + 1] += 30; /* hashes that belong elsewhere */
	assert_null(name_of(o, HEAP_KIND_MEM, 1024, false, SECOND, words, OBJECTS_WORDS, NULL));
	for (int i = 0; i < 12; i += 3)
		words[2 * i + 1] -= 30;
	words[0] = ADDRESS(3000);
	assert_null(name_of(o, HEAP_KIND_MEM, 1024, false, SECOND, words, OBJECTS_WORDS, NULL));
	objects__free(o);
}

static void attributes_of_instances(void **state)
{
	/* four places, two of them set, the third one first; 8 bytes say so */
	const uint64_t head = 8ULL << 56 | 2ULL << 48 | 2ULL << 40 | 0ULL << 32;
	struct objects *o = make(0x030b);
	uint64_t a = some_float(0);

	assert_string_equal(BUFFER(40, head, a, 0, a, 0), "(attributes of instances)");
	assert_null(BUFFER(40, head, a, 0, a, a));
	assert_null(BUFFER(40, head, a, 0, 8, 0));
	assert_null(BUFFER(40, head | 5ULL << 48, a, 0, a, 0));
	assert_null(BUFFER(40, 8ULL << 56 | 2ULL << 48 | 2ULL << 40 | 2ULL << 32, a, 0, a, 0));
	assert_null(BUFFER(64, head, a, 0, a, 0, 0, 0, 0)); /* no number of places comes to that */
	objects__free(o);
	o = make(0x030d); /* these are in the object, or begin otherwise */
	a = some_float(0);
	assert_null(BUFFER(40, head, a, 0, a, 0));
	objects__free(o);
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Bytes of all sorts, among them many of a program's own words: nothing of it is an object, and nothing is read out of bounds. */
static void noise(void **state)
{
	static const uint32_t versions[] = { 0x0308, 0x030a, 0x030b, 0x030c, 0x030d, 0x030f };

	for (int round = 0; round < 60; round++) {
		struct objects *o = make(versions[round % 6]);

		for (int i = 1024; i < WORDS; i++)
			memory[i] = next_random() % 3 ? next_random() : ADDRESS(next_random() % WORDS);
		for (int i = 0; i < 2000; i++) {
			uint64_t words[OBJECTS_WORDS];
			size_t n = next_random() % (OBJECTS_WORDS + 1);

			for (size_t k = 0; k < n; k++)
				words[k] = next_random() % 3 ? ADDRESS(1024 + next_random() % (WORDS - 1024)) : next_random() >> next_random() % 64;
			assert_null(name_of(o, next_random() % 4, n * 8 + next_random() % 9, next_random() % 2, SECOND, words, n, NULL));
		}
		objects__free(o);
	}
	objects__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_by_their_headers),
		cmocka_unit_test(what_only_looks_like_an_object),
		cmocka_unit_test(at_its_free),
		cmocka_unit_test(classes_come_and_go),
		cmocka_unit_test(another_root),
		cmocka_unit_test(dict_tables),
		cmocka_unit_test(arrays_of_objects),
		cmocka_unit_test(set_tables),
		cmocka_unit_test(attributes_of_instances),
		cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
