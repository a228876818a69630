// SPDX-License-Identifier: Apache-2.0
/* From 3.12 on: calls and resumptions as the interpreter's own events (PEP 669). */
#include <link.h>
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

/* A word of the interpreter's own memory of this thread that says what the function says. */
struct search {
	uintptr_t function;
	const void *value;
	void *const *found;
	unsigned n;
};

static int search_image(struct dl_phdr_info *image, size_t size, void *data)
{
	struct search *search = data;
	void *const *words = image->dlpi_tls_data;
	size_t n = 0;
	bool here = false;

	for (unsigned i = 0; i < image->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &image->dlpi_phdr[i];

		if (ph->p_type == PT_TLS)
			n = ph->p_memsz / sizeof(*words);
		else if (ph->p_type == PT_LOAD)
			here |= search->function - image->dlpi_addr - ph->p_vaddr < ph->p_memsz;
	}
	if (!here)
		return 0;
	for (size_t i = 0; words && i < n; i++) {
		if (words[i] == search->value) {
			search->found = &words[i];
			search->n++;
		}
	}
	return 1;
}

/*
 * Asking for the thread state takes two calls where the interpreter is a library, so its word is read instead. It must be the only one that holds that
 * address, and the function must say the same each time that is looked at (the short cut finds nothing).
 */
static void watch_state(struct calls_thread *t)
{
	struct search search = { .function = (uintptr_t)py.thread_state, .value = py.thread_state() };

	if (!t->state_sought) {
		t->state_sought = true;
		dl_iterate_phdr(search_image, &search);
		t->state = search.n == 1 ? search.found : NULL;
	} else if (t->state && *t->state != search.value) {
		t->state = NULL;
	}
}

static inline uint64_t current_frame(const struct calls_thread *t)
{
	const struct py_layout *l = &calls_layout;
	const void *state = likely(t && t->state) ? *t->state : py.thread_state();
	uint64_t frame = word((uintptr_t)state, l->tstate_frame);

	return l->flags & PY_CFRAME ? word(frame, l->cframe_frame) : frame;
}

/* What no short cut was found for. */
static NOINLINE struct cached *find_event(uint64_t code)
{
	struct cached *c;
	uint64_t frame = current_frame(NULL);

	do
		c = calls_find(caller_of(frame), code);
	while (unlikely(!c));
	if (calls_thread)
		watch_state(calls_thread);
	return c;
}

/* Makes it found by what is called alone. Another one goes if there is no room. */
static NOINLINE void note(const struct cached *c)
{
	struct calls_thread *t = calls_thread;
	struct calls_near *near = t ? calls_near(t, c->callee) : NULL;
	unsigned i = 0;

	if (!near || !c->caller || c->left_out || c->epoch != calls_epoch)
		return;
	if (near->callee != c->callee || near->epoch != c->epoch)
		*near = (struct calls_near){ .callee = c->callee, .epoch = c->epoch };
	while (i < NEAR_CALLERS && near->callers[i].pair)
		i++;
	if (i == NEAR_CALLERS)
		i = t->turn / NEAR_TURNS % NEAR_CALLERS;
	near->callers[i] = (struct calls_near_caller){ .code = c->caller, .pair = c->pair };
}

/*
 * The short cut: by what is called alone, then by who calls. Where the count is must not be reckoned from who calls, which is known late, after five loads in a row: the
 * processor would hold the interpreter's next loads back until it knows what the count's store does not overwrite, 4 ns a call. So who calls only
 * decides branches, which are predicted. NULL: not found.
 */
static inline struct calls_pair *look(struct calls_thread *t, uint64_t frame, uint64_t code)
{
	const struct calls_near *near = calls_near(t, code);
	uint64_t caller = caller_of(frame);
	const struct cached *c;

	/* callers of an empty place are 0 as well */
	if (unlikely(!caller))
		return NULL;
	if (likely(near->callee == code && near->epoch == calls_epoch))
		for (unsigned i = 0; i < NEAR_CALLERS; i++)
			if (near->callers[i].code == caller)
				return near->callers[i].pair;
	/* called by more than these */
	c = calls_slot(t, caller, code);
	if (!calls_is(c, caller, code) && !calls_is(++c, caller, code))
		return NULL;
	if (unlikely(c->left_out))
		return NULL;
	if (unlikely(!(++t->turn % NEAR_TURNS)))
		note(c);
	return c->pair;
}

static void *answer(const struct cached *c)
{
	if (likely(!c->left_out || !disable))
		return py.none;
	py.incref(disable);
	return disable;
}

static NOINLINE void *start_slow(uint64_t code)
{
	struct cached *c = find_event(code);

	note(c);
	c->pair->calls++;
	return answer(c);
}

static NOINLINE void *resume_slow(uint64_t code)
{
	struct cached *c = find_event(code);

	note(c);
	c->pair->resumptions++;
	return answer(c);
}

static void *event_start(void *self, void *const *args, size_t n, void *keywords)
{
	struct calls_thread *t = calls_thread;
	uint64_t code = (uintptr_t)args[0], frame = current_frame(t);
	struct calls_pair *pair = likely(t) ? look(t, frame, code) : NULL;

	if (unlikely(!pair))
		return start_slow(code);
	pair->calls++;
	return py.none;
}

static void *event_resume(void *self, void *const *args, size_t n, void *keywords)
{
	struct calls_thread *t = calls_thread;
	uint64_t code = (uintptr_t)args[0], frame = current_frame(t);
	struct calls_pair *pair = likely(t) ? look(t, frame, code) : NULL;

	if (unlikely(!pair))
		return resume_slow(code);
	pair->resumptions++;
	return py.none;
}

/* It cannot be switched off for one place. */
static void *event_throw(void *self, void *const *args, size_t n, void *keywords)
{
	find_event((uintptr_t)args[0])->pair->resumptions++;
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
