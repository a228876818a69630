// SPDX-License-Identifier: Apache-2.0
#include "python/analyse.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/evalloop.h"
#include "python/layout.h"
#include "util/cleanup.h"

#define RODATA_MAX (64U << 20)
#define DIGITS_MAX 3

struct python_symbols {
	uint64_t runtime;
	uint64_t version_word; /* Py_Version, 3.11 and later */
	bool interpreter;      /* has the C API at all */
	bool pypy;
	struct evalloop_symbols eval;
};

static int note_symbol(const struct elf_symbol *symbol, void *arg)
{
	struct python_symbols *s = arg;
	const char *name = symbol->name;

	if (name[0] != '_' && name[0] != 'P' && name[0] != 'p')
		return 0;
	if (!strcmp(name, "_PyRuntime") && symbol->value)
		s->runtime = symbol->value;
	else if (!strcmp(name, "Py_Version"))
		s->version_word = symbol->value;
	else if (!strcmp(name, "Py_GetVersion"))
		s->interpreter = true;
	else if (!strncmp(name, "pypy_g_", 7) || !strncmp(name, "PyPy", 4))
		s->pypy = true;
	else
		evalloop_note_symbol(&s->eval, symbol);
	return 0;
}

/* "3.10" and what follows at *p; moves *p behind it. */
static bool take_version(const char **p, unsigned int *minor)
{
	const char *s = *p;
	unsigned int value = 0, digits = 0;

	if (s[0] != '3' || s[1] != '.')
		return false;
	for (s += 2; *s >= '0' && *s <= '9' && digits < DIGITS_MAX; s++, digits++)
		value = value * 10 + (*s - '0');
	if (!digits || value > 255)
		return false;
	*p = s;
	*minor = value;
	return true;
}

bool interp_name_is_libpython(const char *name, uint32_t *version)
{
	unsigned int minor;

	if (strncmp(name, "libpython", 9))
		return false;
	name += 9;
	if (!strncmp(name, "2.7", 3)) {
		minor = 7;
		name += 3;
		if (version)
			*version = 0x0207;
	} else {
		if (!take_version(&name, &minor))
			return false;
		if (version)
			*version = 0x0300 | minor;
	}
	name += strspn(name, "mudt");
	return !strncmp(name, ".so", 3);
}

uint32_t interp_name_version(const char *name)
{
	uint32_t version = 0;
	unsigned int minor;

	if (interp_name_is_libpython(name, &version))
		return version;
	if (strncmp(name, "python", 6))
		return 0;
	name += 6;
	if (!strncmp(name, "2.7", 3))
		return 0x0207;
	return take_version(&name, &minor) ? 0x0300 | minor : 0;
}

struct version_guess {
	uint32_t version; /* 0x030a; 0: none found */
	int patch;        /* -1: not known */
	bool ambiguous;
	char text[32];
};

/* The end of a string of the file: "3.10.13", "3.9.0rc2", "3.8.18+" count. */
static void guess_from_string(const char *text, uint32_t wanted, struct version_guess *guess)
{
	const char *p = text;
	unsigned int minor, patch = 0, digits = 0;

	if (strnlen(text, sizeof(guess->text)) == sizeof(guess->text) || !take_version(&p, &minor) || *p++ != '.')
		return;
	for (; *p >= '0' && *p <= '9' && digits < DIGITS_MAX; p++, digits++)
		patch = patch * 10 + (*p - '0');
	if (!digits || strspn(p, "abrc+0123456789") != strlen(p) || (wanted && wanted != (0x0300 | minor)))
		return;
	if (minor > 12) /* those have debug offsets; this string is somebody else's version (SQLite is at 3.40) */
		return;
	if (guess->version && strcmp(guess->text, text))
		guess->ambiguous = true;
	guess->version = 0x0300 | minor;
	guess->patch = patch;
	strcpy(guess->text, text);
}

/* 3.10 and older: PY_VERSION is in the read-only data, as a string of its own or, where linkers merge, as the end of another. */
static int guess_version(const struct elf_image *image, uint32_t wanted, struct version_guess *guess)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct elf_section section;
	int error;

	*guess = (struct version_guess){ .patch = -1 };
	if (elf_image__section(image, ".rodata", &section) || section.size > RODATA_MAX || section.size < 2)
		return 0;
	error = elf_image__section_data(image, &section, &data);
	if (error)
		return error == -ENOMEM ? error : 0;
	data[section.size - 1] = '\0';
	for (size_t i = 0; i + 2 < section.size; i++) {
		if (data[i] == '3' && data[i + 1] == '.' && (i == 0 || !(isalnum(data[i - 1]) || data[i - 1] == '.')))
			guess_from_string((const char *)data + i, wanted, guess);
	}
	return 0;
}

static void write_version_text(char text[32], uint32_t hex)
{
	uint32_t level = hex >> 4 & 0xf;
	int n = snprintf(text, 32, "%u.%u.%u", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff);

	if (level != 0xf)
		snprintf(text + n, 32 - n, "%s%u", level == 0xa ? "a" : level == 0xb ? "b" : "rc", hex & 0xf);
}

__attribute__((format(printf, 2, 3)))
static enum interp_status unsupported(char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, REASON_SIZE, format, args);
	va_end(args);
	return INTERP_UNSUPPORTED;
}

/* 3.11 and 3.12 have the word, older ones only strings and a name. */
static int layout_by_version(struct elf_image *image, const char *name, const struct python_symbols *s, struct interp_binary *out,
			     enum interp_status *status, char *reason)
{
	const struct py_layout *row;
	struct version_guess guess;
	uint64_t word = 0;
	uint32_t version;

	if (s->version_word && !elf_image__read(image, s->version_word, &word, sizeof(word)) && word >> 24 == 3) {
		write_version_text(out->version_text, (uint32_t)word);
		version = word >> 16;
		if ((word >> 4 & 0xf) < 0xc)
			version = 0;
	} else {
		int error = guess_version(image, interp_name_version(name), &guess);

		if (error)
			return error;
		if (guess.ambiguous)
			guess = (struct version_guess){ .patch = -1 };
		version = guess.version ? guess.version : interp_name_version(name);
		if (guess.version)
			strcpy(out->version_text, guess.text);
		else if (version)
			snprintf(out->version_text, sizeof(out->version_text), "%u.%u", version >> 8, version & 0xff);
		/* _PyRuntime changed in 3.7.4 */
		if (version == 0x0307 && guess.patch < 4)
			version = 0;
	}
	row = layout_for(version);
	if (!row && !out->version_text[0])
		*status = unsupported(reason, "'%.80s' is a CPython of unknown version", name);
	else if (!row)
		*status = unsupported(reason, "CPython %s is not supported", out->version_text);
	else
		out->layout = *row;
	return 0;
}

static int find_layout(struct elf_image *image, const char *name, const struct python_symbols *s, struct interp_binary *out,
		       enum interp_status *status, char *reason)
{
	uint8_t head[LAYOUT_DEBUG_OFFSETS_SIZE];
	int error;

	/* older ones keep _PyRuntime in .bss or begin it otherwise */
	if (elf_image__read(image, s->runtime, head, sizeof(head)))
		return layout_by_version(image, name, s, out, status, reason);
	error = layout_from_debug_offsets(head, sizeof(head), &out->layout, reason);
	if (error == -ENODATA)
		return layout_by_version(image, name, s, out, status, reason);
	if (error)
		*status = INTERP_UNSUPPORTED;
	else
		write_version_text(out->version_text, layout_debug_version(head, sizeof(head)));
	return 0;
}

static void find_text(const struct elf_image *image, struct interp_binary *out)
{
	size_t count;
	const struct elf_segment *segments = elf_image__segments(image, &count);

	for (size_t i = 0; i < count; i++) {
		if (!segments[i].executable)
			continue;
		if (!out->text_end || segments[i].address < out->text_start)
			out->text_start = segments[i].address;
		if (segments[i].address + segments[i].memory_size > out->text_end)
			out->text_end = segments[i].address + segments[i].memory_size;
	}
}

static int find_eval(struct elf_image *image, const struct python_symbols *s, struct interp_binary *out)
{
	struct elf_code_range ranges[INTERP_EVAL_RANGES];
	int n = evalloop__find(image, &s->eval, ranges, INTERP_EVAL_RANGES);

	if (n == -ENOMEM)
		return n;
	/* without the function the split of time is poorer, but the walk works */
	for (int i = 0; i < n; i++) {
		out->eval[i].start = ranges[i].start;
		out->eval[i].end = ranges[i].end;
	}
	out->n_eval = n > 0 ? n : 0;
	out->evaluate = s->eval.function.start;
	n = usdt__find(image, "python", "function__entry", &out->function_entry);
	return n == -ENOMEM ? n : 0;
}

/* A C API but no _PyRuntime: before 3.7, or not CPython. */
static enum interp_status without_runtime(const char *name, const struct python_symbols *s, char *reason)
{
	uint32_t version = interp_name_version(name);

	if (s->pypy || !strncmp(name, "libpypy", 7))
		return unsupported(reason, "PyPy is not supported");
	if (!s->interpreter) {
		snprintf(reason, REASON_SIZE, "'%.80s' holds no CPython", name);
		return INTERP_NOT_PYTHON;
	}
	if (version)
		return unsupported(reason, "CPython %u.%u is not supported", version >> 8, version & 0xff);
	return unsupported(reason, "'%.80s' holds a CPython older than 3.7, or one without symbols", name);
}

int interp_analyse(struct elf_image *image, const char *name, struct interp_binary *result, enum interp_status *status, char reason[REASON_SIZE])
{
	struct interp_binary out = { 0 };
	struct python_symbols symbols = { 0 };
	enum interp_status found = INTERP_OK;
	struct elf_section section;
	int error;

	reason[0] = '\0';
	elf_image__each_symbol(image, note_symbol, &symbols);
	if (!symbols.runtime && !elf_image__section(image, ".PyRuntime", &section))
		symbols.runtime = section.address;
	if (!symbols.runtime) {
		*status = without_runtime(name, &symbols, reason);
		return 0;
	}
	out.runtime = symbols.runtime;
	if (!elf_image__section(image, ".dynamic", &section))
		out.dynamic = section.address;
	error = find_layout(image, name, &symbols, &out, &found, reason);
	if (!error && found == INTERP_OK) {
		find_text(image, &out);
		error = find_eval(image, &symbols, &out);
	}
	if (error)
		return error;
	*status = found;
	if (found == INTERP_OK)
		*result = out;
	return 0;
}
