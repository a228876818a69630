// SPDX-License-Identifier: Apache-2.0
#include "util/strings.h"

#include <stdlib.h>
#include <string.h>

struct strings {
	char **slots; /* open addressing; NULL is free */
	uint64_t *hashes;
	bool *weak;
	size_t capacity; /* power of two */
	size_t count;
};

uint64_t hash_bytes(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = 0x9e3779b97f4a7c15ULL ^ size;

	while (size >= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		h = (h ^ v) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
		p += 8;
		size -= 8;
	}
	if (size) {
		uint64_t v = 0;

		memcpy(&v, p, size);
		h = (h ^ v) * 0xff51afd7ed558ccdULL;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ (h >> 29);
}

struct strings *strings__new(void)
{
	return calloc(1, sizeof(struct strings));
}

void strings__free(struct strings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->capacity; i++)
		free(s->slots[i]);
	free(s->slots);
	free(s->hashes);
	free(s->weak);
	free(s);
}

/* The strings in tables of another capacity, without those that are weak and that keep() does not want. */
static int strings_rehash(struct strings *s, size_t capacity, bool (*keep)(void *context, const char *text), void *context)
{
	char **slots = calloc(capacity, sizeof(*slots));
	uint64_t *hashes = calloc(capacity, sizeof(*hashes));
	bool *weak = calloc(capacity, sizeof(*weak));

	if (!slots || !hashes || !weak) {
		free(slots);
		free(hashes);
		free(weak);
		return -1;
	}
	for (size_t i = 0; i < s->capacity; i++) {
		size_t at;

		if (!s->slots[i])
			continue;
		if (keep && s->weak[i] && !keep(context, s->slots[i])) {
			free(s->slots[i]);
			s->count--;
			continue;
		}
		at = s->hashes[i] & (capacity - 1);
		while (slots[at])
			at = (at + 1) & (capacity - 1);
		slots[at] = s->slots[i];
		hashes[at] = s->hashes[i];
		weak[at] = s->weak[i];
	}
	free(s->slots);
	free(s->hashes);
	free(s->weak);
	s->slots = slots;
	s->hashes = hashes;
	s->weak = weak;
	s->capacity = capacity;
	return 0;
}

static const char *intern(struct strings *s, const char *text, size_t length, bool weak)
{
	uint64_t hash;
	size_t at;
	char *copy;

	if (s->count * 2 >= s->capacity && strings_rehash(s, s->capacity ? s->capacity * 2 : 256, NULL, NULL) < 0)
		return NULL;
	hash = hash_bytes(text, length);
	for (at = hash & (s->capacity - 1); s->slots[at]; at = (at + 1) & (s->capacity - 1)) {
		if (s->hashes[at] == hash && !strncmp(s->slots[at], text, length) && !s->slots[at][length]) {
			s->weak[at] &= weak;
			return s->slots[at];
		}
	}
	copy = strndup(text, length);
	if (!copy)
		return NULL;
	s->slots[at] = copy;
	s->hashes[at] = hash;
	s->weak[at] = weak;
	s->count++;
	return copy;
}

const char *strings__intern_n(struct strings *s, const char *text, size_t length)
{
	return text ? intern(s, text, length, false) : NULL;
}

const char *strings__intern_weak(struct strings *s, const char *text)
{
	return text ? intern(s, text, strlen(text), true) : NULL;
}

void strings__sweep(struct strings *s, bool (*keep)(void *context, const char *text), void *context)
{
	size_t capacity = s->capacity;

	if (!capacity || strings_rehash(s, capacity, keep, context) < 0)
		return;
	while (capacity > 256 && s->count * 8 <= capacity)
		capacity /= 2;
	if (capacity < s->capacity)
		strings_rehash(s, capacity, NULL, NULL);
}

const char *strings__intern(struct strings *s, const char *text)
{
	return text ? strings__intern_n(s, text, strlen(text)) : NULL;
}

size_t strings__count(const struct strings *s)
{
	return s->count;
}

/* Bytes of the character at p, 0: there is none. text ends with a NUL. */
static size_t utf8_length(const char *text)
{
	size_t n = *(const unsigned char *)text < 0xc0 ? 1 : *(const unsigned char *)text < 0xe0 ? 2 : *(const unsigned char *)text < 0xf0 ? 3 : 4;

	return strnlen(text, n) == n && utf8_valid(text, n) ? n : 0;
}

size_t utf8_repair(char *out, size_t size, const char *text)
{
	size_t used = 0;

	while (*text && size) {
		size_t n = utf8_length(text), room = n ? n : 3;

		if (used + room >= size)
			break;
		memcpy(out + used, n ? text : "\xef\xbf\xbd", room);
		used += room;
		text += n ? n : 1;
	}
	if (size)
		out[used] = 0;
	return used;
}

size_t utf8_encode(char out[4], uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(n == 1 ? c : (0xf00 >> n & 0xff) | c);
	return n;
}

bool utf8_valid(const char *text, size_t size)
{
	static const uint32_t least[] = { 1, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text, *end = p + size;

	while (p < end) {
		int more = *p < 0x80 ? 0 : *p < 0xc0 ? -1 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : *p < 0xf8 ? 3 : -1;
		uint32_t c = more < 0 ? 0 : more ? *p & (0x3f >> more) : *p;

		if (more < 0 || end - p <= more)
			return false;
		p++;
		for (int i = 0; i < more; i++, p++) {
			if (*p >> 6 != 2)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return true;
}
