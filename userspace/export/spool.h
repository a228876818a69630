/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of requests for one server, on disk: first in, first out, bounded, and there again after a restart. Any thread may call; one at a
 * time sends.
 *
 * <folder>/<queue>/ is ours alone (mode 0700, owner checked, locked). Each file <16 hex digits>.spool is a head (struct spool_head of
 * spool.c) and the body. What is read back is checked as if someone else had written it: no links, sizes, sums. A file that fails is removed and counted.
 */
#ifndef FIXINGAHOLE_EXPORT_SPOOL_H
#define FIXINGAHOLE_EXPORT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export/request.h"

#define SPOOL_KEY_SIZE 16

struct spool_item {
	uint64_t number;                  /* its place in the queue */
	struct request_times times;
	uint8_t key[SPOOL_KEY_SIZE];      /* the same each time that it is sent */
	uint8_t *body;                    /* owned by who peeked */
	size_t size;
};

struct spool_state {
	uint64_t waiting, waiting_bytes;
	uint64_t dropped; /* the oldest, when there was no room; and what is larger than the whole spool */
	uint64_t corrupt; /* files that were none of ours, or damaged */
};

struct spool;
/* 0; -EBUSY: another process has it; -EPERM: the folder is not ours alone; or another -errno. One line in problem. */
int spool__open(struct spool **out, const char *folder, const char *queue, uint64_t bytes_max, char problem[512]);
void spool__free(struct spool *spool);
/* From the next one on. */
void spool__limit(struct spool *spool, uint64_t bytes_max);
/* Adds to the end; number and key are given here. 0; -EFBIG: counted as dropped; or another -errno, and nothing was added. */
int spool__put(struct spool *spool, const struct spool_item *item);
/* The oldest one, which stays. -ENOENT: there is none. -errno: it could not be read now. */
int spool__peek(struct spool *spool, struct spool_item *item);
/* Takes out what was peeked, or leaves it where it is: one of both follows each peek. */
void spool__done(struct spool *spool, uint64_t number);
void spool__keep(struct spool *spool);
void spool__state(struct spool *spool, struct spool_state *state);
bool spool__empty(struct spool *spool);

#endif
