// SPDX-License-Identifier: Apache-2.0
/*
 * Made-up windows through the real sinks: windows FIRST COUNT INTERVAL_MS ROWS GRACE_MS record OPTIONS...
 *
 * The n-th window has one process that is called window-<n>-end. After each, and at the end ("end ..."), a line with what became of them so
 * far goes to stdout. SIGHUP reads the settings again; SIGTERM ends early.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/config.h"
#include "export/sinks.h"
#include "util/clock.h"
#include "util/log.h"

static volatile sig_atomic_t hung_up, ended;

static void on_signal(int number)
{
	if (number == SIGHUP)
		hung_up = 1;
	else
		ended = 1;
}

static unsigned long resident_kb(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

static void tell(struct sinks *sinks, const char *what, unsigned long number)
{
	struct sinks_state s;

	sinks__state(sinks, &s);
	printf("%s %lu written %llu pushed %llu waiting %llu bytes %llu dropped %llu full %llu refused %llu corrupt %llu failed %llu removed %llu retries %llu rss %lu error %s\n",
	       what, number, (unsigned long long)s.written, (unsigned long long)s.pushed, (unsigned long long)s.waiting, (unsigned long long)s.waiting_bytes,
	       (unsigned long long)s.dropped, (unsigned long long)s.dropped_full, (unsigned long long)s.refused, (unsigned long long)s.corrupt,
	       (unsigned long long)s.failed, (unsigned long long)s.removed, (unsigned long long)s.retries, resident_kb(), *s.last_error ? s.last_error : "-");
	fflush(stdout);
}

static void reload(struct sinks *sinks, const struct config *config)
{
	struct config fresh;
	char problem[512];

	if (config__load(&fresh, config->argc, config->argv)) {
		printf("reload failed\n");
		return;
	}
	printf("reload %s\n", sinks__reload(sinks, &fresh, problem) ? problem : "done");
	fflush(stdout);
	config__release(&fresh);
}

static void make_window(struct sinks *sinks, unsigned long number, unsigned int n_rows, struct window_row *rows)
{
	static const struct window_frame frames[] = {
		{ WINDOW_PYTHON, "/srv/app/inner.py", "work", 12, 10, false },
		{ WINDOW_PYTHON, "/srv/app/main.py", "<module>", 7, 1, false },
	};
	struct window_stack stack = { .frames = frames, .n_frames = 2 };
	struct window_process process = { .pid = 4711, .parent_pid = 1, .python = true, .interpreter = "CPython 3.11" };
	struct window window = { .processes = &process, .n_processes = 1, .stacks = &stack, .n_stacks = 1, .rows = rows, .n_rows = n_rows, .rate_hz = 99 };
	char name[64];

	snprintf(name, sizeof(name), "window-%lu-end", number);
	process.facts = (struct process_facts){ .uid = 1000, .user = "web", .name = name, .command = name, .cgroup = "/" };
	for (unsigned int i = 0; i < n_rows; i++)
		rows[i] = (struct window_row){ .tid = 4711 + i, .times.python_ns = 10101010ull * (1 + (i * 2654435761u + number) % 97), .samples = 1 };
	window.end_ns = clock_ns(CLOCK_MONOTONIC);
	window.start_ns = window.end_ns - 1000000000;
	window.start_epoch_s = (double)clock_ns(CLOCK_REALTIME) / 1e9 - 1;
	sinks__window(sinks, &window);
}

static int run(const struct config *config, unsigned long first, unsigned long count, unsigned long interval_ms, unsigned int n_rows, unsigned long grace_ms)
{
	struct timespec interval = { .tv_sec = (time_t)(interval_ms / 1000), .tv_nsec = (long)(interval_ms % 1000) * 1000000 };
	struct window_row *rows = calloc(n_rows + 1, sizeof(*rows));
	struct sinks *sinks;
	char text[512];
	int err = rows ? sinks__new(&sinks, config, text) : -ENOMEM;

	if (err) {
		log_error("%s", rows ? text : "out of memory");
		free(rows);
		return err == -EINVAL ? 2 : 1;
	}
	for (unsigned long n = first; n < first + count && !ended; n++) {
		uint64_t before = clock_ns(CLOCK_MONOTONIC), took;

		make_window(sinks, n, n_rows, rows);
		took = clock_ns(CLOCK_MONOTONIC) - before;
		sinks__log_changes(sinks);
		tell(sinks, "window", n);
		if (took > 500000000)
			printf("blocked for %llu ms\n", (unsigned long long)(took / 1000000));
		nanosleep(&interval, NULL);
		if (hung_up) {
			hung_up = 0;
			reload(sinks, config);
		}
	}
	sinks__finish(sinks, grace_ms * 1000000);
	sinks__log_changes(sinks);
	tell(sinks, "end", 0);
	sinks__summary(sinks, text);
	log_notice("%s", text);
	sinks__free(sinks);
	free(rows);
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct config config;
	int err;

	if (argc < 7) {
		fprintf(stderr, "windows FIRST COUNT INTERVAL_MS ROWS GRACE_MS record OPTIONS...\n");
		return 2;
	}
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = config__load(&config, argc - 5, argv + 5);
	if (err)
		return err == -EINVAL ? 2 : 1;
	err = run(&config, strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), (unsigned int)strtoul(argv[4], NULL, 10),
		  strtoul(argv[5], NULL, 10));
	config__release(&config);
	return err;
}
