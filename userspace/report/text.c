// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

size_t utf8_decode(const char *text, size_t size, uint32_t *character)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)text;
	size_t length;
	uint32_t c;

	if (p[0] < 0x80) {
		*character = p[0];
		return 1;
	}
	length = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	*character = 0xfffd;
	if (p[0] < 0xc2 || p[0] >= 0xf8 || length > size)
		return 1;
	c = p[0] & (0xff >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 1;
	*character = c;
	return length;
}

/* Characters that move the cursor or turn the direction of what follows. */
static bool is_disturbing(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* How one character is shown: bytes (not terminated) in out, and its columns. */
static size_t show_character(uint32_t c, const char *bytes, size_t length, char out[12], int *columns)
{
	if (c == '\n' || c == '\t' || c == '\r') {
		memcpy(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r", 2);
		*columns = 2;
		return 2;
	}
	if (is_disturbing(c)) {
		int n = snprintf(out, 12, c < 0x100 ? "\\x%02x" : "\\u%04x", c);

		*columns = n;
		return (size_t)n;
	}
	*columns = text_columns_of(c);
	if (c == 0xfffd) {
		memcpy(out, "\xef\xbf\xbd", 3);
		return 3;
	}
	memcpy(out, bytes, length);
	return length;
}

/* How many characters from here on are one byte and one column each. */
static size_t plain_run(const char *text, size_t size, int max)
{
	size_t n = 0;

	while (n < size && n < (size_t)max && text[n] >= ' ' && text[n] < 0x7f)
		n++;
	return n;
}

/* Prints while the columns stay within max; *whole says whether all of it fitted. */
static int print_within(FILE *out, const char *text, size_t size, int max, enum text_kind kind, bool *whole)
{
	int used = 0;

	*whole = true;
	for (size_t at = 0; at < size;) {
		char shown[12];
		uint32_t c;
		size_t taken, length = plain_run(text + at, size - at, max ? max - used : INT_MAX);
		int columns;

		if (length) {
			if (out)
				fwrite(text + at, 1, length, out);
			used += (int)length;
			at += length;
			continue;
		}
		taken = utf8_decode(text + at, size - at, &c);
		if (c == '\t' && kind == TEXT_SOURCE) {
			columns = 8 - used % 8;
			memset(shown, ' ', 8);
			length = (size_t)columns;
		} else {
			length = show_character(c, text + at, taken, shown, &columns);
		}
		if (max && columns > max - used) {
			*whole = false;
			return used;
		}
		if (out)
			fwrite(shown, 1, length, out);
		used += columns;
		at += taken;
	}
	return used;
}

int text_print(FILE *out, const char *text, size_t size, int max, enum text_kind kind)
{
	bool whole;
	int used = 0;

	if (!max)
		return print_within(out, text, size, 0, kind, &whole);
	used = print_within(NULL, text, size, max, kind, &whole);
	if (whole)
		return out ? print_within(out, text, size, max, kind, &whole) : used;
	used = max > 1 ? print_within(out, text, size, max - 1, kind, &whole) : 0;
	if (out)
		fputs("…", out);
	return used + 1;
}

void text_print_padded(FILE *out, const char *text, int columns)
{
	int used = text_print(out, text, strlen(text), columns, TEXT_NAME);

	text_repeat(out, " ", columns - used);
}

void text_print_end(FILE *out, const char *path, int columns)
{
	int width = text_width(path, 0);
	uint32_t c;

	if (columns < 2)
		return;
	if (width > columns) {
		fputs("…", out);
		columns--;
	}
	while (width > columns) {
		size_t taken = utf8_decode(path, strlen(path), &c);

		width -= text_print(NULL, path, taken, 0, TEXT_NAME);
		path += taken;
	}
	text_print(out, path, strlen(path), columns, TEXT_NAME);
}

int text_width(const char *text, int max)
{
	return text_print(NULL, text, strlen(text), max, TEXT_NAME);
}

void text_repeat(FILE *out, const char *piece, int count)
{
	while (count-- > 0)
		fputs(piece, out);
}

static void format_bytes(char out[32], double bytes, const char *small)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t unit = 0;

	while (bytes >= 1024 && unit < 6) {
		bytes /= 1024;
		unit++;
	}
	snprintf(out, 32, unit == 0 ? "%.0f %s" : unit < 3 ? small : "%.3f %s", bytes, units[unit]);
}

void format_memory_exact(char out[32], double bytes) { format_bytes(out, bytes, "%.3f %s"); }
void format_memory(char out[32], double bytes) { format_bytes(out, bytes, "%.0f %s"); }

void format_memory_short(char out[32], double bytes)
{
	double mb = bytes / MIB;

	if (mb < 999.5)
		snprintf(out, 32, "%.0fM", mb);
	else if (mb < 999.5 * 1024)
		snprintf(out, 32, mb < 99.5 * 1024 ? "%.1fG" : "%.0fG", mb / 1024);
	else
		snprintf(out, 32, "%.1fT", mb / 1048576);
}

void paint(FILE *out, bool color, enum paint paint)
{
	static const char *const codes[] = {"\033[0m", "\033[1m", "\033[2m", "\033[1;31m", "\033[33m"};

	if (color)
		fputs(codes[paint], out);
}

enum paint paint_for(double share)
{
	return share >= 0.3 ? PAINT_HOT : share >= 0.05 ? PAINT_WARM : PAINT_NONE;
}

int stream_result(FILE *out)
{
	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}

const char *path_below(const char *path, const char *root)
{
	size_t length = root ? strlen(root) : 0;

	while (length && root[length - 1] == '/')
		length--;
	if (root && *root && !strncmp(path, root, length) && path[length] == '/' && path[length + 1])
		return path + length + 1;
	return path;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
