// SPDX-License-Identifier: Apache-2.0
/*
 * The proof of the evaluation loop's ranges: interpreters spin in plain Python code, and where their instruction pointer
 * stands is looked up. A loop whose cold part were missing would show next to nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "interpreters.h"
#include "python/interp.h"

#define SAMPLES 400

/* What the loop does itself in every version: moves, branches, unpacking, local tuples. */
static const char moves[] =
	"import os\n"
	"def spin():\n"
	"    a, b, c, d = None, True, 'x', 'y'\n"
	"    while True:\n"
	"        a, b = b, a\n"
	"        if a is None: c, d = d, c\n"
	"        elif b is None: e = c; c = d; d = e\n"
	"        if not (a is b): f = a; g = b; h = f; f = g; g = h\n"
	"        while f is None: f = c\n"
	"os.write(1, b'go\\n')\n"
	"spin()\n";

/* Arithmetic, comparisons, attributes: specialised in the loop from 3.11 on, with helpers outside of it before. */
static const char arithmetic[] =
	"import os\n"
	"class Point: pass\n"
	"def spin():\n"
	"    p = Point(); p.x = 1; y = 0.5; i = 0\n"
	"    while True:\n"
	"        i = (i + 3) & 1023\n"
	"        if i > 512: y = y * 0.5 + 1.25\n"
	"        else: p.x = i ^ 5\n"
	"        a, b = i, p.x\n"
	"        i = a if a < b else b + 1\n"
	"os.write(1, b'go\\n')\n"
	"spin()\n";

struct shares {
	unsigned int loop, interpreter, elsewhere;
};

static void count_sample(const struct interp_process *process, uint64_t ip, struct shares *shares)
{
	const struct interp_binary *b = process->binary;
	uint64_t at = ip - process->bias;

	for (uint32_t i = 0; i < b->n_eval; i++) {
		if (at >= b->eval[i].start && at < b->eval[i].end) {
			shares->loop++;
			return;
		}
	}
	if (at >= b->text_start && at < b->text_end)
		shares->interpreter++;
	else
		shares->elsewhere++;
}

static void check_script(const struct interpreter *interpreter, struct interp_cache *cache, const char *name, const char *script,
			 unsigned int least_percent)
{
	struct interp_process process = { 0 };
	struct shares shares = { 0 };
	struct running running = { -1, -1, -1 };
	char output[64] = "";

	assert_int_equal(interpreter_run(interpreter, script, &running), 0);
	assert_true(interpreter_await(&running, output, sizeof(output), "go\n"));
	assert_int_equal(interp__find(cache, running.pid, &process), 0);
	assert_int_equal(process.status, INTERP_OK);
	for (int i = 0; i < SAMPLES; i++) {
		struct user_regs_struct regs;

		usleep(500 + i % 7 * 37);
		assert_int_equal(thread_registers(running.pid, &regs), 0);
		count_sample(&process, regs.rip, &shares);
	}
	interpreter_stop(&running);
	print_message("%-8s %-10s loop %5.1f %%, elsewhere in the interpreter %5.1f %%, outside %4.1f %%\n", process.binary->version_text, name,
		      shares.loop * 100.0 / SAMPLES, shares.interpreter * 100.0 / SAMPLES, shares.elsewhere * 100.0 / SAMPLES);
	assert_in_range(shares.loop * 100, SAMPLES * least_percent, SAMPLES * 100);
	assert_in_range(shares.elsewhere, 0, SAMPLES / 20);
}

static void plain_python_code_runs_in_the_loop(void **state)
{
	struct interpreter *all = calloc(INTERPRETERS_MAX, sizeof(*all));
	struct interp_cache *cache = interp_cache__new();
	size_t n = interpreters_find(all);

	if (geteuid() != 0)
		skip();
	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		check_script(&all[i], cache, "moves", moves, 90);
		check_script(&all[i], cache, "arithmetic", arithmetic, 15);
	}
	interp_cache__free(cache);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(plain_python_code_runs_in_the_loop) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
