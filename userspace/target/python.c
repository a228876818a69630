// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "target/script.h"
#include "util/cleanup.h"

/* The kernel looks at no more than this of a first line. */
#define SHEBANG_MAX 255
/* Where execvp looks when there is no PATH. */
#define DEFAULT_PATH "/usr/local/bin:/bin:/usr/bin"

/* All of this runs with the user's effective ids: what he cannot execute is no choice. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static int take_if_executable(char *candidate, char **path)
{
	int r = candidate ? check_executable(candidate) : -ENOMEM;

	if (r < 0) {
		free(candidate);
		return r;
	}
	*path = candidate;
	return 0;
}

__attribute__((format(printf, 2, 3))) static int try_path(char **path, const char *format, ...)
{
	char *candidate;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&candidate, format, args);
	va_end(args);
	return n < 0 ? -ENOMEM : take_if_executable(candidate, path);
}

/* Absolute, but with its links: they decide what sys.prefix is. */
static int try_absolute(const char *name, char **path)
{
	_cleanup_free_ char *cwd = NULL;

	if (*name == '/')
		return try_path(path, "%s", name);
	cwd = getcwd(NULL, 0);
	return cwd ? try_path(path, "%s/%s", cwd, name) : -errno;
}

static int search_path(const struct identity *id, const char *name, char **path)
{
	const char *p = environment_get(id->environment, "PATH");
	int error = -ENOENT;

	for (p = p ? p : DEFAULT_PATH;; p++) {
		const char *end = strchrnul(p, ':');
		_cleanup_free_ char *candidate = NULL;
		int r;

		/* an empty entry is the working directory */
		if (asprintf(&candidate, "%.*s%s%s", (int)(end - p), p, end > p ? "/" : "", name) < 0) {
			candidate = NULL;
			return -ENOMEM;
		}
		r = try_absolute(candidate, path);
		if (!r || r == -ENOMEM)
			return r;
		if (r == -EACCES)
			error = r;
		p = end;
		if (!*p)
			return error;
	}
}

static int from_option(const struct identity *id, const char *option, char **path)
{
	if (!*option)
		return -ENOENT;
	return strchr(option, '/') ? try_absolute(option, path) : search_path(id, option, path);
}

static int from_active(const struct identity *id, char **path)
{
	static const char *const variables[] = { "VIRTUAL_ENV", "CONDA_PREFIX" };

	for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
		const char *prefix = environment_get(id->environment, variables[i]);

		if (prefix && *prefix == '/' && (!try_path(path, "%s/bin/python", prefix) || !try_path(path, "%s/bin/python3", prefix)))
			return 0;
	}
	return -ENOENT;
}

static int in_folder(const char *folder, size_t length, char **path)
{
	static const char *const names[] = { ".venv", "venv" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!try_path(path, "%.*s/%s/bin/python", (int)length, folder, names[i]) || !try_path(path, "%.*s/%s/bin/python3", (int)length, folder, names[i]))
			return 0;
	return -ENOENT;
}

/* Is folder (length bytes) root or below it? "" stands for "/". */
static bool below(const char *folder, size_t length, const char *root)
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	return length >= n && !memcmp(folder, root, n) && (length == n || folder[n] == '/');
}

/* From the script's folder up to root; a script outside root has its own folder only, and then root's. */
static int from_project(const char *script, const char *root, char **path)
{
	const char *slash = script ? strrchr(script, '/') : NULL;
	size_t length = slash ? (size_t)(slash - script) : 0;

	if (slash && !below(script, length, root)) {
		if (!in_folder(script, length, path))
			return 0;
		slash = NULL;
	}
	if (!slash)
		return in_folder(root, strlen(root), path);
	while (below(script, length, root)) {
		if (!in_folder(script, length, path))
			return 0;
		if (!length)
			break;
		while (length && script[--length] != '/')
			;
	}
	return -ENOENT;
}

/* "python", "python3", "python3.13t": but not Python 2, which has nothing that we could read. */
static bool is_python_name(const char *name)
{
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	if (strncmp(base, "python", 6))
		return false;
	base += 6;
	return !*base || (*base == '3' && strspn(base, "0123456789.td") == strlen(base));
}

char *shebang_program(const char *line)
{
	_cleanup_free_ char *copy = NULL;
	char *word, *state = NULL, *base;

	if (strncmp(line, "#!", 2))
		return NULL;
	copy = strndup(line + 2, strcspn(line + 2, "\r\n"));
	word = copy ? strtok_r(copy, " \t", &state) : NULL;
	if (!word)
		return NULL;
	base = strrchr(word, '/');
	if (!strcmp(base ? base + 1 : word, "env")) {
		/* env's own options and assignments come before the program; with -S the program may be glued to it */
		do
			word = strtok_r(NULL, " \t", &state);
		while (word && ((word[0] == '-' && strncmp(word, "-S", 2)) || !strcmp(word, "-S") || strchr(word, '=')));
		if (word && !strncmp(word, "-S", 2))
			word += 2;
	}
	return word && is_python_name(word) ? strdup(word) : NULL;
}

/* *named: there is one, whether or not its program is there. */
static int from_shebang(const struct identity *id, const char *script, char **path, bool *named)
{
	_cleanup_close_ int fd = script ? open(script, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	_cleanup_free_ char *program = NULL;
	char line[SHEBANG_MAX + 1];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	n = read(fd, line, SHEBANG_MAX);
	if (n <= 0)
		return -ENOENT;
	line[n] = '\0';
	program = shebang_program(line);
	*named = program != NULL;
	if (!program)
		return -ENOENT;
	return strchr(program, '/') ? try_absolute(program, path) : search_path(id, program, path);
}

static int choose(const struct identity *id, const char *option, const char *script, const char *root, char **path, const char **why)
{
	bool named = false;
	int r;

	if (option) {
		*why = "--python";
		return from_option(id, option, path);
	}
	*why = "active virtual environment";
	if (!from_active(id, path))
		return 0;
	*why = "project's virtual environment";
	if (!from_project(script, root, path))
		return 0;
	*why = "shebang";
	if (!from_shebang(id, script, path, &named))
		return 0;
	*why = named ? "PATH; the shebang's is not there" : "PATH";
	r = search_path(id, "python3", path);
	return r == -ENOENT || r == -EACCES ? search_path(id, "python", path) : r;
}

int script__choose_python(const struct identity *id, const char *option, const char *script, const char *root, char **path, const char **why)
{
	const char *reason;
	int r = identity__enter(id);

	if (r < 0)
		return r;
	r = choose(id, option, script, root, path, &reason);
	identity__leave(id);
	if (!r)
		*why = reason;
	return r;
}
