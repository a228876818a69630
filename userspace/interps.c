// SPDX-License-Identifier: Apache-2.0
#include "interps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image/remote.h"
#include "python/interp.h"
#include "python/programs.h"
#include "python/runtime.h"
#include "util/log.h"
#include "util/map64.h"
#include "util/strings.h"

/* Asked again every millisecond at first, then less and less often, then no more. */
#define FIRST_PAUSE_NS 1000000ULL
#define GIVE_UP_NS 3000000000ULL
/* The C runtime is mapped by then, however slow the start. */
#define RUNTIME_NS 200000000ULL
/* What does not look like a Python is asked after so long, and each time this many times later. */
#define SPARING_NS 3000000ULL
#define SPARING_GROWTH 3
/* Of many processes, what is missing of a known one is asked when it has lived for a while, and once more. */
#define SPARING_RUNTIME_NS 100000000ULL
#define SPARING_ROUND_NS 100000000ULL
#define PYTHONS_MAX 4096
/* A program that has not become a Python this often is asked late. */
#define STRANGER_TIMES 3
#define STRANGER_NS 1000000000ULL

/* How often a program is asked. */
enum pace {
	PACE_EAGER,   /* it may well become a Python */
	PACE_SPARING, /* it does not look like one */
	PACE_LATE,    /* nor did it ever become one */
};

struct pending {
	uint32_t pid, space;
	uint64_t exec_ns, next_ns;
	bool named;                /* the script itself, or a process that the user named */
	enum pace pace;
	bool known;                /* what is still missing is the C runtime */
	int unread;                /* -errno: it could not be looked at */
	struct event_interp event; /* if known: as it was told */
	struct program_file file;  /* as in its exec */
	uint64_t code_start;
	const struct program *program; /* a known one, whose interpreter the kernel looks for */
	char reason[160];
	char path[EXEC_PATH_SIZE];
};

struct interps {
	struct capture *capture;
	struct symbols *symbols;
	struct interps_listener listener;
	FILE *recording;
	uint32_t first_pid; /* the script's */
	struct interp_cache *cache;
	struct programs programs;
	struct map64 pythons;      /* hashes of programs' paths that turned out to be one */
	struct map64 strangers;    /* of those that never became one -> how often they did not */
	struct pending *pending;
	size_t n, capacity;
};

struct interps *interps__new(struct capture *capture, struct symbols *symbols, const struct interps_listener *listener, FILE *recording)
{
	struct interps *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->capture = capture;
	i->symbols = symbols;
	i->listener = *listener;
	i->recording = recording;
	i->cache = interp_cache__new();
	if (!i->cache) {
		free(i);
		return NULL;
	}
	return i;
}

void interps__free(struct interps *i)
{
	if (!i)
		return;
	interp_cache__free(i->cache);
	map64_release(&i->pythons);
	map64_release(&i->strangers);
	free(i->pending);
	free(i);
}

static void tell(struct interps *i, const struct event_interp *event)
{
	symbols__interp(i->symbols, event);
	if (i->recording)
		recording__append(i->recording, &event->head);
}

static void tell_first(struct interps *i, struct pending *p, const struct interp_process *found)
{
	const struct interp_binary *binary = found->binary;
	struct event_interp event = {
		.head = { .kind = EVENT_INTERP, .size = sizeof(event), .time_ns = p->exec_ns, .pid = p->pid, .tid = p->pid, .space = p->space },
		.version = binary->layout.version,
		.n_eval = binary->n_eval,
		.text_start = binary->text_start + found->bias,
		.text_end = binary->text_end + found->bias,
		.layout = binary->layout,
	};

	for (uint32_t k = 0; k < binary->n_eval; k++) {
		event.eval[k].start = binary->eval[k].start + found->bias;
		event.eval[k].end = binary->eval[k].end + found->bias;
	}
	/* of many, those that live for a while are asked later */
	if (!i->listener.sparing)
		runtime__find(remote__thread(p->pid), &event);
	tell(i, &event);
	p->event = event;
	p->known = true;
}

/* A static interpreter is found before the linker has mapped its libraries: look again. True: no more to do. */
static bool settle_runtime(struct interps *i, struct pending *p, uint64_t age_ns)
{
	uint32_t before = p->event.n_runtime;

	if (runtime__find(remote__thread(p->pid), &p->event))
		return true;
	if (p->event.n_runtime != before)
		tell(i, &p->event);
	return age_ns > RUNTIME_NS;
}

static const char *remedy(int err)
{
	if (err == -EACCES || err == -EPERM)
		return " (CAP_SYS_PTRACE, or sudo, may do it)";
	/* it is there all the same, but only /proc/PID/map_files leads to it */
	return err == -ENOENT || err == -ESTALE ? ", it was replaced or removed (CAP_CHECKPOINT_RESTORE, or sudo, may do it)" : "";
}

/* Its interpreter is found. */
static void take(struct interps *i, struct pending *p, const struct interp_process *found)
{
	const struct program *program = NULL;
	char notice[512];
	int err;

	tell_first(i, p, found);
	err = capture__set_interp(i->capture, p->pid, p->space, found->binary, found->bias);
	if (err) {
		snprintf(notice, sizeof(notice), "processes are reported without Python lines: there are too many, or too many different interpreters (%s)", strerror(-err));
		i->listener.notice(i->listener.context, notice);
	}
	if (!err)
		program = p->file.inode ? programs__learn(&i->programs, &p->file, p->code_start, found) : programs__foretell(&i->programs, found);
	if (program)
		capture__know_program(i->capture, program);
	log_debug("process %u: %s, CPython %s", p->pid, p->path, found->binary->version_text);
	p->reason[0] = 0;
	if (i->listener.sparing && i->pythons.count < PYTHONS_MAX)
		map64_put(&i->pythons, hash_bytes(p->path, strlen(p->path)), 1);
}

/* Asks once. True: no more to ask. */
static bool settle(struct interps *i, struct pending *p, struct interp_process *out)
{
	struct interp_process found;
	char notice[512];
	int err = interp__find(i->cache, remote__thread(p->pid), &found);

	if (!err && out)
		*out = found;
	/* what the kernel has found in a known program is still to be heard */
	if (err == -ESRCH && p->program)
		return false;
	if (err == -ESRCH || (!err && programs__has_become_one(&i->programs, &p->file, &found.executable)))
		return true;
	p->unread = err;
	if (err) {
		snprintf(p->reason, sizeof(p->reason), "its interpreter could not be read: %s%s", strerror(-err), remedy(err));
		return false;
	}
	if (found.status == INTERP_NOT_PYTHON) {
		snprintf(p->reason, sizeof(p->reason), "%s", found.reason[0] ? found.reason : "not a Python interpreter");
		return false;
	}
	if (found.status == INTERP_OK) {
		take(i, p, &found);
		if (i->listener.found)
			i->listener.found(i->listener.context, p->pid, p->path);
		return false;
	}
	i->listener.no_interpreter(i->listener.context, p->pid, found.reason);
	if (i->listener.unnamed)
		return true;
	snprintf(notice, sizeof(notice), "process %u, %s: %s; its time is reported without Python lines", p->pid, p->path, found.reason);
	i->listener.notice(i->listener.context, notice);
	log_warning("%s", notice);
	return true;
}

/*
 * Among many processes that nobody named most are no Python, and that is all right. But one that may be and cannot be read is worth a word;
 * early, before its time is up, what failed may have been its own end.
 */
static bool worth_a_word(const struct interps *i, const struct pending *p, bool early)
{
	if (!i->listener.unnamed)
		return true;
	return p->pace == PACE_EAGER && (early ? p->unread == -EACCES || p->unread == -EPERM : p->unread != 0);
}

/* Nothing was found in this process. */
static void give_up(struct interps *i, const struct pending *p, bool early)
{
	char notice[512];

	if (!p->reason[0] || !worth_a_word(i, p, early))
		return;
	i->listener.no_interpreter(i->listener.context, p->pid, p->reason);
	if (i->listener.unnamed) {
		/* the same for all of that name */
		snprintf(notice, sizeof(notice), "'%s' is reported without Python lines: %s", p->path, p->reason);
		i->listener.notice(i->listener.context, notice);
	}
	if (!p->named || i->listener.unnamed)
		return;
	/* the script itself: its user must know why there are no lines */
	snprintf(notice, sizeof(notice), "no known Python interpreter in '%s': %s; its time is reported without lines", p->path, p->reason);
	i->listener.notice(i->listener.context, notice);
	log_warning("%s", notice);
}

static uint32_t strange_times(const struct interps *i, const struct pending *p)
{
	uint32_t times = 0;

	map64_get(&i->strangers, hash_bytes(p->path, strlen(p->path)), &times);
	return times;
}

static void note_stranger(struct interps *i, const struct pending *p)
{
	uint32_t times = strange_times(i, p);

	if (!p->known && p->pace != PACE_EAGER && (times || i->strangers.count < PYTHONS_MAX))
		map64_put(&i->strangers, hash_bytes(p->path, strlen(p->path)), times + 1);
}

/* A millisecond for the first 30, then a tenth of its age; less often where only details are missing. */
static uint64_t next_pause_ns(const struct interps *i, const struct pending *p, uint64_t age)
{
	if (p->pace == PACE_LATE && !p->known)
		return age < STRANGER_NS ? STRANGER_NS : age;
	if (p->pace == PACE_SPARING && !p->known)
		return age < SPARING_NS ? SPARING_NS : age * (SPARING_GROWTH - 1);
	if ((p->known || p->program) && i->listener.sparing)
		return age < SPARING_RUNTIME_NS ? SPARING_RUNTIME_NS : RUNTIME_NS;
	if (i->listener.sparing)
		return age < 10 * SPARING_NS ? SPARING_NS : age / 4;
	return (age < 30 * FIRST_PAUSE_NS ? FIRST_PAUSE_NS : age / 10) * (p->known ? 10 : 1);
}

/* Of many, several are asked in one go where that does no harm. */
static void plan(const struct interps *i, struct pending *p, uint64_t from_ns, uint64_t age)
{
	p->next_ns = from_ns + next_pause_ns(i, p, age);
	if ((p->known || p->program) && i->listener.sparing)
		p->next_ns += SPARING_ROUND_NS - p->next_ns % SPARING_ROUND_NS;
}

bool interps__looks_like_one(const char *program)
{
	const char *slash = strrchr(program, '/');

	return strstr(slash ? slash + 1 : program, "python");
}

static enum pace pace_of(const struct interps *i, const struct pending *p)
{
	uint32_t one;

	if (!i->listener.sparing || p->named || interps__looks_like_one(p->path) || map64_get(&i->pythons, hash_bytes(p->path, strlen(p->path)), &one))
		return PACE_EAGER;
	return strange_times(i, p) >= STRANGER_TIMES ? PACE_LATE : PACE_SPARING;
}

static void drop(struct interps *i, size_t at)
{
	i->pending[at] = i->pending[--i->n];
}

static void drop_pid(struct interps *i, uint32_t pid, bool ended)
{
	for (size_t k = 0; k < i->n; k++) {
		if (i->pending[k].pid == pid) {
			if (ended)
				give_up(i, &i->pending[k], true);
			note_stranger(i, &i->pending[k]);
			drop(i, k);
			break;
		}
	}
	capture__forget(i->capture, pid);
}

void interps__exit(struct interps *i, uint32_t pid)
{
	drop_pid(i, pid, true);
}

/* True: it was found at once. */
static bool begin(struct interps *i, struct pending *p, struct interp_process *found)
{
	p->pace = pace_of(i, p);
	/* right after its exec there is nothing to see of a program that is none itself */
	if (!p->known && !p->program && (p->pace == PACE_EAGER || found) && settle(i, p, found))
		return false;
	if (i->n == i->capacity) {
		size_t capacity = i->capacity ? i->capacity * 2 : 16;
		struct pending *pending = realloc(i->pending, capacity * sizeof(*pending));

		if (!pending)
			return p->known;
		i->pending = pending;
		i->capacity = capacity;
	}
	plan(i, p, p->next_ns, 0);
	i->pending[i->n++] = *p;
	return p->known;
}

void interps__foretell(struct interps *i, const char *path, const char *search)
{
	const struct program *program;
	struct interp_process found;

	if (interp__foretell(i->cache, path, search, &found))
		return;
	program = programs__foretell(&i->programs, &found);
	if (program)
		capture__know_program(i->capture, program);
}

void interps__exec(struct interps *i, const struct event_exec *event)
{
	struct pending p = { .pid = event->head.pid, .space = event->head.space, .exec_ns = event->head.time_ns, .next_ns = event->head.time_ns, .file = event->file, .code_start = event->code_start };
	const struct program *program = event->head.flags & EXEC_KNOWN ? programs__executed(&i->programs, &event->file) : NULL;
	struct interp_process found;

	if (!i->first_pid)
		i->first_pid = p.pid;
	p.named = p.pid == i->first_pid;
	drop_pid(i, p.pid, false);
	memcpy(p.path, event->path, sizeof(p.path));
	if (program && program__starts(program, event->code_start, &found))
		take(i, &p, &found);
	else
		p.program = program;
	begin(i, &p, NULL);
}

void interps__library(struct interps *i, const struct event_library *event)
{
	struct interp_process found;

	for (size_t k = 0; k < i->n; k++) {
		struct pending *p = &i->pending[k];

		if (p->space != event->head.space || p->known || !p->program)
			continue;
		program__loads(p->program, event->bias, &found);
		take(i, p, &found);
		return;
	}
}

bool interps__attach(struct interps *i, const struct event_attach *event, uint64_t start_ns, bool named, struct interp_process *found)
{
	struct pending p = { .pid = event->head.pid, .space = event->head.space, .named = named, .exec_ns = start_ns, .next_ns = event->head.time_ns };

	if (!i->first_pid)
		i->first_pid = p.pid;
	memcpy(p.path, event->path, sizeof(p.path));
	return begin(i, &p, found);
}

void interps__end(struct interps *i)
{
	for (size_t k = 0; k < i->n; k++) {
		if (!i->pending[k].known)
			give_up(i, &i->pending[k], true);
	}
	i->n = 0;
}

int interps__poll(struct interps *i, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (size_t k = 0; k < i->n;) {
		struct pending *p = &i->pending[k];
		uint64_t age = now_ns - p->exec_ns;

		if (now_ns >= p->next_ns) {
			if (p->known ? settle_runtime(i, p, age) : settle(i, p, NULL)) {
				drop(i, k);
				continue;
			}
			if (age > GIVE_UP_NS) {
				give_up(i, p, false);
				note_stranger(i, p);
				drop(i, k);
				continue;
			}
			plan(i, p, now_ns, age);
		}
		if (p->next_ns < next)
			next = p->next_ns;
		k++;
	}
	if (next == UINT64_MAX)
		return -1;
	return next > now_ns ? (int)((next - now_ns) / 1000000) + 1 : 0;
}
