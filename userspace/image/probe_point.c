// SPDX-License-Identifier: Apache-2.0
#include "image/probe_point.h"

#include <string.h>

/* Registers by their numbers in instructions: rcx, rdx, rsp, rsi, rdi, r8, r9. */
#define KEPT (1U << 1 | 1U << 2 | 1U << 4 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 9)
#define KEPT_THREE (1U << 2 | 1U << 6 | 1U << 7)

struct instruction {
	size_t length;
	int written; /* register; -1: none, or memory */
	bool nop;
};

/* How an opcode's operands lie. */
enum form {
	FORM_UNKNOWN,
	FORM_READS,  /* modrm, nothing is written: test, cmp */
	FORM_RM,     /* modrm, its r/m is written */
	FORM_REG,    /* modrm, its reg is written */
};

struct cursor {
	const uint8_t *code;
	size_t size, at;
};

static bool take(struct cursor *c, uint8_t *byte)
{
	if (c->at >= c->size)
		return false;
	*byte = c->code[c->at++];
	return true;
}

/* modrm and what belongs to it. */
static bool take_modrm(struct cursor *c, uint8_t *modrm)
{
	uint8_t sib = 0;
	unsigned int mod, rm;

	if (!take(c, modrm))
		return false;
	mod = *modrm >> 6;
	rm = *modrm & 7;
	if (mod != 3 && rm == 4 && !take(c, &sib))
		return false;
	if (mod == 1)
		c->at += 1;
	else if (mod == 2 || (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5))))
		c->at += 4;
	return c->at <= c->size;
}

/* Of the opcodes without an immediate. */
static enum form form_of(uint8_t opcode)
{
	/* add, or, and, sub, xor, cmp in their four forms with modrm */
	if (opcode < 0x40 && (opcode & 7) < 4) {
		if (opcode >= 0x38)
			return FORM_READS;
		if ((opcode & 0x38) == 0x10 || (opcode & 0x38) == 0x18) /* with carry: not at a function's start */
			return FORM_UNKNOWN;
		return opcode & 2 ? FORM_REG : FORM_RM;
	}
	switch (opcode) {
	case 0x84: case 0x85: /* test */
		return FORM_READS;
	case 0x88: case 0x89: /* mov */
		return FORM_RM;
	case 0x8a: case 0x8b: /* mov */
	case 0x8d: /* lea */
	case 0x63: /* movslq */
		return FORM_REG;
	}
	return FORM_UNKNOWN;
}

/* Two-byte opcodes: 0f and this one. */
static enum form form_of_0f(uint8_t opcode)
{
	if (opcode == 0xb6 || opcode == 0xb7 || opcode == 0xbe || opcode == 0xbf || (opcode & 0xf0) == 0x40) /* movzx, movsx, cmov */
		return FORM_REG;
	if (opcode == 0x1f) /* nop */
		return FORM_READS;
	return FORM_UNKNOWN;
}

/* modrm's digit and an immediate: cmp (7) and test (0 of f6, f7) write nothing, the others of their groups their r/m. */
static bool take_group(struct cursor *c, uint8_t opcode, unsigned int rex, bool word, int *written)
{
	unsigned int immediate = opcode & 1 && opcode != 0x83 && opcode != 0xc1 ? (word ? 2 : 4) : 1, digit;
	bool test = opcode == 0xf6 || opcode == 0xf7;
	uint8_t modrm;

	if (!take_modrm(c, &modrm))
		return false;
	digit = modrm >> 3 & 7;
	if (test && digit != 0)
		return false;
	c->at += immediate;
	if (modrm >> 6 == 3 && !test && !((opcode & 0xfc) == 0x80 && digit == 7))
		*written = (modrm & 7) | (rex & 1) << 3;
	return c->at <= c->size;
}

static bool take_form(struct cursor *c, enum form form, unsigned int rex, int *written)
{
	uint8_t modrm;

	if (form == FORM_UNKNOWN || !take_modrm(c, &modrm))
		return false;
	if (form == FORM_REG)
		*written = (modrm >> 3 & 7) | (rex & 4) << 1;
	else if (form == FORM_RM && modrm >> 6 == 3)
		*written = (modrm & 7) | (rex & 1) << 3;
	return true;
}

/* An instruction that goes on to the next one. False: another one, or one that we do not know. */
static bool decode(const uint8_t *code, size_t size, struct instruction *out)
{
	struct cursor c = { code, size, 0 };
	unsigned int rex = 0;
	bool word = false;
	uint8_t opcode;

	*out = (struct instruction){ .written = -1 };
	if (size >= 4 && code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e && code[3] == 0xfa) { /* endbr64 */
		out->length = 4;
		return true;
	}
	do {
		if (!take(&c, &opcode))
			return false;
		word |= opcode == 0x66;
	} while (opcode == 0x66 || opcode == 0x64 || opcode == 0x65 || opcode == 0x2e);
	if ((opcode & 0xf0) == 0x40) {
		rex = opcode & 0xf;
		if (!take(&c, &opcode))
			return false;
	}
	if (opcode == 0x0f) {
		if (!take(&c, &opcode) || !take_form(&c, form_of_0f(opcode), rex, &out->written))
			return false;
		out->nop = opcode == 0x1f;
	} else if (opcode == 0x80 || opcode == 0x81 || opcode == 0x83 || opcode == 0xc0 || opcode == 0xc1 || opcode == 0xc6 || opcode == 0xc7 || opcode == 0xf6 || opcode == 0xf7) {
		if (!take_group(&c, opcode, rex, word, &out->written))
			return false;
	} else if ((opcode & 0xf8) == 0xb8) { /* mov immediate */
		c.at += rex & 8 ? 8 : word ? 2 : 4;
		out->written = (opcode & 7) | (rex & 1) << 3;
	} else if (opcode == 0x90) { /* with a prefix: 66 90 */
		out->nop = true;
	} else if (!take_form(&c, form_of(opcode), rex, &out->written)) {
		return false;
	}
	out->length = c.at;
	return c.at <= size;
}

/* What every kernel from 6.1 on emulates. */
static bool is_emulated(const uint8_t *code, size_t size)
{
	if ((code[0] & 0xf8) == 0x50 || (size >= 2 && code[0] == 0x41 && (code[1] & 0xf8) == 0x50)) /* push */
		return true;
	if (code[0] == 0x90 || (code[0] & 0xf0) == 0x70 || code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xeb)
		return true;
	return size >= 2 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
}

static bool choose(const uint8_t *code, size_t size, unsigned int kept, struct probe_point *out)
{
	bool found = false;
	size_t at = 0;

	if (size > PROBE_POINT_LOOK)
		size = PROBE_POINT_LOOK;
	while (at < size) {
		struct instruction i;
		bool known;

		if (is_emulated(code + at, size - at)) {
			*out = (struct probe_point){ at, false };
			return true;
		}
		known = decode(code + at, size - at, &i);
		/* what we cannot read may be such a nop only if it has prefixes that no compiler makes */
		if (!found && !(known && i.nop)) {
			*out = (struct probe_point){ at, true };
			found = true;
		}
		if (!known || (i.written >= 0 && kept >> i.written & 1))
			break;
		at += i.length;
	}
	return found;
}

bool probe_point__choose(const uint8_t *code, size_t size, struct probe_point *out)
{
	return choose(code, size, KEPT, out);
}

bool probe_point__choose_three(const uint8_t *code, size_t size, struct probe_point *out)
{
	return choose(code, size, KEPT_THREE, out);
}

bool probe_point__choose_not_null(const uint8_t *code, size_t size, struct probe_point *out)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa }, test[] = { 0x48, 0x85, 0xff }; /* test %rdi,%rdi */
	size_t at = size >= sizeof(endbr) && !memcmp(code, endbr, sizeof(endbr)) ? sizeof(endbr) : 0;
	struct probe_point behind;

	if (size < at + sizeof(test) + 6 || memcmp(code + at, test, sizeof(test)))
		return probe_point__choose(code, size, out);
	at += sizeof(test);
	if (code[at] == 0x74) /* je */
		at += 2;
	else if (code[at] == 0x0f && code[at + 1] == 0x84)
		at += 6;
	else
		return probe_point__choose(code, size, out);
	if (!probe_point__choose(code + at, size - at, &behind) || behind.stepped)
		return probe_point__choose(code, size, out);
	*out = (struct probe_point){ at + behind.offset, false };
	return true;
}
