// SPDX-License-Identifier: Apache-2.0
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static bool log_verbose;

void log_set_verbose(bool verbose) { log_verbose = verbose; }

__attribute__((format(printf, 2, 0)))
static void log_line(const char *kind, const char *format, va_list args)
{
	int saved = errno;

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
