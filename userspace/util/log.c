// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static bool log_verbose;

static void (*log_sink)(void *context, const char *line);
static void *log_sink_context;

void log_set_verbose(bool verbose) { log_verbose = verbose; }

void log_divert(void (*sink)(void *context, const char *line), void *context)
{
	log_sink = sink;
	log_sink_context = context;
}

__attribute__((format(printf, 2, 0)))
static void log_to_sink(const char *kind, const char *format, va_list args)
{
	char line[1024];
	int used = snprintf(line, sizeof(line), "fixingahole: %s", kind);

	vsnprintf(line + used, sizeof(line) - (size_t)used, format, args);
	log_sink(log_sink_context, line);
}

__attribute__((format(printf, 2, 0)))
static void log_line(const char *kind, const char *format, va_list args)
{
	int saved = errno;

	if (log_sink) {
		log_to_sink(kind, format, args);
		errno = saved;
		return;
	}
	flockfile(stderr);
	fprintf(stderr, "fixingahole: %s", kind);
	vfprintf(stderr, format, args);
	putc('\n', stderr);
	funlockfile(stderr);
	errno = saved;
}

#define DEFINE_LOG(name, kind, condition)      \
	void name(const char *format, ...)     \
	{                                      \
		va_list args;                  \
		if (!(condition))              \
			return;                \
		va_start(args, format);        \
		log_line(kind, format, args);  \
		va_end(args);                  \
	}

DEFINE_LOG(log_error, "", true)
DEFINE_LOG(log_warning, "warning: ", true)
DEFINE_LOG(log_notice, "", true)
DEFINE_LOG(log_debug, "debug: ", log_verbose)
