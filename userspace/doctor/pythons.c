// SPDX-License-Identifier: Apache-2.0
/*
 * The interpreters on the user's PATH. Each is started, with the user's rights, and its process looked at as a
 * profiled one would be: a shim or a shared libpython shows what it really runs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor/check.h"
#include "python/interp.h"
#include "target/identity.h"
#include "target/preload_library.h"
#include "target/script.h"
#include "util/cleanup.h"

#define PYTHONS_MAX 24
#define START_MS 5000
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

struct pythons {
	const struct identity *identity;
	struct checkup *checkup;
	struct interp_cache *cache;
	char *seen[PYTHONS_MAX]; /* without links */
	size_t n;
	bool works;              /* one of them */
};

/* Says one byte and waits for the end of its input. */
static pid_t start(const struct pythons *p, const char *path, int *in, int *out)
{
	char *const argv[] = { (char *)path, "-I", "-S", "-c", "import os; os.write(1, b'.'); os.read(0, 1)", NULL };
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC))
		return -errno;
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return -EMFILE;
	}
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		/* without a change that needs rights, where there is none */
		if ((getuid() != p->identity->uid && identity__become(p->identity)) || dup2(to[0], 0) < 0 || dup2(from[1], 1) < 0 || dup2(null, 2) < 0)
			_exit(127);
		/* if we are killed, it reads the end of its input and ends */
		execve(path, argv, p->identity->environment);
		_exit(127);
	}
	if (pid < 0)
		pid = -errno;
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = from[0];
	return pid;
}

/* What the process is, once it runs Python. -ENOEXEC: it does not. */
static int look(struct pythons *p, const char *path, struct interp_process *found)
{
	_cleanup_close_ int in = -1, out = -1;
	pid_t pid = start(p, path, &in, &out);
	struct pollfd ready = { .fd = out, .events = POLLIN }; /* start() has set it */
	char byte;
	int err = -ENOEXEC;

	if (pid < 0)
		return pid;
	if (poll(&ready, 1, START_MS) == 1 && read(out, &byte, 1) == 1)
		err = interp__find(p->cache, pid, found);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

/* As version managers put it on PATH, for versions that are not in use, too. */
static bool is_shell_script(const char *path)
{
	char line[8];

	return check_read_line(path, line, sizeof(line)) && !strncmp(line, "#!", 2);
}

static void tell(struct pythons *p, const char *path)
{
	struct interp_process found = {};
	int err = look(p, path, &found);

	if (err == -ENOEXEC && is_shell_script(path))
		return;
	if (err == -ENOEXEC)
		checkup_add(p->checkup, HEALTH_LIMITED, "reinstall it, or take it off PATH", "%.200s does not run", path);
	else if (err)
		checkup_add(p->checkup, HEALTH_LIMITED, "see above for what is missing to read other processes", "%.200s: cannot be looked at: %s", path, strerror(-err));
	else if (found.status != INTERP_OK)
		checkup_add(p->checkup, HEALTH_LIMITED, "use CPython 3.8 to 3.15, with glibc, not free-threaded: --python names it", "%.180s: %s", path, found.reason[0] ? found.reason : "no CPython");
	else
		checkup_add(p->checkup, HEALTH_OK, NULL, "%.200s is CPython %s", path, found.binary->version_text);
	p->works |= !err && found.status == INTERP_OK;
}

/* "python3", "python3.12", "python3.13t" */
static bool is_name(const char *name)
{
	return !strncmp(name, "python3", 7) && strspn(name + 7, "0123456789.t") == strlen(name + 7);
}

static void look_at(struct pythons *p, const char *path)
{
	_cleanup_free_ char *real = NULL;

	if (p->n == PYTHONS_MAX || access(path, X_OK))
		return;
	real = realpath(path, NULL);
	if (!real)
		return;
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->seen[i], real))
			return;
	}
	p->seen[p->n++] = steal_ptr(real);
	tell(p, path);
}

static void look_in(struct pythons *p, const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL;

		if (is_name(entries[i]->d_name) && asprintf(&path, "%s/%s", folder, entries[i]->d_name) >= 0)
			look_at(p, path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static void check_library(struct checkup *c, const struct identity *id, const char *name, const char *option)
{
	_cleanup_free_ char *path = NULL;
	int err = preload_library__find(id, name, &path);

	if (!err)
		checkup_add(c, HEALTH_OK, NULL, "%s loads %.220s", option, path);
	else
		checkup_add(c, HEALTH_LIMITED, "'make install' puts it into ../lib/fixingahole from the program; the user must be able to read it there", "%s, for %s, is not found beside the program", name, option);
}

void check_pythons(struct checkup *c, const struct identity *id)
{
	struct pythons p = { .identity = id, .checkup = c, .cache = interp_cache__new() };
	const char *path = environment_get(id->environment, "PATH");
	_cleanup_free_ char *list = strdup(path ? path : DEFAULT_PATH);
	char *save = NULL;

	if (!p.cache || !list)
		return;
	for (char *folder = strtok_r(list, ":", &save); folder; folder = strtok_r(NULL, ":", &save))
		look_in(&p, folder);
	if (!p.works)
		checkup_add(c, HEALTH_NO, "install Debian's python3 package, or put another CPython 3.8 to 3.15 on PATH; or name one with --python", "no Python that is supported is on PATH");
	for (size_t i = 0; i < p.n; i++)
		free(p.seen[i]);
	interp_cache__free(p.cache);
	check_library(c, id, HEAP_LIBRARY, "--memory");
	check_library(c, id, CALLS_LIBRARY, "--calls");
}
