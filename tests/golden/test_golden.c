// SPDX-License-Identifier: Apache-2.0
/*
 * Recorded runs through everything behind the ring buffer: the reports must be, byte for byte, the ones beside the
 * recording. update.sh tells how both are made.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "expected.h"
#include "replay.h"
#include "target/script.h"
#include "util/cleanup.h"

static uint64_t sum_of_lines(const struct profile *profile)
{
	uint64_t ns = times_total(&profile->outside.times);

	for (size_t i = 0; i < profile->n_files; i++) {
		for (size_t k = 0; k < profile->files[i].n_lines; k++)
			ns += times_total(&profile->files[i].lines[k].m.times);
	}
	return ns;
}

/* The root of a case: the folder below /tmp/golden that path.txt lies in. */
static char *root_of(const char *path)
{
	const char *end = path;

	for (int slashes = 0; *end && (*end != '/' || slashes++ < 3);)
		end++;
	return strndup(path, end - path);
}

static void check_case(const char *name, bool is_notebook)
{
	size_t size;
	_cleanup_free_ char *source = case_text(name, is_notebook ? "script.ipynb" : "script.py", &size), *path = case_text(name, "path.txt", &(size_t){ 0 });
	_cleanup_free_ char *root = root_of(path), *shown = NULL;
	_cleanup_fclose_ FILE *events = case_open(name, "events.bin", "r");
	struct replay r = { .options = { .root = root, .directory = root, .script = path, .script_source = source, .script_size = size, .allowed_cpus = 2 } };
	struct notebook notebook = { 0 };
	struct profile *profile;
	char problem[512];

	assert_non_null(events);
	if (is_notebook) {
		assert_int_equal(notebook__parse(&notebook, source, size, problem), 0);
		assert_true(asprintf(&shown, "%s/script.ipynb", root) > 0);
		r.options.script_source = notebook.source;
		r.options.script_size = notebook.size;
		r.options.script_display = shown;
		r.options.cells = &notebook.map;
	}
	replay_init(&r);
	assert_int_equal(replay_file(&r, events), 0);
	profile = replay_profile(&r, is_notebook ? "fixingahole profile script.ipynb" : "fixingahole profile script.py");
	/* whatever the reports look like */
	assert_int_equal(profile->losses[LOSS_BAD_RECORDS], 0);
	assert_int_equal(sum_of_lines(profile), times_total(&profile->whole));
	assert_true(profile->cpu_samples > 0 && profile->n_files > 0);
	expected_check(name, profile);
	profile__free(profile);
	replay_release(&r);
	notebook__release(&notebook);
}

static void a_busy_script(void **state)
{
	check_case("cpu", false);
}

static void waiting_threads_sockets_and_pipes(void **state)
{
	check_case("waiting", false);
}

static void a_notebook(void **state)
{
	check_case("notebook", true);
}

static void children_by_fork_and_exec(void **state)
{
	check_case("children", false);
}

/* CPython 3.14, found behind a chain of other programs; one stack is deeper than what is kept. */
static void the_newest_python(void **state)
{
	check_case("newest", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_busy_script),
		cmocka_unit_test(waiting_threads_sockets_and_pipes),
		cmocka_unit_test(a_notebook),
		cmocka_unit_test(children_by_fork_and_exec),
		cmocka_unit_test(the_newest_python),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
