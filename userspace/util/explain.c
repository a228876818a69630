// SPDX-License-Identifier: Apache-2.0
#include "util/explain.h"

#include <stdarg.h>
#include <stdio.h>

int explain(char problem[512], int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem, 512, format, args);
	va_end(args);
	return error;
}
