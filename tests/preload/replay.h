/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: runs a program with the test build of the preload library, and sums what it recorded per
 * phase. A phase begins with a marker that the program writes. Live memory as heap_probe.h recommends.
 */
#ifndef FIXINGAHOLE_TEST_REPLAY_H
#define FIXINGAHOLE_TEST_REPLAY_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/heap_probe.h"
#include "preload/record.h"
#include "preload/sampler.h"
#include "util/map64.h"

#define PHASES 16

struct phase {
	double allocated, count, live, peak; /* live: of blocks made in this phase, at the end */
	double python;                       /* of .allocated: by the domains */
	unsigned long samples;
};

struct replay {
	struct phase phases[PHASES];
	double live, peak;
	unsigned long failed, moved, unknown_frees, twice;
	struct heap_totals totals; /* of the process first seen, the last ones */
	uint32_t pid;
	int status;
};

struct replay_block {
	double size, weight, counted;
	unsigned phase;
	uint64_t tid;
};

struct replay_state {
	struct replay *r;
	struct map64 by_address;
	struct replay_block *blocks;
	size_t n, room;
	struct { uint64_t tid; uint32_t block[SAMPLER_CLASSES][2]; } pending[64]; /* the two newest samples of a thread and class: live with their size only */
	unsigned phase;
};

static inline void replay_live(struct replay_state *s, struct replay_block *b, double to)
{
	struct phase *p = &s->r->phases[b->phase];

	p->live += to - b->counted;
	s->r->live += to - b->counted;
	b->counted = to;
	if (p->live > p->peak)
		p->peak = p->live;
	if (s->r->live > s->r->peak)
		s->r->peak = s->r->live;
}

/* The last but one of its thread and class before next counts in full. */
static inline void replay_settle(struct replay_state *s, uint64_t tid, unsigned class, uint32_t next)
{
	uint32_t before;
	size_t i = 0;

	while (i < 63 && s->pending[i].tid && s->pending[i].tid != tid)
		i++;
	before = s->pending[i].block[class][1];
	if (before && s->blocks[before].weight)
		replay_live(s, &s->blocks[before], s->blocks[before].weight);
	s->pending[i].tid = tid;
	s->pending[i].block[class][1] = s->pending[i].block[class][0];
	s->pending[i].block[class][0] = next;
}

static inline void replay_alloc(struct replay_state *s, const struct record *rec)
{
	struct phase *p = &s->r->phases[s->phase];
	uint32_t old;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 1024;
		s->blocks = realloc(s->blocks, s->room * sizeof(*s->blocks));
	}
	if (!s->n)
		s->n = 1; /* 0 is none */
	p->allocated += rec->args[2];
	p->count += rec->args[3] / 256.0;
	p->samples++;
	if ((rec->args[4] & HEAP_DOMAIN_MASK) == HEAP_PY_MEM || (rec->args[4] & HEAP_DOMAIN_MASK) == HEAP_PY_OBJ)
		p->python += rec->args[2];
	s->r->twice += map64_get(&s->by_address, rec->args[0], &old);
	map64_put(&s->by_address, rec->args[0], s->n);
	s->blocks[s->n] = (struct replay_block){ .size = rec->args[1], .weight = rec->args[2], .phase = s->phase, .tid = rec->tid };
	replay_settle(s, rec->tid, sampler_class(rec->args[1]), s->n);
	replay_live(s, &s->blocks[s->n], rec->args[2] > HEAP_LIVE_AT_ONCE && rec->args[1] < rec->args[2] ? rec->args[1] : rec->args[2]);
	s->n++;
}

static inline void replay_free(struct replay_state *s, uint64_t address)
{
	uint32_t block;

	if (!map64_remove(&s->by_address, address, &block)) {
		s->r->unknown_frees++;
		return;
	}
	replay_live(s, &s->blocks[block], 0);
	s->blocks[block].weight = 0;
}

static inline void replay_moved(struct replay_state *s, const struct record *rec)
{
	uint32_t block;

	s->r->moved++;
	if (!map64_get(&s->by_address, rec->args[0], &block))
		return;
	if (rec->args[4] & HEAP_SPLIT) {
		s->blocks = realloc(s->blocks, (s->room = s->n + 1024) * sizeof(*s->blocks));
		s->blocks[s->n] = (struct replay_block){ .phase = s->blocks[block].phase };
		block = s->n++;
	} else {
		map64_remove(&s->by_address, rec->args[0], &block);
	}
	map64_put(&s->by_address, rec->args[1], block);
	s->blocks[block].size = rec->args[2];
	s->blocks[block].weight = rec->args[3];
	replay_live(s, &s->blocks[block], rec->args[3]);
}

/* Replays the records of the process that recorded first; those of its children are left out. */
static inline int replay_file(const char *name, struct replay *r)
{
	struct replay_state s = { .r = r };
	struct record rec;
	FILE *file = fopen(name, "re");

	if (!file)
		return -1;
	while (fread(&rec, sizeof(rec), 1, file) == 1) {
		if (!r->pid)
			r->pid = rec.pid;
		if (rec.pid != r->pid)
			continue;
		if (rec.kind == RECORD_ALLOC)
			replay_alloc(&s, &rec);
		else if (rec.kind == RECORD_FREE)
			replay_free(&s, rec.args[0]);
		else if (rec.kind == RECORD_MOVED)
			replay_moved(&s, &rec);
		else if (rec.kind == RECORD_FAILED)
			r->failed++;
		else if (rec.kind == RECORD_TOTALS)
			memcpy(&r->totals, rec.args, sizeof(r->totals));
		else if (rec.kind == RECORD_MARKER)
			s.phase = rec.args[0] % PHASES;
	}
	fclose(file);
	for (size_t i = 0; i < 2 * 64 * SAMPLER_CLASSES; i++)
		if (s.pending[i / 2 / SAMPLER_CLASSES].tid)
			replay_settle(&s, s.pending[i / 2 / SAMPLER_CLASSES].tid, i / 2 % SAMPLER_CLASSES, 0);
	map64_release(&s.by_address);
	free(s.blocks);
	return 0;
}

/* Before a script: phase(n) begins phase n. */
#define REPLAY_PRELUDE \
	"import os, struct\n" \
	"_fd = os.open(os.environ['" RECORD_ENV "'], os.O_WRONLY | os.O_APPEND)\n" \
	"def phase(n): os.write(_fd, struct.pack('IIQ16Q', 100, os.getpid(), 0, n, *[0] * 15))\n"

/* Runs argv with the library, and the variables NAME=value of environment set (ends with NULL). */
static inline int replay_run(const char *library, const char *const *argv, const char *const *environment, struct replay *r)
{
	char name[] = "/tmp/fixingahole-heap-XXXXXX";
	int fd = mkstemp(name), result;
	pid_t pid;

	memset(r, 0, sizeof(*r));
	if (fd < 0)
		return -1;
	close(fd);
	pid = fork();
	if (pid == 0) {
		unsetenv("PYTHONPATH");
		setenv(RECORD_ENV, name, 1);
		for (; environment && *environment; environment++)
			putenv((char *)*environment);
		setenv("LD_PRELOAD", library, 1);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &r->status, 0) != pid)
		return -1;
	result = replay_file(name, r);
	unlink(name);
	return result;
}

#endif
