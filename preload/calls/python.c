// SPDX-License-Identifier: Apache-2.0
/*
 * How CPython tells of calls.
 *
 * Up to 3.11 each evaluation of a frame passes by a function of ours (PEP 523), which jumps on to the interpreter's own. Up to 3.10 that costs
 * nothing else. In 3.11 the interpreter then uses its C stack for calls that it would handle without: where that grows too far, the
 * function steps aside until the stack is shorter again, and what is called meanwhile is not counted, which the report says.
 *
 * From 3.12 on the interpreter's own events (PEP 669) call a function of ours at the start of each function and at each resumption. That leaves the
 * interpreter's ways as they are. PEP 523 is as dear there (fib 1.5 to 1.9 times, events 1.5 to 1.7), breaks programs whose recursion is deep, and
 * keeps calls from being specialised.
 *
 * A call is counted when the function's code begins to run. A generator that is made and never asked for a value was not called.
 *
 * There is a foothold in the interpreter before it starts: an audit hook. At its first event after that, and in each further
 * interpreter, the counting is set up.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "preload/calls/calls.h"
#include "preload/calls/interp.h"
#include "preload/lock.h"
#include "python/layout.h"

#define TYPE_OF 8      /* in an object */
#define TYPE_NAME 24   /* in a type */
#define TYPE_DEALLOC 48
#define TYPE_DICT 264
#define TYPE_NEW 312
#define FUNCTION_VERSION_3_11 128
#define FLAGS_OF_CODE_3_11 48
#define GENERATOR_FLAGS (0x20 | 0x80 | 0x100 | 0x200) /* generator, coroutine, coroutine by decorator, asynchronous generator */
#define RETURN_GENERATOR_3_11 75
#define OWNED_BY_GENERATOR 1
#define INTERP_WORDS 256 /* of a 3.8 interpreter's state, among which its evaluation function is */
#define STACK_DEFAULT (8ULL << 20)

struct python_string python_string;

struct python py;

/* --- objects --- */

static uint64_t code_type;
static void (*code_dealloc)(void *);

static void code_gone(void *code)
{
	calls_forget((uintptr_t)code);
	code_dealloc(code);
}

bool python_is_code(uint64_t object)
{
	uint64_t type = word(object, TYPE_OF);

	if (unlikely(!code_type) && !strcmp((const char *)word(type, TYPE_NAME), "code")) {
		void (**dealloc)(void *) = (void *)(type + TYPE_DEALLOC);

		code_type = type;
		code_dealloc = *dealloc;
		*dealloc = code_gone;
	}
	return type == code_type;
}

bool python_is_generator(uint64_t code)
{
	return calls_layout.version == 0x030b && (uint32_t)word(code, FLAGS_OF_CODE_3_11) & GENERATOR_FLAGS;
}

/* --- by frames: 3.8 to 3.11 --- */

static inline void *evaluate(void *tstate, void *frame, int thrown)
{
	return py.evaluate(tstate, frame, thrown);
}

static inline void count_frame(uint64_t frame, int thrown)
{
	const struct py_layout *l = &calls_layout;
	uint64_t back = word(frame, 24), code = word(frame, 32);
	struct calls_pair *pair = calls_find(back ? word(back, 32) : 0, code)->pair;

	if (likely(*(const int32_t *)(frame + l->frame_instr) < 0))
		pair->calls += !thrown;
	else
		pair->resumptions++;
}

/* 3.8 has no thread state among the arguments. */
static void *frame_3_8(void *frame, int thrown)
{
	count_frame((uintptr_t)frame, thrown);
	return py.evaluate_3_8(frame, thrown);
}

static void *frame_3_9(void *tstate, void *frame, int thrown)
{
	count_frame((uintptr_t)frame, thrown);
	return evaluate(tstate, frame, thrown);
}

static void *frame_3_11(void *tstate, void *frame, int thrown);

/* Evaluations that we let the interpreter do without us. */
static unsigned deep;

/* Until this evaluation has ended. */
static NOINLINE void *evaluate_deep(void *tstate, void *frame, int thrown)
{
	void *interp = py.interp(), *result;
	bool ours = py.get_evaluate(interp) == frame_3_11;

	process_flag(calls_process(), CALLS_DEEP);
	if (!ours)
		return evaluate(tstate, frame, thrown);
	deep++;
	py.set_evaluate(interp, py.evaluate);
	result = evaluate(tstate, frame, thrown);
	py.set_evaluate(interp, frame_3_11);
	deep--;
	return result;
}

/* A generator's frame is evaluated when it is made, too. Its first step comes after the instruction that made it. */
static inline void count_generator(struct calls_pair *pair, uint64_t frame, int thrown)
{
	const unsigned char *last = (const unsigned char *)word(frame, 56);

	if (*(const unsigned char *)(frame + 69) != OWNED_BY_GENERATOR)
		return;
	if (*last != RETURN_GENERATOR_3_11)
		pair->resumptions++;
	else
		pair->calls += !thrown;
}

static void *frame_3_11(void *tstate, void *frame, int thrown)
{
	uint64_t current = word(word((uintptr_t)tstate, 56), 8);
	const struct cached *c = calls_find(current ? word(current, 32) : 0, word((uintptr_t)frame, 32));

	if (unlikely(c->generator))
		count_generator(c->pair, (uintptr_t)frame, thrown);
	else
		c->pair->calls++;
	if (unlikely(calls_thread && (uintptr_t)__builtin_frame_address(0) < calls_thread->stack_limit))
		return evaluate_deep(tstate, frame, thrown);
	return evaluate(tstate, frame, thrown);
}

/*
 * Early releases of 3.11 carry out obj[key], once they have specialised it for a class with a __getitem__ in Python, without asking whether
 * calls are watched. They do not specialise it for functions whose version is beyond 16 bits. Versions are compared, so each gets
 * one of its own, from the end that the interpreter does not come to.
 */
static void *(*type_new)(void *, void *, void *);

static void *class_new(void *metatype, void *args, void *keywords)
{
	static uint32_t version = UINT32_MAX;
	void *class = type_new(metatype, args, keywords), *dict = class ? *(void **)((char *)class + TYPE_DICT) : NULL;
	char *function = dict ? py.dict_item(dict, "__getitem__") : NULL;

	if (function && *(void **)(function + TYPE_OF) == py.function_type)
		*(uint32_t *)(function + FUNCTION_VERSION_3_11) = version--;
	return class;
}

static void watch_classes(void)
{
	void *type = dlsym(RTLD_DEFAULT, "PyType_Type");
	void *(**new)(void *, void *, void *) = (void *)((char *)type + TYPE_NEW);

	py.dict_item = (void *(*)(void *, const char *))dlsym(RTLD_DEFAULT, "PyDict_GetItemString");
	py.function_type = dlsym(RTLD_DEFAULT, "PyFunction_Type");
	if (!type || !py.dict_item || !py.function_type || strcmp((const char *)word((uintptr_t)type, TYPE_NAME), "type"))
		return;
	type_new = *new;
	*new = class_new;
}

/* Half of the stack is left to what the program itself does with it. */
uintptr_t python_stack_limit(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	size_t size = STACK_DEFAULT;
	pthread_attr_t attr;
	struct rlimit limit;
	void *low;

	if (calls_layout.version != 0x030b)
		return 0;
	if (getpid() == (pid_t)syscall(SYS_gettid)) {
		/* its stack begins not far from here */
		if (!getrlimit(RLIMIT_STACK, &limit) && limit.rlim_cur < STACK_DEFAULT)
			size = limit.rlim_cur;
		return here - size / 2;
	}
	if (pthread_getattr_np(pthread_self(), &attr))
		return here;
	if (pthread_attr_getstack(&attr, &low, &size))
		low = (void *)here;
	pthread_attr_destroy(&attr);
	return (uintptr_t)low + (here - (uintptr_t)low) / 2;
}

static bool hook_frames(void *interp)
{
	void **words = interp;

	if (calls_layout.version >= 0x0309) {
		py.set_evaluate(interp, calls_layout.version == 0x030b ? (void *)frame_3_11 : (void *)frame_3_9);
		return true;
	}
	for (size_t i = 0; i < INTERP_WORDS; i++) {
		if (words[i] == (void *)py.evaluate) {
			words[i] = (void *)frame_3_8;
			return true;
		}
	}
	return words[0] == (void *)frame_3_8;
}

/* --- the foothold --- */

static bool by_frames(void)
{
	return calls_layout.version < 0x030c;
}

/* Something else has set its own function: a debugger, a compiler of bytecode. */
static void look_after(void *interp)
{
	const void *now = py.get_evaluate ? py.get_evaluate(interp) : NULL;

	if (by_frames() && now && now != frame_3_9 && now != frame_3_11 && !deep)
		process_flag(calls_process(), CALLS_REPLACED);
}

/* Whether the interpreter of that number was set up, perhaps by another thread; takes note that it is now. */
static bool is_done(int64_t id, bool done)
{
	static struct map interpreters;
	uint64_t value;
	bool known;

	if (!lock_enter())
		return true;
	known = map_get(&interpreters, id + 1, &value);
	if (done)
		map_put(&interpreters, id + 1, 1);
	lock_leave();
	return known;
}

static void set_up(void *interp, int64_t id)
{
	int done = by_frames() ? hook_frames(interp) : events_begin();

	if (done < 0)
		return;
	is_done(id, true);
	calls_how(!done ? CALLS_REFUSED : by_frames() ? CALLS_FRAMES : CALLS_EVENTS);
}

static int on_audit(const char *event, void *args, void *data)
{
	static __thread int64_t last; /* number of the interpreter that was seen here last, plus 1 */
	static __thread bool busy;
	void *interp;
	int64_t id;

	if (busy || !py.initialized() || !py.have_gil())
		return 0;
	busy = true;
	interp = py.interp();
	id = py.interp_id(interp);
	if (last == id + 1) {
		look_after(interp);
	} else if (is_done(id, false)) {
		last = id + 1;
	} else if (!py.error()) {
		set_up(interp, id);
	}
	busy = false;
	return 0;
}

static bool find(void)
{
	static const struct {
		void *to;
		const char *names[2];
		uint16_t from, to_before; /* versions that need it */
	} symbols[] = {
		{ &py.interp, { "PyInterpreterState_Get", "_PyInterpreterState_Get" }, 0x0308, 0 },
		{ &py.interp_id, { "PyInterpreterState_GetID" }, 0x0308, 0 },
		{ &py.evaluate, { "_PyEval_EvalFrameDefault" }, 0x0308, 0x030c },
		{ &py.evaluate_3_8, { "_PyEval_EvalFrameDefault" }, 0x0308, 0x0309 },
		{ &py.set_evaluate, { "_PyInterpreterState_SetEvalFrameFunc" }, 0x0309, 0x030c },
		{ &py.get_evaluate, { "_PyInterpreterState_GetEvalFrameFunc" }, 0x0309, 0x030c },
		{ &py.thread_state, { "PyThreadState_Get" }, 0x030c, 0 },
		{ &py.sys_object, { "PySys_GetObject" }, 0x030c, 0 },
		{ &py.attribute, { "PyObject_GetAttrString" }, 0x030c, 0 },
		{ &py.call_method, { "PyObject_CallMethod" }, 0x030c, 0 },
		{ &py.type_new, { "PyType_FromSpec" }, 0x030c, 0 },
		{ &py.object_new, { "PyType_GenericAlloc" }, 0x030c, 0 },
		{ &py.vectorcall, { "PyVectorcall_Call" }, 0x030c, 0 },
		{ &py.as_long, { "PyLong_AsLong" }, 0x030c, 0 },
		{ &py.decref, { "Py_DecRef" }, 0x030c, 0 },
		{ &py.incref, { "Py_IncRef" }, 0x030c, 0 },
		{ &py.none, { "_Py_NoneStruct" }, 0x030c, 0 },
		{ &py.error_clear, { "PyErr_Clear" }, 0x0308, 0 },
		{ &py.error, { "PyErr_Occurred" }, 0x0308, 0 },
		{ &py.initialized, { "Py_IsInitialized" }, 0x0308, 0 },
		{ &py.have_gil, { "PyGILState_Check" }, 0x0308, 0 },
		{ &py.add_hook, { "PySys_AddAuditHook" }, 0x0308, 0 },
		{ &python_string.length, { "PyUnicode_GetLength" }, 0x0308, 0 },
		{ &python_string.character, { "PyUnicode_ReadChar" }, 0x0308, 0 },
	};

	for (size_t i = 0; i < sizeof(symbols) / sizeof(*symbols); i++) {
		void *p = dlsym(RTLD_DEFAULT, symbols[i].names[0]);

		if (!p && symbols[i].names[1])
			p = dlsym(RTLD_DEFAULT, symbols[i].names[1]);
		if (!p && calls_layout.version >= symbols[i].from && (!symbols[i].to_before || calls_layout.version < symbols[i].to_before))
			return false;
		memcpy(symbols[i].to, &p, sizeof(p));
	}
	return true;
}

static bool find_layout(uint16_t version)
{
	const struct py_layout *row = layout_for(version);
	const void *runtime = dlsym(RTLD_DEFAULT, "_PyRuntime");
	char reason[LAYOUT_REASON_SIZE];

	calls_layout.version = version;
	if (version >= 0x030d)
		return runtime && !layout_from_debug_offsets(runtime, LAYOUT_DEBUG_OFFSETS_SIZE, &calls_layout, reason);
	if (!row || version < 0x0308)
		return false;
	calls_layout = *row;
	return true;
}

static void begin(const char *path)
{
	const char *(*version_text)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");
	unsigned major, minor;
	uint16_t version;
	uint32_t process;
	bool known;

	/* no interpreter: nothing to count */
	if (!path || !version_text || sscanf(version_text(), "%u.%u", &major, &minor) != 2 || !file_open(path))
		return;
	version = major << 8 | (minor & 0xff);
	known = find_layout(version) && find();
	process = process_register(version, known ? CALLS_NOT_YET : CALLS_UNKNOWN, 0);
	if (!known)
		return;
	if (!calls_begin(process) || py.add_hook(on_audit, NULL))
		process_note(process, CALLS_REFUSED);
	else if (version == 0x030b)
		watch_classes();
}

__attribute__((constructor)) static void library_begin(void)
{
	begin(getenv(CALLS_ENV_FILE));
	environment_take();
}
