// SPDX-License-Identifier: Apache-2.0
/* From code objects and instructions to functions and lines; from addresses to Python, native, system. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/resource.h>

#include "golden/records.h"

#define FILE_NAME "/p/x.py"
#define CODE 0x1000

/* Stands for the process: what it was asked, and what it answers. */
static struct { int calls, result; pid_t only; uint32_t fingerprint; const char *name; } process;

static int read_process(pid_t pid, const struct py_layout *layout, uint64_t address, uint32_t fingerprint, struct code_object *out)
{
	process.calls++;
	process.fingerprint = fingerprint;
	if (process.result || (process.only && process.only != pid))
		return process.result ? process.result : -ESRCH;
	*out = (struct code_object){ .name = strdup(process.name), .filename = strdup(FILE_NAME), .linetable = malloc(2), .linetable_size = 2, .firstlineno = 30, .fingerprint = fingerprint };
	out->linetable[0] = 0;
	out->linetable[1] = 5;
	return 0;
}

static struct maker start(struct replay *r, code_reader reader)
{
	struct maker m;

	memset(&process, 0, sizeof(process));
	*r = (struct replay){ .options = { .root = "/p" } };
	replay_init(r);
	if (reader) {
		builder__free(r->builder);
		symbols__free(r->symbols);
		r->symbols = symbols__new(r->strings, reader);
		r->builder = builder__new(&r->options, r->strings, r->symbols);
	}
	m = maker_of(r);
	maker_interp(&m);
	return m;
}

static const struct symbol *look(struct maker *m, uint64_t code, int32_t offset, uint32_t *line)
{
	const struct raw_frame frame = { code, MAKER_FINGERPRINT, offset };

	return symbols__frame(m->replay->symbols, m->pid, m->space, &frame, line);
}

static void instructions_have_lines(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	const struct symbol *symbol;
	uint32_t line;

	maker_function(&m, CODE, FILE_NAME, "Class.f", 10);
	/* twice: the second time out of the cache */
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < MAKER_LINES; i++) {
			symbol = look(&m, CODE, 2 * (MAKER_LINES - 1 - i), &line);
			assert_non_null(symbol);
			assert_int_equal(line, 10 + MAKER_LINES - 1 - i);
		}
	}
	assert_string_equal(symbol->function, "Class.f");
	assert_string_equal(symbol->file, FILE_NAME);
	assert_int_equal(symbol->firstlineno, 10);
	/* not begun; an odd byte; far beyond the table, where nothing is remembered */
	assert_ptr_equal(look(&m, CODE, -1, &line), symbol);
	assert_int_equal(line, 10);
	look(&m, CODE, INT32_MIN, &line);
	assert_int_equal(line, 10);
	look(&m, CODE, 5, &line);
	assert_int_equal(line, 12);
	look(&m, CODE, INT32_MAX, &line);
	assert_int_equal(line, 10 + MAKER_LINES);
	assert_int_equal(symbols__count(r.symbols), 1);
	replay_release(&r);
}

static void equal_functions_are_one_symbol(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	const struct symbol *a, *b;
	uint32_t line;

	maker_function(&m, CODE, FILE_NAME, "f", 10);
	maker_function(&m, CODE + 1, FILE_NAME, "f", 10);
	maker_function(&m, CODE + 2, FILE_NAME, "f", 11);
	maker_function(&m, CODE + 3, FILE_NAME, "g", 10);
	maker_function(&m, CODE + 4, "/p/y.py", "f", 10);
	a = look(&m, CODE, 0, &line);
	assert_ptr_equal(look(&m, CODE + 1, 0, &line), a);
	for (int i = 2; i <= 4; i++)
		assert_ptr_not_equal(look(&m, CODE + i, 0, &line), a);
	/* in another address space: unknown, until it is told there, too */
	m.space = 2;
	assert_null(look(&m, CODE, 0, &line));
	assert_int_equal(line, 0);
	maker_function(&m, CODE, FILE_NAME, "f", 10);
	b = look(&m, CODE, 0, &line);
	assert_ptr_equal(b, a);
	assert_int_equal(symbols__count(r.symbols), 4);
	/* the space ends, the symbol stays */
	symbols__end(r.symbols, 2);
	assert_null(look(&m, CODE, 0, &line));
	assert_string_equal(b->function, "f");
	symbols__end(r.symbols, 2);
	symbols__end(r.symbols, 12345);
	replay_release(&r);
}

static void many_symbols_and_spaces_are_found_again(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	char name[32];
	uint32_t line;

	for (int i = 0; i < 3000; i++) {
		m.space = 1 + i % 300 * 1000003;
		snprintf(name, sizeof(name), "f%d", i & 1 ? i : 0); /* half of them differ by their line only */
		maker_function(&m, CODE + i, FILE_NAME, name, i + 1);
		assert_int_equal(look(&m, CODE + i, 0, &line)->index, i);
	}
	for (int i = 0; i < 3000; i++) {
		m.space = 1 + i % 300 * 1000003;
		snprintf(name, sizeof(name), "f%d", i & 1 ? i : 0); /* half of them differ by their line only */
		assert_string_equal(look(&m, CODE + i, 0, &line)->function, name);
	}
	replay_release(&r);
}

static void far_instructions_cost_no_memory(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	struct rusage before, after;
	uint32_t line;

	getrusage(RUSAGE_SELF, &before);
	for (int i = 0; i < 16; i++) {
		maker_function(&m, CODE + i, FILE_NAME, "f", i);
		assert_non_null(look(&m, CODE + i, (1 << 21) - 2, &line));
		assert_int_equal(line, i + MAKER_LINES);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 64 << 10);
	replay_release(&r);
}

static void what_the_walker_did_not_send_is_read_from_the_process(void **state)
{
	struct replay r;
	struct maker m = start(&r, read_process);
	uint32_t line;

	process.name = "from the process";
	maker_code(&m, CODE, MAKER_FINGERPRINT, 3);
	maker_text(&m, CODE, MAKER_FINGERPRINT, BLOB_NAME, "half");
	assert_string_equal(look(&m, CODE, 0, &line)->function, "from the process");
	assert_int_equal(line, 35);
	assert_int_equal(process.calls, 1);
	assert_int_equal(process.fingerprint, MAKER_FINGERPRINT);
	/* what comes late changes nothing any more */
	maker_function(&m, CODE, FILE_NAME, "late", 3);
	assert_string_equal(look(&m, CODE, 0, &line)->function, "from the process");
	/* whole: nobody asks */
	maker_function(&m, CODE + 1, FILE_NAME, "sent", 3);
	assert_string_equal(look(&m, CODE + 1, 0, &line)->function, "sent");
	assert_int_equal(process.calls, 1);
	replay_release(&r);
}

static void a_child_that_is_gone_is_named_from_its_parent(void **state)
{
	struct replay r;
	struct maker m = start(&r, read_process), child = m;
	uint32_t line;

	maker_fork(&child, m.pid + 1, m.space + 1);
	process.name = "from the parent";
	process.only = m.pid;
	maker_code(&child, CODE, MAKER_FINGERPRINT, 3);
	assert_string_equal(look(&child, CODE, 0, &line)->function, "from the parent");
	assert_int_equal(process.calls, 2);
	/* a program of its own has nothing of it */
	child.space++;
	maker_exec(&child, child.space - 1, "/bin/python3");
	maker_interp(&child);
	assert_null(look(&child, CODE + 1, 0, &line));
	assert_int_equal(process.calls, 3);
	replay_release(&r);
}

static void a_process_that_does_not_answer_is_asked_once(void **state)
{
	struct replay r;
	struct maker m = start(&r, read_process);
	uint32_t line;

	process.result = -ESRCH;
	for (int i = 0; i < 5; i++)
		assert_null(look(&m, CODE, 0, &line));
	assert_int_equal(process.calls, 1);
	/* new pieces are worth another try */
	maker_code(&m, CODE, MAKER_FINGERPRINT, 3);
	maker_text(&m, CODE, MAKER_FINGERPRINT, BLOB_NAME, "f");
	assert_null(look(&m, CODE, 0, &line));
	assert_int_equal(process.calls, 2);
	maker_text(&m, CODE, MAKER_FINGERPRINT, BLOB_FILENAME, FILE_NAME);
	maker_table(&m, CODE, MAKER_FINGERPRINT);
	assert_non_null(look(&m, CODE, 0, &line));
	assert_int_equal(process.calls, 2);
	/* without an interpreter there is no layout to read by */
	m.space = 2;
	assert_null(look(&m, CODE, 0, &line));
	assert_int_equal(process.calls, 2);
	/* and a frame without a code object is nothing to ask about */
	m.space = 1;
	assert_null(look(&m, 0, 0, &line));
	assert_int_equal(process.calls, 2);
	replay_release(&r);
}

static void names_of_every_width_become_utf8(void **state)
{
	static const uint16_t wide[] = { 0x540d, 0x524d };
	struct { struct event_blob head; uint8_t data[8]; } event;
	struct replay r;
	struct maker m = start(&r, NULL);
	uint32_t line;

	maker_code(&m, CODE, MAKER_FINGERPRINT, 3);
	maker_text(&m, CODE, MAKER_FINGERPRINT, BLOB_FILENAME, "/p/gr\xfcn.py"); /* Latin-1 */
	event.head = (struct event_blob){ .head = maker_head(&m, EVENT_BLOB, sizeof(event.head) + 4), .code = CODE, .fingerprint = MAKER_FINGERPRINT, .part = BLOB_NAME, .char_size = 2, .total = 4, .length = 4 };
	memcpy(event.data, wide, 4);
	maker_play(&m, &event);
	maker_table(&m, CODE, MAKER_FINGERPRINT);
	assert_string_equal(look(&m, CODE, 0, &line)->function, "名前");
	assert_string_equal(look(&m, CODE, 0, &line)->file, "/p/grün.py");
	replay_release(&r);
}

static enum time_class class_of(struct maker *m, uint16_t flags, uint64_t ip, uint8_t opcode, uint16_t n_frames)
{
	struct { struct event_stack stack; struct raw_frame frame; } event = {
		.stack = { .head = maker_head(m, EVENT_CPU, sizeof(event.stack) + n_frames * sizeof(event.frame)), .user_ip = ip, .n_frames = n_frames, .opcode = opcode },
	};

	event.stack.head.flags = flags;
	return symbols__class(m->replay->symbols, &event.stack);
}

static void time_is_split_by_the_innermost_address(void **state)
{
	const uint8_t call = 131 /* CALL_FUNCTION of 3.9 */, add = 23 /* BINARY_ADD */;
	struct replay r;
	struct maker m = start(&r, NULL);

	assert_int_equal(class_of(&m, STACK_KERNEL, MAKER_EVAL, 0, 1), TIME_SYSTEM);
	assert_int_equal(class_of(&m, 0, MAKER_EVAL, 0, 1), TIME_PYTHON);
	assert_int_equal(class_of(&m, STACK_OPCODE, MAKER_EVAL, call, 1), TIME_PYTHON);
	assert_int_equal(class_of(&m, 0, MAKER_EVAL + 0xfff, 0, 1), TIME_PYTHON);
	/* in the interpreter, beside the eval loop: what the instruction is decides */
	assert_int_equal(class_of(&m, 0, MAKER_EVAL + 0x1000, 0, 1), TIME_PYTHON);
	assert_int_equal(class_of(&m, STACK_OPCODE, MAKER_TEXT, call, 1), TIME_NATIVE);
	assert_int_equal(class_of(&m, STACK_OPCODE, MAKER_TEXT, add, 1), TIME_PYTHON);
	assert_int_equal(class_of(&m, 0, MAKER_TEXT, call, 1), TIME_PYTHON); /* the opcode is not valid */
	assert_int_equal(class_of(&m, 0, MAKER_LIBRARY, 0, 1), TIME_NATIVE);
	assert_int_equal(class_of(&m, STACK_FROM_INTERP, MAKER_LIBRARY, 0, 1), TIME_NATIVE); /* not the C runtime */
	/* no Python on this thread; no interpreter in this process */
	assert_int_equal(class_of(&m, 0, MAKER_EVAL, 0, 0), TIME_NATIVE);
	m.space = 9;
	assert_int_equal(class_of(&m, 0, MAKER_EVAL, 0, 1), TIME_NATIVE);
	assert_int_equal(class_of(&m, STACK_KERNEL, MAKER_EVAL, 0, 1), TIME_SYSTEM);
	replay_release(&r);
}

static void what_the_interpreter_calls_in_the_c_runtime_is_its_own(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	struct event_interp event = { .head = maker_head(&m, EVENT_INTERP, sizeof(event)), .version = 0x0309, .text_start = 0x400000, .text_end = 0x500000, .n_runtime = 1, .runtime[0] = { MAKER_LIBRARY, MAKER_LIBRARY + 16 } };

	maker_play(&m, &event);
	assert_int_equal(class_of(&m, 0, MAKER_LIBRARY, 0, 1), TIME_NATIVE); /* an extension module called it */
	assert_int_equal(class_of(&m, STACK_FROM_INTERP, MAKER_LIBRARY, 0, 1), TIME_PYTHON);
	assert_int_equal(class_of(&m, STACK_FROM_INTERP, MAKER_LIBRARY + 16, 0, 1), TIME_NATIVE);
	assert_int_equal(class_of(&m, STACK_FROM_INTERP | STACK_OPCODE, MAKER_LIBRARY, 131, 1), TIME_NATIVE);
	replay_release(&r);
}

static void interpreters_are_inherited_and_named(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);

	assert_string_equal(symbols__interpreter(r.symbols, 1), "CPython 3.9");
	assert_null(symbols__interpreter(r.symbols, 2));
	maker_fork(&m, 101, 2);
	assert_string_equal(symbols__interpreter(r.symbols, 2), "CPython 3.9");
	m.version = 0x030e;
	maker_interp(&m);
	assert_string_equal(symbols__interpreter(r.symbols, 2), "CPython 3.14");
	assert_string_equal(symbols__interpreter(r.symbols, 1), "CPython 3.9");
	/* of a process without one, too */
	m.version = 0;
	maker_interp(&m);
	assert_null(symbols__interpreter(r.symbols, 2));
	maker_fork(&m, 102, 3);
	assert_null(symbols__interpreter(r.symbols, 3));
	replay_release(&r);
}

static void late_records_of_an_ended_space_make_no_new_one(void **state)
{
	struct replay r;
	struct maker m = start(&r, read_process);
	uint32_t line;

	process.name = "still there";
	maker_function(&m, CODE, FILE_NAME, "f", 10);
	assert_int_equal(symbols__codes(r.symbols), 1);
	symbols__end(r.symbols, 1);
	assert_int_equal(symbols__codes(r.symbols), 0);
	maker_interp(&m);
	maker_function(&m, CODE, FILE_NAME, "f", 10);
	assert_null(look(&m, CODE, 0, &line));
	assert_int_equal(process.calls, 0);
	assert_int_equal(symbols__codes(r.symbols), 0);
	assert_null(symbols__interpreter(r.symbols, 1));
	/* of a hundred others, some end: the rest are found as before */
	for (m.space = 2; m.space < 102; m.space++) {
		maker_interp(&m);
		maker_function(&m, CODE, FILE_NAME, "f", m.space);
	}
	for (uint32_t space = 2; space < 102; space += 3)
		symbols__end(r.symbols, space);
	for (m.space = 2; m.space < 102; m.space++) {
		if (m.space % 3 == 2)
			assert_null(look(&m, CODE, 0, &line));
		else
			assert_int_equal(look(&m, CODE, 0, &line)->firstlineno, m.space);
	}
	replay_release(&r);
}

static bool is_kept(void *context, const struct symbol *symbol)
{
	return symbol == context;
}

static void what_nobody_needs_is_swept(void **state)
{
	struct replay r;
	struct maker m = start(&r, NULL);
	const struct symbol *kept, *live;
	size_t strings;
	uint32_t line;

	strings = strings__count(r.strings);
	maker_function(&m, CODE, FILE_NAME, "live", 10);
	live = look(&m, CODE, 0, &line);
	m.space = 2;
	maker_interp(&m);
	maker_function(&m, CODE, "/p/kept.py", "kept", 10);
	maker_function(&m, CODE + 1, "/p/gone.py", "gone", 10);
	kept = look(&m, CODE, 0, &line);
	look(&m, CODE + 1, 0, &line);
	symbols__end(r.symbols, 2);
	assert_int_equal(symbols__count(r.symbols), 3);
	assert_int_equal(strings__count(r.strings), strings + 6);
	symbols__sweep(r.symbols, is_kept, (void *)kept);
	assert_int_equal(symbols__count(r.symbols), 2);
	assert_int_equal(strings__count(r.strings), strings + 4);
	assert_string_equal(kept->file, "/p/kept.py");
	/* they are still the ones of their names, and no number comes twice */
	m.space = 3;
	maker_interp(&m);
	maker_function(&m, CODE, "/p/kept.py", "kept", 10);
	maker_function(&m, CODE + 1, "/p/gone.py", "gone", 10);
	maker_function(&m, CODE + 2, FILE_NAME, "live", 10);
	assert_ptr_equal(look(&m, CODE, 0, &line), kept);
	assert_ptr_equal(look(&m, CODE + 2, 0, &line), live);
	assert_int_equal(look(&m, CODE + 1, 0, &line)->index, 3);
	replay_release(&r);
}

static void code_of_a_large_space_that_is_not_met_is_swept(void **state)
{
	struct replay r;
	struct maker m = start(&r, read_process);
	uint32_t line;

	process.name = "read again";
	for (uint32_t i = 0; i < 10000; i++)
		maker_function(&m, CODE + i, FILE_NAME, "f", 10);
	/* all are new */
	symbols__sweep(r.symbols, is_kept, NULL);
	assert_int_equal(symbols__codes(r.symbols), 10000);
	for (uint32_t i = 0; i < 100; i++)
		assert_string_equal(look(&m, CODE + i, 0, &line)->function, "f");
	symbols__sweep(r.symbols, is_kept, NULL);
	assert_int_equal(symbols__codes(r.symbols), 100);
	assert_string_equal(look(&m, CODE + 99, 20, &line)->function, "f");
	assert_int_equal(line, 20);
	assert_int_equal(process.calls, 0);
	/* the walker has sent it, and will not again; the process has it */
	assert_string_equal(look(&m, CODE + 5000, 0, &line)->function, "read again");
	assert_int_equal(process.calls, 1);
	/* a small one keeps all */
	symbols__sweep(r.symbols, is_kept, NULL);
	symbols__sweep(r.symbols, is_kept, NULL);
	assert_int_equal(symbols__codes(r.symbols), 101);
	replay_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(far_instructions_cost_no_memory), /* first: it watches the process's peak */
		cmocka_unit_test(instructions_have_lines),
		cmocka_unit_test(equal_functions_are_one_symbol),
		cmocka_unit_test(many_symbols_and_spaces_are_found_again),
		cmocka_unit_test(what_the_walker_did_not_send_is_read_from_the_process),
		cmocka_unit_test(a_child_that_is_gone_is_named_from_its_parent),
		cmocka_unit_test(a_process_that_does_not_answer_is_asked_once),
		cmocka_unit_test(names_of_every_width_become_utf8),
		cmocka_unit_test(time_is_split_by_the_innermost_address),
		cmocka_unit_test(what_the_interpreter_calls_in_the_c_runtime_is_its_own),
		cmocka_unit_test(interpreters_are_inherited_and_named),
		cmocka_unit_test(late_records_of_an_ended_space_make_no_new_one),
		cmocka_unit_test(what_nobody_needs_is_swept),
		cmocka_unit_test(code_of_a_large_space_that_is_not_met_is_swept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
