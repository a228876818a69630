/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: a script whose two threads stand in stacks of many shapes and say which. Include after <cmocka.h>.
 */
#ifndef FIXINGAHOLE_TEST_STACKS_H
#define FIXINGAHOLE_TEST_STACKS_H

#include <dirent.h>

#include "interpreters.h"

#define TEXT_SIZE 16384

/* Prints the stack of "thread", waits for a byte, prints that of "main", and waits. */
static const char stacks_script[] =
	"import os, sys, threading\n"
	"def known(who, f):\n"
	"    lines = []\n"
	"    while f:\n"
	"        c = f.f_code\n"
	"        lines.append('%s %d' % (getattr(c, 'co_qualname', c.co_name), f.f_lineno))\n"
	"        f = f.f_back\n"
	"    return ('%s:\\n%s\\nend of %s\\n' % (who, '\\n'.join(lines), who)).encode('utf-8')\n"
	"def leaf(who, fd):\n"
	"    return os.write(1, known(who, sys._getframe())), os.read(fd, 1)\n"
	"def generator(who, fd):\n"
	"    yield 1\n"
	"    yield leaf(who, fd)\n"
	"async def coroutine(who, fd):\n"
	"    return list(generator(who, fd))\n"
	"async def awaits(who, fd):\n"
	"    x = 1\n"
	"    return await coroutine(who, fd)\n"
	"class Box:\n"
	"    def __init__(self, who, fd):\n"
	"        self.pair = who, fd\n"
	"    def __call__(self, x):\n"
	"        for _ in range(2): self.grün\n"
	"    @property\n"
	"    def grün(self):\n"
	"        return [awaits(*self.pair).send(None) for _ in (1,)]\n"
	"def 名前(n, who, fd):\n"
	"    if n:\n"
	"        return 名前(n - 1, who, fd)\n"
	"    space = dict(globals(), who=who, fd=fd)\n"
	"    exec(compile('\\n' * 70000 + 'sorted([1], key=Box(who, fd))', 'made up.py', 'exec'), space)\n"
	"r, w = os.pipe()\n"
	"threading.Thread(target=名前, args=(3, 'thread', r), daemon=True).start()\n"
	"os.read(0, 1)\n"
	"名前(\n"
	"    40,\n"
	"    'main', 0)\n";

/* Runs the script until both threads stand still; output (2 * TEXT_SIZE, zeroed) gets what it printed. */
static inline void stacks_run(const struct interpreter *interpreter, struct running *running, char *output)
{
	assert_int_equal(interpreter_run(interpreter, stacks_script, running), 0);
	if (!interpreter_await(running, output, 2 * TEXT_SIZE, "end of thread\n"))
		fail_msg("%s%s: the script said '%s'", interpreter->root, interpreter->path, output);
	assert_int_equal(write(running->in, "x", 1), 1);
	assert_true(interpreter_await(running, output, 2 * TEXT_SIZE, "end of main\n"));
}

/* What the script printed between "who:" and "end of who". */
static inline void expected_stack(const char *output, const char *who, char *text)
{
	char head[32], tail[32];
	const char *start, *end;

	snprintf(head, sizeof(head), "%s:\n", who);
	snprintf(tail, sizeof(tail), "end of %s\n", who);
	start = strstr(output, head);
	end = strstr(output, tail);
	assert_non_null(start);
	assert_non_null(end);
	start += strlen(head);
	snprintf(text, TEXT_SIZE, "%.*s", (int)(end - start), start);
}

static inline pid_t other_thread(pid_t pid)
{
	struct dirent *entry;
	pid_t tid = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
			tid = atoi(entry->d_name);
	}
	closedir(dir);
	return tid;
}

#endif
