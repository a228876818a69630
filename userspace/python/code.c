// SPDX-License-Identifier: Apache-2.0
#include "python/code.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "image/remote.h"
#include "util/cleanup.h"
#include "util/strings.h"

/* Longer names are no names, longer line tables belong to no code that compiles. */
#define STRING_BYTES_MAX (1U << 20)
#define LINETABLE_BYTES_MAX (1U << 26)
#define REPLACEMENT 0xfffd

static char *put_utf8(char *out, uint32_t c)
{
	return out + utf8_encode(out, c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? REPLACEMENT : c);
}

char *pystring_to_utf8(const void *data, size_t bytes, unsigned int char_size)
{
	const unsigned char *in = data;
	size_t count = char_size == 1 || char_size == 2 || char_size == 4 ? bytes / char_size : 0;
	char *text, *out;

	if (count > (SIZE_MAX - 1) / 4)
		return NULL;
	text = out = malloc(count * 4 + 1);
	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		uint32_t c = 0;

		memcpy(&c, in + i * char_size, char_size); /* little-endian, as the target is */
		out = put_utf8(out, c);
	}
	*out = '\0';
	out = realloc(text, out - text + 1);
	return out ? out : text;
}

static uint64_t window_u64(const uint8_t *window, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, window + offset - PY_CODE_WINDOW_START, sizeof(value));
	return value;
}

static uint32_t window_u32(const uint8_t *window, uint32_t offset)
{
	uint32_t value;

	memcpy(&value, window + offset - PY_CODE_WINDOW_START, sizeof(value));
	return value;
}

/* Fields of a layout lie in the window (layout_check); a layout from a recording might not. */
static bool window_holds(const struct py_layout *l)
{
	const uint32_t fields[] = { l->code_filename, l->code_name, l->code_linetable, l->code_qualname ? l->code_qualname : l->code_name,
				    l->code_firstlineno, l->code_version ? l->code_version : l->code_name };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i] < PY_CODE_WINDOW_START || fields[i] > PY_CODE_WINDOW_START + PY_CODE_WINDOW_SIZE - 8)
			return false;
	}
	return true;
}

struct code_view {
	struct py_code_identity identity;
	uint64_t shown_name; /* qualified where there is one */
};

static int read_view(pid_t pid, const struct py_layout *l, uint64_t address, struct code_view *view)
{
	uint8_t window[PY_CODE_WINDOW_SIZE];
	struct py_code_identity id = { 0 };
	int error;

	if (!window_holds(l))
		return -EINVAL;
	error = remote__read(pid, address + PY_CODE_WINDOW_START, window, sizeof(window));
	if (error)
		return error;
	id.filename = window_u64(window, l->code_filename);
	id.name = window_u64(window, l->code_name);
	id.linetable = window_u64(window, l->code_linetable);
	id.firstlineno = window_u32(window, l->code_firstlineno);
	if (l->flags & PY_CODE_VERSION) {
		id.version = window_u32(window, l->code_version);
	} else {
		error = remote__read(pid, id.name + l->str_hash, &id.name_hash, sizeof(id.name_hash));
		if (!error)
			error = remote__read(pid, id.linetable + l->bytes_size, &id.table_head[0], 8);
		if (!error && id.table_head[0] >= 8)
			error = remote__read(pid, id.linetable + l->bytes_data, &id.table_head[1], 8);
		if (error)
			return error;
	}
	view->identity = id;
	view->shown_name = l->code_qualname ? window_u64(window, l->code_qualname) : id.name;
	return 0;
}

int code__identify(pid_t pid, const struct py_layout *layout, uint64_t address, struct py_code_identity *out)
{
	struct code_view view;
	int error = read_view(pid, layout, address, &view);

	if (!error)
		*out = view.identity;
	return error;
}

static int read_string(pid_t pid, const struct py_layout *l, uint64_t address, char **out)
{
	_cleanup_free_ uint8_t *data = NULL;
	uint64_t length;
	uint32_t state;
	unsigned int kind;
	int error = remote__read_u64(pid, address + l->str_length, &length);

	if (!error)
		error = remote__read(pid, address + l->str_state, &state, sizeof(state));
	if (error)
		return error;
	/* two bits interned, three bits kind, compact, ascii. Names that are not compact come from old C code only. */
	kind = state >> 2 & 7;
	if ((kind != 1 && kind != 2 && kind != 4) || !(state >> 5 & 1))
		return -EINVAL;
	if (length > STRING_BYTES_MAX / kind)
		return -E2BIG;
	data = malloc(length * kind + 1);
	if (!data)
		return -ENOMEM;
	error = remote__read(pid, address + (state >> 6 & 1 ? l->str_ascii : l->str_compact), data, length * kind);
	if (error)
		return error;
	*out = pystring_to_utf8(data, length * kind, kind);
	return *out ? 0 : -ENOMEM;
}

static int read_linetable(pid_t pid, const struct py_layout *l, uint64_t address, struct code_object *code)
{
	uint64_t size;
	int error = remote__read_u64(pid, address + l->bytes_size, &size);

	if (error)
		return error;
	if (size > LINETABLE_BYTES_MAX)
		return -E2BIG;
	code->linetable = malloc(size ? size : 1);
	if (!code->linetable)
		return -ENOMEM;
	code->linetable_size = size;
	return remote__read(pid, address + l->bytes_data, code->linetable, size);
}

int code__read(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t fingerprint, struct code_object *out)
{
	struct code_object code = { 0 };
	struct code_view before, after;
	int error = read_view(pid, layout, address, &before);

	if (error)
		return error;
	if (py_code_fingerprint(&before.identity) != fingerprint)
		return -ESTALE;
	code.firstlineno = before.identity.firstlineno;
	code.fingerprint = fingerprint;
	error = read_string(pid, layout, before.shown_name, &code.name);
	if (!error)
		error = read_string(pid, layout, before.identity.filename, &code.filename);
	if (!error)
		error = read_linetable(pid, layout, before.identity.linetable, &code);
	/* what was read counts only if the object is still the same; if it is not, that explains any error */
	if (read_view(pid, layout, address, &after) || py_code_fingerprint(&after.identity) != fingerprint)
		error = error == -ESRCH ? -ESRCH : -ESTALE;
	if (error) {
		code__release(&code);
		return error;
	}
	*out = code;
	return 0;
}

void code__release(struct code_object *code)
{
	if (!code)
		return;
	free(code->name);
	free(code->filename);
	free(code->linetable);
	*code = (struct code_object){ 0 };
}
