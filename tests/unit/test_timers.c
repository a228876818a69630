// SPDX-License-Identifier: Apache-2.0
/* Timers that cannot be had: it is said why. */
#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/timers.h"
#include "util/cleanup.h"

/* What opening one on a CPU comes to here: 0, or -errno. */
static int opened(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_CPU_CLOCK, .sample_period = 1000000000, .disabled = 1 };
	_cleanup_close_ int fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

/* No program to put on them: the kernel says that this is no descriptor, each time that somebody asks. */
static void the_reason_is_kept(void **state)
{
	struct timers timers = TIMERS_INIT;
	int expected = opened() ?: -EBADF;

	timers__only_cpus(&timers, 99, -1);
	assert_int_equal(timers__enable(&timers), expected);
	assert_int_equal(timers__enable(&timers), expected);
	assert_int_equal(timers.n_cpus, 0);
	timers__close(&timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_reason_is_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
