// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report/report.h"

void report_fit_terminal(struct report_options *options)
{
	const char *no_color = getenv("NO_COLOR");
	bool terminal = isatty(STDOUT_FILENO);
	struct winsize size;

	options->color = terminal && !(no_color && *no_color);
	options->width = terminal && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? size.ws_col : 0;
}
