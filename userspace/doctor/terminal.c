// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doctor/check.h"
#include "target/identity.h"
#include "util/cleanup.h"

/* Does the terminal's description exist where the library looks? */
static bool is_described(const struct identity *id, const char *term)
{
	const char *home = environment_get(id->environment, "HOME"), *own = environment_get(id->environment, "TERMINFO");
	const char *const folders[] = { own ? own : "/etc/terminfo", "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo" };
	_cleanup_free_ char *at_home = NULL;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%c/%s", folders[i], term[0], term) < 0)
			return false;
		if (!access(path, R_OK))
			return true;
	}
	if (asprintf(&at_home, "%s/.terminfo/%c/%s", home ? home : "", term[0], term) < 0)
		return false;
	return !access(at_home, R_OK);
}

/* Our own output may well go elsewhere: what counts is the terminal that we have. */
void check_terminal(struct checkup *c, const struct identity *id)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *term = environment_get(id->environment, "TERM");
	struct winsize size = {};

	if (fd < 0) {
		checkup_add(c, HEALTH_LIMITED, "log in with one (docker run -it, ssh -t); 'top --once' needs none", "there is no terminal, which 'top' draws on");
		return;
	}
	ioctl(fd, TIOCGWINSZ, &size);
	if (!term || !*term || strchr(term, '/') || !strcmp(term, "dumb") || !is_described(id, term))
		checkup_add(c, HEALTH_LIMITED, "set TERM to what the terminal is, such as xterm-256color; Debian's package ncurses-term has rarer ones", "the terminal's type '%.40s' is not known (TERM)", term ? term : "");
	else
		checkup_add(c, HEALTH_OK, NULL, "the terminal is '%.40s', %u columns and %u lines", term, size.ws_col, size.ws_row);
}
