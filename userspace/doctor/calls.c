// SPDX-License-Identifier: Apache-2.0
/*
 * The system calls that all rests on, each tried by itself in its smallest form: when the real thing fails, these tell
 * where. A seccomp filter of a container shows here.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor/check.h"
#include "util/cleanup.h"

#define RING_BYTES (8U << 20)

static int as_error(int fd)
{
	int err = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int try_program(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return as_error(bpf_prog_load(BPF_PROG_TYPE_PERF_EVENT, "doctor", "GPL", code, 2, NULL));
}

static int try_timer(pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000,
		.disabled = 1,
		.exclude_idle = cpu >= 0,
	};

	return as_error(syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC));
}

/*
 * Of a child, whose memory is where ours was when it was forked. It makes itself as readable as a script is: what runs with
 * capabilities of its file is not, and neither are its children.
 */
static int try_memory(void)
{
	char byte = 1, copy = 0;
	struct iovec local = { &copy, 1 }, remote = { &byte, 1 };
	int ready[2], err = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_DUMPABLE, 1);
		close(ready[1]);
		pause();
		_exit(0);
	}
	err = pid < 0 ? -errno : 0;
	close(ready[1]);
	/* its end comes when the child is ready */
	if (!err && (read(ready[0], &copy, 1) < 0 || process_vm_readv(pid, &local, 1, &remote, 1, 0) != 1))
		err = -errno;
	else if (!err && copy != byte)
		err = -EIO;
	close(ready[0]);
	if (pid < 0)
		return err;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

static void tell(struct checkup *c, int err, const char *what, const char *call)
{
	const struct facts *f = &c->facts;

	if (!err)
		checkup_add(c, HEALTH_OK, NULL, "%s", what);
	else
		checkup_add(c, HEALTH_NO, facts_remedy(f, err), "%s: %s fails with %s: %s", what, call, strerrorname_np(-err), facts_reason(f, err));
}

void check_calls(struct checkup *c)
{
	int bpf = try_program(), ring, timer;

	tell(c, bpf, "loading BPF programs", "bpf()");
	ring = as_error(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "doctor", 0, 0, RING_BYTES, NULL));
	if (!bpf || ring != bpf)
		tell(c, ring, "a ring buffer of 8 MB", "bpf()");
	timer = try_timer(0, -1);
	tell(c, timer, "a timer on a thread", "perf_event_open()");
	c->facts.cpu_timer = try_timer(-1, 0);
	if (!timer || c->facts.cpu_timer != timer)
		tell(c, c->facts.cpu_timer, "a timer on a processor", "perf_event_open()");
	tell(c, try_memory(), "reading another process's memory", "process_vm_readv()");
}
