// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "target/script.h"

/* A notebook whose code cells are these. */
static int parse(struct notebook *nb, char problem[512], const char *const *cells)
{
	cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "cells");
	char *text;
	int r;

	for (; *cells; cells++) {
		cJSON *cell = cJSON_CreateObject();

		cJSON_AddStringToObject(cell, "cell_type", "code");
		cJSON_AddStringToObject(cell, "source", *cells);
		cJSON_AddItemToArray(list, cell);
	}
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	r = notebook__parse(nb, text, strlen(text), problem);
	free(text);
	return r;
}
#define CELLS(...) (const char *const[]){ __VA_ARGS__, NULL }

static void accepts(const char *cell, const char *source)
{
	struct notebook nb = {};
	char problem[512], wanted[4096];
	int r = parse(&nb, problem, CELLS(cell));

	if (r)
		print_error("%s\n", problem);
	assert_int_equal(r, 0);
	snprintf(wanted, sizeof(wanted), "# %%%% cell 1\n%s", source);
	assert_string_equal(nb.source, wanted);
	assert_int_equal(nb.size, strlen(wanted));
	notebook__release(&nb);
}

static void refuses(const char *cell, const char *problem_start)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(parse(&nb, problem, CELLS(cell)), -EINVAL);
	if (strncmp(problem, problem_start, strlen(problem_start)))
		fail_msg("'%s' does not begin with '%s'", problem, problem_start);
	assert_null(strchr(problem, '\n'));
	assert_null(nb.source);
}

static void test_cells_and_lines(void **state)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(parse(&nb, problem, CELLS("a = 1\nb = 2", "", "c = 3\n\n", "\r\nd\r")), 0);
	assert_string_equal(nb.source, "# %% cell 1\na = 1\nb = 2\n# %% cell 2\n# %% cell 3\nc = 3\n\n# %% cell 4\n\nd\n");
	assert_int_equal(nb.map.n, 3);
	assert_int_equal(nb.map.cells[0].number, 1);
	assert_int_equal(nb.map.cells[0].first_line, 2);
	assert_int_equal(nb.map.cells[0].last_line, 3);
	assert_int_equal(nb.map.cells[1].number, 3);
	assert_int_equal(nb.map.cells[1].first_line, 6);
	assert_int_equal(nb.map.cells[1].last_line, 7);
	assert_int_equal(nb.map.cells[2].number, 4);
	assert_int_equal(nb.map.cells[2].first_line, 9);
	assert_int_equal(nb.map.cells[2].last_line, 10);
	assert_int_equal(nb.n_notices, 0);
	notebook__release(&nb);
}

static void test_formats(void **state)
{
	static const char four[] = "{\"cells\": [{\"cell_type\": \"markdown\", \"source\": \"# !ls\"}, {\"cell_type\": \"code\", \"source\": [\"x = 1\\n\", \"y = '\xc3\xa4'\"]}],"
				   "\"metadata\": {\"language_info\": {\"name\": \"python\"}}, \"nbformat\": 4}";
	static const char three[] = "{\"worksheets\": [{\"cells\": [{\"cell_type\": \"code\", \"input\": [\"x = 1\"]}]}, {\"cells\": [{\"cell_type\": \"code\", \"source\": \"y\"}]}]}";
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(notebook__parse(&nb, four, sizeof(four) - 1, problem), 0);
	assert_string_equal(nb.source, "# %% cell 1\nx = 1\ny = '\xc3\xa4'\n");
	notebook__release(&nb);
	assert_int_equal(notebook__parse(&nb, three, sizeof(three) - 1, problem), 0);
	assert_string_equal(nb.source, "# %% cell 1\nx = 1\n# %% cell 2\ny\n");
	notebook__release(&nb);
}

static void bad(const char *json, const char *part)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(notebook__parse(&nb, json, strlen(json), problem), -EINVAL);
	if (!strstr(problem, part))
		fail_msg("'%s' does not say '%s'", problem, part);
}

static void test_bad_files(void **state)
{
	char deep[5000] = {};

	bad("", "not JSON at line 1");
	bad("{\n\"cells\": [\n}", "not JSON at line 3");
	bad("[1]", "no cells");
	bad("{}", "no cells");
	bad("{\"cells\": []}", "no code cells");
	bad("{\"cells\": [7]}", "what type");
	bad("{\"cells\": [{\"cell_type\": \"code\"}]}", "cell 1: its source is neither");
	bad("{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"a\", 1]}]}", "cell 1: its source is neither");
	bad("{\"cells\": [{\"cell_type\": \"code\", \"source\": \"\xff\"}]}", "cell 1: its source is not UTF-8");
	bad("{\"cells\": [{\"cell_type\": \"code\", \"source\": \"\xed\xa0\x80\"}]}", "not UTF-8");
	bad("{\"cells\": [{\"cell_type\": \"code\", \"source\": \"x\"}], \"metadata\": {\"kernelspec\": {\"language\": \"R\"}}}", "written in 'R'");
	memset(deep, '[', sizeof(deep) - 1);
	bad(deep, "not JSON");
}

static void test_unreadable(void **state)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(notebook__read(&nb, "/nonexistent/x.ipynb", problem), -ENOENT);
	assert_string_equal(problem, "cannot read it: No such file or directory");
	assert_int_equal(notebook__read(&nb, "/", problem), -EINVAL);
	assert_string_equal(problem, "it is no regular file");
}

static void test_skipped(void **state)
{
	accepts("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1\n");
	accepts("% matplotlib inline", "# % matplotlib inline\n");
	accepts("if x:\n    %config a \\\n  b\nelse: pass", "if x:\n    pass  # %config a \\\n#   b\nelse: pass\n");
	accepts("%time f(1)\nx", "f(1)\nx\n");
	accepts("for i in y:\n\t%time f(\n  %x)", "for i in y:\n\tf(\n  %x)\n");
	accepts("%time", "# %time\n");
	accepts("%%time\nx = 1", "# %%time\nx = 1\n");
	accepts("\n%%time\n%%capture out\nx = 1", "\n# %%time\n# %%capture out\nx = 1\n");
	accepts("%%html\n<b>\n!ls", "# %%html\n# <b>\n# !ls\n");
	accepts("help?\n?help\nx.y??\n%time?", "# help?\n# ?help\n# x.y??\n# %time?\n");
}

static void test_notices(void **state)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(parse(&nb, problem, CELLS("x", "y\n%matplotlib inline\n%time z()", "%%capture\nx", "dir?")), 0);
	assert_int_equal(nb.n_notices, 4);
	assert_string_equal(nb.notices[0], "cell 2, line 2: '%matplotlib inline' skipped");
	assert_string_equal(nb.notices[1], "cell 2, line 3: '%time z()' runs untimed");
	assert_string_equal(nb.notices[2], "cell 3, line 1: '%%capture' skipped, its cell runs and its output is shown");
	assert_string_equal(nb.notices[3], "cell 4, line 1: 'dir?' skipped");
	notebook__release(&nb);
}

static void test_refused(void **state)
{
	refuses("x = 1\n!ls -l", "cell 1, line 2: '!ls -l' runs a shell command");
	refuses("  !ls", "cell 1, line 1: '!ls' runs a shell command");
	refuses("files = !ls", "cell 1, line 1: 'files = !ls' runs a shell command");
	refuses("a.b[1], c = %run x", "cell 1, line 1: 'a.b[1], c = %run x' takes a magic's result");
	refuses("%run x.py", "cell 1, line 1: '%run x.py' is an IPython magic");
	refuses("%pip install x", "cell 1, line 1: '%pip install x' is");
	refuses("%pylab", "cell 1, line 1: '%pylab' is");
	refuses("%timeit f()", "cell 1, line 1: '%timeit f()' runs a statement many times");
	refuses("%time %run x", "cell 1, line 1: '%time %run x' holds");
	refuses("%%bash\nls", "cell 1, line 1: '%%bash' makes");
	refuses("%%timeit\nx", "cell 1, line 1: '%%timeit' makes");
	refuses("%%time x\ny", "cell 1, line 1: '%%time x' has a statement");
	refuses("x\n%%time\ny", "cell 1, line 2: '%%time' is a cell magic");
	refuses("%%time\n!ls", "cell 1, line 2: '!ls' runs");
	refuses("/f 1", "cell 1, line 1: '/f 1' is IPython's short form");
	refuses("%\n", "cell 1, line 1: '%' is");
	refuses("!a\tb\x01", "cell 1, line 1: '!a b' runs");
	/* a long line is cut, not in the middle of a character */
	refuses("!01234567890123456789012345678901234567890123456789012345678901\xc3\xa4\xc3\xa4", "cell 1, line 1: '!01234567890123456789012345678901234567890123456789012345678901...'");
}

/* What looks like IPython but is Python. */
static void untouched(const char *cell)
{
	char source[4096];

	snprintf(source, sizeof(source), "%s\n", cell);
	accepts(cell, source);
}

static void test_python_stays(void **state)
{
	untouched("x = (a\n% b\n!= c)");
	untouched("s = '''\n%run\n!ls\nwhat?\n'''");
	untouched("s = r\"\"\"\\\n!ls \\\"\"\" \n?\"\"\"");
	untouched("s = 'a\\\n!ls'");
	untouched("x = a \\\n  % b");
	untouched("# what?\nx = 1  # really?");
	untouched("print('what?')");
	untouched("x %= 3\nx = a % b\ny = a != b\nz = x == (1) != 2");
	untouched("f(x='%d' % 1, y={'a': [1]})\ng()");
	untouched("x = 'it''s'\ny = \"'\"");
	untouched("s = \"'''\"\nt = 1");
}

/* A script has no event loop that could run these; those inside functions are none of our business. */
static void test_await(void **state)
{
	refuses("import x\nawait g()", "cell 1, line 2: 'await g()' awaits outside of a function");
	refuses("y = f(1, await g())", "cell 1, line 1: 'y = f(1, await g())' awaits");
	refuses("y = [\n  1,\n  await g()]", "cell 1, line 3: 'await g()]' awaits");
	refuses("async with a as b:\n    pass", "cell 1, line 1: 'async with a as b:' awaits");
	refuses("if x:\n\tasync for a in b: pass", "cell 1, line 2: 'async for a in b: pass' awaits");
	refuses("x = [a async for a in b]", "cell 1, line 1: 'x = [a async for a in b]' awaits");
	refuses("f({a async for a in b})", "cell 1, line 1: 'f({a async for a in b})' awaits");
	refuses("%time await g()", "cell 1, line 1: '%time await g()' awaits");
	refuses("async def f():\n    await g()\nawait f()", "cell 1, line 3: 'await f()' awaits");
	refuses("if x:\n    async def f(): await g()\n    await f()", "cell 1, line 3: 'await f()' awaits");
	refuses("def f(): pass\nx = 1; await y", "cell 1, line 2: 'x = 1; await y' awaits");
	untouched("async def f(a,\nb=1):\n    await g()\n# comment\n    async with a:\n\n        return [x async for x in y]\nx = f(1)");
	untouched("class A:\n\tasync  def f(self):\n\t\tawait g()\n\tdef h(self):\n\t\tasync def i(): await j()\n\t\tawait x");
	untouched("async def f():\n    s = '''\nx\n'''\n    await g(\n1)");
	untouched("g = (a async for a in b)\nh = f([1], (a async\n  for a in b))");
	untouched("x = 'await y'  # await\nawaited = asynchronous = 1\nx.awaits(a_await)");
	accepts("async def f():\n    %time await g()", "async def f():\n    await g()\n");
}

/* A string that does not end is Python's to complain about, and hides nothing that follows. */
static void test_unfinished_string(void **state)
{
	refuses("x = 'oops\n!ls", "cell 1, line 2: '!ls'");
	refuses("x = 1)\n!ls", "cell 1, line 2: '!ls'");
}

static void test_future(void **state)
{
	struct notebook nb = {};
	char problem[512];

	assert_int_equal(parse(&nb, problem, CELLS("import os", "from __future__ import annotations  # x\nx = 1", "from __future__ import division, print_function")), 0);
	assert_string_equal(nb.source, "from __future__ import annotations, division, print_function\n# %% cell 1\nimport os\n# %% cell 2\n"
				       "# from __future__ import annotations  # x\nx = 1\n# %% cell 3\n# from __future__ import division, print_function\n");
	assert_int_equal(nb.map.cells[1].first_line, 5);
	assert_int_equal(nb.map.cells[1].last_line, 6);
	assert_int_equal(nb.n_notices, 2);
	notebook__release(&nb);
	untouched("# comment\n\nfrom __future__ import annotations\nx = 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells_and_lines),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_notices),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_python_stays),
		cmocka_unit_test(test_await),
		cmocka_unit_test(test_unfinished_string),
		cmocka_unit_test(test_future),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
