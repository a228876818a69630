// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF walker over the memory of every interpreter of this machine: a script's threads say which stacks they stand
 * in; the walker's frames, named by nothing but the records that it sends, must be the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#define FIXINGAHOLE_HOST_WALKER
#include "tests/walker/host.h"
#include "bpf/walk.bpf.c"

#include "capture/sample.h"
#include "image/remote.h"
#include "python/interp.h"
#include "symbols/symbols.h"
#include "unit/stacks.h"

#define SPACE 3

/* One process under the walker. */
struct live {
	pid_t pid;
	const struct interp_process *interp;
	struct symbols *symbols;
	size_t codes;
};

static int live_read(void *context, void *to, size_t size, uint64_t address)
{
	return remote__read(((struct live *)context)->pid, address, to, size);
}

static int live_send(void *context, const struct event_header *record)
{
	struct live *live = context;

	assert_true(record_valid(record, record->size));
	if (record->kind == EVENT_BLOB)
		return symbols__blob(live->symbols, (const void *)record);
	assert_int_equal(record->kind, EVENT_CODE);
	live->codes++;
	return symbols__code(live->symbols, (const void *)record);
}

static void tell_interpreter(struct live *live)
{
	const struct interp_binary *binary = live->interp->binary;
	struct event_interp event = {
		.head = { .kind = EVENT_INTERP, .size = sizeof(event), .pid = live->pid, .tid = live->pid, .space = SPACE },
		.version = binary->layout.version,
		.text_start = binary->text_start + live->interp->bias,
		.text_end = binary->text_end + live->interp->bias,
		.layout = binary->layout,
	};

	assert_true(record_valid(&event, sizeof(event)));
	assert_int_equal(symbols__interp(live->symbols, &event), 0);
}

/* As "name line\n" per frame, in the order of the walk. */
static void name_frames(struct live *live, const struct walk *walk, char *text)
{
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < walk->n_frames && used < TEXT_SIZE; i++) {
		uint32_t line;
		const struct symbol *symbol = symbols__frame(live->symbols, live->pid, SPACE, &walk->frames[i], &line);

		used += snprintf(text + used, TEXT_SIZE - used, "%s %u\n", symbol ? symbol->function : "?", line);
	}
}

/* by_list: as where the TSS key is not known. */
static void check_thread(struct live *live, pid_t tid, bool by_list, const char *expected)
{
	struct walk_process process = { .runtime = live->interp->binary->runtime + live->interp->bias };
	struct walk *walk = calloc(1, sizeof(*walk));
	struct thread_cache cache = {};
	struct user_regs_struct regs;
	char *text = malloc(TEXT_SIZE);

	assert_int_equal(thread_registers(tid, &regs), 0);
	walk->layout = live->interp->binary->layout;
	if (by_list)
		walk->layout.tss_key = 0;
	walk->fsbase = regs.fs_base;
	walk->now_ns = 1;
	walk->stack.head = (struct event_header){ .pid = live->pid, .tid = tid, .space = SPACE };
	/* it may still be on its way into read() */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(walk_begin(walk, &process, &cache), 0);
		walk_all(walk, &process);
		name_frames(live, walk, text);
		if (!strcmp(text, expected))
			break;
		usleep(10000);
	}
	assert_string_equal(text, expected);
	assert_int_equal(walk->flags, 0);
	assert_int_equal(process.tss_known, !!walk->layout.tss_key);
	assert_int_equal(cache.next_scan_ns != 0, !walk->layout.tss_key);
	assert_int_not_equal(walk->instr, 0);
	free(text);
	free(walk);
}

static void check_interpreter(const struct interpreter *interpreter, struct interp_cache *cache)
{
	char *output = calloc(1, 2 * TEXT_SIZE), *expected = malloc(TEXT_SIZE);
	struct strings *strings = strings__new();
	struct interp_process process = {};
	struct running running = { -1, -1, -1 };
	struct live live;
	size_t codes;

	stacks_run(interpreter, &running, output);
	assert_int_equal(interp__find(cache, running.pid, &process), 0);
	if (process.status != INTERP_OK)
		fail_msg("%s%s: %s", interpreter->root, interpreter->path, process.reason);
	live = (struct live){ .pid = running.pid, .interp = &process, .symbols = symbols__new(strings, NULL) };
	memset(&host, 0, sizeof(host));
	host.read = live_read;
	host.send = live_send;
	host.context = &live;
	tell_interpreter(&live);
	expected_stack(output, "main", expected);
	check_thread(&live, running.pid, false, expected);
	/* it may have been on its way into read() at the same line, and elsewhere a moment later */
	for (int i = 0; i < 10; i++) {
		codes = live.codes;
		check_thread(&live, running.pid, true, expected);
		if (live.codes == codes)
			break;
	}
	assert_int_equal(live.codes, codes);
	expected_stack(output, "thread", expected);
	check_thread(&live, other_thread(running.pid), false, expected);
	print_message("%s%s: %s, %zu code objects\n", interpreter->root, interpreter->path, process.binary->version_text, live.codes);
	interpreter_stop(&running);
	symbols__free(live.symbols);
	strings__free(strings);
	free(expected);
	free(output);
}

static void the_walker_sees_the_stack_that_the_script_knows(void **state)
{
	struct interpreter *all = calloc(INTERPRETERS_MAX, sizeof(*all));
	struct interp_cache *cache = interp_cache__new();
	size_t n = interpreters_find(all);

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < n; i++)
		check_interpreter(&all[i], cache);
	assert_true(n > 0);
	interp_cache__free(cache);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_walker_sees_the_stack_that_the_script_knows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
