// SPDX-License-Identifier: Apache-2.0
#include "target/process_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/remote.h"
#include "target/process_command.h"
#include "target/processes.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/shell.h"
#include "util/strings.h"

/* Of a command line; more is not shown of any. */
#define WORDS_MAX 4096
#define COMM_MAX 15
/* The system's list of users may lie on a server; names are asked for once in a while. */
#define USERS 64
#define USER_NS 600000000000ULL

/* A small file of /proc; -ESRCH where the process is gone. */
static ssize_t read_file(pid_t pid, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, size - 1);
	if (n < 0)
		return -errno;
	text[n] = 0;
	return n;
}

/* UTF-8, and blanks in place of what moves a cursor. */
static void clean(char *out, size_t size, const char *text)
{
	utf8_repair(out, size, text);
	for (unsigned char *p = (unsigned char *)out; *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = ' ';
		else if (*p == 0xc2 && p[1] < 0xa0)
			p[0] = p[1] = ' ';
	}
}

static void user_name(uint32_t uid, char *out, size_t size)
{
	static struct { uint32_t uid; bool known; uint64_t asked_ns; char name[64]; } users[USERS];
	__typeof__(users[0]) *user = &users[uid % USERS];
	uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (!user->known || user->uid != uid || now - user->asked_ns > USER_NS) {
		const struct passwd *entry = getpwuid(uid);

		user->uid = uid;
		user->known = true;
		user->asked_ns = now;
		if (entry)
			clean(user->name, sizeof(user->name), entry->pw_name);
		else
			snprintf(user->name, sizeof(user->name), "%u", uid);
	}
	snprintf(out, size, "%s", user->name);
}

/* The effective one, as ps shows it. */
static int find_uid(pid_t pid, uint32_t *uid)
{
	char text[2048];
	const char *line;
	ssize_t n = read_file(pid, "status", text, sizeof(text));

	if (n < 0)
		return n;
	/* a name cannot hold a newline here: it is escaped */
	line = strstr(text, "\nUid:");
	return line && sscanf(line + 5, "%*u %u", uid) == 1 ? 0 : -EPROTO;
}

/* The unified hierarchy's; of an older kind of set-up, the one that says most. */
static void find_cgroup(pid_t pid, char *out, size_t size)
{
	char text[8192], *line, *rest = text, *best = NULL;
	int rank = -1;

	snprintf(out, size, "/");
	if (read_file(pid, "cgroup", text, sizeof(text)) < 0)
		return;
	while ((line = strsep(&rest, "\n"))) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
		int this;

		if (!path || path[1] != '/')
			continue;
		path++;
		this = path[1] ? 3 : 0;
		if (path[1] && controllers[1] != ':')
			this = strncmp(controllers + 1, "name=systemd:", 13) ? 1 : 2;
		if (this > rank) {
			rank = this;
			best = path;
		}
	}
	if (!best)
		return;
	/* a folder's that was removed */
	if (strlen(best) > 10 && !strcmp(best + strlen(best) - 10, " (deleted)"))
		best[strlen(best) - 10] = 0;
	clean(out, size, best);
}

/* Words, each with its NUL. A process that has written over them may have left blanks and more NULs at the end. */
static void quote_words(char *out, size_t size, const char *words, size_t length, bool more)
{
	_cleanup_free_ char *text = NULL;
	size_t text_size;
	FILE *stream = open_memstream(&text, &text_size);

	if (!stream)
		return;
	while (length && !words[length - 1])
		length--;
	for (size_t at = 0; at < length; at += strlen(words + at) + 1) {
		if (at)
			putc(' ', stream);
		shell_quote(stream, words + at);
	}
	if (more)
		fputs(" ...", stream);
	if (fclose(stream))
		return;
	clean(out, size, text);
	if (strlen(text) < size || size < 8)
		return;
	/* it was cut: say so, in place of whole characters */
	length = strlen(out) < size - 4 ? strlen(out) : size - 4;
	while (length && ((unsigned char)out[length] & 0xc0) == 0x80)
		length--;
	strcpy(out + length, "...");
}

/* What a user would call it. comm is cut to 15 bytes. */
static void find_name(struct process_facts_text *out, bool python, char *words, size_t size, const char *comm)
{
	struct process_command command = {};
	char *copy = malloc(size + 1);
	const char *name = comm, *base;

	if (copy) {
		memcpy(copy, words, size);
		copy[size] = 0;
		if (process_command__parse(&command, copy, size))
			command = (struct process_command){};
	}
	base = command.program ? strrchr(command.program, '/') : NULL;
	base = base ? base + 1 : command.program;
	if (base && strlen(comm) == COMM_MAX && !strncmp(base, comm, COMM_MAX) && !strpbrk(base, " :"))
		name = base;
	if (python && command.module)
		name = command.module;
	if (python && command.script && command.script[0]) {
		base = strrchr(command.script, '/');
		name = base && base[1] ? base + 1 : command.script;
	}
	clean(out->name, sizeof(out->name), name);
	process_command__release(&command);
}

/* words: size bytes, and room for one more. */
static void name_program(struct process_facts_text *facts, bool python, char *words, size_t size, bool more, const char *comm)
{
	char text[80];

	words[size] = 0;
	quote_words(facts->command, sizeof(facts->command), words, size, more);
	if (!facts->command[0]) {
		snprintf(text, sizeof(text), "[%s]", comm);
		clean(facts->command, sizeof(facts->command), text);
	}
	if (size && words[size - 1])
		size++;
	find_name(facts, python, words, size, comm);
}

int process_facts(pid_t pid, bool python, struct process_facts_text *out)
{
	struct process_facts_text facts = {};
	char words[WORDS_MAX + 1];
	struct process_stat stat;
	ssize_t size;
	int err = process_stat(pid, &stat);

	if (!err)
		err = find_uid(pid, &facts.uid);
	if (err)
		return err;
	user_name(facts.uid, facts.user, sizeof(facts.user));
	find_cgroup(pid, facts.cgroup, sizeof(facts.cgroup));
	if (cgroup_container(facts.cgroup, words, sizeof(words)))
		clean(facts.container, sizeof(facts.container), words);
	size = read_file(remote__thread(pid), "cmdline", words, sizeof(words));
	name_program(&facts, python, words, size < 0 ? 0 : size, size == WORDS_MAX, stat.name);
	*out = facts;
	return 0;
}

void process_facts_told(const struct event_exec *event, bool python, struct process_facts_text *out)
{
	char words[EXEC_ARGS_SIZE + 1];

	*out = (struct process_facts_text){ .uid = event->uid };
	user_name(event->uid, out->user, sizeof(out->user));
	memcpy(words, event->args, event->args_size);
	name_program(out, python, words, event->args_size, false, event->comm);
}
