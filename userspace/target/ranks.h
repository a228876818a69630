/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which one of many a process is, as those that start many tell it in the environment: SLURM_PROCID=3, OMPI_COMM_WORLD_RANK=3.
 */
#ifndef FIXINGAHOLE_RANKS_H
#define FIXINGAHOLE_RANKS_H

#include <sys/types.h>

#include "profile/profile.h"
#include "util/strings.h"

#define RANKS_MAX 24

/* The known ones among an environment's variables, the most telling first; their number. Texts are interned. */
size_t ranks_of(char *const *environment, struct strings *strings, struct profile_rank ranks[RANKS_MAX]);
/* The same of a process, as it was started; 0 where that cannot be read. */
size_t ranks_of_process(pid_t pid, struct strings *strings, struct profile_rank ranks[RANKS_MAX]);

#endif
