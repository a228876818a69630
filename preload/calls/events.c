// SPDX-License-Identifier: Apache-2.0
/* From 3.12 on: calls and resumptions as the interpreter's own events (PEP 669). */
#include <string.h>

#include "preload/calls/interp.h"

/* An object that is called by a function in it: what the interpreter reaches with the fewest steps. */
#define WATCHER_CALL 16 /* after the object's head */
#define HAVE_VECTORCALL (1u << 11)
#define TP_CALL 50 /* numbers of slots */
#define TP_MEMBERS 72
#define T_PYSSIZET 19
#define READONLY 1

struct member { const char *name; int type; ssize_t offset; int flags; const char *doc; };
typedef void *(*watcher)(void *self, void *const *args, size_t n, void *keywords);

static void *disable;

/* The code object of the nearest Python frame outwards of `frame`; 0: there is none. */
static inline uint64_t caller_of(uint64_t frame)
{
	const struct py_layout *l = &calls_layout;
	uint64_t code;

	while ((frame = word(frame, l->frame_prev))) {
		code = word(frame, l->frame_code) & ~3ULL;
		if (likely(*(const unsigned char *)(frame + l->frame_owner) < l->owner_shim_min && code && code != calls_shim))
			return code;
	}
	return 0;
}

/* What no short cut was found for; frame: that of what is called. */
static NOINLINE struct cached *find_event(uint64_t frame, uint64_t code)
{
	struct cached *c;

	do
		c = calls_find(caller_of(frame), code);
	while (unlikely(!c));
	return c;
}

static inline uint64_t current_frame(void)
{
	const struct py_layout *l = &calls_layout;
	uint64_t frame = word((uintptr_t)py.thread_state(), l->tstate_frame);

	return l->flags & PY_CFRAME ? word(frame, l->cframe_frame) : frame;
}

/*
 * The short cut: by what is called alone, then by the next frame's code object, taken as it lies there. (What is no Python frame, or a class's call, has none
 * that is a caller here.) Where the count is must not be reckoned from who calls, which is known late, after five loads in a row: the
 * processor would hold the interpreter's next loads back until it knows what the count's store does not overwrite, 4 ns a call. So who calls only
 * decides branches, which are predicted. NULL: not found.
 */
static inline struct calls_pair *look(const struct calls_near *near, uint64_t frame, uint64_t code)
{
	const struct py_layout *l = &calls_layout;
	uint64_t back = word(frame, l->frame_prev), caller;

	if (unlikely(!back || near->callee != code || near->epoch != calls_epoch))
		return NULL;
	caller = word(back, l->frame_code) & ~3ULL;
	for (unsigned i = 0; i < NEAR_CALLERS; i++)
		if (near->callers[i].code == caller)
			return near->callers[i].pair;
	return NULL;
}

/* Makes it found the next time, unless others are there; one of these goes now and then. */
static void note(const struct cached *c)
{
	struct calls_thread *t = calls_thread;
	struct calls_near *near = t ? calls_near(t, c->callee) : NULL;
	unsigned i = 0;

	if (!near || !c->caller || c->left_out || c->epoch != calls_epoch)
		return;
	if (near->callee != c->callee || near->epoch != c->epoch) {
		if (near->epoch == calls_epoch && ++t->turn % 4)
			return;
		*near = (struct calls_near){ .callee = c->callee, .epoch = c->epoch };
	}
	while (i < NEAR_CALLERS && near->callers[i].pair)
		i++;
	if (i == NEAR_CALLERS) {
		if (++t->turn % 16)
			return;
		i = t->turn / 16 % NEAR_CALLERS;
	}
	near->callers[i] = (struct calls_near_caller){ .code = c->caller, .pair = c->pair };
}

static void *answer(const struct cached *c)
{
	if (likely(!c->left_out || !disable))
		return py.none;
	py.incref(disable);
	return disable;
}

static NOINLINE void *start_slow(uint64_t frame, uint64_t code)
{
	struct cached *c = find_event(frame, code);

	note(c);
	c->pair->calls++;
	return answer(c);
}

static NOINLINE void *resume_slow(uint64_t frame, uint64_t code)
{
	struct cached *c = find_event(frame, code);

	note(c);
	c->pair->resumptions++;
	return answer(c);
}

static void *event_start(void *self, void *const *args, size_t n, void *keywords)
{
	uint64_t code = (uintptr_t)args[0], frame = current_frame();
	struct calls_thread *t = calls_thread;
	struct calls_pair *pair = likely(t) ? look(calls_near(t, code), frame, code) : NULL;

	if (unlikely(!pair))
		return start_slow(frame, code);
	pair->calls++;
	return py.none;
}

static void *event_resume(void *self, void *const *args, size_t n, void *keywords)
{
	uint64_t code = (uintptr_t)args[0], frame = current_frame();
	struct calls_thread *t = calls_thread;
	struct calls_pair *pair = likely(t) ? look(calls_near(t, code), frame, code) : NULL;

	if (unlikely(!pair))
		return resume_slow(frame, code);
	pair->resumptions++;
	return py.none;
}

/* It cannot be switched off for one place. */
static void *event_throw(void *self, void *const *args, size_t n, void *keywords)
{
	find_event(current_frame(), (uintptr_t)args[0])->pair->resumptions++;
	return py.none;
}

static bool called(void *result)
{
	if (!result) {
		py.error_clear();
		return false;
	}
	py.decref(result);
	return true;
}

/* The first tool number that is free; -1. */
static int take_tool(void *monitoring)
{
	static const int numbers[] = { 4, 3, 5, 2 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (called(py.call_method(monitoring, "use_tool_id", "is", numbers[i], "fixingahole")))
			return numbers[i];
	return -1;
}

/* What calls the function when it is called; NULL. */
static void *watcher_new(void *type, watcher function)
{
	char *object = type ? py.object_new(type, 0) : NULL;

	if (object)
		memcpy(object + WATCHER_CALL, &function, sizeof(function));
	return object;
}

static void *watcher_type(void)
{
	static struct member members[] = { { "__vectorcalloffset__", T_PYSSIZET, WATCHER_CALL, READONLY, NULL }, { 0 } };
	struct slot slots[] = { { TP_MEMBERS, members }, { TP_CALL, (void *)py.vectorcall }, { 0 } };
	struct spec spec = { "fixingahole.watcher", WATCHER_CALL + sizeof(watcher), 0, HAVE_VECTORCALL, slots };

	return py.type_new(&spec);
}

int events_begin(void)
{
	static const struct { const char *name; watcher function; } watchers[] = {
		{ "PY_START", event_start },
		{ "PY_RESUME", event_resume },
		{ "PY_THROW", event_throw },
	};
	void *monitoring = py.sys_object("monitoring"), *events = monitoring ? py.attribute(monitoring, "events") : NULL;
	void *type;
	long mask = 0;
	int tool;

	if (!events) {
		py.error_clear();
		return -1;
	}
	tool = take_tool(monitoring);
	disable = py.attribute(monitoring, "DISABLE");
	type = watcher_type();
	for (size_t i = 0; tool >= 0 && i < sizeof(watchers) / sizeof(*watchers); i++) {
		void *number = py.attribute(events, watchers[i].name), *function = watcher_new(type, watchers[i].function);
		long event = number ? py.as_long(number) : 0;

		if (function && event && called(py.call_method(monitoring, "register_callback", "iiO", tool, (int)event, function)))
			mask |= event;
		if (function)
			py.decref(function);
		if (number)
			py.decref(number);
	}
	if (type)
		py.decref(type);
	py.decref(events);
	py.error_clear();
	return tool >= 0 && mask && called(py.call_method(monitoring, "set_events", "ii", tool, (int)mask));
}
