// SPDX-License-Identifier: Apache-2.0
#include "capture/probe_set.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

/* enum bpf_attach_type, newer than our headers */
#define TRACE_UPROBE_MULTI 48
#define TRACE_UPROBE_SESSION 57
#define CALL_MASK 0xff
/* As long as a machine that is very busy may take. */
#define SETTLE_MS 5000

/* The part of union bpf_attr for BPF_LINK_CREATE with several uprobes. */
struct multi_attr {
	uint32_t program, target, attach_type, flags;
	uint64_t path, offsets, references, cookies;
	uint32_t count, multi_flags, pid, pad;
};

void probe_set_prepare(struct bpf_program *call)
{
	bpf_program__set_expected_attach_type(call, TRACE_UPROBE_SESSION);
}

void probe_set_prepare_plain(struct bpf_program *enter)
{
	bpf_program__set_expected_attach_type(enter, TRACE_UPROBE_MULTI);
}

int probe_set_link(const struct bpf_program *program, uint32_t type, const char *path, const struct probe_places *places, pid_t pid)
{
	struct multi_attr attr = {
		.program = bpf_program__fd(program),
		.attach_type = type,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)places->offset,
		.references = (uintptr_t)places->reference,
		.cookies = (uintptr_t)places->cookie,
		.count = places->n,
		.pid = pid,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int attach_session(struct probe_set *set, const struct probe_programs *programs, const struct probe_places *places, const char *path, pid_t pid)
{
	int fd = programs->plain ? probe_set_link(programs->enter, TRACE_UPROBE_MULTI, path, places, pid) : probe_set_link(programs->call, TRACE_UPROBE_SESSION, path, places, pid);

	if (fd < 0)
		return fd;
	set->session = fd;
	return 0;
}

static int attach_one(struct probe_set *set, const struct bpf_program *program, const char *path, const struct probe_places *places, uint32_t i, bool at_return, pid_t pid)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = places->cookie[i], .retprobe = at_return, .ref_ctr_offset = places->reference ? places->reference[i] : 0);
	struct bpf_link *link = bpf_program__attach_uprobe_opts(program, pid, path, places->offset[i], &options);

	if (!link)
		return -errno;
	set->links[set->n_links++] = link;
	return 0;
}

int probe_set__attach(struct probe_set *set, const struct probe_programs *programs, const struct probe_places *places, uint32_t returns, pid_t pid)
{
	char path[64];
	int err = 0;

	*set = (struct probe_set)PROBE_SET_NONE;
	if (!places->n || places->n > PROBE_SET_MAX)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", places->fd);
	if (programs->sessions)
		return attach_session(set, programs, places, path, pid);
	if (programs->multi && !returns) {
		int link = probe_set_link(programs->enter, TRACE_UPROBE_MULTI, path, places, pid);

		if (link >= 0) {
			set->session = link;
			return 0;
		}
	}
	for (uint32_t i = 0; i < places->n && !err; i++) {
		err = attach_one(set, programs->enter, path, places, i, false, pid);
		if (!err && returns & 1U << (places->cookie[i] & CALL_MASK))
			err = attach_one(set, programs->leave, path, places, i, true, pid);
	}
	if (err)
		probe_set__release(set);
	return err;
}

void probe_set__release(struct probe_set *set)
{
	if (set->session >= 0)
		close(set->session);
	for (unsigned int i = 0; i < set->n_links; i++)
		bpf_link__destroy(set->links[i]);
	*set = (struct probe_set)PROBE_SET_NONE;
}

/* Threads that take probes off now; of the process, for it must not end before they have. */
static unsigned int releasing;

static void *release(void *data)
{
	probe_set__release(data);
	free(data);
	__atomic_sub_fetch(&releasing, 1, __ATOMIC_RELEASE);
	return NULL;
}

void probe_set_settle(void)
{
	for (int ms = 0; ms < SETTLE_MS && __atomic_load_n(&releasing, __ATOMIC_ACQUIRE); ms++)
		usleep(1000);
}

void probe_set__detach(struct probe_set *set)
{
	struct probe_set *own = probe_set_is_on(set) ? malloc(sizeof(*own)) : NULL;
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int err = -1;

	if (own) {
		*own = *set;
		/* signals are for the main thread */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setstacksize(&attr, 128 << 10);
		__atomic_add_fetch(&releasing, 1, __ATOMIC_RELAXED);
		err = pthread_create(&thread, &attr, release, own);
		if (err)
			__atomic_sub_fetch(&releasing, 1, __ATOMIC_RELAXED);
		pthread_attr_destroy(&attr);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (!err) {
		*set = (struct probe_set)PROBE_SET_NONE;
		return;
	}
	free(own);
	probe_set__release(set);
}
