// SPDX-License-Identifier: Apache-2.0
/* What the environment says of a process among others. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/ranks.h"

static void test_environment(void **state)
{
	char *environment[] = { "SLURM_PROCID=0", "PATH=/bin", "SLURM_ARRAY_TASK_ID=17", "RANKS=9", "RANK=", "SLURM_JOB_ID=4242", NULL };
	char *mpi[] = { "SLURM_PROCID=0", "OMPI_COMM_WORLD_RANK=3", NULL };
	struct strings *strings = strings__new();
	struct profile_rank ranks[RANKS_MAX];

	/* each task of an array is the first of its own step */
	assert_int_equal(ranks_of(environment, strings, ranks), 3);
	assert_string_equal(ranks[0].name, "SLURM_ARRAY_TASK_ID");
	assert_string_equal(ranks[0].value, "17");
	assert_string_equal(ranks[1].name, "SLURM_PROCID");
	assert_string_equal(ranks[2].name, "SLURM_JOB_ID");
	assert_int_equal(ranks_of(mpi, strings, ranks), 2);
	assert_string_equal(ranks[0].value, "3");
	assert_int_equal(ranks_of(NULL, strings, ranks), 0);
	strings__free(strings);
}

static void test_process(void **state)
{
	struct strings *strings = strings__new();
	struct profile_rank ranks[RANKS_MAX];
	int ready[2], quit[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(quit), 0);
	pid = fork();
	if (!pid) {
		dup2(ready[1], 1);
		dup2(quit[0], 0);
		execle("/bin/sh", "sh", "-c", "echo; read x", NULL, (char *[]){ "PMI_RANK=12", "OTHER=1", NULL });
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(ranks_of_process(pid, strings, ranks), 1);
	assert_string_equal(ranks[0].name, "PMI_RANK");
	assert_string_equal(ranks[0].value, "12");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(ranks_of_process(4194305, strings, ranks), 0);
	strings__free(strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_environment), cmocka_unit_test(test_process) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
