// SPDX-License-Identifier: Apache-2.0
#include "spinner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Short scripts end before it appears. */
#define SPINNER_FIRST_NS 500000000ULL
#define SPINNER_EVERY_NS 200000000ULL

void spinner_init(struct spinner *s, bool wanted)
{
	const char *term = getenv("TERM");

	*s = (struct spinner){ .enabled = wanted && isatty(STDERR_FILENO) && term && strcmp(term, "dumb"), .next_ns = SPINNER_FIRST_NS };
}

/*
 * The script writes to the same terminal, and its output must stay whole: the line
 * is drawn from the cursor to the end of its line, and the cursor put back, so that the
 * next thing the script writes goes where it would have gone.
 */
void spinner_update(struct spinner *s, uint64_t elapsed_ns, uint64_t samples)
{
	static const char *const shapes[] = { "|", "/", "-", "\\" };
	char line[128];
	int n;

	if (!s->enabled || elapsed_ns < s->next_ns)
		return;
	s->next_ns = elapsed_ns + SPINNER_EVERY_NS;
	n = snprintf(line, sizeof(line), "\0337\033[K\033[2m%s %.1f s, %llu samples\033[0m\0338", shapes[s->turn++ % 4], elapsed_ns / 1e9, (unsigned long long)samples);
	if (write(STDERR_FILENO, line, n) != n)
		s->enabled = false;
	s->drawn = true;
}

void spinner_clear(struct spinner *s)
{
	if (s->enabled && s->drawn && write(STDERR_FILENO, "\033[K", 3) != 3)
		s->enabled = false;
}
