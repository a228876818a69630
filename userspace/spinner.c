// SPDX-License-Identifier: Apache-2.0
#include "spinner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Short scripts end before it appears, and it comes back only after the script was silent that long. */
#define SPINNER_SILENCE_NS 1000000000ULL
#define SPINNER_EVERY_NS 200000000ULL

void spinner_init(struct spinner *s, bool wanted, pid_t script)
{
	const char *term = getenv("TERM");

	*s = (struct spinner){ .enabled = wanted && isatty(STDERR_FILENO) && term && strcmp(term, "dumb"), .script = script };
}

/* Bytes that the script has written so far, to whatever. */
static unsigned long long written(const struct spinner *s)
{
	_cleanup_fclose_ FILE *file = NULL;
	unsigned long long bytes = 0;
	char path[64], line[64];

	snprintf(path, sizeof(path), "/proc/%d/io", s->script);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "wchar: %llu", &bytes) == 1)
			break;
	}
	return bytes;
}

/*
 * The script's output must stay whole although it goes to the same terminal. So the line is
 * drawn while the script is silent only, and below the cursor, which is left where it was: down
 * and up once (the screen may scroll), then save, down, write, restore.
 */
void spinner_update(struct spinner *s, uint64_t elapsed_ns, uint64_t samples)
{
	static const char *const shapes[] = { "|", "/", "-", "\\" };
	unsigned long long bytes;
	char line[128];
	int n;

	if (!s->enabled || elapsed_ns < s->next_ns)
		return;
	s->next_ns = elapsed_ns + SPINNER_EVERY_NS;
	bytes = written(s);
	if (bytes != s->written) {
		s->written = bytes;
		s->silent_since_ns = elapsed_ns;
		s->drawn = false;
	}
	if (elapsed_ns - s->silent_since_ns < SPINNER_SILENCE_NS)
		return;
	n = snprintf(line, sizeof(line), "\033D\033M\0337\033[B\r\033[K\033[2m%s %.1f s, %llu samples\033[0m\0338", shapes[s->turn++ % 4], elapsed_ns / 1e9, (unsigned long long)samples);
	if (write(STDERR_FILENO, line, n) != n)
		s->enabled = false;
	s->drawn = true;
}

void spinner_clear(struct spinner *s)
{
	static const char clear[] = "\0337\033[B\r\033[K\0338";

	/* only if nothing was written since: the line may be the script's by now */
	if (s->enabled && s->drawn && written(s) == s->written && write(STDERR_FILENO, clear, sizeof(clear) - 1) < 0)
		s->enabled = false;
}
