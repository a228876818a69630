// SPDX-License-Identifier: Apache-2.0
#include "python/programs.h"

#include <string.h>
#include <sys/sysmacros.h>

static struct program *look_up(struct programs *programs, const struct program_file *file)
{
	for (size_t i = 0; i < programs->n; i++) {
		if (!memcmp(&programs->list[i].file, file, sizeof(*file)))
			return &programs->list[i];
	}
	return NULL;
}

const struct program *programs__executed(struct programs *programs, const struct program_file *file)
{
	struct program *program = look_up(programs, file);

	if (program)
		program->executed = true;
	return program;
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

static struct program *add(struct programs *programs, const struct program_file *file, uint64_t code_start, const struct interp_process *found)
{
	struct program *to = &programs->list[programs->n];

	if (programs->n == PROGRAMS_MAX || !code_start || !found->code_start || !is_file(file, &found->executable) || look_up(programs, file))
		return NULL;
	/* a kernel that means another place by the begin of the code would lead the walker astray */
	if (found->in_executable && code_start != found->code_start + found->bias)
		return NULL;
	if (!found->in_executable && (!found->debug_slot || !found->binary->dynamic))
		return NULL;
	*to = (struct program){ .file = *file, .binary = found->binary, .code_start = found->code_start, .debug_slot = found->in_executable ? 0 : found->debug_slot };
	programs->n++;
	return to;
}

const struct program *programs__learn(struct programs *programs, const struct program_file *file, uint64_t code_start, const struct interp_process *found)
{
	struct program *program = add(programs, file, code_start, found);

	if (program)
		program->executed = true;
	return program;
}

const struct program *programs__foretell(struct programs *programs, const struct interp_process *found)
{
	const struct stat *st = &found->executable;
	/* the kernel's own form of a device's number */
	const struct program_file file = {
		.device = (uint64_t)major(st->st_dev) << 20 | minor(st->st_dev),
		.inode = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};

	if (found->status != INTERP_OK)
		return NULL;
	return add(programs, &file, found->code_start + (found->in_executable ? found->bias : 0), found);
}

bool programs__has_become_one(const struct programs *programs, const struct program_file *file, const struct stat *now)
{
	for (size_t i = 0; file->inode && i < programs->n; i++) {
		if (programs->list[i].executed && is_file(&programs->list[i].file, now) && memcmp(&programs->list[i].file, file, sizeof(*file)))
			return true;
	}
	return false;
}

void program__loads(const struct program *program, uint64_t bias, struct interp_process *out)
{
	*out = (struct interp_process){ .status = INTERP_OK, .binary = program->binary, .bias = bias, .in_executable = !program->debug_slot };
}

bool program__starts(const struct program *program, uint64_t code_start, struct interp_process *out)
{
	program__loads(program, code_start - program->code_start, out);
	return out->in_executable;
}

struct program_entry program__entry(const struct program *program)
{
	const struct interp_binary *binary = program->binary;
	uint64_t from = program->debug_slot ? 0 : program->code_start;

	return (struct program_entry){
		.runtime = binary->runtime - from,
		.text_start = binary->text_start - from,
		.text_end = binary->text_end - from,
		.debug_slot = program->debug_slot ? program->debug_slot - program->code_start : 0,
		.dynamic = program->debug_slot ? binary->dynamic : 0,
	};
}
