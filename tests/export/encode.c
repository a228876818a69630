// SPDX-License-Identifier: Apache-2.0
/*
 * encode pprof|otlp FILE: writes the window of window_fixture.h.
 * encode bench ROWS: how long a window of so many rows takes, as one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "export/encode.h"
#include "unit/window_fixture.h"
#include "util/arena.h"

#define DEPTH 30
#define FUNCTIONS 3000
#define PROCESSES 200

typedef int (*encoder)(const struct window *, const char *, struct encoded *);

static int write_file(encoder encode, const char *path)
{
	struct window_fixture fixture;
	struct encoded encoded;
	FILE *out;
	int err;

	window_fixture_init(&fixture);
	err = encode(&fixture.window, FIXTURE_HOST, &encoded);
	if (err)
		return 1;
	out = fopen(path, "wb");
	if (!out)
		return 1;
	err = fwrite(encoded.data, 1, encoded.size, out) != encoded.size;
	free(encoded.data);
	return fclose(out) || err;
}

static void *array(struct arena *arena, size_t n, size_t size)
{
	return arena_array(arena, n, size) ?: (abort(), NULL);
}

static char *text(struct arena *arena, const char *format, uint32_t number)
{
	char buffer[128];

	snprintf(buffer, sizeof(buffer), format, number);
	return arena_strdup(arena, buffer) ?: (abort(), NULL);
}

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Call paths as those of servers: some ways in, some ways through the libraries, and the last frames by chance. */
static struct window large(struct arena *arena, uint32_t n_rows)
{
	struct window window = { .start_ns = 1, .end_ns = 60000 * MS, .start_epoch_s = FIXTURE_EPOCH_S, .rate_hz = 99, .heap = true };
	struct window_frame *functions = array(arena, FUNCTIONS, sizeof(*functions));
	uint32_t seed = 1;

	window.processes = array(arena, PROCESSES, sizeof(*window.processes));
	window.stacks = array(arena, n_rows, sizeof(*window.stacks));
	window.rows = array(arena, n_rows, sizeof(*window.rows));
	for (uint32_t i = 0; i < FUNCTIONS; i++)
		functions[i] = (struct window_frame){ WINDOW_PYTHON, text(arena, "/srv/app/lib/python3.11/site-packages/package/module_%u.py", i / 20),
						      text(arena, "Handler.method_number_%u", i), 10 * i, 10 * i - 5, false };
	for (uint32_t i = 0; i < PROCESSES; i++)
		window.processes[i] = (struct window_process){ .pid = 1000 + i, .program = "/usr/bin/python3.11", .interpreter = "CPython 3.11",
			.facts = { 1000, "web", text(arena, "worker_%u.py", i / 4), NULL, text(arena, "/system.slice/app-%u.service", i / 4), text(arena, "app-%u.service", i / 4) } };
	for (uint32_t i = 0; i < n_rows; i++) {
		struct window_frame *frames = array(arena, DEPTH, sizeof(*frames));
		uint32_t way_in = i % 50 * 15, through = next(&seed) % 200 * 10 + 500;

		for (uint32_t j = 0; j < DEPTH; j++)
			frames[DEPTH - 1 - j] = functions[j < 15 ? way_in + j : j < 25 ? through + j : next(&seed) % FUNCTIONS];
		frames[0].lineno += next(&seed) % 4;
		window.stacks[i] = (struct window_stack){ frames, DEPTH, 0, false };
		window.rows[i] = (struct window_row){ .process = i % PROCESSES, .stack = i, .tid = 5000 + i % 1000, .times.python_ns = next(&seed), .allocated_bytes = next(&seed) };
	}
	window.n_processes = PROCESSES;
	window.n_stacks = window.n_rows = n_rows;
	return window;
}

static double fastest_ms(encoder encode, const struct window *window, size_t *size)
{
	double least = 1e9;

	for (int i = 0; i < 10; i++) {
		struct timespec begin, end;
		struct encoded encoded;
		double ms;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
		if (encode(window, FIXTURE_HOST, &encoded))
			abort();
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		ms = (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
		least = ms < least ? ms : least;
		*size = encoded.size;
		free(encoded.data);
	}
	return least;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "pprof"))
		return write_file(encode_pprof, argv[2]);
	if (argc == 3 && !strcmp(argv[1], "otlp"))
		return write_file(encode_otlp, argv[2]);
	if (argc == 3 && !strcmp(argv[1], "bench")) {
		struct arena arena = { NULL };
		struct window window = large(&arena, (uint32_t)atoi(argv[2]));
		size_t pprof_size, otlp_size;
		double pprof = fastest_ms(encode_pprof, &window, &pprof_size), otlp = fastest_ms(encode_otlp, &window, &otlp_size);

		printf("{\"rows\": %u, \"pprof_ms\": %.1f, \"pprof_bytes\": %zu, \"otlp_ms\": %.1f, \"otlp_bytes\": %zu}\n", window.n_rows, pprof, pprof_size, otlp, otlp_size);
		arena_release(&arena);
		return 0;
	}
	fprintf(stderr, "usage: encode pprof|otlp FILE | encode bench ROWS\n");
	return 2;
}
