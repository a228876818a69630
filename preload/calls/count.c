// SPDX-License-Identifier: Apache-2.0
#include "preload/calls/calls.h"

#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "preload/lock.h"

#define NO_PROCESS UINT32_MAX
#define PATH_ROOM (2 * CALLS_PATH_MAX + 2)

/* What is known about a code object: its id in the low half (0: it has none yet), flags in the high one. */
#define CODE_ID(info) ((uint32_t)(info))
#define CODE_GENERATOR (1ULL << 32)
#define CODE_LEFT_OUT (1ULL << 33) /* the pattern does not fit */
#define CODE_SHIM (1ULL << 34)

__thread struct calls_thread *calls_thread;
uint32_t calls_epoch = 1;
uint64_t calls_shim;
struct py_layout calls_layout;

/* Of the process, under the lock (preload/lock.h). */
static struct {
	struct map codes;  /* address -> what is known */
	struct map ids;    /* hash of file, name and first line -> id */
	struct chunk chunk;
	struct calls_thread *ended;
	uint32_t process;
	enum calls_how how;
	char directory[CALLS_PATH_MAX]; /* where it started */
	char file[CALLS_PATH_MAX + 1], name[CALLS_NAME_MAX + 1];
	uint32_t file_size, name_size;
} state;

static pthread_key_t end_key;

/* Where calls that the pattern leaves out are counted. */
static struct calls_pair left_out;

uint32_t calls_process(void)
{
	if (state.process == NO_PROCESS)
		state.process = process_register(calls_layout.version, state.how, CALLS_FORKED);
	return state.process;
}

/* --- what a code object is --- */

static uint64_t word(uint64_t object, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)object + offset, sizeof(value));
	return value;
}

/* As UTF-8 into the buffer, cut to fit; what has no place in UTF-8, as the profiler writes it elsewhere. */
static uint32_t utf8(uint64_t string, char *to, uint32_t room)
{
	ssize_t n = python_string.length((const void *)string);
	uint32_t used = 0;

	for (ssize_t i = 0; i < n && used + 4 <= room; i++) {
		uint32_t c = python_string.character((const void *)string, i);

		if (!c || (c >= 0xd800 && c <= 0xdfff))
			c = 0xfffd;
		if (c < 0x80) {
			to[used++] = c;
		} else if (c < 0x800) {
			to[used++] = 0xc0 | c >> 6;
			to[used++] = 0x80 | (c & 0x3f);
		} else if (c < 0x10000) {
			to[used++] = 0xe0 | c >> 12;
			to[used++] = 0x80 | (c >> 6 & 0x3f);
			to[used++] = 0x80 | (c & 0x3f);
		} else {
			to[used++] = 0xf0 | (c >> 18 & 7);
			to[used++] = 0x80 | (c >> 12 & 0x3f);
			to[used++] = 0x80 | (c >> 6 & 0x3f);
			to[used++] = 0x80 | (c & 0x3f);
		}
	}
	to[used] = 0;
	return used;
}

static uint64_t hash(uint64_t h, const char *text, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3ULL;
	return py_mix64(h, size);
}

static uint32_t firstlineno(uint64_t code)
{
	return (uint32_t)word(code, calls_layout.code_firstlineno);
}

static void read_names(uint64_t code)
{
	const struct py_layout *l = &calls_layout;

	state.file_size = utf8(word(code, l->code_filename), state.file, CALLS_PATH_MAX);
	state.name_size = utf8(word(code, l->code_qualname ? l->code_qualname : l->code_name), state.name, CALLS_NAME_MAX);
}

/* The id of what was read, new or known. 0: there is no room. */
static uint32_t id_of(uint64_t code)
{
	uint32_t line = firstlineno(code), size = (sizeof(struct calls_code) + state.file_size + state.name_size + 7) & ~7u, id;
	uint64_t key = hash(hash(py_mix64(1, line), state.file, state.file_size), state.name, state.name_size) | 1, known;
	struct calls_code *record;

	if (map_get(&state.ids, key, &known))
		return known;
	record = chunk_reserve(&state.chunk, CALLS_CODES, calls_process(), size, &id);
	if (!record)
		return 0;
	*record = (struct calls_code){ .size = size, .firstlineno = line, .file_size = state.file_size, .name_size = state.name_size };
	memcpy(record + 1, state.file, state.file_size);
	memcpy((char *)(record + 1) + state.file_size, state.name, state.name_size);
	chunk_commit(&state.chunk, size);
	map_put(&state.ids, key, id);
	return id;
}

static const char *after(const char *text, char separator)
{
	const char *last = strrchr(text, separator);

	return last ? last + 1 : text;
}

/* Up to 3.8 the script's path is as it was typed. */
static const char *absolute(char path[PATH_ROOM])
{
	if (state.file[0] == '/' || state.file[0] == '<')
		return state.file;
	snprintf(path, PATH_ROOM, "%.*s/%.*s", CALLS_PATH_MAX, state.directory, CALLS_PATH_MAX, state.file + (strncmp(state.file, "./", 2) ? 0 : 2));
	return path;
}

/* The pattern is for the whole path, the file's name, the qualified name or the name. */
static bool wanted(void)
{
	static char path[PATH_ROOM];
	const char *pattern = file_header->pattern;
	const char *const texts[] = { state.name, after(state.name, '.'), *pattern ? absolute(path) : "", after(state.file, '/') };

	for (size_t i = 0; *pattern && i < sizeof(texts) / sizeof(*texts); i++)
		if (!fnmatch(pattern, texts[i], 0))
			return true;
	return !*pattern;
}

/* What is known of it now. with_id: give it one. False: it cannot be kept in mind. */
static bool code_info(uint64_t code, bool with_id, uint64_t *info)
{
	bool known = map_get(&state.codes, code, info);

	if (known && (CODE_ID(*info) || !with_id || *info & CODE_SHIM))
		return true;
	read_names(code);
	if (!known)
		*info = (python_is_generator(code) ? CODE_GENERATOR : 0) | (wanted() ? 0 : CODE_LEFT_OUT);
	/* there is but one, and it only ever calls; somebody's own file may have that name, too */
	if (with_id && !calls_shim && calls_layout.version >= 0x030c && !strcmp(state.file, "__init__") && !strcmp(state.name, "__init__"))
		*info |= CODE_SHIM;
	else if (with_id || !(*info & CODE_LEFT_OUT))
		*info |= id_of(code);
	return map_put(&state.codes, code, *info);
}

void calls_forget(uint64_t code)
{
	bool inside = lock_enter();

	if (!inside || map_remove(&state.codes, code))
		__atomic_fetch_add(&calls_epoch, 1, __ATOMIC_RELEASE);
	if (inside)
		lock_leave();
}

/* --- counters --- */

static struct calls_pair *pair_of(struct calls_thread *t, uint32_t caller, uint32_t callee)
{
	uint64_t key = (uint64_t)callee << 32 | caller, known;
	struct calls_pair *pair;
	uint32_t id;

	if (!callee)
		return &file_header->lost;
	if (map_get(&t->pairs, key, &known))
		return (struct calls_pair *)known;
	pair = chunk_reserve(&t->chunk, CALLS_PAIRS, calls_process(), sizeof(*pair), &id);
	if (!pair)
		return &file_header->lost;
	*pair = (struct calls_pair){ .caller = caller, .callee = callee };
	chunk_commit(&t->chunk, sizeof(*pair));
	map_put(&t->pairs, key, (uintptr_t)pair);
	return pair;
}

/* One of an ended thread goes on counting where that stopped. Under the lock. */
static struct calls_thread *thread_begin(void)
{
	struct calls_thread *t = state.ended;

	if (t)
		state.ended = t->next;
	else
		t = pages_alloc(sizeof(*t));
	if (!t)
		return NULL;
	t->stack_limit = python_stack_limit();
	t->state = NULL;
	t->state_sought = false;
	calls_thread = t;
	return t;
}

static void thread_end(void *data)
{
	struct calls_thread *t = data;

	/* destructors of others may still call Python functions: they begin anew */
	calls_thread = NULL;
	if (!lock_enter())
		return;
	t->next = state.ended;
	state.ended = t;
	lock_leave();
}

/* Where to count when nothing can be kept in mind: made anew for each call. */
static struct cached *nowhere(void)
{
	static __thread struct cached none;

	none = (struct cached){ .pair = &file_header->lost };
	return &none;
}

static struct cached *miss(struct calls_thread *t, uint64_t caller, uint64_t callee)
{
	uint32_t epoch = __atomic_load_n(&calls_epoch, __ATOMIC_ACQUIRE);
	struct cached *c = calls_slot(t, caller, callee);
	uint64_t info, caller_info = 0;

	if (!code_info(callee, false, &info))
		return nowhere();
	if (!(info & CODE_LEFT_OUT) && caller && python_is_code(caller)) {
		if (!code_info(caller, true, &caller_info))
			return nowhere();
		if (caller_info & CODE_SHIM && !calls_shim) {
			calls_shim = caller;
			return NULL;
		}
	}
	/* the older of the two goes */
	c[1] = c[0];
	*c = (struct cached){
		.caller = caller,
		.callee = callee,
		.pair = info & CODE_LEFT_OUT ? &left_out : pair_of(t, CODE_ID(caller_info), CODE_ID(info)),
		.epoch = epoch,
		.generator = !!(info & CODE_GENERATOR),
		.left_out = !!(info & CODE_LEFT_OUT),
	};
	return c;
}

NOINLINE struct cached *calls_miss(uint64_t caller, uint64_t callee)
{
	struct calls_thread *t = calls_thread;
	struct cached *c = NULL;
	int error = errno;
	bool fresh = !t;

	if (!lock_enter())
		return nowhere();
	if (!python_is_code(callee) || (!t && !(t = thread_begin())))
		c = nowhere();
	else
		c = miss(t, caller, callee);
	lock_leave();
	if (fresh && t)
		pthread_setspecific(end_key, t);
	errno = error;
	return c;
}

/* --- start and fork --- */

/* The child has one thread, which counts from zero; what its parent wrote about code objects is true for it, too. */
static void child_begin(void)
{
	struct calls_thread *t = calls_thread;

	lock_after_fork();
	state.process = NO_PROCESS;
	state.chunk = (struct chunk){ 0 };
	state.ended = NULL;
	if (!t)
		return;
	memset(t->cache, 0, sizeof(t->cache));
	memset(t->near, 0, sizeof(t->near));
	map_release(&t->pairs);
	t->chunk = (struct chunk){ 0 };
}

void calls_how(enum calls_how how)
{
	state.how = how;
	process_note(calls_process(), how);
}

bool calls_begin(uint32_t process)
{
	state.process = process;
	if (!getcwd(state.directory, sizeof(state.directory)))
		state.directory[0] = 0;
	return !pthread_key_create(&end_key, thread_end) && !pthread_atfork(lock_before_fork, lock_after_fork, child_begin);
}
