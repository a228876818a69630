// SPDX-License-Identifier: Apache-2.0
/*
 * The program's environment is as it would be alone: what makes the library load is taken out of it at the start, and
 * given back to what the program executes, so that its descendants are measured as well.
 *
 * Whatever comes by the exec family and posix_spawn gets it in the environment of that call. In libc, system() and popen()
 * start their shell without passing by here; the command is told to the shell with an export before it, so
 * what the shell starts is measured, and the shell itself is not.
 *
 * An exec may happen in a child of vfork, or after a fork of a process with threads: no allocation here, and nothing written
 * but to the stack.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload/heap.h"

#define PRELOAD "LD_PRELOAD="
#define SEPARATORS ": "
#define ROOM_MAX (512u << 10) /* of stack; an environment beyond that is passed as it is */

/* The settings of the library that this is built into: see the Makefile. */
#ifndef ENVIRONMENT_NAMES
#define ENVIRONMENT_NAMES HEAP_ENV_STRIDE "=", HEAP_ENV_RATE "="
#endif

static const char *const names[] = { ENVIRONMENT_NAMES };
#define SETTINGS (sizeof(names) / sizeof(*names))
#define SETTING_MAX 256

/* What was taken out; an empty path: nothing. */
static struct {
	char path[PATH_MAX];
	char settings[SETTINGS][SETTING_MAX]; /* NAME=value, or empty; of letters that a shell takes as they are */
} ours;

static struct {
	int (*execve)(const char *, char *const[], char *const[]);
	int (*execvpe)(const char *, char *const[], char *const[]);
	int (*fexecve)(int, char *const[], char *const[]);
	int (*execveat)(int, const char *, char *const[], char *const[], int);
	int (*posix_spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
	int (*posix_spawnp)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
	int (*system)(const char *);
	FILE *(*popen)(const char *, const char *);
} next;

static bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* Our entry in a list of libraries, or NULL. */
static const char *entry_find(const char *list)
{
	size_t size = strlen(ours.path);

	while (*list) {
		size_t n = strcspn(list, SEPARATORS);

		if (n == size && !memcmp(list, ours.path, n))
			return list;
		list += n;
		list += *list != 0;
	}
	return NULL;
}

/* Takes our entry out of LD_PRELOAD=...; false: nothing else is in there. */
static bool entry_remove(char *variable)
{
	char *list = variable + strlen(PRELOAD), *entry = (char *)entry_find(list), *end = entry + strlen(ours.path);

	if (*end)
		end++;
	else if (entry > list)
		entry--;
	else
		return false;
	memmove(entry, end, strlen(end) + 1);
	return true;
}

/* Whether a variable is to go from the environment; it may be changed. */
static bool take(char *variable)
{
	for (size_t i = 0; i < SETTINGS; i++) {
		if (!starts(variable, names[i]))
			continue;
		if (strlen(variable) < sizeof(ours.settings[i]))
			strcpy(ours.settings[i], variable);
		return true;
	}
	return starts(variable, PRELOAD) && entry_find(variable + strlen(PRELOAD)) && !entry_remove(variable);
}

static void next_find(void)
{
	*(void **)&next.execve = dlsym(RTLD_NEXT, "execve");
	*(void **)&next.execvpe = dlsym(RTLD_NEXT, "execvpe");
	*(void **)&next.fexecve = dlsym(RTLD_NEXT, "fexecve");
	*(void **)&next.execveat = dlsym(RTLD_NEXT, "execveat");
	*(void **)&next.posix_spawn = dlsym(RTLD_NEXT, "posix_spawn");
	*(void **)&next.posix_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
	*(void **)&next.system = dlsym(RTLD_NEXT, "system");
	*(void **)&next.popen = dlsym(RTLD_NEXT, "popen");
}

void environment_take(void)
{
	char **to = environ;
	bool found = false;
	Dl_info info;

	next_find();
	if (!dladdr(names, &info) || strlen(info.dli_fname) >= sizeof(ours.path))
		return;
	strcpy(ours.path, info.dli_fname);
	for (char **v = environ; v && *v; v++)
		found |= starts(*v, PRELOAD) && entry_find(*v + strlen(PRELOAD));
	if (!found) {
		ours.path[0] = 0;
		return;
	}
	/* in place: main() gets a pointer to the same array */
	for (char **v = environ; *v; v++)
		if (!take(*v))
			*to++ = *v;
	*to = NULL;
}

/*
 * Bytes that environment_fill() needs; 0: the environment stays as it is. So it does where the program that is executed cannot
 * read the library, as after a chroot: the loader would complain.
 */
static size_t room_for(char *const *env)
{
	size_t size = (2 + SETTINGS) * sizeof(*env) + strlen(PRELOAD) + strlen(ours.path) + 2;
	int error = errno;

	if (!ours.path[0] || !env)
		return 0;
	for (; *env; env++) {
		size += sizeof(*env);
		if (!starts(*env, PRELOAD))
			continue;
		if (entry_find(*env + strlen(PRELOAD)))
			return 0;
		size += strlen(*env);
	}
	if (size <= ROOM_MAX && access(ours.path, R_OK))
		size = 0;
	errno = error;
	return size <= ROOM_MAX ? size : 0;
}

static bool setting_present(char *const *env, const char *name)
{
	for (; *env; env++)
		if (starts(*env, name))
			return true;
	return false;
}

/* env and what was taken out, in the room for it. */
static char **fill(void *room, size_t size, char *const *env)
{
	char **to = room, *text;
	const char *theirs = NULL;
	size_t n = 0;

	for (char *const *v = env; *v; v++) {
		if (starts(*v, PRELOAD))
			theirs = *v + strlen(PRELOAD);
		else
			to[n++] = *v;
	}
	for (size_t i = 0; i < SETTINGS; i++)
		if (ours.settings[i][0] && !setting_present(env, names[i]))
			to[n++] = ours.settings[i];
	text = (char *)(to + n + 2);
	to[n] = text;
	to[n + 1] = NULL;
	snprintf(text, (char *)room + size - text, PRELOAD "%s%s%s", ours.path, theirs ? ":" : "", theirs ? theirs : "");
	return to;
}

/* On the stack of the caller. */
#define WITH_OURS(env)                                                              \
	({                                                                          \
		char *const *env_ = (env);                                          \
		size_t size_ = room_for(env_);                                      \
		size_ ? fill(__builtin_alloca(size_), size_, env_) : (char **)env_; \
	})

static int missing(void)
{
	errno = ENOSYS;
	return -1;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
	return next.execve ? next.execve(path, argv, WITH_OURS(env)) : missing();
}

EXPORT int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
	return next.execvpe ? next.execvpe(file, argv, WITH_OURS(env)) : missing();
}

EXPORT int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
	return next.fexecve ? next.fexecve(fd, argv, WITH_OURS(env)) : missing();
}

EXPORT int execveat(int fd, const char *path, char *const argv[], char *const env[], int flags)
{
	return next.execveat ? next.execveat(fd, path, argv, WITH_OURS(env), flags) : missing();
}

EXPORT int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
		       char *const argv[], char *const env[])
{
	return next.posix_spawn ? next.posix_spawn(pid, path, actions, attributes, argv, WITH_OURS(env)) : ENOSYS;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
			char *const argv[], char *const env[])
{
	return next.posix_spawnp ? next.posix_spawnp(pid, file, actions, attributes, argv, WITH_OURS(env)) : ENOSYS;
}

/* --- those with arguments in a row --- */

/* How many there are, the NULL included; what follows it stays to be read. */
static size_t count(va_list *row)
{
	size_t n = 1;

	while (va_arg(*row, char *))
		n++;
	return n;
}

/* argv: first, and the row up to its NULL. Needs `first`. */
#define ROW(argv, env)                                                 \
	va_list row_;                                                  \
	va_start(row_, first);                                         \
	size_t n_ = count(&row_);                                      \
	char *const *env __attribute__((unused)) = NULL;               \
	if (with_env)                                                  \
		env = va_arg(row_, char *const *);                     \
	va_end(row_);                                                  \
	char **argv = __builtin_alloca((n_ + 1) * sizeof(*argv));      \
	argv[0] = (char *)first;                                       \
	va_start(row_, first);                                         \
	for (size_t i_ = 1; i_ <= n_; i_++)                            \
		argv[i_] = va_arg(row_, char *);                       \
	va_end(row_)

EXPORT int execl(const char *path, const char *first, ...)
{
	const bool with_env = false;

	ROW(argv, env);
	return execve(path, argv, environ);
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	const bool with_env = false;

	ROW(argv, env);
	return execvpe(file, argv, environ);
}

EXPORT int execle(const char *path, const char *first, ...)
{
	const bool with_env = true;

	ROW(argv, env);
	return execve(path, argv, env);
}

/* --- those with a shell in between --- */

static size_t command_room(const char *command)
{
	int error = errno;
	bool plain = ours.path[0] && !strchr(ours.path, '\'') && !access(ours.path, R_OK);
	size_t size = strlen(command) + strlen(ours.path) + sizeof(ours.settings) + 128;

	errno = error;
	return plain && size <= ROOM_MAX ? size : 0;
}

static const char *command_fill(char *room, size_t size, const char *command)
{
	size_t used = snprintf(room, size, "export LD_PRELOAD='%s'${LD_PRELOAD:+:$LD_PRELOAD}", ours.path);

	for (size_t i = 0; i < SETTINGS; i++)
		used += snprintf(room + used, size - used, " %s", ours.settings[i]);
	snprintf(room + used, size - used, "; %s", command);
	return room;
}

#define COMMAND_WITH_OURS(command)                                                                 \
	({                                                                                         \
		const char *command_ = (command);                                                  \
		size_t size_ = command_room(command_);                                             \
		size_ ? command_fill(__builtin_alloca(size_), size_, command_) : command_;         \
	})

EXPORT int system(const char *command)
{
	if (!next.system)
		return missing();
	return next.system(command ? COMMAND_WITH_OURS(command) : NULL);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	if (next.popen)
		return next.popen(COMMAND_WITH_OURS(command), mode);
	missing();
	return NULL;
}
