/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned strings: equal text, equal pointer; freed all at once, but for weak ones, which a sweep may free.
 */
#ifndef FIXINGAHOLE_STRINGS_H
#define FIXINGAHOLE_STRINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strings;
struct strings *strings__new(void);
void strings__free(struct strings *strings);
/* The one copy of text; NULL only when out of memory (or for NULL). Lives as long as the set. */
const char *strings__intern(struct strings *strings, const char *text);
const char *strings__intern_n(struct strings *strings, const char *text, size_t length);
/* The same, for a text that strings__sweep() may free, unless it is interned in the other way, too. */
const char *strings__intern_weak(struct strings *strings, const char *text);
/* Frees the weak ones that keep() does not want. */
void strings__sweep(struct strings *strings, bool (*keep)(void *context, const char *text), void *context);
size_t strings__count(const struct strings *strings);

/* Whether these bytes are UTF-8 without NUL. */
bool utf8_valid(const char *text, size_t size);

/* A character, up to U+10FFFF, as UTF-8; its bytes, 1 to 4. */
size_t utf8_encode(char out[4], uint32_t character);

/* Copies a text and makes it UTF-8: bytes that are none become U+FFFD. What does not fit is left out, whole characters only. Returns the length. */
size_t utf8_repair(char *out, size_t size, const char *text);

/* 64-bit hash of any bytes; stable within a run only. */
uint64_t hash_bytes(const void *data, size_t size);

#endif
