// SPDX-License-Identifier: Apache-2.0
#include "python/programs.h"

#include <stdio.h>
#include <string.h>

static const struct program *find(const struct programs *programs, const struct program_file *file)
{
	for (size_t i = 0; i < programs->n; i++) {
		if (!memcmp(&programs->list[i].file, file, sizeof(*file)))
			return &programs->list[i];
	}
	return NULL;
}

/*
 * It was looked at a moment after its exec: there may have been another since. Devices are not compared, for a file system of layers has
 * one for the kernel and one for us; where it has its own inodes, too, its programs are not learnt.
 */
static bool is_file(const struct program_file *file, const struct stat *st)
{
	return file->inode && file->inode == st->st_ino && file->size == (uint64_t)st->st_size && file->mtime_s == (int64_t)st->st_mtim.tv_sec &&
	       file->mtime_ns == (uint32_t)st->st_mtim.tv_nsec;
}

const struct program *programs__learn(struct programs *programs, const struct program_file *file, uint64_t code_start, const struct interp_process *found)
{
	struct program *to = &programs->list[programs->n];

	if (programs->n == PROGRAMS_MAX || !code_start || !found->in_executable || !is_file(file, &found->executable) || find(programs, file))
		return NULL;
	*to = (struct program){ .file = *file, .binary = found->binary, .code_start = code_start - found->bias };
	programs->n++;
	return to;
}

bool programs__has_become_one(const struct programs *programs, const struct program_file *file, const struct stat *now)
{
	for (size_t i = 0; file->inode && i < programs->n; i++) {
		if (is_file(&programs->list[i].file, now) && memcmp(&programs->list[i].file, file, sizeof(*file)))
			return true;
	}
	return false;
}

bool programs__find(const struct programs *programs, const struct event_exec *event, struct interp_process *out)
{
	const struct program *known = event->head.flags & EXEC_KNOWN ? find(programs, &event->file) : NULL;

	if (!known)
		return false;
	*out = (struct interp_process){ .status = INTERP_OK, .binary = known->binary, .bias = event->code_start - known->code_start, .in_executable = true };
	snprintf(out->path, sizeof(out->path), "%s", event->path);
	return true;
}
