/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bpf/walk.bpf.c needs to be a part of remote_walk.c: reads of another process's memory. It tells of no code
 * objects: those of a process that lives can be read at any time. Its functions get names of their own.
 */
#ifndef FIXINGAHOLE_REMOTE_WALK_HOST_H
#define FIXINGAHOLE_REMOTE_WALK_HOST_H

#include <string.h>

#include "bpf/host_types.h"
#include "image/remote.h"

#define READ_USER(to, size, address) remote_walk_read(to, size, address)

#define walk_owns remote_walk_owns
#define walk_scan_some remote_walk_scan_some
#define walk_scan remote_walk_scan
#define walk_begin remote_walk_begin
#define walk_send_piece remote_walk_send_piece
#define walk_send_string remote_walk_send_string
#define walk_send_table remote_walk_send_table
#define walk_send_code remote_walk_send_code
#define walk_step remote_walk_step
#define walk_steps remote_walk_steps
#define walk_all remote_walk_all

/* Whose memory is read: the walker passes no context. Set for the length of one walk. */
static pid_t remote_walk_pid;

/* As in the kernel, a read that fails leaves zeros behind. */
static inline int remote_walk_read(void *to, size_t size, u64 address)
{
	if (!remote__read(remote_walk_pid, address, to, size))
		return 0;
	memset(to, 0, size);
	return -1;
}

#include "bpf/walker.h"

static inline u64 *walk_code_slot(u64 key)
{
	return NULL;
}

static inline struct known_code *walk_known_slot(u64 tag)
{
	return NULL;
}

static inline void walk_doubt(u32 frames)
{
}

static inline int walk_send_blob(struct walk *w, u32 length)
{
	return 0;
}

static inline int walk_send_head(struct walk *w)
{
	return 0;
}

#endif
