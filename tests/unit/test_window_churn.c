// SPDX-License-Identifier: Apache-2.0
/* A machine for a long time: 100,000 processes come and go, and nothing of them stays. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "window_records.h"

#define PROCESSES 100000
#define NUMBERS 30000 /* of processes: then they come again */
#define PER_WINDOW 200
#define LONG_LIVED 20
#define CODE 0x1000

static size_t rss_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

/* Forked by a shell, a Python of its own, a second at work. Each third runs a file that no other one has. */
static void one_process(struct watched *w, uint32_t i)
{
	struct maker *m = &w->maker;
	char file[64], text[128];

	m->pid = m->tid = 10;
	m->space = 1;
	maker_fork(m, 100 + i % NUMBERS, 1000 + 2 * i);
	m->space++;
	maker_exec(m, m->space - 1, "/usr/bin/python3");
	maker_interp(m);
	snprintf(file, sizeof(file), "/tmp/build-%u/setup.py", i % 3 ? 0 : i);
	maker_function(m, CODE, file, "main", 10);
	maker_function(m, CODE + 1, "/usr/lib/python3.11/json/encoder.py", "encode", 100);
	snprintf(text, sizeof(text), "python3 %s", file);
	windows__describe(w->windows, m->pid, &(struct process_facts){ .uid = 1, .user = "builder", .name = "setup.py", .command = text, .cgroup = file });
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(CODE + 1, 100, 120 + i % 50), AT(CODE, 10, 11 + i % 80)));
	maker_rss(m, 4096, 1 << 20, FRAMES(AT(CODE, 10, 12)));
	maker_block(m, 5 + i, FRAMES(AT(CODE, 10, 13)));
	maker_wait(m, 5 + i, MILLISECOND, WAIT_BLOCKED, SYS_read);
	maker_heap(m, HEAP_KIND_C, 0x10, 1000, 1000, FRAMES(AT(CODE, 10, 14)));
	if (i % 10)
		maker_exit(m, 0);
	/* of the others the number comes again */
	/* late ones */
	maker_text(m, CODE + 2, MAKER_FINGERPRINT, BLOB_NAME, "late");
	maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(CODE, 10, 12)));
}

static void nothing_stays_of_what_has_ended(void **state)
{
	const struct window_options options = { .rate_hz = 99, .heap = true };
	struct watched w;
	struct maker *m = watched_begin(&w, &options);
	size_t first = 0, then = 0, symbols = 0;

	for (uint32_t i = 0; i < LONG_LIVED; i++) {
		watched_python(m, 10 + i, 1 + i, "/usr/bin/python3");
		maker_function(m, CODE, "/srv/server.py", "serve", 1);
		maker_block(m, 1000000 + i, FRAMES(AT(CODE, 1, 5)));
	}
	for (uint32_t i = 0; i < PROCESSES; i++) {
		one_process(&w, i);
		if (i % PER_WINDOW == PER_WINDOW - 1) {
			const struct window *window;

			m->pid = m->tid = 10 + i / PER_WINDOW % LONG_LIVED;
			m->space = m->pid - 9;
			maker_wait(m, 1000000 + m->pid - 10, MILLISECOND, WAIT_BLOCKED, SYS_read);
			window = watched_cut(&w);
			assert_non_null(row_of(window, m->pid, 5, "read"));
			assert_in_range(window->n_processes, PER_WINDOW, NUMBERS / 10 + 2 * PER_WINDOW + LONG_LIVED);
		}
		/* when all numbers have been given out; what is forgotten from time to time makes a saw of it */
		if (i >= 3 * NUMBERS / 2 && i % PER_WINDOW == PER_WINDOW - 1) {
			size_t *most = i < PROCESSES / 2 + NUMBERS / 2 ? &first : &then, now = rss_bytes();

			*most = now > *most ? now : *most;
		}
		symbols = symbols__count(w.symbols) > symbols ? symbols__count(w.symbols) : symbols;
	}
	print_message("at most %zu kB until %d processes, then %zu kB; at most %zu symbols, %zu strings now\n", first >> 10, PROCESSES / 2 + NUMBERS / 2, then >> 10, symbols, strings__count(w.strings));
#ifndef __SANITIZE_ADDRESS__
	/* the C library gives pages back when it likes */
	assert_in_range(then, 0, first + first / 8);
#endif
	assert_in_range(symbols, 0, 10000);
	assert_in_range(strings__count(w.strings), 0, 10000);
	watched_end(&w);
}

/* One process for a long time that makes ever new code. */
static void code_that_is_made_anew_is_forgotten(void **state)
{
	const struct window_options options = { .rate_hz = 99 };
	struct watched w;
	struct maker *m = watched_begin(&w, &options);
	const struct window *window;
	char name[32];
	size_t most = 0;

	watched_python(m, 10, 1, "/usr/bin/python3");
	maker_function(m, CODE, "/srv/server.py", "serve", 1);
	for (uint32_t i = 0; i < 400000; i++) {
		snprintf(name, sizeof(name), "template %u", i);
		maker_function(m, 0x100000 + i, "<template>", name, 1);
		if (i % 10 == 0)
			maker_cpu(m, 0, MAKER_EVAL, FRAMES(AT(0x100000 + i, 1, 2), AT(CODE, 1, 5)));
		if (i % 2000)
			continue;
		window = watched_cut(&w);
		assert_window_holds(window);
		assert_int_equal(window->losses[LOSS_UNNAMED_CODE], 0);
		assert_non_null(row_of(window, 10, 5, NULL));
		most = symbols__codes(w.symbols) > most ? symbols__codes(w.symbols) : most;
	}
	print_message("at most %zu code objects, %zu symbols now\n", most, symbols__count(w.symbols));
	assert_in_range(most, 0, 60000);
	watched_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_stays_of_what_has_ended),
		cmocka_unit_test(code_that_is_made_anew_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
