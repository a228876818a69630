// SPDX-License-Identifier: Apache-2.0
#include "python/objects.h"

#include <stdlib.h>
#include <string.h>

#include "python/object_buffers.h"
#include "util/map64.h"

/* Where PyTypeObject keeps things, since 3.8 at least. */
#define TYPE_OWN_TYPE 1
#define TYPE_NAME 3
#define TYPE_BASICSIZE 4
#define TYPE_ITEMSIZE 5
#define TYPE_FLAGS 21
#define TYPE_WORDS 22

#define FLAG_INLINE_VALUES (1UL << 2) /* since 3.13 */
#define FLAG_MANAGED_WEAKREF (1UL << 3) /* since 3.12 */
#define FLAG_MANAGED_DICT (1UL << 4) /* since 3.11 */
#define FLAG_HEAP (1UL << 9)
#define FLAG_READY (1UL << 12)
#define FLAG_GC (1UL << 14)
#define FLAG_INT (1UL << 24)
#define FLAG_TUPLE (1UL << 26)
#define FLAG_BYTES (1UL << 27)
#define FLAG_STR (1UL << 28)
#define FLAG_TYPE (1UL << 31)

#define METATYPES_MAX 4
#define TYPES_MAX 65536
/* A class at an address may have been replaced by another since then. */
#define RECHECK_NS 250000000ULL
/* A block may be a little larger than what its count of items comes to: a sentinel, a pointer to attributes, a rounding. */
#define ROUND 16
#define SPARE 40
#define INLINE_MAX 320 /* values in the object: 30 at most, and their header */

struct type {
	uint64_t address, flags, basicsize, itemsize, checked_ns;
	bool valid;
	char name[HEAP_TYPE_NAME_SIZE];
};

struct objects {
	uint32_t version;
	object_reader reader;
	void *context;
	uint64_t root;       /* PyType_Type; 0: not seen yet */
	struct map64 index;  /* address -> types */
	struct type *types;
	uint32_t n, capacity;
};

struct objects *objects__new(uint32_t version, object_reader reader, void *context)
{
	struct objects *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->version = version;
	o->reader = reader;
	o->context = context;
	return o;
}

void objects__free(struct objects *o)
{
	if (!o)
		return;
	map64_release(&o->index);
	free(o->types);
	free(o);
}

static bool read_one(struct objects *o, uint64_t address, void *to, uint32_t size)
{
	struct peek peek = { .address = address, .to = to, .size = size };

	o->reader(o->context, &peek, 1);
	return peek.ok;
}

/* Valid UTF-8 without control characters. */
static bool printable(const char *name)
{
	const unsigned char *s = (const unsigned char *)name;

	while (*s) {
		static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
		int more = *s < 0x80 ? 0 : (*s & 0xe0) == 0xc0 ? 1 : (*s & 0xf0) == 0xe0 ? 2 : (*s & 0xf8) == 0xf0 ? 3 : -1;
		uint32_t c = more < 0 ? 0 : more ? *s & (0x3f >> more) : *s;

		for (int i = 0; i < more; i++) {
			if ((s[i + 1] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (s[i + 1] & 0x3f);
		}
		if (more < 0 || c < least[more] || c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
			return false;
		s += more + 1;
	}
	return true;
}

/* tp_name, which may end just before memory that cannot be read. */
static bool read_name(struct objects *o, uint64_t address, char name[HEAP_TYPE_NAME_SIZE])
{
	uint32_t size = HEAP_TYPE_NAME_SIZE, first = 4096 - (address & 4095);

	memset(name, 0, size);
	if (!address_plausible(address) || !read_one(o, address, name, first < size ? first : size))
		return false;
	if (first < size && !memchr(name, 0, first) && !read_one(o, address + first, name + first, size - first))
		return false;
	if (name[size - 1]) {
		/* too long: cut where a character begins */
		uint32_t end = size - 1;

		while (end && ((unsigned char)name[end] & 0xc0) == 0x80)
			end--;
		memset(name + end, 0, size - end);
	}
	return name[0] && printable(name);
}

static bool type_words(struct objects *o, uint64_t address, uint64_t words[TYPE_WORDS])
{
	return address_plausible(address) && !(address & 7) && read_one(o, address, words, TYPE_WORDS * sizeof(*words)) && words[TYPE_FLAGS] & FLAG_READY &&
	       words[TYPE_BASICSIZE] >= 16 && words[TYPE_BASICSIZE] < 1 << 20 && words[TYPE_ITEMSIZE] < 1 << 16;
}

/* Whether the type of a type leads to `type`. */
static bool metatype(struct objects *o, uint64_t address)
{
	uint64_t words[TYPE_WORDS];
	char name[HEAP_TYPE_NAME_SIZE];

	for (int i = 0; i < METATYPES_MAX; i++) {
		if (o->root && address == o->root)
			return true;
		if (!type_words(o, address, words) || !(words[TYPE_FLAGS] & FLAG_TYPE))
			return false;
		if (words[TYPE_OWN_TYPE] == address) {
			if (o->root || !read_name(o, words[TYPE_NAME], name) || strcmp(name, "type"))
				return false;
			o->root = address;
			return true;
		}
		address = words[TYPE_OWN_TYPE];
	}
	return false;
}

static void type_read(struct objects *o, struct type *t, uint64_t now)
{
	uint64_t words[TYPE_WORDS];

	t->checked_ns = now;
	t->valid = type_words(o, t->address, words) && metatype(o, words[TYPE_OWN_TYPE]) && read_name(o, words[TYPE_NAME], t->name);
	if (!t->valid)
		return;
	t->flags = words[TYPE_FLAGS];
	t->basicsize = words[TYPE_BASICSIZE];
	t->itemsize = words[TYPE_ITEMSIZE];
}

/* A type that is known, looked at again if it is time. */
static const struct type *type_known(struct objects *o, uint64_t address, uint64_t now)
{
	struct type *t;
	uint32_t i;

	if (!map64_get(&o->index, address, &i))
		return NULL;
	t = &o->types[i];
	if (now && (!t->valid || t->flags & FLAG_HEAP) && now - t->checked_ns > RECHECK_NS)
		type_read(o, t, now);
	return t->valid ? t : NULL;
}

static const struct type *type_get(struct objects *o, uint64_t address, uint64_t now)
{
	struct type t = { .address = address }, *types;
	uint32_t i;

	if (!address_plausible(address) || address & 7)
		return NULL;
	if (map64_get(&o->index, address, &i))
		return type_known(o, address, now);
	if (!now || o->n == TYPES_MAX)
		return NULL;
	type_read(o, &t, now);
	if (!t.valid)
		return NULL;
	if (o->n == o->capacity) {
		types = realloc(o->types, (o->capacity ? 2 * o->capacity : 64) * sizeof(*types));
		if (!types)
			return NULL;
		o->types = types;
		o->capacity = o->capacity ? 2 * o->capacity : 64;
	}
	if (map64_put(&o->index, address, o->n))
		return NULL;
	o->types[o->n] = t;
	return &o->types[o->n++];
}

/* Bytes before an object of the type. */
static uint32_t headers(const struct objects *o, const struct type *t)
{
	uint64_t managed = o->version >= 0x030c ? FLAG_MANAGED_DICT | FLAG_MANAGED_WEAKREF : o->version == 0x030b ? FLAG_MANAGED_DICT : 0;

	return (t->flags & FLAG_GC ? 16 : 0) + (t->flags & managed ? 16 : 0);
}

static bool size_fits(const struct objects *o, const struct type *t, const struct object_block *b, uint32_t at)
{
	uint64_t size = b->size - at, need = t->basicsize, count;

	if (at / 8 + 3 > b->n_words || (t->flags & (FLAG_INT | FLAG_TUPLE | FLAG_BYTES | FLAG_STR) && size < 24))
		return !t->itemsize && size == need; /* a plain object() */
	count = b->words[at / 8 + 2];
	if (t->flags & FLAG_STR) /* at least the shortest header and a byte for each, at most the longest and four */
		return count <= b->size && size + ROUND >= 40 + count && size <= need + ROUND + SPARE + 4 * (count + 1);
	if (t->flags & FLAG_INT)
		count = o->version >= 0x030c ? count >> 3 : (int64_t)count < 0 ? -count : count;
	if (t->flags & (FLAG_INT | FLAG_TUPLE | FLAG_BYTES)) {
		if (count > b->size)
			return false;
		need += count * t->itemsize;
		return size + ROUND >= need && size <= need + SPARE;
	}
	/* some leave their last field out when there is nothing to hold */
	if (size < 16 || size + ROUND < need)
		return false;
	return t->itemsize || size <= need + SPARE + (t->flags & FLAG_INLINE_VALUES ? INLINE_MAX : 0);
}

/* A count of references: not 0, but of what is freed, and no address. */
static bool count_fits(const struct objects *o, uint64_t count, bool dead)
{
	if (o->version >= 0x030c) /* counts in the lower half, and above it what says that the object is immortal */
		return dead || (uint32_t)count;
	return dead ? !count : count && count < 1ULL << 40;
}

static const struct type *object_type(struct objects *o, uint64_t now, const struct object_block *b)
{
	/* what is known already first: at a wrong place lies what has to be asked for in vain */
	for (int asking = 0; asking < 2; asking++) {
		for (uint32_t at = 0; at <= 32; at += 16) {
			const struct type *t;

			if (at / 8 + 2 > b->n_words || at + 16 > b->size || !count_fits(o, b->words[at / 8], b->dead))
				continue;
			t = asking ? type_get(o, b->words[at / 8 + 1], now) : type_known(o, b->words[at / 8 + 1], now);
			if (t && headers(o, t) == at && size_fits(o, t, b, at))
				return t;
		}
	}
	return NULL;
}

/* How many of these addresses are those of objects, from the first on. */
static uint32_t count_objects(void *context, uint64_t now, const uint64_t *addresses, uint32_t n)
{
	struct objects *o = context;
	struct peek peeks[OBJECTS_WORDS];
	uint64_t heads[OBJECTS_WORDS][2];

	for (uint32_t i = 0; i < n; i++) {
		if (!address_plausible(addresses[i]) || addresses[i] & 7) {
			n = i;
			break;
		}
		peeks[i] = (struct peek){ .address = addresses[i], .to = heads[i], .size = sizeof(heads[i]) };
	}
	if (n)
		o->reader(o->context, peeks, n);
	for (uint32_t i = 0; i < n; i++) {
		if (!peeks[i].ok || !count_fits(o, heads[i][0], false) || !type_get(o, heads[i][1], now))
			return i;
	}
	return n;
}

bool objects__name(struct objects *o, uint64_t now, const struct object_block *b, struct object_name *out)
{
	const struct type *t = b->kind == HEAP_KIND_OBJECT ? object_type(o, now, b) : NULL;
	const char *name;

	if (t) {
		*out = (struct object_name){ .part = HEAP_PART_OBJECT };
		memcpy(out->name, t->name, sizeof(out->name));
		return true;
	}
	name = buffer_name(o->version, now, b, count_objects, o);
	if (!name)
		return false;
	*out = (struct object_name){ .part = HEAP_PART_BUFFER };
	strncpy(out->name, name, sizeof(out->name) - 1);
	return true;
}
