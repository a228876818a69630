// SPDX-License-Identifier: Apache-2.0
#include "target/process_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/remote.h"
#include "util/cleanup.h"

#define COMMAND_MAX (1 << 17)

static bool is_python(const char *word)
{
	const char *base = strrchr(word, '/');

	base = base ? base + 1 : word;
	return !strncmp(base, "python", 6) && base[6 + strspn(base + 6, "0123456789.tdw-")] == 0;
}

/* An option of the interpreter. How many words it takes; 0: what follows is the script's, *kind 'c' or 'm' and *value with it. */
static size_t option_words(const char *word, const char *next, char *kind, const char **value)
{
	if (word[1] == '-')
		return strcmp(word, "--check-hash-based-pycs") ? 1 : 2;
	for (const char *c = word + 1; *c; c++) {
		if (*c == 'W' || *c == 'X')
			return c[1] ? 1 : 2;
		if (*c == 'c' || *c == 'm') {
			*kind = *c;
			*value = c[1] ? c + 1 : next;
			return c[1] ? 1 : 2;
		}
	}
	return 1;
}

static void find_script(struct process_command *c, const char **words, size_t n)
{
	const char *value = NULL;
	char kind = 0;
	size_t at = 1;

	if (!n || !is_python(words[0]))
		return;
	while (at < n && !kind && words[at][0] == '-' && words[at][1])
		at += option_words(words[at], at + 1 < n ? words[at + 1] : NULL, &kind, &value);
	if (kind == 'm')
		c->module = value;
	else if (kind == 'c')
		c->code = value;
	else if (at < n && strcmp(words[at], "-"))
		c->script = words[at++];
	c->commanded = !c->script && !c->module;
	for (; at < n && (c->script || c->module); at++)
		c->args[c->n_args++] = words[at];
}

int process_command__parse(struct process_command *out, char *text, size_t size)
{
	struct process_command c = { .text = text };
	_cleanup_free_ const char **words = NULL;
	size_t n = 0, count = 0;

	for (size_t i = 0; i < size; i++)
		n += !text[i];
	words = calloc(n + 1, sizeof(*words));
	c.args = calloc(n + 1, sizeof(*c.args));
	if (!words || !c.args) {
		process_command__release(&c);
		return -ENOMEM;
	}
	for (size_t at = 0; at < size && count < n; at += strlen(text + at) + 1)
		words[count++] = text + at;
	c.program = count ? words[0] : NULL;
	find_script(&c, words, count);
	*out = c;
	return 0;
}

int process_command__read(struct process_command *command, pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[64], *text;
	size_t size = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", remote__thread(pid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	text = malloc(COMMAND_MAX + 1);
	if (!text)
		return -ENOMEM;
	while (size < COMMAND_MAX && (n = read(fd, text + size, COMMAND_MAX - size)) > 0)
		size += n;
	text[size] = 0;
	/* whatever it is, it ends with a NUL */
	if (size && text[size - 1])
		size++;
	return process_command__parse(command, text, size);
}

void process_command__release(struct process_command *command)
{
	free(command->text);
	free(command->args);
	*command = (struct process_command){};
}
