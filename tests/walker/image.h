/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hand-made memory of a Python process: objects are laid out as a struct py_layout says, one after the other in one
 * block; everything around the block cannot be read.
 */
#ifndef FIXINGAHOLE_WALKER_IMAGE_H
#define FIXINGAHOLE_WALKER_IMAGE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/layout.h"

#define IMAGE_BASE 0x7f0000000000ULL
#define IMAGE_SIZE (8u << 20)
#define IMAGE_NOWHERE 0x1000ULL /* readable by nobody */
#define IMAGE_OBJECT 512        /* room for one object or structure; structures that grow ask for more */
#define IMAGE_TSS_KEY 5
#define IMAGE_RUNTIME_SIZE 8192

struct image {
	struct py_layout layout;
	uint8_t *bytes;
	uint64_t used;
	uint64_t runtime, interp, tstate, cframe, fsbase;
};

static inline uint64_t image_alloc(struct image *m, size_t size)
{
	uint64_t address = IMAGE_BASE + m->used;

	m->used += (size + 63) & ~(size_t)63;
	if (m->used > IMAGE_SIZE)
		abort();
	return address;
}

static inline void *image_at(struct image *m, uint64_t address)
{
	return m->bytes + (address - IMAGE_BASE);
}

static inline void image_put(struct image *m, uint64_t address, const void *data, size_t size)
{
	if (address < IMAGE_BASE || address + size > IMAGE_BASE + IMAGE_SIZE)
		abort();
	memcpy(image_at(m, address), data, size);
}

static inline void image_put64(struct image *m, uint64_t address, uint64_t value) { image_put(m, address, &value, 8); }
static inline void image_put32(struct image *m, uint64_t address, uint32_t value) { image_put(m, address, &value, 4); }
static inline void image_put8(struct image *m, uint64_t address, uint8_t value) { image_put(m, address, &value, 1); }

static inline int image_read(void *context, void *to, size_t size, uint64_t address)
{
	struct image *m = context;

	if (address < IMAGE_BASE || size > m->used || address - IMAGE_BASE > m->used - size)
		return -1;
	memcpy(to, image_at(m, address), size);
	return 0;
}

/* kind: bytes per character; the text's bytes are taken as they are. */
static inline uint64_t image_str(struct image *m, const void *text, size_t length, unsigned int kind, bool ascii, uint64_t hash)
{
	const struct py_layout *l = &m->layout;
	uint64_t object = image_alloc(m, IMAGE_OBJECT + length * kind);

	image_put64(m, object + l->str_length, length);
	image_put64(m, object + l->str_hash, hash);
	image_put32(m, object + l->str_state, kind << 2 | 1 << 5 | ascii << 6);
	image_put(m, object + (ascii ? l->str_ascii : l->str_compact), text, length * kind);
	return object;
}

static inline uint64_t image_ascii(struct image *m, const char *text)
{
	uint64_t hash = 5381;

	for (const char *c = text; *c; c++)
		hash = hash * 33 + *c;
	return image_str(m, text, strlen(text), 1, true, hash);
}

static inline uint64_t image_table(struct image *m, const void *data, size_t size)
{
	uint64_t object = image_alloc(m, IMAGE_OBJECT + size);

	image_put64(m, object + m->layout.bytes_size, size);
	image_put(m, object + m->layout.bytes_data, data, size);
	return object;
}

struct image_code { uint64_t name, filename, table; uint32_t firstlineno, version; };

/* The qualified name, where the version has one, is the name. */
static inline uint64_t image_code(struct image *m, const struct image_code *spec)
{
	const struct py_layout *l = &m->layout;
	uint64_t code = image_alloc(m, IMAGE_OBJECT);

	image_put64(m, code + l->code_name, spec->name);
	image_put64(m, code + l->code_filename, spec->filename);
	image_put64(m, code + l->code_linetable, spec->table);
	image_put32(m, code + l->code_firstlineno, spec->firstlineno);
	if (l->code_qualname)
		image_put64(m, code + l->code_qualname, spec->name);
	if (l->flags & PY_CODE_VERSION)
		image_put32(m, code + l->code_version, spec->version);
	if (l->version <= 0x030a)
		image_put64(m, code + l->code_first_instr, image_table(m, "", 0));
	return code;
}

static inline uint64_t image_simple_code(struct image *m, const char *name, uint32_t firstlineno)
{
	static uint32_t version;

	return image_code(m, &(struct image_code){ image_ascii(m, name), image_ascii(m, "/p/x.py"), image_table(m, "12345678", 8), firstlineno, ++version });
}

/* Puts a frame in place that stands `offset` bytes into its code (even; -1: before the first instruction, <= 3.10). */
static inline uint64_t image_frame(struct image *m, uint64_t code, int32_t offset, uint64_t previous)
{
	const struct py_layout *l = &m->layout;
	uint64_t frame = image_alloc(m, IMAGE_OBJECT);

	image_put64(m, frame + l->frame_code, l->flags & PY_TAGGED ? code | 1 : code);
	image_put64(m, frame + l->frame_prev, previous);
	if (l->flags & PY_LASTI_BYTES)
		image_put32(m, frame + l->frame_instr, offset);
	else if (l->flags & PY_LASTI_UNITS)
		image_put32(m, frame + l->frame_instr, offset < 0 ? -1 : offset / 2);
	else
		image_put64(m, frame + l->frame_instr, code + l->code_first_instr + offset);
	return frame;
}

/* A frame that is none: an entry of C, or a generator's stand-in. */
static inline uint64_t image_shim(struct image *m, uint64_t previous)
{
	uint64_t frame = image_frame(m, IMAGE_NOWHERE, 0, previous);

	image_put8(m, frame + m->layout.frame_owner, m->layout.owner_shim_min);
	return frame;
}

static inline void image_set_frame(struct image *m, uint64_t frame)
{
	const struct py_layout *l = &m->layout;

	if (l->flags & PY_CFRAME)
		image_put64(m, m->cframe + l->cframe_frame, frame);
	image_put64(m, m->tstate + l->tstate_frame, l->flags & PY_CFRAME ? m->cframe : frame);
}

/* Another thread state, first in the interpreter's list. */
static inline uint64_t image_tstate(struct image *m, uint64_t thread_id, uint64_t next)
{
	uint64_t tstate = image_alloc(m, 1024);

	image_put64(m, tstate + m->layout.tstate_thread_id, thread_id);
	image_put64(m, tstate + m->layout.tstate_next, next);
	image_put64(m, m->interp + m->layout.interp_threads_head, tstate);
	return tstate;
}

/* One interpreter with one thread, found by the TSS key in the first block of struct pthread. */
static inline void image_init(struct image *m, const struct py_layout *layout)
{
	uint64_t pthread;

	*m = (struct image){ .layout = *layout, .bytes = calloc(1, IMAGE_SIZE) };
	if (!m->bytes)
		abort();
	m->runtime = image_alloc(m, IMAGE_RUNTIME_SIZE);
	m->interp = image_alloc(m, 16384);
	pthread = image_alloc(m, 4096);
	m->fsbase = pthread;
	m->tstate = image_tstate(m, m->fsbase, 0);
	m->cframe = image_alloc(m, IMAGE_OBJECT);
	image_put64(m, m->runtime + layout->interpreters_head, m->interp);
	if (layout->tss_key) {
		image_put32(m, m->runtime + layout->tss_key - 4, 1);
		image_put32(m, m->runtime + layout->tss_key, IMAGE_TSS_KEY);
		image_put64(m, pthread + 0x310 + IMAGE_TSS_KEY * 16 + 8, m->tstate);
	}
}

static inline void image_release(struct image *m)
{
	free(m->bytes);
}

#endif
