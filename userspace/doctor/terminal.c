// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doctor/check.h"
#include "util/cleanup.h"
#include "view/terminal.h"

/* Our own output may well go elsewhere: what counts is the terminal that we have. */
void check_terminal(struct checkup *c)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *term = getenv("TERM");
	struct winsize size = {};
	char problem[256];

	if (fd < 0) {
		checkup_add(c, HEALTH_LIMITED, "log in with one (docker run -it, ssh -t); 'top --once' needs none", "there is no terminal, which 'top' draws on");
		return;
	}
	ioctl(fd, TIOCGWINSZ, &size);
	if (!terminal_usable(problem))
		checkup_add(c, HEALTH_LIMITED, "set TERM to what the terminal is, such as xterm-256color; Debian's package ncurses-term has rarer ones", "the terminal's type '%.40s' is not known (TERM)", term ? term : "");
	else
		checkup_add(c, HEALTH_OK, NULL, "the terminal is '%.40s', %u columns and %u lines", term, size.ws_col, size.ws_row);
}
