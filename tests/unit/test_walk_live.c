// SPDX-License-Identifier: Apache-2.0
/*
 * The proof of the layouts: every interpreter of this machine runs a script whose threads say which stacks they stand
 * in; then the stacks are walked from outside, by nothing but the layout, and must be the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "image/remote.h"
#include "interpreters.h"
#include "python/code.h"
#include "python/interp.h"
#include "stacks.h"

/* glibc: the first block of thread-specific data in struct pthread */
#define GLIBC_SPECIFIC 0x310
#define GLIBC_SLOT 16

struct walk {
	pid_t pid;
	const struct py_layout *l;
	uint64_t runtime;
};

static uint64_t u64_at(const struct walk *w, uint64_t address)
{
	uint64_t value = 0;

	assert_int_equal(remote__read_u64(w->pid, address, &value), 0);
	return value;
}

static uint64_t tstate_by_list(const struct walk *w, uint64_t thread_id)
{
	uint64_t interp = u64_at(w, w->runtime + w->l->interpreters_head);

	for (int i = 0; interp && i < 8; i++, interp = u64_at(w, interp + w->l->interp_next)) {
		uint64_t tstate = u64_at(w, interp + w->l->interp_threads_head);

		for (int k = 0; tstate && k < 64; k++, tstate = u64_at(w, tstate + w->l->tstate_next)) {
			if (u64_at(w, tstate + w->l->tstate_thread_id) == thread_id)
				return tstate;
		}
	}
	return 0;
}

static uint64_t tstate_by_key(const struct walk *w, uint64_t fs_base)
{
	uint64_t pair = u64_at(w, w->runtime + w->l->tss_key - 4);

	assert_int_equal((uint32_t)pair, 1); /* is_initialized */
	assert_in_range(pair >> 32, 0, 31);
	return u64_at(w, fs_base + GLIBC_SPECIFIC + (pair >> 32) * GLIBC_SLOT + 8);
}

/* One frame as "name line\n"; what cannot be read gives "?\n". */
static int append_frame(const struct walk *w, uint64_t frame, uint64_t code, char *text, size_t used)
{
	struct py_code_identity id;
	struct code_object object;
	uint32_t line;
	int64_t offset;
	int n;

	if (w->l->flags & (PY_LASTI_BYTES | PY_LASTI_UNITS)) {
		int32_t lasti = (int32_t)u64_at(w, frame + w->l->frame_instr);

		offset = w->l->flags & PY_LASTI_UNITS ? lasti * 2 : lasti;
	} else {
		offset = u64_at(w, frame + w->l->frame_instr) - (code + w->l->code_first_instr);
	}
	if (code__identify(w->pid, w->l, code, &id) || code__read(w->pid, w->l, code, py_code_fingerprint(&id), &object))
		return snprintf(text + used, TEXT_SIZE - used, "?\n");
	line = linetable_line(w->l->version, object.linetable, object.linetable_size, object.firstlineno, offset);
	n = snprintf(text + used, TEXT_SIZE - used, "%s %u\n", object.name, line);
	code__release(&object);
	return n;
}

static void walk_stack(const struct walk *w, uint64_t tstate, char *text)
{
	const struct py_layout *l = w->l;
	uint64_t frame = u64_at(w, tstate + l->tstate_frame);
	size_t used = 0;

	text[0] = '\0';
	if (l->flags & PY_CFRAME)
		frame = u64_at(w, frame + l->cframe_frame);
	for (int i = 0; frame && i < PY_MAX_DEPTH && used < TEXT_SIZE; i++, frame = u64_at(w, frame + l->frame_prev)) {
		uint64_t code = u64_at(w, frame + l->frame_code);
		uint8_t owner = 0;

		if (l->frame_owner)
			assert_int_equal(remote__read(w->pid, frame + l->frame_owner, &owner, 1), 0);
		if (l->frame_owner && owner >= l->owner_shim_min)
			continue;
		if (l->flags & PY_TAGGED) {
			assert_int_not_equal(code & 3, 3);
			code &= ~3ULL;
		}
		used += append_frame(w, frame, code, text, used);
	}
}

/* The thread may still be on its way into read(): looks again until the stacks agree or ten seconds are over. */
static void check_thread(const struct walk *w, pid_t tid, const char *expected)
{
	char *text = malloc(TEXT_SIZE);
	struct user_regs_struct regs;
	uint64_t tstate;

	assert_int_equal(thread_registers(tid, &regs), 0);
	tstate = tstate_by_list(w, regs.fs_base);
	assert_int_not_equal(tstate, 0);
	if (w->l->tss_key)
		assert_int_equal(tstate_by_key(w, regs.fs_base), tstate);
	for (int i = 0; i < 1000; i++) {
		walk_stack(w, tstate, text);
		if (!strcmp(text, expected))
			break;
		usleep(10000);
	}
	assert_string_equal(text, expected);
	free(text);
}

/* The frame object of a code object that was replaced must not pass for it. */
static void check_staleness(const struct walk *w, uint64_t tstate)
{
	uint64_t frame = u64_at(w, tstate + w->l->tstate_frame), code;
	struct py_code_identity id;
	struct code_object object;

	if (w->l->flags & PY_CFRAME)
		frame = u64_at(w, frame + w->l->cframe_frame);
	code = u64_at(w, frame + w->l->frame_code) & ~3ULL;
	assert_int_equal(code__identify(w->pid, w->l, code, &id), 0);
	if (w->l->flags & PY_CODE_VERSION) {
		assert_true(id.name_hash == 0 && id.table_head[0] == 0 && id.version != 0);
	} else {
		assert_true(id.name_hash != 0 && id.table_head[0] != 0 && id.version == 0);
	}
	assert_int_equal(code__read(w->pid, w->l, code, py_code_fingerprint(&id) ^ 1, &object), -ESTALE);
	assert_int_equal(code__read(w->pid, w->l, 8, 1, &object), -EFAULT);
}

static double cached_find_us(struct interp_cache *cache, pid_t pid)
{
	struct interp_process process = { 0 };
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 200; i++)
		assert_int_equal(interp__find(cache, pid, &process), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 200 / 1e3;
}

static void check_interpreter(const struct interpreter *interpreter, struct interp_cache *cache)
{
	char *output = calloc(1, 2 * TEXT_SIZE), *expected = malloc(TEXT_SIZE);
	struct interp_process process = { 0 };
	struct running running = { -1, -1, -1 };
	struct walk walk;
	struct user_regs_struct regs;

	stacks_run(interpreter, &running, output);
	assert_int_equal(interp__find(cache, running.pid, &process), 0);
	if (process.status != INTERP_OK)
		fail_msg("%s%s: %s", interpreter->root, interpreter->path, process.reason);
	walk = (struct walk){ running.pid, &process.binary->layout, process.binary->runtime + process.bias };
	expected_stack(output, "main", expected);
	check_thread(&walk, running.pid, expected);
	expected_stack(output, "thread", expected);
	check_thread(&walk, other_thread(running.pid), expected);
	assert_int_equal(thread_registers(running.pid, &regs), 0);
	check_staleness(&walk, tstate_by_list(&walk, regs.fs_base));
	print_message("%s%s: %s, %s, found again in %.0f us\n", interpreter->root, interpreter->path, process.binary->version_text,
		      walk.l->tss_key ? "key and list" : "list", cached_find_us(cache, running.pid));
	interpreter_stop(&running);
	free(expected);
	free(output);
}

static void every_interpreter_shows_the_stack_that_it_knows(void **state)
{
	struct interpreter *all = calloc(INTERPRETERS_MAX, sizeof(*all));
	struct interp_cache *cache = interp_cache__new();
	size_t n = interpreters_find(all), done = 0;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < n; i++, done++)
		check_interpreter(&all[i], cache);
	assert_true(done > 0);
	interp_cache__free(cache);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_interpreter_shows_the_stack_that_it_knows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
