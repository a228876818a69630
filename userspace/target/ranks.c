// SPDX-License-Identifier: Apache-2.0
#include "target/ranks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define ENVIRONMENT_MAX (1 << 20)
#define ENTRIES_MAX 8192
#define VALUE_MAX 256

/* A rank within the job goes before the number of an array's task (each of which has SLURM_PROCID=0), and that before names. */
static const char *const known[] = {
	"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "ALPS_APP_PE", "JSM_NAMESPACE_RANK", "HOROVOD_RANK", "RANK",
	"SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "PBS_ARRAY_INDEX", "LSB_JOBINDEX", "SGE_TASK_ID", "JOB_COMPLETION_INDEX", "DASK_WORKER_NAME",
	"LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_JOB_ID", "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS",
};
_Static_assert(sizeof(known) / sizeof(*known) <= RANKS_MAX, "all have room");

/* The value of NAME in "NAME=VALUE", or NULL. */
static const char *value_of(const char *entry, const char *name)
{
	size_t size = strlen(name);

	return !strncmp(entry, name, size) && entry[size] == '=' && entry[size + 1] ? entry + size + 1 : NULL;
}

static void take(const char *name, const char *value, struct strings *strings, struct profile_rank *ranks, size_t *n)
{
	const char *text = strings__intern_n(strings, value, strnlen(value, VALUE_MAX));

	if (text)
		ranks[(*n)++] = (struct profile_rank){ name, text };
}

size_t ranks_of(char *const *environment, struct strings *strings, struct profile_rank ranks[RANKS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const char *value = NULL;

		for (char *const *entry = environment; entry && *entry && !value; entry++)
			value = value_of(*entry, known[i]);
		if (value)
			take(known[i], value, strings, ranks, &n);
	}
	return n;
}

size_t ranks_of_process(pid_t pid, struct strings *strings, struct profile_rank ranks[RANKS_MAX])
{
	_cleanup_free_ char *text = malloc(ENVIRONMENT_MAX + 1);
	_cleanup_free_ char **environment = calloc(ENTRIES_MAX + 1, sizeof(*environment));
	_cleanup_close_ int fd = -1;
	size_t size = 0, n = 0;
	char path[64];
	ssize_t got = 1;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = text && environment ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return 0;
	for (; got > 0 && size < ENVIRONMENT_MAX; size += got > 0 ? (size_t)got : 0)
		got = read(fd, text + size, ENVIRONMENT_MAX - size);
	text[size] = '\0';
	for (char *entry = text; entry < text + size && n < ENTRIES_MAX; entry += strlen(entry) + 1)
		environment[n++] = entry;
	return ranks_of(environment, strings, ranks);
}
